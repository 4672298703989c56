"""Where an image table comes from: each folder layout that is understood is one class."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from maskfold.data.checks import positions
from maskfold.data.folders import NO_IMAGES, Stray, list_images, refuse_doubles
from maskfold.data.loading import SUFFIXES
from maskfold.data.source import Source
from maskfold.data.table import METADATA, STRAYS
from maskfold.errors import MaskfoldError, listing

_NO_ROWS = pd.DataFrame(columns=["image_id", "image", "mask", "split"], dtype="str")


class Carvana(Source):
    """The layout of Kaggle's Carvana Image Masking Challenge, which the studio generator keeps to.

    `train/<car>_<view>.jpg`, `train_masks/<car>_<view>_mask.gif`, `test/<car>_<view>.jpg` and `metadata.csv`, whose
    rows are joined to the photos by its column `id`, as columns `meta.<name>`. Either split may be absent, and so may
    the metadata.
    """

    pieces = ("train", "train_masks", "test", "metadata.csv", "sample_submission.csv")

    def table(self) -> pd.DataFrame:
        """Return the image table, train before test, each in the order of the names.

        Raises:
            MaskfoldError: If neither split is there, a name is not `<car>_<view>`, or the metadata cannot be joined.
        """
        train, masks, test = (self.root / folder for folder in ("train", "train_masks", "test"))
        parts, strays = [_NO_ROWS], []
        if train.is_dir():
            photos = list_images(train, strays, suffixes=self._suffixes)
            parts.append(_paired(photos, list_images(masks, strays) if masks.is_dir() else NO_IMAGES))
        if test.is_dir():
            parts.append(_bare(list_images(test, strays, suffixes=self._suffixes), "test"))
        table = pd.concat(parts, ignore_index=True)
        if table.empty:
            raise MaskfoldError(
                f"{self.root}: no photos here. Expected train/ with train_masks/, or test/, or both. "
                "`make data DATA=carvana` downloads the challenge's, `make studio` generates a set; "
                f"data.root=<folder> names another folder, data=pairs another layout.{_besides(strays)}"
            )
        _refuse_double_ids(table)
        table["group"], table["view"] = _cars_and_views(table)
        table = _with_metadata(table, self.root / "metadata.csv")
        table.attrs[STRAYS] = strays
        return table


class Pairs(Source):
    """A folder of photos and a folder of masks whose names are the photos', with or without `_mask` at the end."""

    def __init__(
        self,
        *,
        root: str,
        name: str | None = None,
        images: str | None = "images",
        masks: str | None = "masks",
        test: str | None = None,
        group: str = "(.*)",
        view: str | None = None,
        **common: Any,
    ):
        """Name the folders inside `root`, and how names tell which photos show one object.

        Args:
            root: The folder that holds the others.
            name: What the data set is called; the root folder's name unless given.
            images: The folder of train photos; None where there are only photos to predict.
            masks: The folder of their masks; None where there are none.
            test: The folder of photos without masks to predict, if there is one.
            group: A regular expression matched with a name without its suffix; its first group names the object.
            view: One whose first group names the view of the object.
            common: The others of `Source`.

        Raises:
            MaskfoldError: If an expression is not valid or has no group, or there is neither `images` nor `test`.
        """
        if images is None and test is None:
            raise MaskfoldError("data.images and data.test are both null: name the folder of at least one.")
        super().__init__(root=root, name=name, **common)
        self._images = None if images is None else self.root / images
        self._masks = None if masks is None else self.root / masks
        self._test = None if test is None else self.root / test
        self._group = _pattern("group", group)
        self._view = None if view is None else _pattern("view", view)

    def table(self) -> pd.DataFrame:
        """Return the image table, train before test, each in the order of the names.

        Raises:
            MaskfoldError: If a folder is missing or empty, two files share a name, or a name does not match.
        """
        parts, strays = [], []
        known = [folder for folder in (self._images, self._masks, self._test) if folder is not None]
        masks_of = partial(_photos, strays=strays, known=known)
        photos_of = partial(masks_of, suffixes=self._suffixes)
        if self._images is not None:
            photos = photos_of(self._images, "images")
            parts.append(_paired(photos, NO_IMAGES if self._masks is None else masks_of(self._masks, "masks")))
        if self._test is not None:
            parts.append(_bare(photos_of(self._test, "test"), "test"))
        table = pd.concat(parts, ignore_index=True)
        _refuse_double_ids(table)
        table["group"] = [_first_group("group", self._group, stem) for stem in table["image_id"]]
        table["view"] = [_first_group("view", self._view, stem) if self._view else "" for stem in table["image_id"]]
        table.attrs[STRAYS] = strays
        return table


def _photos(
    folder: Path, key: str, *, strays: list[Stray], known: Sequence[Path], suffixes: tuple[str, ...] = SUFFIXES
) -> pd.DataFrame:
    """Return the image files of a folder that has to have some, see `list_images`."""
    if not folder.is_dir():
        raise MaskfoldError(f"{folder}: no such folder. Name the right one with data.root= or data.{key}=.")
    photos = list_images(folder, strays, known=known, suffixes=suffixes)
    if photos.empty:
        raise MaskfoldError(
            f"{folder}: no image files ({', '.join(suffixes)}). Name the right folder: data.{key}=.{_besides(strays)}"
        )
    return photos


def _besides(strays: Sequence[Stray]) -> str:
    """List what lies where photos were expected."""
    return f"\nWhat is there:\n{listing(strays)}" if strays else ""


def _paired(photos: pd.DataFrame, masks: pd.DataFrame) -> pd.DataFrame:
    """Return train rows (image_id, image, mask, split); what has no partner is missing, for `check` to report."""
    same_name, with_mask = (positions(photos["stem"] + end, masks["stem"]) for end in ("", "_mask"))
    at = np.where(same_name >= 0, same_name, with_mask)
    pairs = _rows(photos["stem"], photos["path"], masks["path"].reindex(at).set_axis(photos.index), "train")
    alone = masks.drop(index=at[at >= 0])
    return pd.concat([pairs, _rows(alone["stem"].str.removesuffix("_mask"), None, alone["path"], "train")])


def _bare(photos: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return rows of photos without masks."""
    return _rows(photos["stem"], photos["path"], None, split)


def _rows(image_ids: pd.Series, photos: pd.Series | None, masks: pd.Series | None, split: str) -> pd.DataFrame:
    """Return rows of the image table, all text; photos or masks that are None are missing."""
    return pd.DataFrame({"image_id": image_ids, "image": photos, "mask": masks, "split": split}).astype("str")


def _refuse_double_ids(table: pd.DataFrame) -> None:
    """Refuse two files of one image_id."""
    refuse_doubles(table["image_id"], table["image"].fillna(table["mask"]))


def _cars_and_views(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Split every `<car>_<view>`."""
    names = table["image_id"]
    cars, views = names.str.replace(r"(?s)_[^_]*$", "", regex=True), names.str.replace(r"(?s)^.*_", "", regex=True)
    wrong = table[(cars == "") | (cars == names) | ~views.str.isdecimal()]
    if len(wrong):
        first = wrong["image"].fillna(wrong["image_id"]).iloc[0]
        raise MaskfoldError(
            f"{first}: the name is not <car>_<view> with a number for the view, as in 00087a6bd4dc_05.jpg. "
            "For photos with other names use data=pairs, whose data.group= takes a regular expression."
        )
    return cars, views


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
    metadata = metadata.set_index("id").add_prefix(METADATA)
    return table.merge(metadata, left_on="group", right_index=True, how="left")


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
