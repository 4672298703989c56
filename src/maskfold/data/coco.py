"""Masks as COCO's annotations: polygons and run lengths of every object, in one JSON file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from maskfold.data.folders import Stray
from maskfold.data.mask_kinds import Index, Item, OneFile, PhotoNames, digest
from maskfold.errors import MaskfoldError
from maskfold.masks.polygons import draw_segmentation

_LISTS = ("images", "annotations", "categories")


class AnnotatedObject(NamedTuple):
    """An object: its annotation's id, the plane of its class, and its segmentation."""

    annotation: Any
    plane: int
    segmentation: Any


class AnnotatedPhoto(NamedTuple):
    """A photo's objects, and the (height, width) that the file says it has, None where it does not say."""

    size: tuple[int, int] | None
    shapes: list[AnnotatedObject]


@dataclass(frozen=True, kw_only=True)
class Polygons(OneFile):
    """Polygons and run lengths in COCO's JSON; objects of one class are united. Of one class every category counts."""

    def index(self, photos: pd.DataFrame) -> Index:
        """Find each photo's annotations; all of them are held in memory, as JSON is read at once.

        Raises:
            MaskfoldError: If the file is not COCO's, names something twice, or has none of the photos.
        """
        content = self._read()
        images, annotations, categories = (self._by_id(content.get(name), name) for name in _LISTS)
        index, names = Index(), PhotoNames(photos)
        planes = self._planes(categories)
        photo_of = {key: self._photo(image, names, index) for key, image in images.items()}
        if len(photos) and not index.parts:
            raise MaskfoldError(
                f"{self.path}: none of its images is one of the photos, such as {names.example!r}. Name the right file."
            )
        for key, annotation in annotations.items():
            self._take(key, annotation, planes, photo_of, index)
        for image_id in photos["image_id"]:
            if image_id not in index.parts:
                index.faults[image_id] = f"{self.path}: no image of the photo {image_id} among its images."
        return index

    def content(self, item: Item) -> Sequence[Any]:
        """Return the digest of a photo's annotations, and the size of its mask."""
        return [digest(item.parts.shapes), *self._size(item)]

    def draw(self, item: Item) -> np.ndarray:
        """Draw a photo's objects, united by class."""
        masks = np.zeros((len(self.planes), *self._size(item)), np.uint8)
        for shape in item.parts.shapes:
            try:
                masks[shape.plane] |= draw_segmentation(shape.segmentation, *masks.shape[1:])
            except MaskfoldError as error:
                raise MaskfoldError(f"{self.path}: annotation {shape.annotation}: {error}.") from error
        return masks

    def _size(self, item: Item) -> tuple[int, int]:
        """Return the size of a mask: what the file says, so that a photo of another size is noticed."""
        size = item.parts.size
        if size is None:
            return self.size_of(item.photo)
        if not all(type(side) is int and side > 0 for side in size) or size[0] * size[1] > self.max_pixels:
            raise MaskfoldError(
                f"{self.path}: the image of {item.image_id} has height {size[0]} and width {size[1]}; they are whole "
                f"numbers, and data.max_pixels is {self.max_pixels:,}."
            )
        return size

    def _read(self) -> Mapping[str, Any]:
        try:
            content = json.loads(self.path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise MaskfoldError(
                f"{self.path}: not a readable JSON file ({error}). Name or mend data.masks.file."
            ) from error
        if not isinstance(content, dict):
            raise MaskfoldError(f"{self.path}: not COCO's: an object with the lists {', '.join(_LISTS)} is expected.")
        return content

    def _by_id(self, rows: Any, name: str) -> dict[Any, dict]:
        """Return what a list of the file has, by its id."""
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise MaskfoldError(f"{self.path}: no list {name!r} of objects in it, as COCO's files have.")
        by_id = {}
        for number, row in enumerate(rows):
            key = row.get("id", number if name == "annotations" else None)
            if not isinstance(key, int | str) or key in by_id:
                wrong = "is there twice" if isinstance(key, int | str) else "is no number or text"
                raise MaskfoldError(f"{self.path}: {name}[{number}]: its id {key} {wrong}.")
            by_id[key] = row
        return by_id

    def _planes(self, categories: Mapping[Any, dict]) -> dict[Any, int]:
        """Return the plane of each category.

        Raises:
            MaskfoldError: If a category is no class, or a class no category.
        """
        if not self.classes:
            return dict.fromkeys(categories, 0)
        named = {key: str(row.get("name")) for key, row in categories.items()}
        if {*named.values()} != {*self.classes}:
            raise MaskfoldError(
                f"{self.path}: its categories are {', '.join(sorted({*named.values()}))}, and data.classes "
                f"{', '.join(self.classes)}. Make them the same."
            )
        return {key: self.classes.index(name) for key, name in named.items()}

    def _photo(self, image: Mapping[str, Any], names: PhotoNames, index: Index) -> str:
        """Return which photo an image is, "" for none, and begin its shapes."""
        name = str(image.get("file_name", ""))
        image_id = names.find(name.rpartition("/")[2], by_file=True)
        if image_id is None:
            index.orphans.append(f"{self.path}: image {ascii(name)[:100]}")
            return ""
        if image_id in index.parts:
            raise MaskfoldError(f"{self.path}: several images are the photo {image_id}. Keep one.")
        size = image.get("height"), image.get("width")
        index.parts[image_id] = AnnotatedPhoto(None if size == (None, None) else size, [])
        return image_id

    def _take(
        self,
        key: Any,
        annotation: Mapping[str, Any],
        planes: Mapping[Any, int],
        photo_of: Mapping[Any, str],
        index: Index,
    ) -> None:
        """Add an annotation to its photo."""
        where, image, category = (
            f"{self.path}: annotation {key}",
            annotation.get("image_id"),
            annotation.get("category_id"),
        )
        image_id = photo_of.get(image) if isinstance(image, int | str) else None
        if image_id is None:
            index.strays.append(Stray(where, f"its image {image} is none of the images"))
        elif image_id and (not isinstance(category, int | str) or category not in planes):
            index.faults.setdefault(image_id, f"{where}: its category {category} is none of the categories.")
        elif image_id:
            index.parts[image_id].shapes.append(AnnotatedObject(key, planes[category], annotation.get("segmentation")))
