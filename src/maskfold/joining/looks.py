"""What photos are as files: their suffix, size, channels and bits, from headers."""

import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskfold.data.headers import MOST_PIXELS, PNG, image_size, naming, open_image
from maskfold.data.loading import STORED_SUFFIXES, read_image
from maskfold.data.stacks import is_stack, stack_channels
from maskfold.errors import MaskfoldError
from maskfold.joining.guesses import CERTAIN, GIVEN, Guess, Question, Unclear

ARRAY = ".npy"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by colour type
_BITS = {"1": 8, "L": 8, "P": 8, "I;16": 16, "I": 32, "F": 32}


@dataclass(frozen=True)
class Header:
    """A photo by its header: pixels, channels as stored (alpha among them), and bits of a value."""

    height: int
    width: int
    channels: int
    bits: int

    @property
    def is_rgb(self) -> bool:
        """Whether it can be read as RGB of 8 bits, which grey ones can."""
        return self.bits == 8 and self.channels in (1, 3)


def list_photos(folder: Path) -> list[Path]:
    """Return the photos of a folder in the order of the names.

    Raises:
        MaskfoldError: If there is no such folder, no photo in it, or two have one name without suffix.
    """
    if not folder.is_dir():
        raise MaskfoldError(f"{folder}: no such folder. Name that of the photos.")
    photos = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in STORED_SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]
    if not photos:
        inside = [path.name for path in sorted(folder.iterdir()) if path.is_dir()][:5]
        hint = f" It has the folders {', '.join(inside)}: name the one with the photos." if inside else ""
        raise MaskfoldError(f"{folder}: no photos ({', '.join(STORED_SUFFIXES)}).{hint}")
    double = [name for name, count in Counter(path.stem for path in photos).items() if count > 1]
    if double:
        raise MaskfoldError(
            f"{folder}: {len(double)} names belong to several files, {double[0]} is the first. A name without suffix "
            "stands for one photo: put what are no photos elsewhere."
        )
    return photos


def look_at(path: Path, *, channels: int | None = None) -> Header:
    """Return what a photo's header tells.

    Args:
        path: The file.
        channels: How many a TIFF or `.npy` has; None for what it seems to have.

    Raises:
        MaskfoldError: If the file is damaged, no picture, or has another number of channels.
    """
    with naming(path):
        with path.open("rb") as file:
            start = file.read(32)
        if is_stack(start):
            seeming, bits = stack_channels(path)
            channels = channels or seeming
            return Header(*image_size(path, channels=channels), channels, bits)
        height, width = image_size(path)
        if start.startswith(PNG):
            bits, colour = struct.unpack(">BB", start[24:26])
            return Header(height, width, _PNG_CHANNELS.get(colour, 3), max(bits, 8))
        with open_image(path.read_bytes()) as image:
            return Header(height, width, len(image.getbands()), _BITS.get(image.mode, 8))


def read_photo(path: Path, look: Header) -> np.ndarray:
    """Read a photo upright, `(H, W, C)`: as RGB of 8 bits where it can be, else as stored.

    Raises:
        MaskfoldError: If the file is damaged.
    """
    as_rgb = look.is_rgb and path.suffix.lower() != ARRAY
    return read_image(path, channels=None if as_rgb else look.channels)


def channels_of(looks: Sequence[Header], given: int | None, paths: Sequence[Path]) -> Guess:
    """Return `data.channels`: None for photos that are read as RGB of 8 bits.

    Raises:
        Unclear: If photos differ in what none of both suits.
    """
    if given is not None:
        return Guess(given, "the command", GIVEN)
    kinds = Counter((look.channels, look.bits) for look in looks)
    (channels, bits), _ = kinds.most_common(1)[0]
    if all(look.is_rgb for look in looks) and not any(path.suffix.lower() == ARRAY for path in paths):
        grey = "grey, " if {1} == {look.channels for look in looks} else ""
        return Guess(None, f"{_suffixes(paths)} of 8 bits, {grey}read as RGB", CERTAIN)
    are_pngs = len(kinds) == 1 and (channels, bits) == (4, 8) and all(path.suffix.lower() == ".png" for path in paths)
    if are_pngs and all(read_image(path, channels=4)[..., 3].min() == 255 for path in paths[:20]):
        return Guess(None, "PNG of 8 bits whose fourth channel is full everywhere, read as RGB")
    if len(kinds) == 1:
        return Guess(channels, f"{_suffixes(paths)} of {channels} channels and {bits} bits")
    listed = ", ".join(f"{count} of {one} channels and {bits} bits" for (one, bits), count in kinds.items())
    raise Unclear(Question(f"The photos differ: {listed}.", "channels=<number> that all are to be read with"))


def _suffixes(paths: Sequence[Path]) -> str:
    return " and ".join(dict.fromkeys(path.suffix.lstrip(".").upper() for path in paths))


def sizes_in_words(looks: Sequence[Header]) -> str:
    """Return how large photos are, in a few words."""
    sizes = Counter((look.width, look.height) for look in looks)
    (width, height), _ = sizes.most_common(1)[0]
    if len(sizes) == 1:
        return f"all {width}x{height}"
    return f"{len(sizes)} sizes, most often {width}x{height}"


def most_pixels(looks: Sequence[Header], usual: int) -> Guess | None:
    """Return a limit of pixels that lets the photos in, if the usual one does not."""
    largest = max(look.height * look.width for look in looks)
    if largest <= usual:
        return None
    return Guess(min(max(largest, usual), MOST_PIXELS), f"the largest photo has {largest:,}")
