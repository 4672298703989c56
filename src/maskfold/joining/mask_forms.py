"""How masks lie in a folder or a file: a picture a photo, one a class, label pictures, or polygons in JSON."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from maskfold.data.headers import naming, open_image, refuse_bomb
from maskfold.data.loading import SUFFIXES, read_mask
from maskfold.errors import MaskfoldError
from maskfold.files import read_json
from maskfold.joining.guesses import ASSUMED, LIKELY, Guess, Question, Unclear
from maskfold.joining.naming import Photos, naming_of

LOOKED_AT = 200  # mask files whose values are read
_MOST_VALUES = 50  # of a label picture; more are the blur of a JPEG
_VOID = "255"
_OBJECT = "object"  # what the only class of label pictures is called there
_ENDS = ("", "_mask")  # of a mask's name behind its photo's


@dataclass(frozen=True)
class Masks:
    """Where masks come from.

    Attributes:
        node: `data.masks` as `maskfold.data.competition.Competition` takes it, its paths not yet relative to a root.
        source: What it was inferred from.
        sure: How sure that is.
        classes: Their names, if they come with the masks.
        exclusive: Whether they cannot overlap by their very kind; None if that is open.
        files: Of pictures of one class, by their photo without suffix.
    """

    node: Mapping[str, Any]
    source: str
    sure: str
    classes: tuple[str, ...] = ()
    exclusive: Guess | None = None
    files: Mapping[str, Path] = field(default_factory=dict)


def masks_in(place: Path, photos: Photos, classes: Sequence[str], *, ordered: bool = False) -> Masks:
    """Return how masks lie in a place.

    Args:
        place: A folder, or a JSON file of polygons.
        photos: The train photos.
        classes: Those that the sample or the user names.
        ordered: Whether they stand in the order of a label picture's values.

    Raises:
        MaskfoldError: If there are no masks of these photos.
        Unclear: If it is open which class a value or a file is of.
    """
    if place.suffix == ".json":
        return _polygons(place)
    if not place.is_dir():
        raise MaskfoldError(f"{place}: no such folder, and no .json file. Name the one with the masks.")
    folders = [folder for folder in sorted(place.iterdir()) if folder.is_dir() and _pictures(folder)]
    direct = _pictures(place)
    if direct:
        return _direct(place, direct, photos, classes, ordered)
    if folders:
        return _by_folder(place, folders, photos, classes)
    raise MaskfoldError(f"{place}: no pictures here ({', '.join(SUFFIXES)}). Name the folder with the masks.")


def _pictures(folder: Path) -> list[Path]:
    return [
        path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    ]


def _polygons(path: Path) -> Masks:
    content = read_json(path)
    try:
        names = [str(one["name"]) for one in sorted(content["categories"], key=lambda one: one["id"])]
        count = len(content["annotations"])
    except (KeyError, TypeError) as error:
        raise MaskfoldError(f"{path}: no COCO file, which has images, annotations and categories ({error}).") from error
    classes = tuple(names) if len(names) > 1 else ()
    source = f"a COCO file of {count} annotations and the categories {', '.join(names)}"
    return Masks({"kind": "polygons", "file": path}, source, "certain", classes)


def _by_folder(place: Path, folders: Sequence[Path], photos: Photos, classes: Sequence[str]) -> Masks:
    """Return the masks of a folder of folders: one for each class, or one for each photo."""
    names = [folder.name for folder in folders]
    if sum(name in photos.stems for name in names) * 2 > len(names):
        inside = sorted({path.stem for folder in folders for path in _pictures(folder)})
        pattern, labels, source = "{image_id}/{class}", inside, "a folder for each photo, a picture for each class"
    else:
        files = {path.stem for folder in folders for path in _pictures(folder)}
        if not files & photos.stems.keys():
            raise MaskfoldError(f"{place}: the pictures in {', '.join(names[:5])} are not called as the photos are.")
        pattern, labels, source = "{class}/{image_id}", names, "a folder for each class, a picture for each photo"
    return _files(place, pattern, labels, classes, source)


def _files(place: Path, pattern: str, labels: Sequence[str], classes: Sequence[str], source: str) -> Masks:
    if classes and {*labels} != {*classes}:
        raise Unclear(
            Question(
                f"{place}: its files have the classes {', '.join(labels)}, the sample has {', '.join(classes)}.",
                "classes=[...] in the words of both, after renaming the files",
            )
        )
    if len(labels) < 2:
        raise MaskfoldError(f"{place}: one class, {labels[0]}, in a folder of its own: name that folder with masks=.")
    return Masks({"kind": "files", "file": place / pattern}, source, "certain", tuple(classes or labels))


def _direct(place: Path, pictures: Sequence[Path], photos: Photos, classes: Sequence[str], ordered: bool) -> Masks:
    """Return the masks of a folder of pictures."""
    files = {path.stem.removesuffix(end): path for end in _ENDS[::-1] for path in pictures if path.stem.endswith(end)}
    files = {stem: path for stem, path in files.items() if stem in photos.stems}
    if files:
        return _by_values(place, files, classes, ordered)
    named = naming_of([path.stem for path in pictures], photos, lambda naming: bool(naming.form.label))
    if named is None or named.form.field != "{image_id}":
        raise MaskfoldError(
            f"{place}: {pictures[0].name} and the others are not called as the photos are, such as "
            f"{next(iter(photos.stems.values()))}; neither with _mask nor with a class behind it."
        )
    labels = [*dict.fromkeys(cell.label for cell in named.cells if cell.photo is not None)]
    if all(label.isdecimal() for label in labels):
        labels.sort(key=int)
    return _files(place, named.form.template, labels, classes, "a picture for each photo and class")


def _by_values(place: Path, files: Mapping[str, Path], classes: Sequence[str], ordered: bool) -> Masks:
    """Tell label pictures from masks of one class by their values."""
    values, all_two_valued = Counter[str](), True
    for path in [*files.values()][:LOOKED_AT]:
        own = _values(path)
        all_two_valued &= len(own) <= 2
        values.update(own)
    shown = min(len(files), LOOKED_AT)
    foreground = [value for value in values if value not in ("0", "#000000")]
    if len(foreground) <= 1 or len(values) > _MOST_VALUES or (all_two_valued and not classes):
        source = f"{len(files)} pictures called as photos are; {shown} looked at, of two values"
        return Masks({"kind": "pictures", "folder": place}, source, "certain", files=files)
    background = _background(foreground)
    labels = sorted((value for value in foreground if value not in background), key=_in_order)
    names, sure = ([_OBJECT], "certain") if len(labels) == 1 else _names_of(labels, classes, place, ordered)
    node = {"kind": "labels", "folder": place, "values": dict(zip(map(_typed, labels), names, strict=True))}
    source = f"label pictures; {shown} looked at have the values {', '.join(sorted(values, key=_in_order))}"
    if background:
        node, source = node | {"background": [int(_VOID)]}, source + f", of which {_VOID} is taken for no class"
    several = tuple(names) if len(names) > 1 else ()
    exclusive = Guess(True, "a pixel of a label picture is of one class") if several else None
    return Masks(node, source, ASSUMED if background else sure, several, exclusive)


def _background(values: Sequence[str]) -> list[str]:
    """Return the value that is no class though it is not 0: 255 where all others are small numbers."""
    others = [value for value in values if value != _VOID]
    return [_VOID] if _VOID in values and all(one.isdecimal() and int(one) < _MOST_VALUES for one in others) else []


def _names_of(labels: Sequence[str], classes: Sequence[str], place: Path, ordered: bool) -> tuple[list[str], str]:
    """Return the class of every value, and how sure that is."""
    if ordered and len(labels) == len(classes):
        return [*classes], "given"
    if {*labels} == {*classes}:
        return [*labels], "certain"
    if len(labels) == len(classes) and all(not name.isdecimal() for name in classes):
        raise Unclear(
            Question(
                f"{place}: the values {', '.join(labels)} are the classes {', '.join(classes)} in some order.",
                f"classes=[{','.join(classes)}], with the class of {labels[0]} first and the others behind it",
            )
        )
    if classes:
        raise Unclear(
            Question(
                f"{place}: {len(labels)} values besides the background ({', '.join(labels)}), and {len(classes)} "
                f"classes ({', '.join(classes)}).",
                "classes=[...] with a name for every value, from the lowest to the highest",
            )
        )
    return [re.sub(r"\W", "", f"class{label}") for label in labels], LIKELY


def _values(path: Path) -> list[str]:
    """Return the values of a picture as a label picture's keys are written: numbers, or colours as #rrggbb."""
    with naming(path), open_image(path.read_bytes()) as image:
        refuse_bomb(image.height, image.width)
        if image.mode in ("1", "L", "P", "I;16", "I"):
            pixels = np.asarray(image.convert("L") if image.mode == "1" else image)
            if image.mode == "P" and len(np.unique(pixels)) <= 2:
                pixels = read_mask(path)  # by the colours that one sees
            return [str(value) for value in np.unique(pixels)]
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(np.int64)
    colours = np.unique(pixels @ [65536, 256, 1])
    if all(colour % 65793 == 0 for colour in colours):  # grey, which its own level stands for
        return [str(colour // 65793) for colour in colours]
    return [f"#{colour:06x}" for colour in colours]


def _in_order(value: str) -> tuple[int, str]:
    return (int(value), "") if value.isdecimal() else (1 << 30, value)


def _typed(value: str) -> int | str:
    return int(value) if value.isdecimal() else value
