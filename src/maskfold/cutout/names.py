"""What the cut-out of each photo is called: in the same folder, and never as that of another photo."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from maskfold.errors import MaskfoldError, listing

_LONGEST = 249  # bytes: six less than disks allow, for the name while it is written


def cutout_names(photos: Sequence[str], suffix: str, replace_suffix: bool = False) -> dict[str, str]:
    """Return the name of each photo's cut-out.

    The suffix is put behind the whole name, so that `1.jpg` and `1.png` become `1.jpg.png` and `1.png.png`.

    Args:
        photos: Their names, each once.
        suffix: Of the cut-outs, with the dot.
        replace_suffix: Put it in the place of the photo's own, which photos of the same stem do not allow.

    Raises:
        MaskfoldError: If two photos would share a name.
    """
    if not replace_suffix:
        return {photo: f"{photo}{suffix}" for photo in photos}
    names = {photo: f"{PurePosixPath(photo).with_suffix(suffix)}" for photo in photos}
    first: dict[str, str] = {}
    shared = []
    for photo, name in names.items():
        # Some disks tell no capitals from small letters.
        if first.setdefault(name.casefold(), photo) != photo:
            shared.append(f"{first[name.casefold()]!r} and {photo!r}: {name!r}")
    if shared:
        raise MaskfoldError(
            f"{len(shared)} pairs of photos would share a cut-out:\n{listing(shared)}\nRename them, or leave out "
            "replace_suffix=true."
        )
    return names


def refuse_long(name: str) -> None:
    """Refuse a cut-out that no folder could hold, before a photo is worked on for nothing.

    Raises:
        MaskfoldError: If the last part of its name is too long.
    """
    if len(name.rpartition("/")[2].encode(errors="surrogateescape")) > _LONGEST:
        raise MaskfoldError(f"its name is too long for a cut-out to be called after it ({_LONGEST} bytes).")
