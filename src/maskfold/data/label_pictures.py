"""Masks as one label picture a photo, and as one picture a photo and class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd
from PIL import ImageOps

from maskfold.data.folders import list_images
from maskfold.data.headers import image_size, naming, open_image
from maskfold.data.loading import content_hash, read_mask
from maskfold.data.mask_kinds import Index, Item, MaskKind, check_values, inside
from maskfold.errors import MaskfoldError, listing

_JPEG = (".jpg", ".jpeg")
_CHANNELS = 3


@dataclass(frozen=True, kw_only=True)
class LabelPictures(MaskKind):
    """A picture whose grey values, palette indices or colours are classes.

    Attributes:
        folder: Of the pictures, whose names are the photos', with or without `_mask` at the end.
        values: The class of every value: a number, or a colour as "#rrggbb". Of one class any name.
        background: Values that are no class, beside 0, which is none unless it is one of `values`.
    """

    folder: str
    values: Mapping[Any, str]
    background: Sequence[Any] = ()

    def __post_init__(self) -> None:
        """Refuse values that are none."""
        _ = self._classes_by_number

    def index(self, photos: pd.DataFrame) -> Index:
        """Take the file of each photo, which its row in the table names."""
        return Index({image_id: (mask,) for image_id, mask in zip(photos["image_id"], photos["mask"], strict=True)})

    def content(self, item: Item) -> Sequence[Any]:
        """Return the picture's hash, and what its values are."""
        (path,) = item.parts
        return [content_hash(path), sorted(self._classes_by_number.items()), self._by_colour]

    def draw(self, item: Item) -> np.ndarray:
        """Return the pixels of each class."""
        (path,) = item.parts
        labels = _read_labels(Path(path), by_colour=self._by_colour, max_pixels=self.max_pixels)
        classes = self._classes_by_number
        distinct = pd.unique(labels.ravel())
        unknown = [value for value in distinct.tolist() if value not in classes]
        if unknown:
            raise MaskfoldError(self._unknown(path, labels, unknown))
        numbers = [[value for value, name in classes.items() if name == plane] for plane in self.planes]
        return np.stack([np.isin(labels, values).view(np.uint8) for values in numbers])

    @cached_property
    def _by_colour(self) -> bool:
        return any(str(value).startswith("#") for value in [*self.values, *self.background])

    @cached_property
    def _classes_by_number(self) -> dict[int, str | None]:
        """The class of each value, None for background."""
        named = check_values(self.values, self.classes)
        if not self.classes:
            named = dict.fromkeys(named, "")
        return (
            {0: None}
            | {self._number(value): None for value in self.background}
            | {self._number(value): name for value, name in named.items()}
        )

    def _number(self, value: Any) -> int:
        """Return a value as pixels have it: a colour as one number of 24 bits."""
        text = str(value)
        try:
            if self._by_colour and len(text) == len("#rrggbb") and text.startswith("#"):
                return int(text[1:], 16)
            if not self._by_colour and int(text) >= 0:
                return int(text)
        except ValueError:
            pass
        raise MaskfoldError(
            f'data.masks.values: {text} is neither a number of 0 or more nor a colour "#rrggbb", or both are there.'
        )

    def _unknown(self, path: str, labels: np.ndarray, unknown: list[int]) -> str:
        first = unknown[0]
        y, x = (int(place[0]) for place in np.nonzero(labels == first))
        shown = [f"#{value:06x}" if self._by_colour else str(value) for value in sorted(unknown)[:5]]
        cause = " JPEG blurs values: save label pictures as PNG." if path.lower().endswith(_JPEG) else ""
        more = f" and {len(unknown) - len(shown)} more" if len(unknown) > len(shown) else ""
        return (
            f"{path}: values that data.masks does not list: {', '.join(shown)}{more}; the first of them at x={x}, "
            f"y={y}. Give their class in data.masks.values, or list them in data.masks.background.{cause}"
        )


@dataclass(frozen=True, kw_only=True)
class ClassFiles(MaskKind):
    """A two-valued picture a photo and class; a missing one is an empty plane.

    Attributes:
        file: Where it lies in the data set's folder, with `{image_id}` and, of several classes, `{class}` in it; any
            suffix of pictures, with or without its suffix.
    """

    file: str

    def __post_init__(self) -> None:
        """Refuse a name that does not tell photos or classes apart."""
        if str(self.file).count("{image_id}") < 1 or ("{class}" in str(self.file)) != bool(self.classes):
            needs = "{image_id} and {class}" if self.classes else "{image_id} and, of one class, no {class}"
            raise MaskfoldError(f"data.masks.file={self.file}: a picture is named by {needs}.")

    def index(self, photos: pd.DataFrame) -> Index:
        """Look for the pictures of each photo; pictures of no photo are orphans.

        Raises:
            MaskfoldError: If a folder is missing, a class has no picture at all, or one picture is two masks.
        """
        index, folders, users = Index(), {}, {}
        for image_id in photos["image_id"].tolist():
            paths = tuple(self._picture(image_id, plane, folders, index) for plane in self.planes)
            index.parts[image_id] = paths
            for path in filter(None, paths):
                users.setdefault(path, []).append(image_id)
        shared = [f"{path}: of {', '.join(ids[:3])}" for path, ids in users.items() if len(ids) > 1]
        if shared:
            raise MaskfoldError(
                f"data.masks.file={self.file}: {len(shared)} pictures are two masks:\n{listing(shared)}"
            )
        for number, plane in enumerate(self.planes):
            if len(photos) and not any(paths[number] for paths in index.parts.values()):
                of = f" of class {plane}" if plane else ""
                raise MaskfoldError(
                    f"data.masks.file={self.file}: no picture{of} in {self.root}, such as "
                    f"{self._name(photos['image_id'].iloc[0], plane)}.png. Mend the name or the class."
                )
        if "{image_id}" not in str(PurePath(self.file).parent):
            index.orphans = sorted({path for names in folders.values() for path in names.values()} - {*users})
        return index

    def content(self, item: Item) -> Sequence[Any]:
        """Return the pictures' hashes, and the photo's size where it has none."""
        hashes = [path and content_hash(path) for path in item.parts]
        return hashes if any(hashes) else [*hashes, *self.size_of(item.photo)]

    def draw(self, item: Item) -> np.ndarray:
        """Read the pictures."""
        for path in filter(None, item.parts):
            image_size(path, max_pixels=self.max_pixels)
        planes = [path and read_mask(path) for path in item.parts]
        sizes = {plane.shape for plane in planes if plane is not None}
        if len(sizes) > 1:
            texts = " and ".join(sorted(f"{width}x{height}" for height, width in sizes))
            first = next(filter(None, item.parts))
            raise MaskfoldError(f"{first}: the pictures of this photo's classes are of {texts}. Give them one size.")
        size = sizes.pop() if sizes else self.size_of(item.photo)
        return np.stack([np.zeros(size, np.uint8) if plane is None else plane for plane in planes])

    def _name(self, image_id: str, plane: str) -> str:
        return self.file.replace("{class}", plane).replace("{image_id}", image_id)

    def _picture(self, image_id: str, plane: str, folders: dict[Path, dict[str, str]], index: Index) -> str | None:
        """Return the file of a plane; what lies in its folder is kept in `folders`."""
        name = self.file.replace("{class}", plane)
        path = inside(self.root, "data.masks.file", name.replace("{image_id}", image_id))
        if path.parent not in folders:
            folders[path.parent] = _pictures(path.parent, index)
        return folders[path.parent].get(path.name)


def _pictures(folder: Path, index: Index) -> dict[str, str]:
    """Return the pictures of a folder by name with and without suffix; none where there is no such folder."""
    if not folder.is_dir():
        return {}
    pictures = list_images(folder, index.strays)
    by_name = dict(zip(pictures["stem"].tolist(), pictures["path"].tolist(), strict=True))
    return {PurePath(path).name: path for path in by_name.values()} | by_name


def _read_labels(path: Path, *, by_colour: bool, max_pixels: int) -> np.ndarray:
    """Read a label picture, upright: `(H, W)`, palette indices or grey values, or colours as numbers of 24 bits."""
    image_size(path, max_pixels=max_pixels)
    with naming(path), open_image(path.read_bytes()) as image:
        upright = ImageOps.exif_transpose(image)
        if by_colour:
            red, green, blue = np.moveaxis(np.asarray(upright.convert("RGB"), np.uint32), -1, 0)
            return red << 16 | green << 8 | blue
        pixels = np.asarray(upright)
    if pixels.ndim == _CHANNELS:
        grey = pixels[..., 0]
        if pixels.shape[2] >= _CHANNELS and not (pixels[..., 1:_CHANNELS] == grey[..., None]).all():
            raise MaskfoldError(f'{path}: has colours: give data.masks.values as colours, such as {{"#ff0000": cat}}.')
        pixels = grey
    if pixels.dtype.kind == "f":
        raise MaskfoldError(f"{path}: its values have fractions; save it with whole numbers.")
    return pixels.view(np.uint8) if pixels.dtype == bool else pixels
