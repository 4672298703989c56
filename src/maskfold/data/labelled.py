"""Where an image table of labelled photos comes from: photos of products, each with the name of what it shows."""

import hashlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from maskfold.data.class_table import FILE, ClassTable
from maskfold.data.folders import Stray, list_images, refuse_doubles
from maskfold.data.hold_out import HoldOut
from maskfold.data.source import RECOGNITION, Source
from maskfold.data.table import CLASS_INDEX, COARSE, LABEL, METADATA, MONTH, STRAYS
from maskfold.errors import MaskfoldError, listing

OWN_COLUMNS = {"image_id": "image_id", "group": "group", "split": "split", LABEL: LABEL, COARSE: COARSE, MONTH: MONTH}
_SPLITS = {"train": "train", "training": "train", "val": "train", "valid": "train", "validation": "train"}
_SPLITS |= {"test": "test", "testing": "test"}


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
        self.until = None if until is None else str(until)
        self.test = test
        self.hold_out = HoldOut(hold_out)
        self.submission = None if submission is None else dict(submission)

    @property
    def outputs(self) -> int:
        """See `Source`."""
        return len(self.class_table())

    def class_table(self) -> ClassTable:
        """Return the classes, as they were in the month `until`.

        Raises:
            MaskfoldError: If there are none yet, or their file is damaged.
        """
        return ClassTable.read(self.folder / FILE).until(self.until)

    def said(self) -> dict[str, Any]:
        """See `Source`."""
        return {"classes": self.class_table()}

    def prepare_classes(self, table: pd.DataFrame) -> None:
        """See `Source`; labels of train photos, behind those that have a number."""
        path = self.folder / FILE
        classes = ClassTable.read(path) if path.exists() else ClassTable.empty()
        later = classes.extended(table[table["split"] == "train"])
        if len(later) > len(classes):
            later.write(path)

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
            MaskfoldError: If nothing is left, or a train photo has no label.
        """
        rows = self.photos()
        strays = rows.attrs.get(STRAYS, [])
        rows.attrs = {}
        if MONTH in rows and self.until is not None:
            rows = rows[~(rows[MONTH] > self.until).fillna(value=False).astype(bool)]
        if rows.empty:
            raise MaskfoldError(f"{self.root}: no photos{f' until {self.until}' if self.until else ''}.")
        rows = self.hold_out.moved(rows, classes=self.folder / FILE)
        bare = rows[(rows["split"] == "train") & rows[LABEL].isna()]
        if len(bare):
            raise MaskfoldError(
                f"data {self.name}: {len(bare)} train photos without a label:\n{listing(bare['image'])}\n"
                "Name what they show, or make them test photos (split=test)."
            )
        refuse_doubles(rows["image_id"], rows["image"])
        rows = rows.assign(view="", group=rows["group"] if "group" in rows else rows["image_id"])
        rows = rows.reset_index(drop=True)
        rows.attrs = {STRAYS: strays}
        return rows

    def as_found(self, *, needs_masks: bool = True, jobs: int = -1) -> pd.DataFrame:
        """See `Source`; no photo needs a mask here."""
        table = self._checked(jobs=jobs)
        if not self.test:
            return table
        alone = table["group"] == table["image_id"]
        keys = table["group"].mask(alone, table["image_hash"])
        drawn = (table["split"] == "train") & (keys.map(_place) < self.test)
        return table.assign(split=table["split"].mask(drawn, "test"))

    def _checked(self, *, jobs: int = -1) -> pd.DataFrame:
        """Return the image table with what was seen of its photos."""
        return super().as_found(needs_masks=False, jobs=jobs)

    def load(self, *, needs_masks: bool = True, jobs: int = -1) -> pd.DataFrame:
        """See `Source`; with the number of each label.

        Raises:
            MaskfoldError: As `Source.load`, or if a label has no number yet.
        """
        table = super().load(needs_masks=False, jobs=jobs)
        numbers = self.class_table().indices(table[LABEL])
        unknown = sorted({*table.loc[(numbers < 0) & (table["split"] == "train"), LABEL]})
        if unknown:
            raise MaskfoldError(
                f"{self.folder / FILE}: {len(unknown)} labels of the data are not in it yet:\n{listing(unknown, 5)}\n"
                f"`make folds DATA={self.name}` puts new ones behind the others."
            )
        return table.assign(**{CLASS_INDEX: numbers})


def _place(key: str) -> float:
    """Return where a key lies between 0 and 1, the same for ever."""
    return int.from_bytes(hashlib.sha256(str(key).encode()).digest()[:6], "big") / 2**48


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
        return as_photos(_read(self.file), self.columns, root=self.root, name=str(self.file))


def as_photos(rows: pd.DataFrame, columns: dict[str, str], *, root: Path, name: str) -> pd.DataFrame:
    """Return what `LabelledSource.photos` asks for, from a table whose columns may have other names.

    Args:
        rows: A row a photo, all text.
        columns: The name in `rows` of each of `path` and `OWN_COLUMNS`; only `path` must be there.
        root: What paths are below.
        name: What messages call the table.

    Raises:
        MaskfoldError: If a column is missing, or a split is none.
    """
    absent = [own for own in ("path", LABEL) if columns[own] not in rows]
    if absent:
        raise MaskfoldError(
            f"{name}: no column {', '.join(columns[own] for own in absent)}; there are {', '.join(rows)}. Say what it "
            f"is called: data.columns.{absent[0]}=<name>."
        )
    own = {theirs: ours for ours, theirs in columns.items() if theirs in rows}
    table = rows.rename(columns={theirs: own.get(theirs, f"{METADATA}{theirs}") for theirs in rows})
    paths = table.pop("path").astype("str")
    table = table.assign(image=[str(root / path) for path in paths])
    if "image_id" not in table:
        table["image_id"] = [path.rsplit(".", 1)[0].replace("/", "_") for path in paths]
    said = table["split"].fillna("train").str.lower() if "split" in table else pd.Series("train", index=table.index)
    unknown = sorted({*said} - {*_SPLITS})
    if unknown:
        raise MaskfoldError(f"{name}: split {unknown[0]!r} in its column {columns['split']}; there are train and test.")
    return table.assign(split=said.map(_SPLITS)).astype({LABEL: "str"})


class ClassFolders(LabelledSource):
    """A folder for each label, with its photos in it; below `train/` and `test/` where these exist."""

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
        if not parts:
            raise MaskfoldError(f"{self.root}: no folders in it. Expected one for each label, with its photos in it.")
        rows = pd.concat(parts, ignore_index=True)
        rows.attrs[STRAYS] = strays
        return rows


def _of_label(folder: Path, split: str, strays: list[Stray]) -> pd.DataFrame:
    images = list_images(folder, strays)
    names = f"{folder.name}_" + images["stem"] if split == "train" else f"{split}_{folder.name}_" + images["stem"]
    return pd.DataFrame({"image_id": names, "image": images["path"], "split": split, LABEL: folder.name}, dtype="str")


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
        classes = _read(self.root / "classes.csv")
        parts = []
        for name, split in (("train", "train"), ("val", "train"), ("test", "test")):
            if name != "test" or (self.root / "test.txt").exists():
                rows = _read(self.root / f"{name}.txt", names=["path", "fine", "coarse"]).apply(
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


def _read(path: Path, *, names: list[str] | None = None) -> pd.DataFrame:
    """Read a table as text, "" for what is missing as missing.

    Raises:
        MaskfoldError: If it is missing or damaged.
    """
    if not path.exists():
        raise MaskfoldError(f"{path}: no such file. data.root=<folder> names the folder it is in.")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        given = {"names": names, "header": None} if names else {}
        return pd.read_csv(path, dtype="str", keep_default_na=False, na_values=[""], **given)
    except (OSError, ValueError) as error:
        raise MaskfoldError(f"{path}: cannot be read as a table ({error}).") from error
