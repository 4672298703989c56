"""Which two submissions to stand by: chosen out of fold, within its noise by how different their masks are.

The public leaderboard is one draw of the test set, and whoever picks by it picks its luck as well. It is shown, and
has no say.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold.ensembling.blend import gain_interval
from maskfold.errors import MaskfoldError
from maskfold.masks.scores import iou_score
from maskfold.masks.scoring import DICE, Judged
from maskfold.parallel import progress
from maskfold.runs.ensemble_folder import ensemble_of
from maskfold.submission.shape import shape_written
from maskfold.submission.writer import read_submission


def compare(scores: Mapping[str, pd.DataFrame], judged: Judged = DICE, *, seed: int = 0) -> pd.DataFrame:
    """Compare the out-of-fold scores of several ensembles with the best one's, image by image.

    Args:
        scores: By name, each with `image_id`, `group` and what is judged, of the same images.
        judged: By what.
        seed: Of the bootstrap.

    Returns:
        A row each, the best first, equals in the order of their names: `name`, its score as `cv`, how much it is
        `behind` the best, with the 95 % interval of a paired bootstrap over groups, `low` and `high`, and whether it
        is `level` with the best: whether the interval reaches down to 0.
    """
    by_image = {name: scores[name].set_index("image_id") for name in sorted(scores)}
    group = next(iter(by_image.values()))["group"]
    marks = {name: judged.marks(part.loc[group.index]) for name, part in by_image.items()}
    ranked = sorted(marks, key=lambda name: -marks[name].total)  # equals stay in the order of their names
    best = marks[ranked[0]]
    rows = [(name, marks[name].total, *gain_interval(best, marks[name], group, seed=seed)) for name in ranked]
    table = pd.DataFrame(rows, columns=["name", "cv", "behind", "low", "high"])
    return table.assign(level=table["low"] <= 0)


def difference(best: Path, other: Path) -> float:
    """Return 1 - the mean IoU of two submissions' masks over the images: 0 where they are equal.

    Raises:
        MaskfoldError: If they are not of the same images in the same order.
    """
    differences = [
        1 - mask_iou(one, two) for one, two in progress(_both(best, other), f"compare {ensemble_of(other).name}")
    ]
    return float(np.mean(differences))


def _both(best: Path, other: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the run-length pairs of each image and class in both submissions."""
    shapes = [shape_written(path) for path in (best, other)]
    rules, same_rules = (shape.rules for shape in shapes)
    try:
        if rules.order != same_rules.order:
            raise ValueError(f"pixels numbered by {rules.order} in one, by {same_rules.order} in the other")
        rows = (read_submission(path, shape) for path, shape in zip((best, other), shapes, strict=True))
        for one, two in zip(*rows, strict=True):
            if one[:2] != two[:2]:
                raise ValueError(f"{' '.join(one[:2]).strip()} in one, {' '.join(two[:2]).strip()} in the other")
            yield rules.pairs(one.runs), same_rules.pairs(two.runs)
    except ValueError as error:  # zip's own, too
        raise MaskfoldError(f"{best} and {other} are not of the same images: {error}.") from error


def mask_iou(one: np.ndarray, other: np.ndarray) -> float:
    """Return the IoU of two masks, 1 where both are empty, without drawing them.

    Args:
        one: `(N, 2)` int64 run-length pairs in ascending order, as `maskfold.masks.rle.parse` returns them.
        other: The same of the other mask.
    """
    areas = one[:, 1].sum(), other[:, 1].sum()
    if not all(areas):
        return float(iou_score(0, *areas))
    # How many pixels of `other` lie in front of a pixel rises by 1 a pixel in its runs, and not at all between them.
    ends = np.stack((other[:, 0], other.sum(axis=1)), axis=1).ravel()
    before = np.stack((np.cumsum(other[:, 1]) - other[:, 1], np.cumsum(other[:, 1])), axis=1).ravel()
    inside = np.interp(one.sum(axis=1), ends, before) - np.interp(one[:, 0], ends, before)
    return float(iou_score(inside.sum(), *areas))


def choose(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Choose the two submissions to select.

    Args:
        table: As `compare` returns it, with the `difference` of each from the best.

    Returns:
        Name and reason of the first and, if there is another submission at all, of the second.
    """
    best, others = table.iloc[0], table.iloc[1:]
    picks = [(best["name"], "the best out of fold")]
    level = others[others["level"]]
    if len(level):
        # Of equally different ones the better.
        second = level.sort_values("difference", ascending=False, kind="stable").iloc[0]
        reason = "level with the best out of fold, within the noise, and of those its masks differ most from it"
        picks.append((second["name"], reason))
    elif len(others):
        reason = "the second best out of fold; all are behind the best by more than the noise"
        picks.append((others.iloc[0]["name"], reason))
    return picks
