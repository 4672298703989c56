"""One look at every out-of-fold mask, pixel by pixel: what is contradicted, and where the errors are."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from maskfold.analysis.evidence import OpenPass, Split, outcome
from maskfold.analysis.location import GRID, REACH, distance_counts, object_errors
from maskfold.analysis.tables import ranked
from maskfold.data.loading import read_mask
from maskfold.masks.disagreement import confident_disagreement
from maskfold.masks.planes import planes
from maskfold.parallel import map_unordered

_VIEWS = 16  # of more, no picture each


@dataclass(frozen=True)
class Inspection:
    """What the look at every out-of-fold mask gave.

    Attributes:
        suspicion: `image_id` and its confident disagreement as `suspicion`, a row an image, the largest first; of
            several classes that of the one with the largest, whose `number` it is.
        distances: Sum of `distance_counts` over all images.
        objects: Mean of `object_errors`, 0..1, over the images of each view; of all images under an empty name, if
            there are no views or very many. Images without an object are left out.
    """

    suspicion: pd.DataFrame
    distances: np.ndarray
    objects: dict[str, np.ndarray]


def inspect(oof: Split, *, jobs: int = -1) -> Inspection:
    """Look at every out-of-fold mask.

    Args:
        oof: The ensemble out of fold.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If a map or a mask cannot be read.
    """
    rows = oof.photos.merge(oof.scores[["image_id", "repaired"]], on="image_id")
    items = list(rows[["image_id", "mask", "repaired"]].itertuples(index=False, name=None))
    views = dict(zip(rows["image_id"], rows["view"], strict=True)) if rows["view"].nunique() <= _VIEWS else {}
    suspicion, distances = {}, np.zeros((2, 2, REACH), np.int64)
    sums: dict[str, np.ndarray] = defaultdict(lambda: np.zeros((3, *GRID), np.int64))
    times: Counter[str] = Counter()
    for image_id, doubts, counts, objects in map_unordered(
        partial(_look, oof.usual, oof.repair), items, "inspect", jobs=jobs
    ):
        suspicion[image_id] = max(doubts), int(np.argmax(doubts))
        distances += counts
        for on_object in objects:
            view = views.get(image_id, "")
            sums[view] += on_object
            times[view] += 1
    rows = [(image_id, *doubt) for image_id, doubt in suspicion.items()]
    table = pd.DataFrame(rows, columns=["image_id", "suspicion", "number"])
    means = {view: sums[view] / (255 * times[view]) for view in sorted(sums)}
    return Inspection(ranked(table, "suspicion", descending=True), distances, means)


def _look(
    usual: OpenPass, repair: OpenPass, image: tuple[str, str, bool]
) -> tuple[str, list[float], np.ndarray, list[np.ndarray]]:
    """Return an image's confident disagreement by class, and the sums and lists of what is counted over its classes."""
    image_id, path, repaired = image
    arrays = outcome(usual, repair, image_id, repaired=repaired)
    truths = planes(read_mask(path, size=arrays[0].shape[-2:]))
    looks = [*zip(*map(planes, arrays), truths, strict=True)]
    doubts = [confident_disagreement(probability, truth) for probability, _, truth in looks]
    counts = sum(distance_counts(prediction, truth) for _, prediction, truth in looks)
    return image_id, doubts, counts, [object_errors(mask, truth) for _, mask, truth in looks if truth.any()]
