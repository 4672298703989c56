"""A photo's bytes become an array: its header is asked first, and what is wrong with it is said in plain words."""

from maskfold.cutout.files import SourcePhoto, read_photo
from maskfold.data.headers import JPEG, PNG, open_image, size_of_bytes
from maskfold.errors import MaskfoldError
from maskfold.service.refusals import NOT_AN_IMAGE, TOO_LARGE, UNUSABLE, RefusalError

_NAME = "The photo"
_STARTS = {JPEG: ".jpg", PNG: ".png", b"GIF8": ".gif"}
_LONGEST = 65_535  # pixels of a side: JPEG's limit, more than any camera has


def check_size(data: bytes, *, max_pixels: int) -> tuple[int, int]:
    """Return a photo's (height, width), upright, by its header; nothing is decoded.

    Args:
        data: A file's bytes.
        max_pixels: The most that it may have.

    Raises:
        RefusalError: If it is no image, has several frames, or is too large.
    """

    def refuse(size: tuple[int, int]) -> None:
        height, width = size
        if height * width > max_pixels or max(size) > _LONGEST:
            raise RefusalError(
                TOO_LARGE,
                "too_many_pixels",
                f"The photo has {width}x{height} pixels, {height * width:,} in all, and this service takes up to "
                f"{max_pixels:,}, with {_LONGEST:,} to a side. Send a smaller one.",
            )
        if not height * width:
            raise RefusalError(UNUSABLE, "damaged", "The photo has no pixels.")

    try:
        return size_of_bytes(data, name=_NAME, refuse=refuse)
    except MaskfoldError as error:
        raise _refusal(data, error) from error


def decode_photo(data: bytes, size: tuple[int, int]) -> SourcePhoto:
    """Decode a photo.

    Args:
        data: A file's bytes.
        size: As `check_size` has returned it.

    Raises:
        RefusalError: If it is damaged.
    """
    try:
        photo = read_photo(data, _NAME, max_pixels=size[0] * size[1])
    except MaskfoldError as error:
        raise _refusal(data, error) from error
    if photo.pixels.shape[:2] != size:  # a header that says one thing and pixels that say another
        raise RefusalError(
            UNUSABLE, "damaged", "The photo's header and its pixels have different sizes. Save it again."
        )
    return photo


def _refusal(data: bytes, error: MaskfoldError) -> RefusalError:
    if not _is_image(data):
        return RefusalError(
            NOT_AN_IMAGE, "not_an_image", "This is not an image of a known kind. Send a JPEG, PNG or WebP."
        )
    reason = f"{error}".removesuffix(" Replace the file or take it away.")
    return RefusalError(UNUSABLE, "damaged", f"{reason} Send another file.")


def _is_image(data: bytes) -> bool:
    """Tell whether the beginning is that of an image, whatever is wrong behind it."""
    if suffix_of(data):
        return True
    try:
        with open_image(data):
            return True
    except Exception:  # whatever a decoder says of what is no image
        return False


def suffix_of(data: bytes) -> str:
    """Return the suffix of the usual kinds of photos, as their first bytes tell it; empty for any other."""
    if data[8:12] == b"WEBP":
        return ".webp"
    return next((suffix for start, suffix in _STARTS.items() if data.startswith(start)), "")
