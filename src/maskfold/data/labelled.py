"""Where an image table of labelled photos comes from: photos of products, each with the name of what it shows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from maskfold import files
from maskfold.data.folders import Stray, list_images
from maskfold.data.label_rows import OWN_COLUMNS, as_photos, read_rows
from maskfold.data.label_source import LabelledSource
from maskfold.data.table import LABEL, MONTH, STRAYS
from maskfold.errors import MaskfoldError


class LabelTable(LabelledSource):
    """A CSV or Parquet file with a row a photo: its path, below `root`, and its label."""

    def __init__(
        self,
        *,
        root: str,
        file: str = "labels.csv",
        columns: dict[str, str] | None = None,
        **common: Any,
    ) -> None:
        """Look at nothing yet.

        Args:
            root: The folder that paths are below.
            file: The table, below `root` or absolute.
            columns: What its columns are called where they have other names: `path`, and of `OWN_COLUMNS`; all others
                become metadata.
            common: The others of `LabelledSource`.
        """
        super().__init__(root=root, **common)
        self.file = self.root / file
        self.columns = {"path": "path"} | OWN_COLUMNS | dict(columns or {})

    def photos(self) -> pd.DataFrame:
        """See `LabelledSource`.

        Raises:
            MaskfoldError: If the file is missing or damaged, or lacks a column.
        """
        return as_photos(read_rows(self.file), self.columns, root=self.root, name=str(self.file))


class ClassFolders(LabelledSource):
    """A folder for each label, with its photos in it; below `train/` and `test/` where these exist.

    Photos that lie in `test/` itself are test photos without labels, as those of a competition.
    """

    def photos(self) -> pd.DataFrame:
        """See `LabelledSource`.

        Raises:
            MaskfoldError: If there is no folder with photos.
        """
        parts, strays = [], []
        roots = [(self.root / name, name) for name in ("train", "test") if (self.root / name).is_dir()]
        for folder, split in roots or [(self.root, "train")]:
            if not folder.is_dir():
                raise MaskfoldError(
                    f"{folder}: no such folder. data.root=<folder> names the one of the labels' folders."
                )
            labels = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
            parts += [_of_label(path, split, strays) for path in labels]
            beside = list_images(folder, strays, known=labels)
            if split == "test":
                parts.append(_rows(beside["stem"], beside["path"], split, None))
            else:
                strays += [
                    Stray(path, "lies beside the labels' folders, so it has no label") for path in beside["path"]
                ]
        if not any(len(part) for part in parts):
            raise MaskfoldError(f"{self.root}: no folders with photos in it. Expected one for each label.")
        rows = pd.concat(parts, ignore_index=True)
        rows.attrs[STRAYS] = strays
        return rows


def _of_label(folder: Path, split: str, strays: list[Stray]) -> pd.DataFrame:
    if not files.is_file_name(folder.name):
        strays.append(Stray(str(folder), "its name is not UTF-8, or has a line break or the like; rename it"))
        return _rows([], [], split, "")
    images = list_images(folder, strays)
    prefix = f"{folder.name}_" if split == "train" else f"{split}_{folder.name}_"
    return _rows(prefix + images["stem"], images["path"], split, folder.name)


def _rows(ids: Sequence[str], paths: Sequence[str], split: str, label: str | None) -> pd.DataFrame:
    columns = {"image_id": ids, "image": paths, "split": split, LABEL: label}
    return pd.DataFrame(columns, columns=[*columns]).astype("str")


class Grocery(LabelledSource):
    """The Grocery Store Dataset (Klasson et al., WACV 2019): `train.txt`, `val.txt` and `classes.csv` in `root`.

    Its train and validation photos are the train photos here, since folds validate; its test photos, `test.txt`, are
    the test photos where they are there. `months` brings products in month by month, to study growth.
    """

    def __init__(self, *, root: str, months: Sequence[int] = (), **common: Any) -> None:
        """Look at nothing yet.

        Args:
            root: The folder.
            months: How many classes each month brings, the first `2026-01`; the others are there from the first on.
                Classes of one kind come together, which is the hard case. Empty for no months.
            common: The others of `LabelledSource`.
        """
        super().__init__(root=root, **common)
        self.months = tuple(months)

    def photos(self) -> pd.DataFrame:
        """See `LabelledSource`.

        Raises:
            MaskfoldError: If a list is missing or damaged, or `months` has more classes than there are.
        """
        classes = read_rows(self.root / "classes.csv")
        parts = []
        for name, split in (("train", "train"), ("val", "train"), ("test", "test")):
            if name != "test" or (self.root / "test.txt").exists():
                rows = read_rows(self.root / f"{name}.txt", names=["path", "fine", "coarse"]).apply(
                    lambda text: text.str.strip()
                )
                parts.append(rows.assign(split=split))
        rows = pd.concat(parts, ignore_index=True)
        fine = classes.set_index("Class ID (int)")
        rows = rows.assign(
            label=rows["fine"].map(fine["Class Name (str)"]), coarse=rows["fine"].map(fine["Coarse Class Name (str)"])
        ).drop(columns="fine")
        if self.months:
            rows[MONTH] = rows["label"].map(self._months(classes))
        columns = {"path": "path"} | OWN_COLUMNS
        return as_photos(rows, columns, root=self.root, name=str(self.root / "train.txt"))

    def _months(self, classes: pd.DataFrame) -> dict[str, str]:
        """Return each label's month: the last classes, in the order of their numbers, come last."""
        labels = classes["Class Name (str)"].tolist()
        first = len(labels) - sum(self.months)
        if first < 1 or min(self.months) < 1:
            raise MaskfoldError(f"data.months={[*self.months]}: there are {len(labels)} classes.")
        numbers = np.repeat(np.arange(len(self.months) + 1), [first, *self.months])
        return {label: f"2026-{number + 1:02d}" for label, number in zip(labels, numbers, strict=True)}
