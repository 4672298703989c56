"""Photos with labels as data to learn from: their classes, their months, and what is kept for testing."""

import hashlib
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from maskfold.data.class_table import FILE, ClassTable
from maskfold.data.folders import refuse_doubles
from maskfold.data.hold_out import HoldOut
from maskfold.data.label_text import check_month, checked_labels
from maskfold.data.said_of_labels import correct_labels, read_frozen, read_retired, write_frozen
from maskfold.data.source import Source
from maskfold.data.table import CLASS_INDEX, LABEL, MONTH, STRAYS
from maskfold.data.task import RECOGNITION
from maskfold.errors import MaskfoldError, listing


class LabelledSource(Source):
    """Photos with labels instead of masks.

    Test photos may have labels too: those that every version of a recogniser is judged by. Labels get their numbers
    from the data's table of classes, which `make folds` writes.

    Attributes:
        until: The last month whose photos count; None for all.
        test: The share of train photos that become labelled test photos, by their group or content, so that a photo
            stays where it is when others come.
        hold_out: Which labels are not learned.
        submission: How a submission is written, its columns by name; None for as the sample has it.
    """

    task = RECOGNITION

    def __init__(
        self,
        *,
        root: str,
        name: str | None = None,
        until: str | None = None,
        test: float = 0,
        hold_out: Mapping[str, Any] | None = None,
        submission: Mapping[str, str] | None = None,
        **common: Any,
    ) -> None:
        """Look at nothing yet.

        Args:
            root: The folder of the photos.
            name: What the data is called; the root folder's name unless given.
            until: As the attribute.
            test: As the attribute.
            hold_out: See `HoldOut`.
            submission: As the attribute.
            common: `metric`, `competition`, `sample`, `on_error` and `max_pixels` of `Source`.

        Raises:
            MaskfoldError: If an argument is out of range.
        """
        super().__init__(root=root, name=name, **{"metric": "accuracy"} | common)
        if not 0 <= test < 1:
            raise MaskfoldError(f"data.test={test}: give a share from 0 to below 1, such as 0.2.")
        self.until = None if until is None else check_month(str(until), key="data.until")
        self.test = test
        self.hold_out = HoldOut(hold_out)
        self.submission = None if submission is None else dict(submission)

    @property
    def outputs(self) -> int:
        """See `Source`."""
        return len(self.class_table())

    def class_table(self) -> ClassTable:
        """Return the classes as they are in the month `until`, with those retired that the user has retired.

        Raises:
            MaskfoldError: If there are none yet, or their file is damaged, or a product to retire is unknown.
        """
        return self._all_classes().until(self.until)

    def _all_classes(self) -> ClassTable:
        table = ClassTable.read(self.folder / FILE)
        retired = read_retired(self.folder, table)
        return table if retired is None else table.retiring(retired)

    def said(self) -> dict[str, Any]:
        """See `Source`."""
        return {"classes": self.class_table()}

    def prepare_classes(self, table: pd.DataFrame) -> None:
        """See `Source`; labels of train photos, behind those that have a number. Drawn test photos are kept as such."""
        ClassTable.grow(self.folder / FILE, table[table["split"] == "train"])
        if self.test:
            # Only those drawn: a product that is held out is learned when `hold_out` no longer names it.
            kept = (table["split"] == "test") & table[LABEL].notna() & self._drawn(table)
            write_frozen(self.folder, table.loc[kept, "image_id"])

    def refuse_other_classes(self, folder: Path) -> None:
        """See `Source`.

        Raises:
            MaskfoldError: If one of the run's products is not there any more, or has another number; or nobody knows.
        """
        path = folder / FILE
        if not path.exists():
            raise MaskfoldError(
                f"{path}: missing, so nobody knows which products the network of this run answers with. Put it back, "
                "or begin without start_from."
            )
        ClassTable.read(path).refuse_moved(self.class_table(), path)

    def leave(self, folder: Path) -> None:
        """See `Source`; the table of classes."""
        self.class_table().write(folder / FILE)

    @abstractmethod
    def photos(self) -> pd.DataFrame:
        """Return `image_id, image, split` and what else is known: `label, coarse, month, group, meta.<name>`."""

    def table(self) -> pd.DataFrame:
        """See `Source`; photos of later months than `until` are left out.

        Raises:
            MaskfoldError: If nothing is left, a train photo has no label, or what a row says cannot be meant.
        """
        rows = self.photos()
        self.left_out = frozenset()
        strays, rows.attrs = rows.attrs.get(STRAYS, []), {}
        rows = checked_labels(rows, name=f"data {self.name}")
        if MONTH in rows and self.until is not None:
            is_later = (rows[MONTH] > self.until).to_numpy(bool)
            rows, self.left_out = rows[~is_later], frozenset(rows.loc[is_later, "image_id"])
        if rows.empty:
            raise MaskfoldError(f"{self.root}: no photos{f' until {self.until}' if self.until else ''}.")
        bare = rows[(rows["split"] == "train") & rows[LABEL].isna()]
        if len(bare):
            raise MaskfoldError(
                f"data {self.name}: {len(bare)} train photos without a label:\n{listing(bare['image'].array)}\n"
                "Name what they show, or make them test photos (split=test)."
            )
        refuse_doubles(rows["image_id"], rows["image"])
        rows = rows.assign(view="", group=rows["group"] if "group" in rows else rows["image_id"])
        rows = rows.reset_index(drop=True)
        rows.attrs = {STRAYS: strays}
        return rows

    def examined(self, *, jobs: int = -1) -> pd.DataFrame:
        """See `Source`; with the share of test photos, and corrected labels."""
        return self._as_said(super().examined(jobs=jobs))

    def as_found(self, *, needs_masks: bool = True, jobs: int = -1) -> pd.DataFrame:
        """See `Source`; no photo needs a mask here, and labels are as the user has corrected them.

        Raises:
            MaskfoldError: As `Source.as_found`, or if a photo is to have a label that no other photo has, or labels
                cannot be held out.
        """
        return self._as_said(self._checked(jobs=jobs))

    def _checked(self, *, jobs: int = -1) -> pd.DataFrame:
        """Return the image table with what was seen of its photos."""
        return super().as_found(needs_masks=False, jobs=jobs)

    def _as_said(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table with its test photos, with labels as they are corrected, and without those held out."""
        corrected = correct_labels(self._with_test(table), self.folder, left_out=self.left_out)
        return self.hold_out.moved(corrected, classes=self.folder / FILE)

    def _with_test(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table whose share of test photos is drawn; one that was drawn before stays a test photo."""
        moves = table["image_id"].isin(read_frozen(self.folder))
        if self.test:
            moves |= self._drawn(table)
        moves &= table["split"] == "train"
        return table.assign(split=table["split"].mask(moves, "test")) if moves.any() else table

    def _drawn(self, table: pd.DataFrame) -> pd.Series:
        """Return of each photo whether the share of test photos takes it, by its group or content."""
        alone = table["group"] == table["image_id"]
        return table["group"].mask(alone, table["image_hash"]).map(_place, na_action="ignore") < self.test

    def load(self, *, needs_masks: bool = True, jobs: int = -1) -> pd.DataFrame:
        """See `Source`; with the number of each label, and without the photos of products that are retired.

        Raises:
            MaskfoldError: As `Source.load`, or if a label has no number yet.
        """
        table = super().load(needs_masks=False, jobs=jobs)
        classes = self._all_classes()
        unknown = sorted({*table.loc[table["split"] == "train", LABEL].unique()} - {*classes.labels})
        if unknown:
            raise MaskfoldError(
                f"{self.folder / FILE}: {len(unknown)} labels of the data are not in it yet:\n{listing(unknown, 5)}\n"
                f"`make folds DATA={self.name}` puts new ones behind the others."
            )
        now = classes.until(self.until)
        table = table.assign(**{CLASS_INDEX: now.indices(table[LABEL])})
        gone = table[LABEL].isin(classes.labels) & ~np.append(now.active(), False)[table[CLASS_INDEX]]
        self.left_out |= {*table.loc[gone, "image_id"]}
        return table[~gone].reset_index(drop=True) if gone.any() else table


def _place(key: str) -> float:
    """Return where a key lies between 0 and 1, the same for ever."""
    return int.from_bytes(hashlib.sha256(str(key).encode()).digest()[:6], "big") / 2**48
