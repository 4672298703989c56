"""A table of routes with planted faults: what a person has to correct, and the truth."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from maskfold.files import sha256, write_bytes
from maskfold.prediction.store import ProbabilityStore
from maskfold.quality.routes import ROUTES, maps_text, write_routes

MEMBERS = ("linknet34", "u2net_small", "unet_vgg11")


def scene(height: int, width: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a photo, `(H, W, 3) uint8` RGB, of a plain car on a plain floor, and its mask, `(H, W) uint8` 0 or 1."""
    rng = np.random.default_rng(seed)
    unit = height / 40
    mask = np.zeros((height, width), np.uint8)
    centre, floor = width / 2, height * 0.72

    def at(x: float, y: float) -> tuple[int, int]:
        return round(centre + x * unit), round(floor + y * unit)

    corners = [(-20, -1), (-20, -7), (-13, -8.5), (-8, -14), (7, -14), (13, -8.5), (20, -6), (20, -1)]
    cv2.fillPoly(mask, [np.array([at(*corner) for corner in corners])], 1)
    for x in (-12, 12):
        cv2.circle(mask, at(x, -1), round(4 * unit), 1, -1)
    photo = np.full((height, width, 3), 205, np.uint8)
    photo[round(floor + 2 * unit) :] = 165
    cv2.ellipse(photo, at(0, 3), (round(21 * unit), round(1.6 * unit)), 0, 0, 360, (120, 120, 122), -1)
    photo[mask > 0] = rng.integers(40, 220, 3, dtype=np.uint8)
    for x in (-12, 12):
        cv2.circle(photo, at(x, -1), round(4 * unit), (35, 35, 38), -1)
        cv2.circle(photo, at(x, -1), round(2.2 * unit), (150, 152, 156), -1)
    cv2.fillPoly(
        photo, [np.array([at(*corner) for corner in [(-11, -9), (-7, -13), (6, -13), (10, -9)]])], (70, 80, 90)
    )
    noise = rng.integers(-4, 5, photo.shape, dtype=np.int16)
    return np.clip(photo + noise, 0, 255).astype(np.uint8), mask


def without_wheel(mask: np.ndarray) -> np.ndarray:
    """Return a mask of `scene` that lacks the part of the right wheel below the body."""
    height, width = mask.shape
    spoilt = mask.copy()
    spoilt[round(height * 0.72 - height / 40) :, width // 2 :] = 0
    return spoilt


def with_shadow(mask: np.ndarray) -> np.ndarray:
    """Return a mask of `scene` that has the shadow below the car as well."""
    height, width = mask.shape
    spoilt, unit = mask.copy(), height / 40
    centre = (width // 2, round(height * 0.72 + 3 * unit))
    cv2.ellipse(spoilt, centre, (round(19 * unit), round(1.8 * unit)), 0, 0, 360, 1, -1)
    return spoilt


def as_map(mask: np.ndarray, *, radius: float = 1.5) -> np.ndarray:
    """Return what a network might answer for a mask, `(H, W) uint8`: sure inside, soft at the edge."""
    return cv2.GaussianBlur(mask * np.uint8(250), (0, 0), radius) + np.uint8(2)


def write_routed(
    folder: Path, photos: Sequence[tuple[str, np.ndarray, Sequence[np.ndarray], float]], *, route: str = "review"
) -> Path:
    """Write photos, maps and their table; return the table's path.

    Args:
        folder: Where they go.
        photos: `(image_id, photo, maps of the members, score)` each; the maps weigh alike.
        route: Of all of them.
    """
    rows = []
    for image_id, photo, maps, score in photos:
        path = folder / "photos" / f"{image_id}.jpg"
        content = cv2.imencode(".jpg", cv2.cvtColor(photo, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])[1]
        write_bytes(path, content.tobytes())
        named = []
        for member, probability in zip(MEMBERS, maps, strict=False):
            store = ProbabilityStore(folder / "maps" / member)
            store.write(image_id, probability)
            named.append((member, store.path(image_id).relative_to(folder).as_posix(), Fraction(1)))
        rows.append(
            {
                "image_id": image_id,
                "photo": f"photos/{image_id}.jpg",
                "photo_hash": sha256(path)[:32],
                "maps": maps_text(named),
                "score": score,
                "iou": score,
                "cluster": "cars",
                "group": image_id,
                "route": route,
                "reason": f"score {score:.2f}, below 0.90",
                "model": "0123456789abcdef",
                "made": "2026-11-02T09:00:00+00:00",
            }
        )
    write_routes(folder / ROUTES, pd.DataFrame(rows))
    return folder / ROUTES
