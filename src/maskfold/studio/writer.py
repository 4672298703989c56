"""The files of a studio set: each photo with its mask, and the tables."""

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image

from maskfold.files import atomic_path, write_bytes
from maskfold.masks.rle import encode
from maskfold.studio.camera import VIEWS
from maskfold.studio.folder import write_csv
from maskfold.studio.photograph import Sitting, photograph, prepare
from maskfold.studio.planted import Plan, spoil

SPLITS = {"train": 0, "test": 1}  # the numbers seed the cars
MASKS = {"train": "train_masks", "test": "test_truth"}
JPEG_QUALITY = 92
PALETTE = [0, 0, 0, 255, 255, 255]


@dataclass(frozen=True)
class StudioSet:
    """What makes one set: the arguments and, per split, what is planted."""

    root: Path
    height: int
    width: int
    seed: int
    cars: dict[str, int]
    plans: dict[str, Plan]
    world: str = "studio"

    def car_id(self, split: str, car: int) -> str:
        """Return the car's name, 12 hexadecimal digits."""
        return hashlib.sha256(f"{self.seed} {split} {car}".encode()).hexdigest()[:12]

    def order(self, split: str) -> list[int]:
        """Return the cars of a split in the order of their names, as Carvana lists them."""
        return sorted(range(self.cars[split]), key=partial(self.car_id, split))

    def sitting(self, split: str, car: int) -> Sitting:
        """Return the car in its studio."""
        return _sitting((self.seed, SPLITS[split], car), car, car in self.plans[split].white_vans, self.world)


@lru_cache(maxsize=4)
def _sitting(entropy: tuple[int, ...], index: int, white_van: bool, world: str) -> Sitting:
    """Keep the latest few, as sixteen photos share one."""
    return prepare(entropy, index=index, white_van=white_van, world=world)


def finish_image(studio: StudioSet, item: tuple[str, int, int]) -> tuple[str, str]:
    """Write the photo and the mask of `item`, (split, car, view), unless both are there.

    Returns:
        The image's id and its mask's run-length string.
    """
    split, car, view = item
    image_id = f"{studio.car_id(split, car)}_{view:02d}"
    photo_path = studio.root / split / f"{image_id}.jpg"
    mask_path = studio.root / MASKS[split] / f"{image_id}_mask.gif"
    if photo_path.exists() and mask_path.exists():
        with Image.open(mask_path) as stored:
            return image_id, encode(np.asarray(stored))
    entropy = (studio.seed, SPLITS[split], car, view)
    photo = photograph(studio.sitting(split, car), view, studio.height, studio.width, entropy)
    mask = photo.mask_with_gaps if (car, view) in studio.plans[split].wheel_gaps else photo.mask
    kind = studio.plans[split].wrong_masks.get((car, view))
    if kind:
        mask = spoil(mask, kind, np.random.default_rng((*entropy, 1)), partial(_sister_mask, studio, item))
    _write_mask(mask_path, mask)
    write_bytes(photo_path, simplejpeg.encode_jpeg(photo.image, JPEG_QUALITY, "RGB", "420"))
    return image_id, encode(mask)


def _sister_mask(studio: StudioSet, item: tuple[str, int, int]) -> np.ndarray:
    split, car, view = item
    sister = (car + 1) % studio.cars[split]
    entropy = (studio.seed, SPLITS[split], sister, view)
    return photograph(studio.sitting(split, sister), view, studio.height, studio.width, entropy).mask


def _write_mask(path: Path, mask: np.ndarray) -> None:
    picture = Image.fromarray(mask, mode="P")
    picture.putpalette(PALETTE)
    with atomic_path(path) as part:
        picture.save(part, format="GIF", optimize=False)


def write_masks_table(studio: StudioSet, split: str, runs: dict[str, str]) -> None:
    """Write `train_masks.csv` or `test_masks.csv` from the run-length strings by image id."""
    for folder in (split, MASKS[split]):
        (studio.root / folder).mkdir(exist_ok=True)
    rows = [(f"{image_id}.jpg", runs[image_id]) for image_id in sorted(runs)]
    write_csv(studio.root / f"{split}_masks.csv", ("img", "rle_mask"), rows)


def write_tables(studio: StudioSet) -> None:
    """Write `metadata.csv`, `sample_submission.csv` and `planted.csv`."""
    cars = sorted((studio.car_id(split, car), split, car) for split in SPLITS for car in range(studio.cars[split]))
    metadata = []
    for image_id, split, number in cars:
        car = studio.sitting(split, number).car
        metadata.append((image_id, car.year, "Studio", car.body.name, car.body.name, car.paint))
    header = ("id", "year", "make", "model", "trim1", "trim2")
    write_csv(studio.root / "metadata.csv", header, metadata, csv.QUOTE_ALL)
    views = [
        (f"{group}_{view:02d}", group) for group, split, _ in cars if split == "test" for view in range(1, VIEWS + 1)
    ]
    sample = [(f"{image_id}.jpg", "1 1") for image_id, _ in views]
    write_csv(studio.root / "sample_submission.csv", ("img", "rle_mask"), sample)
    planted = sorted(row for split in SPLITS for row in _planted_rows(studio, split))
    write_csv(studio.root / "planted.csv", ("image_id", "group", "kind", "split", "note"), planted)


def _planted_rows(studio: StudioSet, split: str) -> Iterable[tuple[str, ...]]:
    plan = studio.plans[split]
    vans = [(car, view) for car in plan.white_vans for view in range(1, VIEWS + 1)]
    for kind, notes in (
        ("white_van", dict.fromkeys(vans, "a white van before a white wall")),
        ("wheel_gaps", dict.fromkeys(plan.wheel_gaps, "the gaps of the wheels are labelled car")),
        ("wrong_mask", plan.wrong_masks),
    ):
        for (car, view), note in notes.items():
            group = studio.car_id(split, car)
            yield f"{group}_{view:02d}", group, kind, split, note
