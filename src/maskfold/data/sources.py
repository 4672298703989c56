"""Where an image table comes from: each folder layout that is understood is one class."""

import logging
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from maskfold.data.loading import SUFFIXES
from maskfold.data.table import COLUMNS, check
from maskfold.errors import MaskfoldError, listing

_log = logging.getLogger(__name__)


class Source(ABC):
    """A data set: its name, its photos, and how strict to be with them.

    Attributes:
        root: The folder that holds the photos.
        name: What messages and folders call the data set.
    """

    def __init__(self, *, root: str, name: str | None = None, on_error: str = "raise", resize_masks: bool = False):
        """Look at nothing yet; `on_error` and `resize_masks` are explained at `maskfold.data.table.check`.

        Raises:
            MaskfoldError: If the name, which is the root folder's unless given, cannot be a folder's.
        """
        self.root = Path(root).expanduser()
        self.name = self.root.resolve().name if name is None else str(name)
        if self.name in ("", ".", "..") or "/" in self.name:
            raise MaskfoldError(f"data.name={self.name}: give a plain name, which becomes a folder in data/.")
        self._on_error = on_error
        self._resize_masks = resize_masks

    @property
    def folder(self) -> Path:
        """The folder for what is written about this data set: its split, its checks."""
        return Path("data") / self.name

    @abstractmethod
    def table(self) -> pd.DataFrame:
        """Return the image table as the folders tell it; no photo has been opened, so sizes are still missing."""

    def load(self, *, jobs: int = -1) -> pd.DataFrame:
        """Return the checked image table; `maskfold.data.table.validate` names its columns.

        Args:
            jobs: Processes that look at the files which were not looked at before; -1 is one per core.

        Raises:
            MaskfoldError: If folders or files are missing, or photos have problems and `on_error` is `raise`.
        """
        return check(
            self.table(),
            name=f"data {self.name} ({self.root})",
            on_error=self._on_error,
            resize_masks=self._resize_masks,
            cache=self.folder / "checked.parquet",
            jobs=jobs,
        )


class Carvana(Source):
    """The layout of Kaggle's Carvana Image Masking Challenge, which the studio generator keeps to.

    `train/<car>_<view>.jpg`, `train_masks/<car>_<view>_mask.gif`, `test/<car>_<view>.jpg` and `metadata.csv`, whose
    rows are joined to the photos by its column `id`. Either split may be absent, and so may the metadata.
    """

    def table(self) -> pd.DataFrame:
        """Return the image table, train before test, each in the order of the names.

        Raises:
            MaskfoldError: If neither split is there, a name is not `<car>_<view>`, or the metadata cannot be joined.
        """
        train, test, masks = (self.root / folder for folder in ("train", "test", "train_masks"))
        if not train.is_dir() and not test.is_dir():
            raise MaskfoldError(
                f"{self.root}: no photos here. Expected train/ with train_masks/, or test/, or both. "
                "`make data DATA=carvana` downloads the challenge's, `make studio` generates a set; "
                "data.root=<folder> names another folder, data=pairs another layout."
            )
        rows = []
        if train.is_dir():
            rows += _paired(_by_stem(train), _by_stem(masks) if masks.is_dir() else {})
        if test.is_dir():
            rows += [(stem, photo, None, "test") for stem, photo in _by_stem(test).items()]
        table = _unique(pd.DataFrame(rows, columns=["image_id", "image", "mask", "split"]))
        table["group"], table["view"] = zip(*map(_car_and_view, table["image_id"], table["image"]), strict=True)
        return _with_metadata(table, self.root / "metadata.csv")


class Pairs(Source):
    """A folder of photos and a folder of masks whose names are the photos', with or without `_mask` at the end."""

    def __init__(
        self,
        *,
        root: str,
        name: str | None = None,
        images: str | None = "images",
        masks: str = "masks",
        test: str | None = None,
        group: str = "(.*)",
        view: str | None = None,
        on_error: str = "raise",
        resize_masks: bool = False,
    ):
        """Name the folders inside `root`, and how names tell which photos show one object.

        Args:
            root: The folder that holds the others.
            name: What the data set is called; the root folder's name unless given.
            images: The folder of train photos; None where there are only photos to predict.
            masks: The folder of their masks.
            test: The folder of photos without masks to predict, if there is one.
            group: A regular expression matched with a name without its suffix; its first group names the object.
            view: One whose first group names the view of the object.
            on_error: `raise` or `skip`.
            resize_masks: Whether to accept masks of another size.

        Raises:
            MaskfoldError: If an expression is not valid or has no group, or there is neither `images` nor `test`.
        """
        if images is None and test is None:
            raise MaskfoldError("data.images and data.test are both null: name the folder of at least one.")
        super().__init__(root=root, name=name, on_error=on_error, resize_masks=resize_masks)
        self._images = None if images is None else self.root / images
        self._masks = self.root / masks
        self._test = None if test is None else self.root / test
        self._group = _pattern("group", group)
        self._view = None if view is None else _pattern("view", view)

    def table(self) -> pd.DataFrame:
        """Return the image table, train before test, each in the order of the names.

        Raises:
            MaskfoldError: If a folder is missing or empty, two files share a name, or a name does not match.
        """
        rows = []
        if self._images is not None:
            rows += _paired(_photos(self._images, "images"), _photos(self._masks, "masks"))
        if self._test is not None:
            rows += [(stem, photo, None, "test") for stem, photo in _photos(self._test, "test").items()]
        table = _unique(pd.DataFrame(rows, columns=["image_id", "image", "mask", "split"]))
        table["group"] = [_first_group("group", self._group, stem) for stem in table["image_id"]]
        table["view"] = [_first_group("view", self._view, stem) if self._view else "" for stem in table["image_id"]]
        return table


def _photos(folder: Path, key: str) -> dict[str, str]:
    """Return the image files of a folder that has to have some, see `_by_stem`."""
    if not folder.is_dir():
        raise MaskfoldError(f"{folder}: no such folder. Name the right one with data.root= or data.{key}=.")
    found = _by_stem(folder)
    if not found:
        raise MaskfoldError(f"{folder}: no image files ({', '.join(SUFFIXES)}). Name the right folder: data.{key}=.")
    return found


def _by_stem(folder: Path) -> dict[str, str]:
    """Return a folder's image files, name without suffix to path, in the order of the names.

    Hidden files are passed over; others that are no images are passed over with a line in the log.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    images = [path for path in files if path.suffix.lower() in SUFFIXES]
    others = Counter(path.suffix for path in files if path.suffix.lower() not in SUFFIXES)
    if others:
        kinds = ", ".join(f"{count} {suffix or 'without suffix'}" for suffix, count in others.items())
        _log.warning("%s: passed over files that are not images: %s.", folder, kinds)
    _refuse_doubles([path.stem for path in images], [str(path) for path in images])
    return {path.stem: str(path) for path in images}


def _paired(photos: dict[str, str], masks: dict[str, str]) -> list[tuple[str, str | None, str | None, str]]:
    """Return train rows (image_id, image, mask, split); what has no partner has None, for `check` to report."""
    rows: list[tuple[str, str | None, str | None, str]] = []
    used = set()
    for stem, photo in photos.items():
        mask = next((name for name in (stem, f"{stem}_mask") if name in masks), None)
        used.add(mask)
        rows.append((stem, photo, None if mask is None else masks[mask], "train"))
    orphans = [(stem.removesuffix("_mask"), None, mask, "train") for stem, mask in masks.items() if stem not in used]
    return rows + orphans


def _unique(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table, unless two of its files have one image_id."""
    _refuse_doubles(table["image_id"], table["image"].fillna(table["mask"]))
    return table


def _refuse_doubles(names: Iterable[str], paths: Iterable[str]) -> None:
    """Refuse files of one name, which is what photos, masks and maps are told apart by."""
    files = pd.DataFrame({"name": list(names), "path": list(paths)})
    doubles = files[files["name"].duplicated(keep=False)].sort_values("name", kind="stable")
    if len(doubles):
        raise MaskfoldError(
            f"{doubles['name'].nunique()} names belong to several files, but a name (without suffix) stands for one "
            f"image. Rename or remove some of:\n{listing(list(doubles['path']))}"
        )


def _car_and_view(image_id: str, path: str | None) -> tuple[str, str]:
    """Split `<car>_<view>`."""
    car, _, view = image_id.rpartition("_")
    if not car or not view.isdecimal():
        raise MaskfoldError(
            f"{path or image_id}: the name is not <car>_<view> with a number for the view, as in 00087a6bd4dc_05.jpg. "
            "For photos with other names use data=pairs, whose data.group= takes a regular expression."
        )
    return car, view


def _with_metadata(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Join the metadata's row of each car to its photos, if there is such a file."""
    if not path.exists():
        return table
    try:
        metadata = pd.read_csv(path, dtype={"id": str})
    except (OSError, ValueError) as error:
        raise MaskfoldError(f"{path}: not a readable CSV file ({error}). Mend or delete it.") from error
    if "id" not in metadata:
        raise MaskfoldError(f"{path}: no column id, which names the car. Add it, or delete the file.")
    doubles = metadata.loc[metadata["id"].duplicated(), "id"]
    if len(doubles):
        raise MaskfoldError(f"{path}: {len(doubles)} cars have several rows: {doubles.iloc[0]} is the first. Keep one.")
    taken = sorted(set(metadata.columns) & set(COLUMNS))
    if taken:
        raise MaskfoldError(f"{path}: rename the columns {', '.join(taken)}; the image table has its own.")
    return table.merge(metadata, left_on="group", right_on="id", how="left").drop(columns="id")


def _pattern(key: str, expression: str) -> re.Pattern[str]:
    """Compile a regular expression that has a group."""
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise MaskfoldError(f"data.{key}={expression}: not a regular expression: {error}.") from error
    if not pattern.groups:
        raise MaskfoldError(f"data.{key}={expression}: put the part that names the {key} in parentheses.")
    return pattern


def _first_group(key: str, pattern: re.Pattern[str], stem: str) -> str:
    """Return the first group where the pattern matches a name from its beginning."""
    match = pattern.match(stem)
    if match is None or not match[1]:
        raise MaskfoldError(
            f"data.{key}={pattern.pattern} does not match the name {stem}. "
            f"Its first group must give the {key} for every file, matched from the beginning of the name."
        )
    return match[1]
