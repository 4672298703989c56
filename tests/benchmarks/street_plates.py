"""What a turntable tells about its masks: sixteen views share one backdrop, which the car leaves free here and there.

A pixel's median over the views in which no network sees a car there is the backdrop's, the *plate*. Where a photo is as
its plate, there is no car; where it differs above the car's middle, where no shadow falls, there is one.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from maskfold.ensembling.postprocess import LargestComponent
from maskfold.prediction.store import ORIGIN, ProbabilityStore

SIZE = (640, 960)  # pixels, height and width at which photo and plate are compared
MAYBE_CAR = 77  # of 255; from here on a pixel may be car, and so may what is near
MARGIN, REACH = 15, 61  # pixels, sides of squares: car may be within one, and is looked for within the other
LEAST_VIEWS = 3  # that leave a pixel free, or its plate is unknown
SAME, OTHER = 5, 12  # of 255, the largest difference of the three colours
NO_CAR, CAR = -3.0, 3.5  # what is added to the logit
ROUNDS = 2  # better maps make a better plate


def plate_of(photos: Sequence[np.ndarray], maps: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the backdrop (H, W, 3) int16 behind a car, and where it is known, (H, W) bool.

    Args:
        photos: The car's views, (H, W, 3) uint8.
        maps: Their probability maps, (H, W) uint8.
    """
    square = np.ones((MARGIN, MARGIN), np.uint8)
    free = np.stack([cv2.dilate((one >= MAYBE_CAR).astype(np.uint8), square) == 0 for one in maps])
    views = free.sum(axis=0)
    levels = np.where(free[..., None], np.stack(photos).astype(np.int16), 256)
    levels.sort(axis=0)
    middle = np.maximum(views - 1, 0) // 2
    plate = np.take_along_axis(levels, np.repeat(middle[None, ..., None], 3, axis=-1), axis=0)[0]
    return plate, views >= LEAST_VIEWS


def corrected(photo: np.ndarray, probability: np.ndarray, plate: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return a map (H, W) uint8 that believes the plate where the photo is as it, and where it surely is not.

    Args:
        photo: (H, W, 3) uint8.
        probability: (H, W) uint8.
        plate, known: As `plate_of` returns them.
    """
    mask = LargestComponent()(probability, (probability >= 128).astype(np.uint8))
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return probability
    difference = np.abs(cv2.GaussianBlur(photo.astype(np.float32) - plate, (0, 0), 1.0)).max(axis=-1)
    above = np.arange(len(photo))[:, None] < (rows[0] + rows[-1]) / 2
    near = cv2.dilate(mask, np.ones((REACH, REACH), np.uint8)) > 0
    belief = np.where(difference < SAME, NO_CAR, np.where((difference > OTHER) & above & near, CAR, 0))
    p = np.clip(probability.astype(np.float32) / 255, 0.005, 0.995)
    logit = np.log(p / (1 - p)) + np.where(known, belief, 0).astype(np.float32)
    return (255 / (1 + np.exp(-cv2.GaussianBlur(logit, (0, 0), 1.0))) + 0.5).astype(np.uint8)


def correct_car(photos: Sequence[np.ndarray], maps: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the maps of a car's views, corrected by their plate; arguments as `plate_of` has them."""
    maps = [*maps]
    for _ in range(ROUNDS):
        plate, known = plate_of(photos, maps)
        maps = [corrected(photo, one, plate, known) for photo, one in zip(photos, maps, strict=True)]
    return maps


def correct_store(photos: Mapping[str, Path], store: Path, corrected_store: Path) -> None:
    """Write a store of corrected maps of whole cars beside one of a network's own, unless it is finished.

    Args:
        photos: JPEGs by image id, `<car>_<view>`.
        store: The network's maps of these.
        corrected_store: A new folder, or one that this function has begun.
    """
    before, after = ProbabilityStore(store), ProbabilityStore(corrected_store)
    corrected_store.mkdir(exist_ok=True)
    for path in store.glob("*.json"):
        shutil.copy(path, corrected_store)
    origin = corrected_store / ORIGIN
    origin.write_text(json.dumps(json.loads(origin.read_text()) | {"corrected": "by plates"}))
    for car in sorted({image_id[:-3] for image_id in after.missing(photos)}):
        names = sorted(name for name in photos if name.startswith(car))
        whole = [before.read(name) for name in names]
        views = [cv2.imread(str(photos[name]), cv2.IMREAD_REDUCED_COLOR_2) for name in names]
        maps = correct_car(*([cv2.resize(one, SIZE[::-1], interpolation=cv2.INTER_AREA) for one in some]
                             for some in (views, whole)))  # fmt: skip
        for name, one, old in zip(names, maps, whole, strict=True):
            after.write(name, cv2.resize(one, old.shape[::-1], interpolation=cv2.INTER_LINEAR))
