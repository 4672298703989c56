"""Three competitions of Kaggle in small, drawn: their folders, tables, formats, orders and empty masks.

TGS Salt Identification (2018), Severstal Steel Defect Detection (2019), and Identify Contrails (2023).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from maskfold.masks.rules import Rules


@dataclass(frozen=True)
class LookAlike:
    """A competition that can be drawn, and the commands by which it is gone through.

    Attributes:
        name: Of the data.
        draw: Writes it into a folder, of so many train photos, from a seed.
        keys: What `make join` is told, paths relative to that folder.
        flags: What it is told besides, since no file says it.
        rules: How it is written in truth.
        metric: What it scores by.
        classes: Names of several classes.
        train: What every training is told.
    """

    name: str
    draw: Callable[[Path, int, int], None]
    keys: dict[str, str]
    rules: Rules
    metric: str
    flags: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    train: tuple[str, ...] = field(default=("geometry=pad",))

    def join(self, root: Path) -> list[str]:
        """Return the keys of the command that joins it, drawn in a folder."""
        return [*(f"{key}={root / path}" for key, path in self.keys.items()), f"metric={self.metric}", *self.flags]


def _blob(rng: np.random.Generator, height: int, width: int, *, share: float) -> np.ndarray:
    """Draw an object with a wavy outline that may touch the border: `(height, width) uint8`, 0 or 1."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radius = np.sqrt(share * height * width / np.pi) * (1 + 0.3 * np.sin(3 * angles + rng.uniform(0, 7)))
    centre = rng.uniform(0.1, 0.9, 2) * [width, height]
    outline = centre + radius[:, None] * np.stack([1.4 * np.cos(angles), 0.7 * np.sin(angles)], 1)
    return cv2.fillPoly(np.zeros((height, width), np.uint8), [outline.round().astype(np.int32)], 1)


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Draw a grey background with slow and fast changes, `(height, width) float32` around 0, of about 12."""
    slow = cv2.GaussianBlur(rng.normal(0, 200, (height, width)), (0, 0), 8)
    return (slow + rng.normal(0, 8, (height, width))).astype(np.float32)


def _grey(picture: np.ndarray) -> np.ndarray:
    return np.clip(picture, 0, 255).astype(np.uint8)


def draw_tgs(root: Path, photos: int, seed: int = 0) -> None:
    """Draw seismic pictures: grey, 101 pixels, 40 % without salt, runs by columns, masks as pictures too."""
    rng, rules = np.random.default_rng(seed), TGS.rules
    for folder in ("train/images", "train/masks", "test/images"):
        (root / folder).mkdir(parents=True)
    lines, depths, sample = [], [], []
    for number in range(photos + photos // 4):
        name, split = f"{rng.integers(16**10):010x}", "train" if number < photos else "test"
        mask = _blob(rng, 101, 101, share=rng.uniform(0.05, 0.5)) * np.uint8(rng.random() >= 0.4)
        layers = 25 * np.sin(np.arange(101)[:, None] / rng.uniform(3, 6) + np.arange(101) * rng.uniform(-0.1, 0.1))
        picture = 120 + _texture(rng, 101, 101) + np.where(mask > 0, 45, layers)
        cv2.imwrite(str(root / split / "images" / f"{name}.png"), _grey(picture))
        depths.append((name, rng.integers(50, 960)))
        if split == "test":
            sample.append(rules.row(f"{name}.png", "1 1"))
            continue
        lines.append(rules.row(f"{name}.png", rules.text(mask)))
        cv2.imwrite(str(root / "train/masks" / f"{name}.png"), mask * 255)
    _table(root / "train.csv", rules, lines)
    _table(root / "sample_submission.csv", rules, sample)
    pd.DataFrame(depths, columns=["id", "z"]).to_csv(root / "depths.csv", index=False)


def draw_steel(root: Path, photos: int, seed: int = 0, *, width: int = 200) -> None:
    """Draw sheets of steel: four kinds of defects, a row of the table for each that is there, no masks as pictures."""
    rng, rules, height = np.random.default_rng(seed), STEEL.rules, 64
    for folder in ("train_images", "test_images"):
        (root / folder).mkdir(parents=True)
    lines, sample = [], []
    for number in range(photos + photos // 4):
        file, split = f"{rng.integers(16**9):09x}.jpg", "train" if number < photos else "test"
        picture = 110 + _texture(rng, height, width)[..., None].repeat(3, 2)
        for channel, label in enumerate(STEEL.classes):
            if split == "test":
                sample.append(rules.row(file, f"1 {height * width}", label))
            if rng.random() < 0.4:
                mask = _blob(rng, height, width, share=rng.uniform(0.02, 0.08))
                mask[height // 2 :, -width // 8 :] |= np.uint8(label == "3")  # the end of a sheet
                picture[..., channel % 3] += (70.0 if channel < 3 else -70.0) * mask
                if split == "train":
                    lines.append(rules.row(file, rules.text(mask), label))
        cv2.imwrite(str(root / f"{split}_images" / file), _grey(picture))
    _table(root / "train.csv", rules, lines)
    _table(root / "sample_submission.csv", rules, sample)


def draw_square_steel(root: Path, photos: int, seed: int = 0) -> None:
    """Draw the same on square sheets, of which no mask is torn in the other order."""
    draw_steel(root, photos, seed, width=64)


def draw_contrails(root: Path, photos: int, seed: int = 0) -> None:
    """Draw a satellite's eight bands of real numbers, in kelvins, with masks as pictures; `-` is an empty mask."""
    rng, rules, side = np.random.default_rng(seed), CONTRAILS.rules, 64
    for folder in ("train", "train_masks", "test"):
        (root / folder).mkdir(parents=True)
    sample = []
    for number in range(photos + photos // 4):
        name, split = f"{rng.integers(10**18):d}", "train" if number < photos else "test"
        mask = np.zeros((side, side), np.uint8)
        for _ in range(rng.integers(0, 3)):
            ends = rng.integers(0, side, (2, 2)).tolist()
            cv2.line(mask, ends[0], ends[1], 1, 3)
        bands = np.stack([270 + 2 * band + 0.3 * _texture(rng, side, side) for band in range(8)], 2)
        bands[..., 3:6] -= 9.0 * mask[..., None]
        np.save(root / split / f"{name}.npy", bands.astype(np.float32))
        if split == "train":
            cv2.imwrite(str(root / "train_masks" / f"{name}.png"), mask * 255)
        else:
            sample.append(rules.row(name, "-"))
    _table(root / "sample_submission.csv", rules, sample)


def _table(path: Path, rules: Rules, lines: list[tuple[str, ...]]) -> None:
    pd.DataFrame(lines, columns=[*rules.columns]).to_csv(path, index=False)


TGS = LookAlike(
    name="tgs",
    draw=draw_tgs,
    keys={
        "sample": "sample_submission.csv",
        "train": "train.csv",
        "images": "train/images",
        "masks": "train/masks",
        "test": "test/images",
    },
    rules=Rules(columns={"id": "{image_id}", "rle_mask": "{runs}"}, order="columns"),
    metric="mean_precision",
)
STEEL = LookAlike(
    name="steel",
    draw=draw_steel,
    keys={
        "sample": "sample_submission.csv",
        "train": "train.csv",
        "images": "train_images",
        "test": "test_images",
    },
    rules=Rules(columns={"ImageId": "{file}", "EncodedPixels": "{runs}", "ClassId": "{class}"}, order="columns"),
    metric="dice",
    flags=("empty=",),  # the sample has a run in every row, and the table has no row of an empty mask
    classes=("1", "2", "3", "4"),
)
SQUARE_STEEL = LookAlike(
    name="square_steel",
    draw=draw_square_steel,
    keys=STEEL.keys,
    rules=STEEL.rules,
    metric="dice",
    flags=STEEL.flags,
    classes=STEEL.classes,
)
CONTRAILS = LookAlike(
    name="contrails",
    draw=draw_contrails,
    keys={
        "sample": "sample_submission.csv",
        "images": "train",
        "masks": "train_masks",
        "test": "test",
    },
    rules=Rules(columns={"record_id": "{image_id}", "encoded_pixels": "{runs}"}, order="columns", empty="-"),
    metric="pooled_dice",
    train=("geometry=pad", "augment=flip"),
    flags=("order=columns", "start=1"),  # its masks are pictures: no file says how a submission numbers pixels
)
LOOKALIKES = {one.name: one for one in (TGS, STEEL, SQUARE_STEEL, CONTRAILS)}
