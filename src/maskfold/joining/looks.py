"""What photos are as files: their suffix, size, channels and bits, from headers."""

import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from maskfold.data.headers import MOST_PIXELS, PNG, image_size, naming, open_image
from maskfold.data.loading import SUFFIXES
from maskfold.errors import MaskfoldError
from maskfold.joining.guesses import CERTAIN, GIVEN, Guess, Question, Unclear

ARRAY = ".npy"
TIFFS = (".tif", ".tiff")
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
        if path.suffix.lower() in (*SUFFIXES, ARRAY) and not path.name.startswith(".") and path.is_file()
    ]
    if not photos:
        inside = [path.name for path in sorted(folder.iterdir()) if path.is_dir()][:5]
        hint = f" It has the folders {', '.join(inside)}: name the one with the photos." if inside else ""
        raise MaskfoldError(f"{folder}: no photos ({', '.join((*SUFFIXES, ARRAY))}).{hint}")
    double = [name for name, count in Counter(path.stem for path in photos).items() if count > 1]
    if double:
        raise MaskfoldError(
            f"{folder}: {len(double)} names belong to several files, {double[0]} is the first. A name without suffix "
            "stands for one photo: put what are no photos elsewhere."
        )
    return photos


def look_at(path: Path) -> Header:
    """Return what a photo's header tells.

    Raises:
        MaskfoldError: If the file is damaged or no picture.
    """
    with naming(path):
        if path.suffix.lower() == ARRAY:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            return _of_stack(path, array.shape, array.dtype.itemsize * 8)
        if path.suffix.lower() in TIFFS:
            return _of_tiff(path)
        height, width = image_size(path)
        with path.open("rb") as file:
            start = file.read(32)
        if start.startswith(PNG):
            bits, colour = struct.unpack(">BB", start[24:26])
            return Header(height, width, _PNG_CHANNELS.get(colour, 3), max(bits, 8))
        with open_image(path.read_bytes()) as image:
            return Header(height, width, len(image.getbands()), _BITS.get(image.mode, 8))


def _of_tiff(path: Path) -> Header:
    import tifffile  # a tenth of a second, which only those pay who have such photos

    try:
        with tifffile.TiffFile(path) as tiff:
            series = tiff.series[0]
            return _of_stack(path, series.shape, series.dtype.itemsize * 8, series.axes)
    except (ValueError, KeyError, IndexError, AttributeError, struct.error) as error:
        raise MaskfoldError(f"{path}: the TIFF is damaged ({error}). Replace the file or take it away.") from error


def _of_stack(path: Path, shape: tuple[int, ...], bits: int, axes: str = "") -> Header:
    """Return the look of an array: its channels are the axis that is called so, else the shortest one."""
    kept = [number for number, length in enumerate(shape) if length > 1 or len(shape) <= 2]
    if len(kept) == 2:
        height, width = (shape[number] for number in kept)
        return Header(height, width, 1, bits)
    if len(kept) != 3:
        raise MaskfoldError(f"{path}: an array of {'x'.join(map(str, shape))}; a photo has two axes or three.")
    called = [number for number in kept if axes[number : number + 1] in ("S", "C")]
    axis = called[0] if called else min(kept, key=lambda number: shape[number])
    height, width = (shape[number] for number in kept if number != axis)
    return Header(height, width, shape[axis], bits)


def channels_of(looks: Sequence[Header], given: int | None, paths: Sequence[Path]) -> Guess:
    """Return `data.channels`: None for photos that are read as RGB of 8 bits.

    Raises:
        Unclear: If photos differ in what none of both suits.
    """
    if given is not None:
        return Guess(given, "the command", GIVEN)
    kinds = Counter((look.channels, look.bits) for look in looks)
    (channels, bits), _ = kinds.most_common(1)[0]
    if all(look.is_rgb for look in looks):
        grey = "grey, " if {1} == {look.channels for look in looks} else ""
        return Guess(None, f"{_suffixes(paths)} of 8 bits, {grey}read as RGB", CERTAIN)
    if len(kinds) == 1 and (channels, bits) == (4, 8) and all(path.suffix.lower() == ".png" for path in paths):
        alpha = [_alpha_is_full(path) for path in paths[:20]]
        if all(alpha):
            return Guess(None, "PNG of 8 bits whose fourth channel is full everywhere, read as RGB")
    if len(kinds) == 1:
        return Guess(channels, f"{_suffixes(paths)} of {channels} channels and {bits} bits")
    listed = ", ".join(f"{count} of {one} channels and {bits} bits" for (one, bits), count in kinds.items())
    raise Unclear(Question(f"The photos differ: {listed}.", "channels=<number> that all are to be read with"))


def _alpha_is_full(path: Path) -> bool:
    with naming(path), Image.open(path, formats=("PNG",)) as image:
        return image.getchannel("A").getextrema()[0] == 255


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
