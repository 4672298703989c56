"""Out-of-fold scores: per image, per fold and pooled, at every threshold."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from maskfold.data.loading import read_mask
from maskfold.ensembling.manifest import content_of
from maskfold.ensembling.merge import merged_probability, sizes_of
from maskfold.ensembling.tree import MemberMaps
from maskfold.errors import MaskfoldError, listing
from maskfold.masks.scores import METRICS, dice_score, mask_scores, threshold_counts
from maskfold.masks.unconfidence import unconfidence
from maskfold.parallel import map_unordered
from maskfold.runs.contents import contents_fingerprint
from maskfold.runs.layout import fold_of
from maskfold.runs.results import POOLED
from maskfold.runs.run_folder import run_of

HALF = 128  # of 255: the first value whose probability is at least one half


@dataclass(frozen=True)
class Scorer:
    """Scores one image's out-of-fold map against its mask: `(image_id, mask path, photo's size) -> scores`."""

    source: MemberMaps

    def __call__(self, image: tuple[str, str, tuple[int, int]]) -> tuple[str, dict[str, float], np.ndarray]:
        """Return the id, the unconfidence and `METRICS` at one half, and the Dice at each threshold, `(256,)`.

        Raises:
            MaskfoldError: If the map or the mask cannot be read, or the map has not its photo's size.
        """
        image_id, path, size = image
        probability = merged_probability([self.source], image_id, size=size)
        mask = read_mask(path, size=size)
        scores = {"unconfidence": unconfidence(probability)}
        scores |= mask_scores((probability >= HALF).astype(np.uint8), mask)
        return image_id, scores, dice_score(*threshold_counts(probability, mask))


def refuse_other_folds(source: MemberMaps, rows: pd.DataFrame, split: str) -> None:
    """Refuse a member whose maps were predicted by other folds than the photos are in now.

    Args:
        source: Where the maps are.
        rows: Rows of the image table, with their `fold`.
        split: The file of the folds, for the message.

    Raises:
        MaskfoldError: If there are any; the message names the photos.
    """
    folds = [fold_of(run_of(store)) for store in source.leaf.stores]
    now = dict(zip(rows["image_id"].tolist(), rows["fold"].tolist(), strict=True))
    moved = [image_id for image_id in now if folds[source.fold_of[image_id]] != now[image_id]]
    if moved:
        raise MaskfoldError(
            f"{split}: {len(moved)} photos are in another fold than the one that predicted them:\n{listing(moved)}\n"
            "The split has changed. Put back the one that the folds were trained on, or train every member on this one."
        )


def score_images(source: MemberMaps, rows: pd.DataFrame, *, jobs: int = -1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score a member's out-of-fold maps.

    Args:
        source: Where the maps are.
        rows: Rows of the image table, with their `fold`.
        jobs: Processes; -1 is one per core.

    Returns:
        Two tables in the order of `rows`. One row an image: `image_id`, `group`, `view`, `fold`, `unconfidence`, and
        `METRICS` at one half. And `(images, 256)`: the Dice of each image at each threshold.
    """
    images = list(zip(rows["image_id"], rows["mask"], sizes_of(rows), strict=True))
    results = {result[0]: result[1:] for result in map_unordered(Scorer(source), images, "score", jobs=jobs)}
    scores, dice = zip(*(results[image_id] for image_id in rows["image_id"]), strict=True)
    about = rows[["image_id", "group", "view", "fold"]].reset_index(drop=True)
    return about.join(pd.DataFrame(scores)), pd.DataFrame(np.stack(dice), index=rows["image_id"])


def made_of(stores: Sequence[Path], photos: pd.DataFrame) -> dict[str, Any]:
    """Return what scores come from, to be kept with them as `DataFrame.attrs`.

    Args:
        stores: The folders of the maps.
        photos: The rows of the image table that are scored.
    """
    return {"maps": [content_of(store) for store in stores], "contents": contents_fingerprint(photos)}


def scored_from(path: Path) -> dict[str, Any] | None:
    """Return what the scores in a file come from; None if there is no such file, or it does not say."""
    try:
        return pd.read_parquet(path).attrs or None
    except (OSError, ValueError):  # missing or damaged
        return None


def summarise(scores: pd.DataFrame, by_threshold: pd.DataFrame) -> pd.DataFrame:
    """Average the scores of each fold and of all images.

    Returns:
        A row for each fold and one, `all`, for all images: `fold`, `images`, `groups`, `METRICS` at one half, and the
        `best_threshold` of 1..255 with its `best_dice`.
    """
    parts = [(str(fold), part) for fold, part in scores.groupby("fold")] + [(POOLED, scores)]
    return pd.DataFrame([_summary(name, part, by_threshold.loc[part["image_id"]]) for name, part in parts])


def _summary(name: str, scores: pd.DataFrame, by_threshold: pd.DataFrame) -> dict[str, object]:
    means = by_threshold.mean()
    best = int(means[1:].idxmax())
    return {
        "fold": name,
        "images": len(scores),
        "groups": scores["group"].nunique(),
        **scores[[*METRICS]].mean().round(6),
        "best_threshold": best,
        "best_dice": round(means[best], 6),
    }
