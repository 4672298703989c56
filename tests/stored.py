"""Routes of small photos with a map each, as the cut-outs leave them, and reviews beside them."""

import hashlib
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from maskfold.data.loading import content_hash
from maskfold.prediction.store import ProbabilityStore
from maskfold.quality.routes import ROUTES, maps_text, write_routes
from maskfold.review.record import REVIEWS, Review, ReviewFolder

HEIGHT, WIDTH = 64, 96


def draw_photo(path, seed, *, lighter=0):
    """Draw a photo with the detail that a PDQ hash needs, another one for each seed."""
    coarse = np.random.default_rng(seed).integers(20, 200, (8, 12, 3), dtype=np.uint8) + np.uint8(lighter)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC))


def box(left, right):
    """Return a mask whose object is a column of the photo."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:, left:right] = 1
    return mask


def route(folder: Path, routes: dict[str, str], *, month=11, **columns) -> Path:
    """Write routes of photos, by name, into a folder; map `n` is sure of the columns 10 to 40 + n, photo `n` is seed n.

    Args:
        folder: Where.
        routes: `image_id -> route`.
        month: When they were made.
        columns: Others, by name.
    """
    rows = []
    for number, (image_id, where) in enumerate(routes.items()):
        photo = folder / "photos" / f"{image_id}.png"
        if not photo.exists():
            draw_photo(photo, number)
        ProbabilityStore(folder / "maps").write(image_id, box(10, 40 + number) * np.uint8(200))
        row = {"image_id": image_id, "photo": f"photos/{image_id}.png", "photo_hash": content_hash(photo)}
        row |= {"maps": maps_text([("one", f"maps/{image_id}.b2nd", 1)]), "score": number / 10, "iou": 0.9}
        row |= {"cluster": None, "group": None, "route": where, "reason": "", "model": "m1"}
        rows.append(row | {"made": f"2026-{month:02}-0{number + 1}T00:00:00+00:00"})
    path = folder / ROUTES
    write_routes(path, pd.DataFrame(rows).assign(**columns))
    return path


def review(routes: Path, image_id: str, decision: str, mask=None, *, day=10, **changes):
    """Keep a review beside routes."""
    photo = next(path for path in (routes.parent, routes.parent.parent) if (path / "photos").is_dir())
    kept = {"seconds": 8.5, "pixels_changed": 120, "reviewer": "ann", "began_from": "mean", "mask_hash": None}
    kept |= {"made": f"2026-11-{day:02}T00:00:00+00:00", "actions": 3}
    kept |= {"photo_hash": content_hash(photo / "photos" / f"{image_id}.png")} | changes
    ReviewFolder(routes.parent / REVIEWS).write(Review(image_id=image_id, decision=decision, **kept), mask)


def forget(path: Path) -> None:
    """Remove a folder, if it is there."""
    shutil.rmtree(path, ignore_errors=True)


def sha256_name(content: bytes, suffix: str = ".png") -> str:
    """Return what a file of some bytes is called in a store."""
    return f"{hashlib.sha256(content).hexdigest()}{suffix}"
