"""A photo as the screen shows it: its mask to begin with, what each member proposes, and where they disagree."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from maskfold.data.headers import JPEG, PNG, image_size, jpeg_header, naming, orientation_of
from maskfold.data.loading import content_hash, read_image
from maskfold.ensembling.postprocess import FillHoles, largest_hull
from maskfold.errors import MaskfoldError
from maskfold.quality.routes import mean_map, proposals
from maskfold.review.disputed import Area, disputed_areas
from maskfold.review.record import hash_of
from maskfold.storage import is_address, open_storage

MEAN, HULL, FILLED = "mean", "hull", "filled"


@dataclass(frozen=True)
class Proposal:
    """A mask that a person may take with a key.

    Attributes:
        key: What the screen asks for it by: `mean`, `hull`, `filled`, or a member's number from 1.
        name: The member's, or what the mask is.
        mask: `(H, W) uint8`, 0 or 1.
    """

    key: str
    name: str
    mask: np.ndarray


@dataclass(frozen=True)
class ShownPhoto:
    """A photo, ready to be shown.

    Attributes:
        image_id: Its.
        photo: Its file.
        photo_hash: 32 digits of the SHA-256 of its bytes.
        base_hash: What stands for the mask to begin with, and its size.
        proposals: By their key; `mean` is the mask to begin with.
        areas: Disputed ones, the largest first.
    """

    image_id: str
    photo: Path
    photo_hash: str
    base_hash: str
    proposals: dict[str, Proposal]
    areas: list[Area]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, pixels."""
        return self.proposals[MEAN].mask.shape

    def named(self, key: str) -> str:
        """Return what a record calls a proposal."""
        return self.proposals[key].name if key in self.proposals else MEAN


def prepare(row: Any, folder: Path, *, threshold: int) -> ShownPhoto:
    """Read all that the screen shows of a photo.

    Args:
        row: Of a table of routes.
        folder: The folder of that table.
        threshold: Of 255; at or above is object.

    Raises:
        MaskfoldError: If the photo or a map is missing, damaged, of another size, or the photo has been replaced.
    """
    photo = photo_path(row, folder)
    photo_hash = content_hash(photo)
    _refuse_replaced(row, photo, photo_hash)
    maps, mean = proposals(row, folder), mean_map(row, folder)
    if image_size(photo) != mean.shape:
        sizes = " and ".join(f"{width}x{height}" for height, width in (image_size(photo), mean.shape))
        raise MaskfoldError(f"{photo}: it and its maps have different sizes, {sizes}. Predict {row.image_id} again.")
    base = (mean >= threshold).astype(np.uint8)
    members = [
        Proposal(f"{number}", name, (one >= threshold).astype(np.uint8))
        for number, (name, one) in enumerate(maps.items(), 1)
    ]
    repairs = [Proposal(HULL, HULL, largest_hull(base)), Proposal(FILLED, FILLED, FillHoles()(mean, base))]
    return ShownPhoto(
        row.image_id,
        photo,
        photo_hash,
        hash_of(repr(base.shape).encode() + packed(base)),
        {one.key: one for one in (Proposal(MEAN, MEAN, base), *members, *repairs)},
        disputed_areas(list(maps.values()), mean, threshold=threshold),
    )


def photo_path(row: Any, folder: Path) -> Path:
    """Return the file of a photo, of one at an address a checked copy.

    Raises:
        MaskfoldError: If it cannot be had.
    """
    if is_address(row.photo):
        place, _, name = row.photo.rpartition("/")
        return open_storage(place).local(name)
    return folder / row.photo


def packed(mask: np.ndarray) -> bytes:
    """Return a mask, `(H, W) uint8`, 0 or 1, as bits: rows of whole bytes, the left pixel in the highest bit."""
    return np.packbits(mask, axis=1).tobytes()


def picture(path: Path) -> tuple[bytes, str]:
    """Return a photo that any browser shows with the pixels that its maps are of, and its media type.

    JPEGs and PNGs that are upright already go as they are; all else is decoded here, and goes as a PNG.

    Raises:
        MaskfoldError: If it cannot be read.
    """
    with naming(path):
        content = path.read_bytes()
        if content.startswith(JPEG):
            with path.open("rb") as file:
                _, orientation, components = jpeg_header(file)
            if orientation == 1 and components != 4:
                return content, "image/jpeg"
        if content.startswith(PNG) and _is_plain(content) and orientation_of(content) == 1:
            return content, "image/png"
    pixels = cv2.cvtColor(read_image(path), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes(), "image/png"


def _is_plain(png: bytes) -> bool:
    """Tell whether a PNG has 8 bits of grey or colour a pixel and nothing transparent, so that it has one look."""
    return png[24] == 8 and png[25] in (0, 2) and b"tRNS" not in png[: png.find(b"IDAT")]


def _refuse_replaced(row: Any, photo: Path, photo_hash: str) -> None:
    known = "" if pd.isna(row.photo_hash) else row.photo_hash[: len(photo_hash)]
    if not photo_hash.startswith(known):
        raise MaskfoldError(
            f"{photo}: replaced by another file since its maps were made. Put the old one back, or predict "
            f"{row.image_id} again and make the routes anew."
        )
