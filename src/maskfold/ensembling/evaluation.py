"""Out-of-fold scores: per image, per fold and pooled, at every threshold."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from maskfold.data.balance import clusters_fingerprint
from maskfold.data.loading import read_mask
from maskfold.data.table import CLUSTER, LABEL, fingerprint
from maskfold.data.windows import is_large
from maskfold.ensembling.large import count_thresholds, open_truth
from maskfold.ensembling.manifest import content_of
from maskfold.ensembling.mean_map import merged_probability, open_mean
from maskfold.ensembling.merge import sizes_of
from maskfold.ensembling.tree import MemberMaps
from maskfold.errors import MaskfoldError, listing
from maskfold.masks.cuts import cuts_for, marks_at, marks_of_counts
from maskfold.masks.metrics import Metric
from maskfold.masks.planes import likeliest, planes
from maskfold.masks.scores import METRICS
from maskfold.masks.scoring import Judged, of_class, scores_of, scores_of_counts
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
    metric: Metric
    classes: Sequence[str] = ()
    exclusive: bool = False

    def __call__(self, image: tuple[str, str, tuple[int, int]]) -> tuple[str, dict[str, float], np.ndarray]:
        """Return the id, the scores at one half, and `(2, C, T)`: values and weights of each class at each cut.

        Raises:
            MaskfoldError: If the map or the mask cannot be read, or the map has not its photo's size and classes.
        """
        image_id, path, size = image
        if is_large(*size):
            return image_id, *self._by_bands(image_id, path, size)
        probability = merged_probability([self.source], image_id, size=size)
        mask = read_mask(path, size=size)
        refuse_other_classes(probability, mask, image_id)
        scores = {"unconfidence": unconfidence(probability)}
        judged = likeliest(probability) if self.exclusive else probability
        cut = (judged >= HALF).astype(np.uint8)
        scores |= scores_of(cut, mask, metric=self.metric, classes=self.classes)
        cuts = cuts_for(self.metric)
        pairs = zip(planes(judged), planes(mask), strict=True)
        return image_id, scores, np.stack([marks_at(self.metric, *pair, cuts) for pair in pairs], axis=1)

    def _by_bands(self, image_id: str, path: str, size: tuple[int, int]) -> tuple[dict[str, float], np.ndarray]:
        """Return the scores of a very large map, and what it comes to at each cut, as far as counts of pixels tell."""
        mean = open_mean([self.source], image_id, size=size)
        counts, (together, *_) = count_thresholds(mean, open_truth(path, mean), exclusive=self.exclusive)
        overlap, pixels = counts[..., HALF].T, size[0] * size[1]
        scores = scores_of_counts(overlap, pixels, metric=self.metric, classes=self.classes)
        marks = marks_of_counts(self.metric, counts[..., cuts_for(self.metric)])
        return {"unconfidence": together, **scores}, np.stack(marks)


def refuse_other_classes(probability: np.ndarray, mask: np.ndarray, image_id: str) -> None:
    """Refuse a map of more or fewer classes than its mask has.

    Raises:
        MaskfoldError: Naming both.
    """
    if probability.shape != mask.shape:
        predicted, wanted = len(planes(probability)), len(planes(mask))
        raise MaskfoldError(
            f"{image_id}: its map has {predicted} classes, its mask {wanted}. Train and predict on the data as it is."
        )


@dataclass(frozen=True)
class CutScores:
    """What N images come to at T thresholds, by C classes.

    Attributes:
        image_ids: `(N,)`.
        cuts: `(T,)`, of 255.
        values: `(N, C, T)`.
        weights: `(N, C, T)`.
        metric: By what.
        classes: The names of several classes.
    """

    image_ids: pd.Index
    cuts: np.ndarray
    values: np.ndarray
    weights: np.ndarray
    metric: str
    classes: Sequence[str] = ()

    def best(self, image_ids: Sequence[str], of: slice = slice(None)) -> tuple[int, float]:
        """Return the best threshold for some images, and what they come to there; of some classes or of all."""
        rows = self.image_ids.get_indexer(pd.Index(image_ids))
        values, weights = (part[rows, of].reshape(-1, len(self.cuts)) for part in (self.values, self.weights))
        with np.errstate(invalid="ignore"):
            totals = (values * weights).sum(axis=0) / weights.sum(axis=0)
        if np.isnan(totals).all():
            return HALF, float("nan")
        place = int(np.nanargmax(totals))
        return int(self.cuts[place]), float(totals[place])


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


def score_images(
    source: MemberMaps,
    rows: pd.DataFrame,
    *,
    metric: Metric,
    classes: Sequence[str] = (),
    exclusive: bool = False,
    jobs: int = -1,
) -> tuple[pd.DataFrame, CutScores]:
    """Score a member's out-of-fold maps.

    Args:
        source: Where the maps are.
        rows: Rows of the image table, with their `fold`.
        metric: What they are scored by.
        classes: The names of several classes.
        exclusive: Whether these never overlap: a pixel is then the likeliest one's alone, at every threshold.
        jobs: Processes; -1 is one per core.

    Returns:
        A table in the order of `rows`, a row an image: `image_id`, `group`, `view`, `fold`, `cluster` where `rows` have
        it, `unconfidence`, and the scores at one half; and what the images come to at every threshold, or at some if
        the metric takes its time.
    """
    images = list(zip(rows["image_id"], rows["mask"], sizes_of(rows), strict=True))
    scorer = Scorer(source, metric, classes, exclusive)
    results = {result[0]: result[1:] for result in map_unordered(scorer, images, "score", jobs=jobs)}
    scores, marks = zip(*(results[image_id] for image_id in rows["image_id"]), strict=True)
    about = rows.filter(["image_id", "group", "view", "fold", CLUSTER]).reset_index(drop=True)
    values, weights = np.stack(marks, axis=1)
    at_cuts = CutScores(pd.Index(rows["image_id"]), cuts_for(metric), values, weights, metric.name, classes)
    return about.join(pd.DataFrame(scores)), at_cuts


def made_of(stores: Sequence[Path], photos: pd.DataFrame) -> dict[str, Any]:
    """Return what scores come from, to be kept with them as `DataFrame.attrs`.

    Args:
        stores: The folders of the maps.
        photos: The rows of the image table that are scored.
    """
    return {"maps": [content_of(store) for store in stores]} | facts_of(photos)


def facts_of(photos: pd.DataFrame) -> dict[str, str]:
    """Return the part of `made_of` that is of the photos: their files; clusters and labels where there are any."""
    clusters = {"clusters": clusters_fingerprint(photos)} if CLUSTER in photos else {}
    labels = {"labels": fingerprint(photos)} if LABEL in photos else {}
    return {"contents": contents_fingerprint(photos)} | clusters | labels


def scored_from(path: Path) -> dict[str, Any] | None:
    """Return what the scores in a file come from; None if there is no such file, or it does not say."""
    try:
        return pd.read_parquet(path).attrs or None
    except (OSError, ValueError):  # missing or damaged
        return None


def summarise(scores: pd.DataFrame, at_cuts: CutScores) -> pd.DataFrame:
    """Average the scores of each fold and of all images.

    Returns:
        A row for each fold and one, `all`, for all images: `fold`, `images`, `groups`, the metric and `METRICS` at one
        half, for several classes the metric and the Dice of each, and the `best_threshold` of 1..255 with its
        `best_<metric>`, for several classes for each as well.
    """
    parts = [(str(fold), part) for fold, part in scores.groupby("fold")] + [(POOLED, scores)]
    return pd.DataFrame([_summary(name, part, at_cuts) for name, part in parts])


def _summary(name: str, scores: pd.DataFrame, at_cuts: CutScores) -> dict[str, object]:
    metric, classes = at_cuts.metric, at_cuts.classes
    names = [metric, *(one for one in METRICS if one != metric)]
    judged = [
        *map(Judged, names),
        *(Judged(one, label) for one in dict.fromkeys([metric, "dice"]) for label in classes),
    ]
    summary = {"fold": name, "images": len(scores), "groups": scores["group"].nunique()}
    summary |= {one.column: np.round(one.total(scores), 6) for one in judged}
    for label, of in [("", slice(None)), *((label, slice(at, at + 1)) for at, label in enumerate(classes))]:
        cut, value = at_cuts.best(scores["image_id"], of)
        columns = (of_class(column, label) if label else column for column in ("best_threshold", f"best_{metric}"))
        summary |= dict(zip(columns, (cut, np.round(value, 6)), strict=True))
    return summary
