"""Which steps of post-processing earn their place: each measured out of fold, cluster by cluster, in its order.

A step is judged on what the accepted steps before it leave of a mask, with it against without it; where it gains beyond
the noise it is on for the steps behind it. So the gains add up to that of the chain which is proposed, and no step is
on for the sake of one that is itself left out. A step that only pays together with one behind it is not found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from maskfold.data.loading import read_mask
from maskfold.data.table import CLUSTER
from maskfold.ensembling.blend import gain_interval
from maskfold.ensembling.evaluation import refuse_other_classes
from maskfold.ensembling.mean_map import merged_probability
from maskfold.ensembling.merge import most_unsure, sizes_of
from maskfold.ensembling.recipe import to_mask
from maskfold.ensembling.steps import OfPhotos, Opened, OpenStep, Step, steps_for
from maskfold.ensembling.tree import MemberMaps
from maskfold.masks.metrics import Metric
from maskfold.masks.metrics import total as total_of
from maskfold.masks.planes import planes
from maskfold.masks.scoring import Marks
from maskfold.masks.unconfidence import unconfidence
from maskfold.parallel import map_unordered

EVERYWHERE = ""  # the only cell of data without clusters; no cluster has such a name
ON = "on"
TAIL = 0.025  # the chance of a gain by luck alone, over all steps and clusters together, that is borne


@dataclass(frozen=True)
class Chain:
    """What becomes of a photo's maps before the steps that are measured.

    Attributes:
        sources: The members that are averaged.
        threshold: Of 255; of several classes one for each.
        steps: Those that are always on.
    """

    sources: Sequence[MemberMaps]
    threshold: int | Sequence[int]
    steps: tuple[Opened, ...] = ()


@dataclass(frozen=True)
class Trial:
    """A step that is measured.

    Attributes:
        name: What readers call it.
        step: Itself, its maps at hand.
        present: `(N,) bool`, on which photos the recipe has it now.
        cells: `(N,) bool` by cluster, where it is tried.
    """

    name: str
    step: Step | OpenStep
    present: np.ndarray
    cells: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Guarded:
    """What came of measuring.

    Attributes:
        table: A row for each step and cluster: `step`, `cluster`, `photos`, `groups`, `changed` (groups in which the
            step changes any score), `gain`, `low`, `high` and `verdict`.
        comparisons: How many rows the intervals were widened for.
        clusters: Of each step the clusters where it is on.
        without: What all masks come to without any of the steps.
        present: What they come to by the recipe as it is.
        proposed: What they come to with each step on where it gains.
        gain: Of what is proposed over the recipe as it is, with the ends of its interval of 95 %.
    """

    table: pd.DataFrame
    comparisons: int
    clusters: list[list[str]]
    without: float
    present: float
    proposed: float
    gain: tuple[float, float, float]


@dataclass(frozen=True)
class ChainScorer:
    """Scores masks as an ensemble would make them with some steps.

    Attributes:
        usual: Of most photos.
        repair: Of those that are repaired.
        repaired: Their ids.
        metric: What masks are scored by.
        exclusive: Whether several classes never overlap.
        steps: Behind those of the chains.
    """

    usual: Chain
    repair: Chain
    repaired: frozenset[str]
    metric: Metric
    exclusive: bool = False
    steps: tuple[Opened, ...] = ()

    def __call__(self, image: tuple[int, tuple[str, str, tuple[int, int]]]) -> tuple[int, float, float]:
        """Return a photo's number, and its value and weight: of several classes the mean over them."""
        number, (image_id, path, size) = image
        chain = self.repair if image_id in self.repaired else self.usual
        probability = merged_probability(chain.sources, image_id, size=size)
        truth = read_mask(path, size=size)
        refuse_other_classes(probability, truth, image_id)
        steps = steps_for((*chain.steps, *self.steps), image_id)
        mask = to_mask(probability, chain.threshold, steps, exclusive=self.exclusive)
        marks = [self.metric.of_masks(*pair) for pair in zip(planes(mask), planes(truth), strict=True)]
        values, weights = np.array(marks, np.float64).T
        # As `Judged.marks` reads a table of scores: a photo counts once, unless the metric weighs it.
        weight = float(weights.sum() if self.metric.weighted else weights.any())
        return number, total_of(values, weights) if weight else 0.0, weight

    def marks(self, rows: pd.DataFrame, steps: Sequence[Opened], description: str, jobs: int) -> Marks:
        """Return what the masks of some rows of the image table come to with these steps, `(N,)`."""
        images = enumerate(zip(rows["image_id"], rows["mask"], sizes_of(rows), strict=True))
        scorer = replace(self, steps=tuple(steps))
        marks = Marks(*np.zeros((2, len(rows))))
        for number, *mark in map_unordered(scorer, images, description, total=len(rows), jobs=jobs):
            marks.values[number], marks.weights[number] = mark
        return marks


def trials_of(
    steps: Sequence[tuple[str, Step | OpenStep, Sequence[str] | None]], rows: pd.DataFrame
) -> tuple[Trial, ...]:
    """Return where each step is tried: in the clusters it is for, or in every one; without clusters on all photos.

    Args:
        steps: Of each its name, itself, and the clusters it is for; None for one that runs on every photo.
        rows: Rows of the image table.
    """
    every = np.ones(len(rows), bool)
    clusters = rows[CLUSTER] if CLUSTER in rows and rows[CLUSTER].notna().any() else None
    trials = []
    for number, (name, step, own) in enumerate(steps, start=1):
        if clusters is None:
            cells = {EVERYWHERE: every}
        else:
            tried = sorted({*clusters.dropna()} & {*(clusters.dropna() if own is None else own)})
            cells = {cluster: (clusters == cluster).to_numpy(bool) for cluster in tried}
        present = every if own is None else np.logical_or.reduce([*cells.values(), ~every])
        trials.append(Trial(f"{number} {name}", step, present, cells))
    return tuple(trials)


def repaired_of(chain: Chain, rows: pd.DataFrame, worst: int, *, jobs: int) -> frozenset[str]:
    """Return the ids of the `worst` most unconfident photos, which an ensemble repairs."""
    if not worst:
        return frozenset()
    images = zip(rows["image_id"], sizes_of(rows), strict=True)
    unsure = dict(map_unordered(_Unsure(chain.sources), images, "rank", total=len(rows), jobs=jobs))
    ids = rows["image_id"].reset_index(drop=True)
    ranked = pd.DataFrame({"image_id": ids, "unconfidence": ids.map(unsure)})
    return frozenset(ids[most_unsure(ranked, worst)])


@dataclass(frozen=True)
class _Unsure:
    sources: Sequence[MemberMaps]

    def __call__(self, image: tuple[str, tuple[int, int]]) -> tuple[str, float]:
        image_id, size = image
        return image_id, unconfidence(merged_probability(self.sources, image_id, size=size))


def guard_steps(
    trials: Sequence[Trial], scorer: ChainScorer, rows: pd.DataFrame, *, seed: int, jobs: int = -1
) -> Guarded:
    """Measure every step in every cluster it is tried in, and keep it where it gains beyond the noise.

    Args:
        trials: The steps in their order.
        scorer: How masks are made and scored.
        rows: Rows of the image table that have masks.
        seed: Of the bootstrap.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If a map or a mask cannot be read, or a map has not its photo's size and classes.
    """
    ids, groups = rows["image_id"].to_numpy(), rows["group"].reset_index(drop=True)
    comparisons = sum(len(trial.cells) for trial in trials)
    none = np.zeros(len(rows), bool)
    before = without = scorer.marks(rows, (), "score without steps", jobs)
    on: list[OfPhotos] = []
    clusters, cells, differs = [], [], none
    for trial in trials:
        tried = np.logical_or.reduce([*trial.cells.values(), none])
        new = scorer.marks(rows[tried], (*on, OfPhotos(trial.step, frozenset(ids[tried]))), f"try {trial.name}", jobs)
        after = _with(before, new, tried)
        measured = {
            cluster: _cell(_of(after, inside), _of(before, inside), groups[inside], comparisons, seed)
            for cluster, inside in trial.cells.items()
        }
        kept = [cluster for cluster, cell in measured.items() if cell["verdict"] == ON]
        chosen = np.logical_or.reduce([*(trial.cells[cluster] for cluster in kept), none])
        on.append(OfPhotos(trial.step, frozenset(ids[chosen])))
        before = _with(before, _of(after, chosen), chosen)
        differs = differs | (chosen != trial.present)
        clusters.append(kept)
        cells += [
            {"step": trial.name, "cluster": cluster or "all photos", **cell} for cluster, cell in measured.items()
        ]
    as_it_is = [OfPhotos(trial.step, frozenset(ids[trial.present])) for trial in trials]
    present = _with(before, scorer.marks(rows[differs], as_it_is, "score as it is", jobs), differs)
    gain = gain_interval(before, present, groups, seed=seed)
    return Guarded(pd.DataFrame(cells), comparisons, clusters, without.total, present.total, before.total, gain)


def _cell(new: Marks, old: Marks, groups: pd.Series, comparisons: int, seed: int) -> dict[str, Any]:
    """Return a step's row in one cluster, but for their names."""
    gain, low, high = gain_interval(new, old, groups, seed=seed, comparisons=comparisons)
    differs = (new.values != old.values) | (new.weights != old.weights)
    changed = groups[differs].nunique()
    if not changed:
        verdict = "changes nothing"
    # Of a few groups all may gain by luck, with a chance of a half each, and a bootstrap that draws these same few
    # never sees a loss.
    elif 0.5**changed > TAIL / comparisons:
        verdict = "too few groups"
    elif low > 0:
        verdict = ON
    else:
        verdict = "loses" if high < 0 else "within the noise"
    counts = {"photos": len(groups), "groups": groups.nunique(), "changed": changed}
    return counts | {"gain": gain, "low": low, "high": high, "verdict": verdict}


def _of(marks: Marks, chosen: np.ndarray) -> Marks:
    return Marks(*(part[chosen] for part in marks))


def _with(marks: Marks, new: Marks, chosen: np.ndarray) -> Marks:
    """Return marks with those of the chosen photos, `(N,) bool`, replaced."""
    parts = [part.copy() for part in marks]
    for part, values in zip(parts, new, strict=True):
        part[chosen] = values
    return Marks(*parts)
