"""What speaks for masks of cars on a turntable where no true masks are: outlines, the ring of views, oneness."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import cv2
import numpy as np
import pandas as pd

VIEWS = 16
# Of each kind of evidence, whether more of it speaks for the masks.
MORE_IS_BETTER = {
    "agreement": True,
    "edges": True,
    "asymmetry": False,
    "roughness": False,
    "stray": False,
    "holes": False,
    "border": False,
}


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Return the Dice of two masks (H, W) uint8 0/1; 1 where both are empty."""
    both = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / both if both else 1.0


def agreement(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> float:
    """Return the mean Dice between two networks' masks (H, W) uint8 0/1 of the same photos."""
    return float(np.mean([dice(first, second) for first, second in zip(one, other, strict=True)]))


def edges(photo: np.ndarray, mask: np.ndarray) -> float:
    """Return how steep the photo is under the mask's outline: 0.5 as anywhere, 1 where it is steepest; NaN without one.

    It is the mean share of pixels that are less steep, each pixel being as steep as the steepest of its neighbours, so
    that an outline beside an edge counts as on it.

    Args:
        photo: (H, W) uint8, grey.
        mask: (H, W) uint8 0/1.
    """
    outline = mask > cv2.erode(mask, np.ones((3, 3), np.uint8), borderValue=1)
    if not outline.any():
        return float("nan")
    soft = cv2.GaussianBlur(photo.astype(np.float32), (0, 0), 1.0)
    across, down = (cv2.Sobel(soft, cv2.CV_32F, *way) for way in ((1, 0), (0, 1)))
    steep = cv2.dilate(np.hypot(across, down), np.ones((3, 3), np.uint8))
    ranked = np.sort(steep, axis=None)
    ranks = [np.searchsorted(ranked, steep[outline], side=side).mean() for side in ("left", "right")]
    return float(np.mean(ranks) / steep.size)


def asymmetry(areas: np.ndarray) -> float:
    """Return how far views that mirror one another differ in area, over the mean area.

    Args:
        areas: (16,), of views 1 to 16: view 1 sees the nose and view 9 the tail; 2 and 16 mirror one another.
    """
    mirrored = areas[-np.arange(VIEWS) % VIEWS]
    return float(np.abs(areas - mirrored).mean() / areas.mean())


def roughness(areas: np.ndarray) -> float:
    """Return how far the area of a view is from the mean of its neighbours' in the ring, over the mean area."""
    neighbours = (np.roll(areas, 1) + np.roll(areas, -1)) / 2
    return float(np.abs(areas - neighbours).mean() / areas.mean())


def oneness(mask: np.ndarray) -> dict[str, float]:
    """Return the shares of a mask's area that lie apart from its largest part, and that it encloses, and if it is cut.

    Args:
        mask: (H, W) uint8 0/1.

    Returns:
        `stray` and `holes`, over the mask's area, and `border`, 1 if it touches the photo's border, else 0; an empty
        mask is all stray.
    """
    area = int(mask.sum())
    if not area:
        return {"stray": 1.0, "holes": 0.0, "border": 0.0}
    _, _, parts, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    padded = cv2.copyMakeBorder(1 - mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    _, labels = cv2.connectedComponents(padded, connectivity=4)
    enclosed = int(((padded > 0) & (labels != labels[0, 0])).sum())
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).any()
    return {"stray": 1 - parts[1:, cv2.CC_STAT_AREA].max() / area, "holes": enclosed / area, "border": float(border)}


def evidence(masks: Mapping[str, np.ndarray], photos: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the means over all photos, and over the cars for what concerns their ring of views.

    Args:
        masks: (H, W) uint8 0/1 by image id, `<car>_<view>`; cars without sixteen views have no ring.
        photos: (H, W) uint8, grey, of the same size, by image id.
    """
    rows = [{"edges": edges(photos[name], mask)} | oneness(mask) for name, mask in masks.items()]
    cars = sorted({name[:-3] for name in masks})
    rings = [[f"{car}_{view:02d}" for view in range(1, VIEWS + 1)] for car in cars]
    areas = [np.array([masks[name].sum() for name in ring], float) for ring in rings if masks.keys() >= {*ring}]
    whole = [ring for ring in areas if ring.all()]
    return {key: float(np.nanmean([row[key] for row in rows])) for key in rows[0]} | {
        "asymmetry": float(np.mean([asymmetry(ring) for ring in whole])) if whole else float("nan"),
        "roughness": float(np.mean([roughness(ring) for ring in whole])) if whole else float("nan"),
    }


def pairs_in_order(networks: pd.DataFrame) -> pd.DataFrame:
    """Return how often each kind of evidence orders two networks that learned otherwise as their Dice does.

    Args:
        networks: A row for each network and set of test cars: `test_cars`, `learned`, `dice` and the kinds of evidence.

    Returns:
        `evidence`, `pairs` and, of these, how many are `in_order`, which equal evidence is not; pairs are of networks
        on the same test cars.
    """
    rows = []
    for kind, more in MORE_IS_BETTER.items():
        right = []
        for _, own in networks.groupby("test_cars"):
            for one, other in combinations(own.to_dict("records"), 2):
                if one["learned"] != other["learned"]:
                    better = (one[kind] - other[kind]) * (1 if more else -1)
                    right.append(better * (one["dice"] - other["dice"]) > 0)
        rows.append({"evidence": kind, "pairs": len(right), "in_order": sum(right)})
    return pd.DataFrame(rows)
