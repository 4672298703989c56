"""What a competition's sample submission says: which photos and classes are wanted, in which order."""

from collections.abc import Iterator, Set
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold.errors import MaskfoldError
from maskfold.masks.rules import Rules
from maskfold.submission.shape import Shape
from maskfold.submission.writer import read_submission


class Sample:
    """The rows of a sample submission, each with its line.

    Attributes:
        lines: By photo, as the table calls it, and class ("" where there is only one).
    """

    def __init__(self, path: Path, shape: Shape) -> None:
        """Read all of it.

        Raises:
            MaskfoldError: If it is no submission of that shape.
        """
        rows = enumerate(read_submission(path, shape), start=2)
        self.lines = {(cells.photo, cells.label): line for line, cells in rows}
        self._photos = {photo: place for place, photo in enumerate(dict.fromkeys(photo for photo, _ in self.lines))}
        self._labels = {label: place for place, label in enumerate(dict.fromkeys(label for _, label in self.lines))}

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes in the order in which they appear."""
        return tuple(self._labels)

    def place(self, photo: str, label: str) -> tuple[int, int]:
        """Return what rows are ordered by: the photos as they appear, and within each the classes as they appear."""
        return self._photos[photo], self._labels[label]

    def in_order(self, photos: pd.DataFrame, rules: Rules) -> pd.DataFrame:
        """Return rows of the image table in the order of the sample, those that it does not have behind the others."""
        names = [rules.name_of(Path(image).name) for image in photos["image"]]
        places = pd.Series([self._photos.get(name, len(self._photos)) for name in names], index=photos.index)
        return photos.loc[places.sort_values(kind="stable").index]


def masks_of_sample(
    path: Path, shape: Shape, known: Set[str], *, most: int = 64
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Yield image_id, class and runs of the first masks of a sample that are more than something to fill the column.

    Args:
        path: The sample.
        shape: How it is written.
        known: The ids of photos.
        most: How many.
    """
    count = 0
    for photo, label, text in read_submission(path, shape):
        image_id = shape.rules.image_id_of(photo)
        try:
            runs = shape.rules.pairs(text)
        except MaskfoldError:
            continue
        if len(runs) > 1 and image_id in known:
            yield image_id, label, runs
            count += 1
        if count == most:
            return
