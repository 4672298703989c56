"""Out-of-fold scores: per image, per fold and pooled, at every threshold."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from maskfold.data.loading import read_mask
from maskfold.ensembling.merge import merged_probability
from maskfold.ensembling.tree import MemberMaps
from maskfold.masks.scores import METRICS, dice_score, mask_scores, threshold_counts
from maskfold.masks.unconfidence import unconfidence
from maskfold.parallel import map_unordered
from maskfold.runs.results import POOLED

HALF = 128  # of 255: the first value whose probability is at least one half


@dataclass(frozen=True)
class Scorer:
    """Scores one image's out-of-fold map against its mask: `(image_id, mask path) -> scores`."""

    source: MemberMaps

    def __call__(self, image: tuple[str, str]) -> tuple[str, dict[str, float], np.ndarray]:
        """Return the id, the unconfidence and `METRICS` at one half, and the Dice at each threshold, `(256,)`."""
        image_id, path = image
        probability = merged_probability([self.source], image_id)
        mask = read_mask(path, size=probability.shape)
        scores = {"unconfidence": unconfidence(probability)}
        scores |= mask_scores((probability >= HALF).astype(np.uint8), mask)
        return image_id, scores, dice_score(*threshold_counts(probability, mask))


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
    images = list(zip(rows["image_id"], rows["mask"], strict=True))
    results = {result[0]: result[1:] for result in map_unordered(Scorer(source), images, "score", jobs=jobs)}
    scores, dice = zip(*(results[image_id] for image_id in rows["image_id"]), strict=True)
    about = rows[["image_id", "group", "view", "fold"]].reset_index(drop=True)
    return about.join(pd.DataFrame(scores)), pd.DataFrame(np.stack(dice), index=rows["image_id"])


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
