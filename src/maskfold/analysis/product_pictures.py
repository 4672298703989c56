"""Photos of products side by side: pairs that are confused, answers that are badly wrong, labels that look wrong."""

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import pandas as pd

from maskfold.analysis.cases import Panel
from maskfold.analysis.formats import percent
from maskfold.analysis.galleries import Exhibit
from maskfold.analysis.recognition_evidence import RecognitionEvidence
from maskfold.analysis.recognition_tables import pairs, points
from maskfold.data.loading import read_image
from maskfold.masks.pictures import as_rgb, shrink

SIDE = 200  # of a picture, pixels at most
OF_EACH = 3  # photos of each product of a pair


class Shelf:
    """Photos of products by what they are labelled and what they were taken for.

    Args:
        evidence: Whose photos.
    """

    def __init__(self, evidence: RecognitionEvidence) -> None:
        self._evidence = evidence
        self._images: dict[str, np.ndarray] = {}

    @cached_property
    def _by_label(self) -> dict[str, pd.DataFrame]:
        ranked = self._evidence.scores.sort_values("true_probability", ascending=False, kind="stable")
        return dict(iter(ranked.groupby("label", sort=False)))

    def picture(self, image_id: str) -> np.ndarray:
        """Return a photo, `(H, W, 3) uint8`, scaled down.

        Raises:
            MaskfoldError: If it cannot be read.
        """
        if image_id not in self._images:
            photo = as_rgb(read_image(self._evidence.photos.at[image_id, "image"]))
            self._images[image_id] = shrink(photo, width=SIDE, height=SIDE)
        return self._images[image_id]

    def typical(self, label: str, count: int, *, without: str = "") -> list[Panel]:
        """Return photos of a label that are recognised best, as many as there are of so many."""
        rows = self._by_label.get(label)
        if rows is None:
            return []
        rows = rows[rows["image_id"] != without].head(count)
        return [Panel(self.picture(image_id), label) for image_id in rows["image_id"]]

    def taken_for(self, label: str, other: str, count: int) -> list[Panel]:
        """Return photos of a label that were answered with another one, the surest first, then ones recognised."""
        rows = self._by_label.get(label, self._evidence.scores.head(0))
        wrong = rows[rows["predicted"] == other].sort_values("probability", ascending=False, kind="stable").head(count)
        right = rows[rows["predicted"] == label].head(count - len(wrong))
        said = [f"{label}, answered {other} {percent(row.probability, 0)}" for row in wrong.itertuples()]
        said += [f"{label}, recognised" for _ in right.itertuples()]
        ids = [*wrong["image_id"], *right["image_id"]]
        return [Panel(self.picture(image_id), caption) for image_id, caption in zip(ids, said, strict=True)]


def confused(evidence: RecognitionEvidence, *, images: int) -> Iterator[Exhibit]:
    """Yield the pairs of products that are confused most often, with three photos of each."""
    shelf = Shelf(evidence)
    for row in pairs(evidence.scores).head(images).itertuples():
        facts = [
            f"{row.photos:,} of {row.label} answered {row.other}",
            f"{row.back:,} the other way",
            f"{points(row.rate)} of the photos of both",
        ]
        panels = shelf.taken_for(row.label, row.other, OF_EACH) + shelf.taken_for(row.other, row.label, OF_EACH)
        yield Exhibit(f"{row.label} and {row.other}", facts, [], panels)


def worst(evidence: RecognitionEvidence, *, images: int) -> Iterator[Exhibit]:
    """Yield the photos whose right class was thought least probable, where another one was thought most probable."""
    shelf, scores = Shelf(evidence), evidence.scores
    wrong = scores[scores["accuracy"] == 0].assign(margin=lambda rows: rows["probability"] - rows["true_probability"])
    for row in wrong.sort_values(["margin", "image_id"], ascending=[False, True]).head(images).itertuples():
        panels = [
            Panel(shelf.picture(row.image_id), f"labelled {row.label}"),
            *shelf.typical(row.label, 1, without=row.image_id),
            *shelf.typical(row.predicted, 1),
        ]
        facts = [
            f"{row.label} {percent(row.true_probability)}, rank {row.rank}",
            f"answered {row.predicted} {percent(row.probability)}",
        ]
        yield Exhibit(row.image_id, facts, [], panels)


def suspects(evidence: RecognitionEvidence, *, images: int) -> Iterator[Exhibit]:
    """Yield the photos whose labels look most wrong, with photos of the given and of the suggested label."""
    shelf = Shelf(evidence)
    for row in evidence.suspects.head(images).itertuples():
        panels = [
            Panel(shelf.picture(row.image_id), f"labelled {row.label}"),
            *shelf.typical(row.label, 2, without=row.image_id),
            *shelf.typical(row.suggested, 2, without=row.image_id),
        ]
        voices = {"probability": row.margin, "nearest photos": row.neighbours, "other members": row.members}
        facts = [f"{name} {voice:+.2f}" for name, voice in voices.items() if not pd.isna(voice)]
        facts.insert(0, f"labelled {row.label}, looks like {row.suggested}")
        yield Exhibit(row.image_id, facts, ["looks wrong"] if row.certain else [], panels)
