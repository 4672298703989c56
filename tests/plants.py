"""Faults planted in a folder of photos and masks: masks of other photos, mirrored, shifted, and near-copies."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from maskfold.data.loading import read_image, read_mask

SWAPPED, MIRRORED, SHIFTED, COPY = "another photo's mask", "mirrored", "shifted by 2 to 4 %", "near-copy"
_ALIKE = 0.93  # IoU of a mask and itself mirrored or shifted: what changes less is no fault
_QUALITY = 40  # of a copy's JPEG


def shifted(mask: np.ndarray, share: float) -> np.ndarray:
    """Move a mask `(H, W)` sideways by a share of its width; what leaves the picture is lost."""
    step = round(share * mask.shape[1])
    return np.hstack([np.zeros_like(mask[:, :step]), mask[:, : mask.shape[1] - step]])


def dilated(mask: np.ndarray, share: float) -> np.ndarray:
    """Grow a mask `(H, W)` on all sides by a share of its width."""
    side = 2 * max(1, round(share * mask.shape[1])) + 1
    return cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))


def re_encoded(photo: np.ndarray) -> np.ndarray:
    """Return a photo `(H, W, 3)` at 0.7 of its size and 8 % lighter."""
    smaller = cv2.resize(photo, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    return np.clip(smaller * 1.08, 0, 255).round().astype(np.uint8)


def plant(
    root: Path,
    *,
    images: str = "images",
    masks: str = "masks",
    each: int = 5,
    seed: int = 0,
    spare: tuple[str, ...] = (),
) -> pd.DataFrame:
    """Spoil masks and copy photos in place.

    Args:
        root: Of folders of photos and masks, which are called as the photos, perhaps with `_mask` at their end.
        images: The folder of photos.
        masks: That of masks.
        each: Faults of each kind.
        seed: Where the chances come from.
        spare: Photos to leave as they are.

    Returns:
        `image_id` and `kind` of each fault; a copy's is its own name, which begins with `copy`.
    """
    rng = np.random.default_rng([seed, 12])
    paths = {path.stem.removesuffix("_mask"): path for path in sorted((root / masks).iterdir())}
    photos = {path.stem: path for path in sorted((root / images).iterdir())}
    order = [name for name in rng.permutation([*photos]).tolist() if name not in spare]
    rows: list[tuple[str, str]] = []

    def spoil(kind: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
        """Change the masks of the next photos whose masks that changes enough."""
        while sum(one == kind for _, one in rows) < each:
            name = order.pop()
            before = read_mask(paths[name])
            after = change(before)
            if np.count_nonzero(before & after) < _ALIKE * np.count_nonzero(before | after):
                _write(paths[name], after)
                rows.append((name, kind))

    whole = {name: read_mask(paths[name]) for name in order[: 4 * each]}  # of photos that stay as they are
    spoil(SWAPPED, lambda mask: _fitted(whole[str(rng.choice([*whole]))], mask.shape))
    spoil(MIRRORED, lambda mask: mask[:, ::-1])
    spoil(SHIFTED, lambda mask: shifted(mask, rng.uniform(0.02, 0.04)))
    for number, name in enumerate(order[:each]):
        small = re_encoded(read_image(photos[name]))
        copy = f"copy{number}_01"
        Image.fromarray(small).save(root / images / f"{copy}.jpg", quality=_QUALITY)
        _write(root / masks / f"{copy}{paths[name].stem.removeprefix(name)}.png", _fitted(whole[name], small.shape[:2]))
        rows.append((copy, COPY))
    return pd.DataFrame(rows, columns=["image_id", "kind"])


def _fitted(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return cv2.resize(mask, shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def _write(path: Path, mask: np.ndarray) -> None:
    Image.fromarray(np.ascontiguousarray(mask) * np.uint8(255)).save(path)
