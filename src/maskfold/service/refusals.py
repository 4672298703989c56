"""What a request is answered with when it gets no photo back: a status, a word for programs, a sentence for people."""

import json
from typing import Any

from pydantic import BaseModel, Field

TOO_SLOW, NO_ANSWER_IN_TIME, GONE = 408, 504, 499
TOO_LARGE, NOT_AN_IMAGE, UNUSABLE, BUSY = 413, 415, 422, 503


class Problem(BaseModel):
    """The body of every answer that is no success."""

    error: str = Field(description="A word that stays the same, for programs.", examples=["too_many_pixels"])
    message: str = Field(
        description="What is wrong and what to do, for people.",
        examples=["The photo has 40,000,000 pixels, and this service takes up to 25,000,000. Send a smaller one."],
    )


class RefusalError(Exception):
    """Ends a request.

    Args:
        status: HTTP's.
        error: One word for programs.
        message: A sentence or two for people.
        headers: That go with it.
    """

    def __init__(self, status: int, error: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.error, self.message = status, error, message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def body(self) -> bytes:
        """Return a `Problem` as JSON."""
        return json.dumps({"error": self.error, "message": self.message}).encode()


def _answer(about: str, error: str, message: str) -> dict[str, Any]:
    """Return what OpenAPI is told of a status, with an example."""
    example = {"error": error, "message": message}
    return {"model": Problem, "description": about, "content": {"application/json": {"example": example}}}


ANSWERS: dict[int | str, dict[str, Any]] = {
    401: _answer("The token is missing or wrong.", "no_token", "Send the service's token: ..."),
    403: _answer(
        "A page of another site asks, or the request names another host.",
        "other_host",
        "This service answers to the host 127.0.0.1 or ::1 or localhost alone.",
    ),
    TOO_SLOW: _answer("The photo did not arrive in time.", "too_slow", "The photo did not arrive within 30 s..."),
    TOO_LARGE: _answer(
        "More bytes or pixels than this service takes: too_many_bytes, too_many_pixels.",
        "too_many_pixels",
        "The photo has 8000x5000 pixels, 40,000,000 in all, and this service takes up to 25,000,000, ...",
    ),
    NOT_AN_IMAGE: _answer(
        "Not an image of a known kind, or one with a Content-Encoding: not_an_image, encoded.",
        "not_an_image",
        "This is not an image of a known kind. Send a JPEG, PNG or WebP.",
    ),
    UNUSABLE: _answer(
        "A damaged photo or none, a form without it, a photo without an object, an option that there is not: damaged, "
        "empty, bad_form, no_object, bad_option.",
        "damaged",
        "The photo: cannot be read: the PNG is truncated or damaged. Send another file.",
    ),
    500: _answer("The service has failed; its log says why.", "failed", "The service has failed with ..."),
    BUSY: _answer(
        "Too many photos wait. Come back after `Retry-After` seconds.",
        "busy",
        "32 photos are waiting, ...",
    )
    | {"headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}},
    NO_ANSWER_IN_TIME: _answer(
        "There was no time for this photo before its deadline.",
        "no_answer_in_time",
        "There was no time for this photo within 30 seconds. Send it again later, or a smaller one.",
    ),
}
"""What OpenAPI says of them, for every address that takes a photo."""
