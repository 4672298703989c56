"""A request's photo: its bytes, counted while they come, as the whole body or as the `file` of a form."""

import asyncio

from starlette.requests import Request

from maskfold.service.limits import ServiceLimits
from maskfold.service.refusals import BUSY, NOT_AN_IMAGE, TOO_LARGE, TOO_SLOW, UNUSABLE, RefusalError

FIELD = "file"
_FORM = "multipart/form-data"
_ENVELOPE = 64 * 1024  # bytes of a form beside its photo


class Arrivals:
    """The photos that are still arriving, whose bytes together are bounded: slow ones hold few, so they block nobody.

    Args:
        limits: The service's.
    """

    def __init__(self, limits: ServiceLimits) -> None:
        self.limits = limits
        self.held = 0

    async def read(self, request: Request) -> bytes:
        """Return the bytes of a request's body; what its header says of their number is believed only if too large.

        Raises:
            RefusalError: If they are too many, come too slowly, are encoded, or too much is arriving already.
            starlette.requests.ClientDisconnect: If the client goes away.
        """
        if request.headers.get("content-encoding", "identity") != "identity":
            raise RefusalError(NOT_AN_IMAGE, "encoded", "Send the photo's bytes as they are, without Content-Encoding.")
        most = self.limits.max_bytes + (_ENVELOPE if is_form(request) else 0)
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > most:
            raise self._too_large()
        try:
            async with asyncio.timeout(self.limits.timeout):
                return await self._receive(request, most)
        except TimeoutError:
            raise RefusalError(
                TOO_SLOW,
                "too_slow",
                f"The photo did not arrive within {self.limits.timeout:g} seconds. Send a smaller one.",
            ) from None

    def checked(self, photo: bytes) -> bytes:
        """Return a photo's bytes if there are any, and not too many.

        Raises:
            RefusalError: If not.
        """
        if not photo:
            raise RefusalError(UNUSABLE, "empty", f"There is no photo. Send its bytes, or a form with it as `{FIELD}`.")
        if len(photo) > self.limits.max_bytes:
            raise self._too_large()
        return photo

    async def _receive(self, request: Request, most: int) -> bytes:
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                self.held += len(chunk)
                if len(body) > most:
                    raise self._too_large()
                if self.held > self.limits.arriving_bytes:
                    raise RefusalError(
                        BUSY, "busy", "Too much is arriving at once. Send the photo again.", retry_after="1"
                    )
        finally:
            self.held -= len(body)
        return bytes(body)

    def _too_large(self) -> RefusalError:
        return RefusalError(
            TOO_LARGE,
            "too_many_bytes",
            f"The photo has more than {self.limits.max_bytes:,} bytes, which is what this service takes. "
            "Send a smaller one.",
        )


def is_form(request: Request) -> bool:
    """Tell whether a request's body is a form, and not the photo itself."""
    return request.headers.get("content-type", "").lower().startswith(_FORM)


def file_of_form(body: bytes, content_type: str) -> bytes:
    """Return the `file` of a form that is in memory whole; nothing is written to disk.

    Args:
        body: The form.
        content_type: The request's header, with the boundary.

    Raises:
        RefusalError: If it is no form, or has not one file of that name.
    """
    from python_multipart import MultipartParser
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import parse_options_header

    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise _no_form("it names no boundary")
    parts = _Parts()
    try:
        parser = MultipartParser(boundary, parts.callbacks())
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise _no_form("it is damaged") from error
    if not parts.ended:
        raise _no_form("it has no end")
    if len(parts.files) != 1:
        raise _no_form(f"it has {len(parts.files)} parts named `{FIELD}`, and there must be one")
    return bytes(parts.files[0])


def _no_form(why: str) -> RefusalError:
    return RefusalError(
        UNUSABLE, "bad_form", f"The form cannot be used: {why}. Send the photo as its one file, `{FIELD}`."
    )


class _Parts:
    """Keeps the parts of a form that are called `file`."""

    def __init__(self) -> None:
        self.files: list[bytearray] = []
        self.ended = False
        self._name, self._value = bytearray(), bytearray()
        self._disposition = b""
        self._kept: bytearray | None = None

    def callbacks(self) -> dict:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._name.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_content,
            "on_part_data": self._keep,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._disposition, self._kept = b"", None

    def _end_header(self) -> None:
        if bytes(self._name).lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _begin_content(self) -> None:
        from python_multipart.multipart import parse_options_header

        if parse_options_header(self._disposition)[1].get(b"name") == FIELD.encode():
            self._kept = bytearray()
            self.files.append(self._kept)

    def _keep(self, data: bytes, start: int, end: int) -> None:
        if self._kept is not None:
            self._kept += memoryview(data)[start:end]

    def _end(self) -> None:
        self.ended = True
