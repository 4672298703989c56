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


ANSWERS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "The token is missing or wrong."},
    403: {"model": Problem, "description": "The request comes from a page of another site, or asks for another host."},
    TOO_SLOW: {"model": Problem, "description": "The photo did not arrive in time."},
    TOO_LARGE: {"model": Problem, "description": "More bytes or pixels than this service takes."},
    NOT_AN_IMAGE: {"model": Problem, "description": "Not an image of a known kind."},
    UNUSABLE: {"model": Problem, "description": "A damaged photo, no photo, or an option that there is not."},
    500: {"model": Problem, "description": "The service has failed; its log says why."},
    BUSY: {
        "model": Problem,
        "description": "Too many photos wait. Come back after `Retry-After` seconds.",
        "headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}},
    },
    NO_ANSWER_IN_TIME: {"model": Problem, "description": "There was no time for this photo before its deadline."},
}
"""What OpenAPI says of them, for every address that takes a photo."""
