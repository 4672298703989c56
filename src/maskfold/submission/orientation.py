"""In which order a submission's pixels are numbered, by its own photos and masks, and what the other order would cost.

Square photos look alike in both orders, so no run is wrong by itself. What tells is whether outlines lie where the
photos change (`maskfold.masks.orientation`), and whether masks lie where those of training do.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
import pandas as pd

from maskfold.data.loading import read_mask
from maskfold.masks import rle
from maskfold.masks.metrics import Metric, total
from maskfold.masks.orientation import CERTAIN, LIKELY, MOST_PIXELS, OrderVerdict, Tally, judge_order
from maskfold.masks.planes import planes
from maskfold.parallel import progress
from maskfold.submission.findings import Report

PHOTOS = 64  # that are looked at, of test and of training
_MASKS = 4 * PHOTOS  # of a submission that are compared with training masks
_GRID = 16  # cells a side, on which they are

Cells = list[tuple[str, np.ndarray]]  # class, and the share of object in each cell (_GRID, _GRID) float32


class Chosen:
    """Some masks of a submission: those of the same photos whatever its order is, and of no very large ones."""

    def __init__(self, most: int = _MASKS, *, sizes: Mapping[str, tuple[int, int]] | None = None) -> None:
        self._most = most
        self._sizes = sizes or {}
        self._masks: dict[tuple[int, str, str], np.ndarray] = {}
        self._bound: tuple[int, str, str] | None = None

    def may_keep(self, image_id: str, label: str) -> bool:
        """Return whether a mask may be among the lowest; which ones are not, the first of them tell."""
        return self._bound is None or (_number(image_id), image_id, label) <= self._bound

    def __call__(self, image_id: str, label: str, runs: np.ndarray) -> None:
        """Keep a mask, if its photo is one of those with the lowest numbers."""
        height, width = self._sizes.get(image_id, (0, 0))
        if height * width > MOST_PIXELS:
            return
        self._masks[(_number(image_id), image_id, label)] = runs
        if len(self._masks) > 2 * self._most:
            self._masks = dict(self._lowest())
            self._bound = max(self._masks)

    def __iter__(self) -> Iterator[tuple[str, str, np.ndarray]]:
        return ((image_id, label, runs) for (_, image_id, label), runs in self._lowest())

    def _lowest(self) -> list[tuple[tuple[int, str, str], np.ndarray]]:
        return sorted(self._masks.items(), key=lambda item: item[0])[: self._most]


def judge_submission(
    masks: Iterable[tuple[str, str, np.ndarray]], table: pd.DataFrame, read: Callable[[str], np.ndarray]
) -> OrderVerdict:
    """Judge the order of some of a submission's masks by their photos.

    Args:
        masks: image_id, class, and runs `(N, 2)` int64 without faults, counted from 1.
        table: The image table.
        read: What reads a photo.
    """
    rows, last, photo = table.set_index("image_id"), None, np.empty((0, 0))

    def with_photos() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        nonlocal last, photo
        for image_id, _, runs in progress([*masks][:PHOTOS], "order of pixels", unit="masks"):
            row = rows.loc[image_id]
            if row["height"] * row["width"] <= MOST_PIXELS:
                if image_id != last:  # once for all its classes
                    last, photo = image_id, read(row["image"])
                yield runs, photo

    return judge_order(with_photos())


@dataclass
class Truth:
    """What some training photos tell.

    Attributes:
        cells: Where their objects are.
        right: Value and weight of each mask that is compared with the truth, read as it is written.
        wrong: Read in the other order.
        predicted: Whether those masks were predicted out of fold; otherwise they are the true ones.
    """

    cells: Cells = field(default_factory=list)
    right: list[tuple[float, float]] = field(default_factory=list)
    wrong: list[tuple[float, float]] = field(default_factory=list)
    predicted: bool = False


def look_at_truth(
    table: pd.DataFrame,
    *,
    classes: Iterable[str],
    metric: Metric,
    order: str,
    predicted: Mapping[tuple[str, str], np.ndarray],
) -> Truth:
    """Look at some training photos that have masks.

    Args:
        table: The image table.
        classes: The names of several classes, none for one.
        metric: What the competition scores by.
        order: In which it numbers pixels.
        predicted: By image_id and class, the runs of masks that were predicted out of fold; may be empty.

    Raises:
        MaskfoldError: If a mask cannot be read.
    """
    ids = {image_id for image_id, _ in predicted}
    rows = table[(table["split"] == "train") & table["mask"].notna()]
    rows = rows[rows["image_id"].isin(ids)] if ids else rows
    rows = rows[rows["height"] * rows["width"] <= MOST_PIXELS]
    chosen = rows.loc[rows["image_id"].map(_number).sort_values().index[:PHOTOS]]
    truth = Truth(predicted=bool(ids))
    for row in progress([*chosen.itertuples()], "training masks", unit="masks"):
        size = row.height, row.width
        for label, mask in zip(tuple(classes) or ("",), planes(read_mask(row.mask, size=size)), strict=False):
            if mask.any() and row.height == row.width:
                truth.cells.append((label, _cells(mask)))
            runs = predicted.get((row.image_id, label), np.empty((0, 2), np.int64))
            written = runs if ids else rle.runs(mask if order == "rows" else np.ascontiguousarray(mask.T))
            for values, read_by in ((truth.right, order), (truth.wrong, other_order(order))):
                values.append(metric.of_masks(rle.draw(written, *size, order=read_by), mask))
    return truth


def order_by_place(masks: Iterable[tuple[str, np.ndarray, tuple[int, int]]], truth: Cells) -> OrderVerdict:
    """Judge an order by where masks of square photos lie: in the right one they lie where those of training do.

    Args:
        masks: Class, runs `(N, 2)` and `(height, width)`.
        truth: Where those of training lie.
    """
    by_rows = [(label, _cells(rle.draw(runs, *size))) for label, runs, size in masks if size[0] == size[1]]
    tallies = []
    # Neither masks by chance on one side nor training masks by chance on one side are enough.
    for ones, others in ((by_rows, truth), (truth, by_rows)):
        means, tally = _means(others), Tally()
        tally.add(*(float(((one - one.T) * means[label]).sum()) for label, one in ones if label in means))
        tallies.append(tally)
    chance = max(tally.chance for tally in tallies)
    if chance >= LIKELY or tallies[0].order != tallies[1].order:
        return OrderVerdict(None, 0.0, "Masks lie where the training masks do in either order", False)
    order = tallies[0].order
    evidence = f"Masks lie where the training masks do by {order} only"
    return OrderVerdict(order, 1 - chance, evidence, chance < CERTAIN)


def with_order(
    report: Report, wanted: str, *, edges: OrderVerdict, place: OrderVerdict, truth: Truth, metric: Metric
) -> Report:
    """Return a report that says what is known of the order, and what either order would score.

    Args:
        report: So far.
        wanted: The order that the rules ask for.
        edges: What photos say.
        place: What training masks say.
        truth: What the score is estimated from.
        metric: What the competition scores by.
    """
    verdict = edges if edges.order else place
    sayings = [one.evidence for one in (edges, place) if one.order] or [edges.evidence]
    evidence = "; ".join(_small(saying) for saying in sayings)
    errors, warnings, notes = [*report.errors], [*report.warnings], [*report.notes]
    wrong = verdict.order == other_order(wanted)
    if not wrong:
        notes.append(f"order: {evidence}{', and that is the order asked for' if verdict.order else ''}")
    elif not any(error.startswith("orientation") for error in errors):
        # Where training photos show other things than the test photos do, places alone mislead.
        agreed = place.order in (None, edges.order)
        certain = edges.order is not None and agreed and (edges.certain or place.order is not None)
        message = f"orientation: {evidence}, and the order asked for is by {wanted}"
        (errors if certain else warnings).append(message)
    notes += _predicted(truth, metric, wanted, wrong=wrong)
    return Report(report.images, report.empty_masks, errors, warnings, notes)


def _predicted(truth: Truth, metric: Metric, wanted: str, *, wrong: bool) -> list[str]:
    """Say what either order would score."""
    if not truth.right:
        return []
    right, crossed = (total(*np.array(values).T) for values in (truth.right, truth.wrong))
    other, count = other_order(wanted), len(truth.right)
    if not truth.predicted:
        return [
            f"score: {count} true masks that are read in the other order score {crossed:.3f} ({metric.title}); "
            "what is to be expected in the right one, `make ensemble ARGS=split=oof` tells"
        ]
    if wrong:
        return [
            f"predicted score ({metric.title}, of {count} masks out of fold): about {crossed:.3f} as it is written, "
            f"about {right:.3f} numbered by {wanted}"
        ]
    return [
        f"predicted score ({metric.title}, of {count} masks out of fold): about {right:.3f} if the competition numbers "
        f"pixels by {wanted}, as here; about {crossed:.3f} if by {other}"
    ]


def other_order(order: str) -> str:
    """Return the order that an order is not."""
    return rle.ORDERS[1 - rle.ORDERS.index(order)]


def _small(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _number(image_id: str) -> int:
    """Return a number by which photos are chosen as if at random, and always the same ones."""
    return zlib.crc32(image_id.encode())


def _cells(mask: np.ndarray) -> np.ndarray:
    return cv2.resize(mask.astype(np.float32), (_GRID, _GRID), interpolation=cv2.INTER_AREA)


def _means(cells: Cells) -> dict[str, np.ndarray]:
    by_label: dict[str, list[np.ndarray]] = {}
    for label, one in cells:
        by_label.setdefault(label, []).append(one)
    return {label: np.mean(ones, axis=0) for label, ones in by_label.items()}
