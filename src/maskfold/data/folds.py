"""The one split: each group in one fold, written once, read by every later stage."""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from maskfold.data.annotations import DECISIONS, TWINS
from maskfold.data.table import LABEL, METADATA
from maskfold.errors import MaskfoldError, listing
from maskfold.files import sha256, write_text
from maskfold.places import brought_along

COLUMNS = ["image_id", "group", "fold"]
OWN_SPLIT = "folds.csv"  # in the data set's own folder


class HasFolder(Protocol):
    """What knows the folder of a data set: a source."""

    folder: Path


class GroupFolds:
    """Folds that differ by at most one group, drawn by chance.

    Args:
        k: Number of folds.
        seed: The same seed gives the same folds.

    Raises:
        MaskfoldError: If one is no whole number, or below 0.
    """

    def __init__(self, *, k: int, seed: int = 0):
        _check_numbers(k=k, seed=seed)
        self.k, self.seed = k, seed

    def __call__(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return `image_id, group, fold` for the train images of a checked table, in the order of the ids."""
        train = table[table["split"] == "train"]
        return assign_folds(train, group_folds(train["group"], k=self.k, seed=self.seed))


class KnownFolds:
    """The split that the package brings along where it has one of the data; any other data is dealt as `GroupFolds`.

    Args:
        files: Splits by the name of the data.
        name: The data's.
        k: Number of folds to draw, also where there is a split; None for the split, or 5 where there is none.
        seed: Of the draw.
        labelled: What deals photos with labels.
    """

    def __init__(
        self,
        *,
        files: dict[str, str],
        name: str | None,
        k: int | None = None,
        seed: int = 0,
        labelled: Any = None,
    ):
        self.file = files.get(name or "") if k is None else None
        self.drawn = GroupFolds(k=5 if k is None else k, seed=seed)
        self.labelled = self.drawn if labelled is None else labelled

    def __call__(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return `image_id, group, fold` for the train images of a checked table, in the order of the ids.

        Raises:
            MaskfoldError: If the split was made for other images than the data has.
        """
        if self.file is not None:
            return read_folds(brought_along(self.file), table)
        return self.labelled(table) if LABEL in table else self.drawn(table)

    def more(self, table: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
        """Return the split with the photos that are new dealt to its folds, see `LabelStratified.more`."""
        return self.labelled.more(table, known)


def is_drawn(dealer: object) -> bool:
    """Tell whether what assigns folds draws them, and so takes whatever groups there are; the others are as known."""
    return not isinstance(dealer, KnownFolds) or dealer.file is None


class GroupStratifiedFolds:
    """Folds that differ by at most one group, each with its share of small and large objects, and of empty masks.

    Args:
        k: Number of folds.
        seed: The same seed gives the same folds.
        bins: Number of quantile bins of the groups' mask areas, summed over their photos.
        view: The one view whose area is to count instead.
        by: A metadata column, without `meta.`: each fold has its share of the groups of each of its values too.

    Raises:
        MaskfoldError: If a number is not whole, or below 0.
    """

    def __init__(self, *, k: int, seed: int = 0, bins: int = 10, view: str | int | None = None, by: str | None = None):
        _check_numbers(k=k, seed=seed, bins=bins)
        self.k, self.seed, self.bins = k, seed, bins
        self.view = None if view is None else str(view)
        self.by = by

    def __call__(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return `image_id, group, fold` for the train images of a checked table, in the order of the ids.

        Raises:
            MaskfoldError: If a group has no photo of the view whose area is to count, or there is no such column.
        """
        train = table[table["split"] == "train"]
        counted = train if self.view is None else train[train["view"] == self.view]
        unseen = sorted(set(train["group"]) - set(counted["group"]))
        if unseen:
            raise MaskfoldError(f"folds.view={self.view}: {len(unseen)} groups have no such view:\n{listing(unseen)}")
        areas = counted.groupby("group")["mask_area"].sum()
        values = None if self.by is None else _values(train, self.by)
        return assign_folds(train, group_stratified_folds(areas, k=self.k, seed=self.seed, bins=self.bins, by=values))


def _values(train: pd.DataFrame, column: str) -> pd.Series:
    """Return what a group's photos have in a metadata column, as one text, by group."""
    name = f"{METADATA}{column}"
    if name not in train:
        known = ", ".join(title.removeprefix(METADATA) for title in train if str(title).startswith(METADATA))
        raise MaskfoldError(f"folds.by={column}: no such metadata of these photos; there is {known or 'none'}.")
    return train[name].astype("str").fillna("").groupby(train["group"]).agg(lambda values: " ".join(sorted({*values})))


def _check_numbers(**keys: int) -> None:
    """Refuse what is no whole number, or below 0; how many folds and bins there can be, the groups say."""
    for key, value in keys.items():
        if type(value) is not int or value < 0:
            raise MaskfoldError(f"folds.{key}={value}: give a whole number of 0 or more.")


def group_folds(groups: pd.Series, *, k: int, seed: int, key: str = "folds.k") -> pd.Series:
    """Draw a fold for every group.

    Args:
        groups: Names of groups, in any order, as often as one likes.
        k: Number of folds.
        seed: The same seed and names give the same folds.
        key: What `k` is called where it was given, for messages.

    Returns:
        Fold, 0 to k-1, by group; folds differ by at most one group.

    Raises:
        MaskfoldError: If k is below 2 or above the number of groups.
    """
    names = np.array(sorted(set(groups)), dtype=object)
    return _dealt(np.random.default_rng(seed).permutation(names), k, key)


def group_stratified_folds(areas: pd.Series, *, k: int, seed: int, bins: int, by: pd.Series | None = None) -> pd.Series:
    """Draw a fold for every group so that each fold has its share of every range of areas.

    The groups, ordered by area, are cut into bins of equal number; each bin is shuffled and dealt out, the next one
    going on where the last one stopped. In a bin those of no area come first, and each value has bins of its own.

    Args:
        areas: The area of each group's objects, in any unit, by group.
        k: Number of folds.
        seed: The same seed and areas give the same folds.
        bins: Number of quantile bins, of each value.
        by: Something else of each group, of which each fold gets its share too.

    Returns:
        Fold, 0 to k-1, by group; folds differ by at most one group, overall and in each bin.

    Raises:
        MaskfoldError: If k is below 2 or above the number of groups, or there is no bin.
    """
    if bins < 1:
        raise MaskfoldError(f"folds.bins={bins}: at least one bin is needed.")
    rng = np.random.default_rng(seed)
    ordered = areas.sort_index().sort_values(kind="stable")
    parts = [ordered] if by is None else [part for _, part in ordered.groupby(by.reindex(ordered.index))]
    cut = [part.iloc[places] for part in parts for places in np.array_split(np.arange(len(part)), bins)]
    dealt = [some.index for one in cut for some in (one[one <= 0], one[~(one <= 0)]) if len(some)]
    return _dealt(np.concatenate([rng.permutation(some.to_numpy(dtype=object)) for some in dealt]), k)


def _dealt(groups: np.ndarray, k: int, key: str = "folds.k") -> pd.Series:
    """Deal groups to folds in turn, like cards."""
    if k < 2:
        raise MaskfoldError(f"{key}={k}: at least two folds are needed, one to learn from and one to validate on.")
    if len(groups) < k:
        way_out = f"Lower {key}" if len(groups) > 1 else "Add photos of other objects"
        raise MaskfoldError(
            f"{key}={k}: there are only {len(groups)} groups, and a group never crosses folds. {way_out}, or see "
            "whether data.group= joins too many images."
        )
    return pd.Series(np.arange(len(groups)) % k, index=pd.Index(groups, name="group"), name="fold").sort_index()


def assign_folds(train: pd.DataFrame, fold_by_group: pd.Series) -> pd.DataFrame:
    """Return `image_id, group, fold` for every image, in the order of the ids."""
    folds = train[["image_id", "group"]].assign(fold=train["group"].map(fold_by_group).astype(np.int64))
    return folds.sort_values("image_id").reset_index(drop=True)


def split_path(source: HasFolder, split_file: str | None = None) -> Path:
    """Return the path of the split: the data set's own unless another file is named."""
    return source.folder / OWN_SPLIT if split_file is None else brought_along(split_file)


def write_folds(path: Path, folds: pd.DataFrame, *, overwrite: bool = False) -> None:
    """Write the split, unless there is another one already.

    Raises:
        MaskfoldError: If a different split is there and `overwrite` is not set.
    """
    if not overwrite:
        refuse_other_split(path, folds)
    content = _as_text(folds)
    if not path.exists() or path.read_text() != content:
        write_text(path, content)


def read_known(path: Path) -> pd.DataFrame | None:
    """Return the split that is there, whatever images the data has now; None where there is none.

    Raises:
        MaskfoldError: If it is damaged, or a group crosses folds.
    """
    return _read(path) if path.exists() else None


def refuse_changed(path: Path, known: pd.DataFrame) -> None:
    """Refuse to replace a split that is another than the one which was read.

    Raises:
        MaskfoldError: If it is.
    """
    if not path.exists() or sha256(path) != known.attrs["hash"]:
        raise MaskfoldError(f"{path}: another run has changed this split meanwhile. Run the same command again.")


def refuse_other_split(path: Path, folds: pd.DataFrame) -> None:
    """Refuse to go on where a different split is there already.

    Raises:
        MaskfoldError: If it is.
    """
    if path.exists() and path.read_text() != _as_text(folds):
        raise MaskfoldError(
            f"{path}: there is another split already, and what was trained on it cannot be compared with what is "
            "trained on a new one. Keep it, or replace it with overwrite=true and train every member again."
        )


def _as_text(folds: pd.DataFrame) -> str:
    return folds[COLUMNS].to_csv(index=False, lineterminator="\n")


def read_folds(path: Path, table: pd.DataFrame, *, left_out: Collection[str] = ()) -> pd.DataFrame:
    """Read the split of a checked table's train images.

    Args:
        path: The file.
        table: The image table.
        left_out: Ids that the split may know besides, as `Source.left_out` has them.

    Returns:
        `image_id, group, fold` of the table's images; `attrs["path"]` is the file, `attrs["hash"]` the SHA-256 of what
        was taken from it, which for all of it is the file's own.

    Raises:
        MaskfoldError: If there is no split, it is damaged, a group crosses folds, or its images or groups are not
            the table's.
    """
    folds = _read(path)
    train = table[table["split"] == "train"]
    if left_out:
        folds = _without(folds, {*left_out} - {*train["image_id"]})
    missing = sorted(set(train["image_id"]) - set(folds["image_id"]))
    surplus = sorted(set(folds["image_id"]) - set(train["image_id"]))
    if missing or surplus:
        lists = [(missing, "train images are not in it"), (surplus, "of its images are not in the data")]
        differences = "\n".join(f"{len(ids)} {what}:\n{listing(ids, 5)}" for ids, what in lists if ids)
        raise MaskfoldError(f"{path}: this split was made for other images.\n{differences}\n{_own_split(path)}")
    both = folds.merge(train[["image_id", "group"]], on="image_id", suffixes=("", "_of_data"))
    moved = both[both["group"] != both["group_of_data"]]
    if len(moved):
        first = moved.iloc[0]
        raise MaskfoldError(
            f"{path}: {len(moved)} images have another group than in the data: {first['image_id']} is in "
            f"{first['group']} here, in {first['group_of_data']} there. Set data.group=, and what {DECISIONS} and "
            f"{TWINS} in the data's folder say of groups, as they were when the split was made; or make it anew, `make "
            "folds` with overwrite=true, and train every member again."
        )
    return folds


def _without(folds: pd.DataFrame, left_out: Collection[str]) -> pd.DataFrame:
    """Return a split without images that the data leaves out, as if it had been written without them."""
    stays = ~folds["image_id"].isin(left_out)
    if stays.all():
        return folds
    rest = folds[stays].reset_index(drop=True)
    rest.attrs = {"path": folds.attrs["path"], "hash": hashlib.sha256(_as_text(rest).encode()).hexdigest()}
    return rest


def _own_split(path: Path) -> str:
    """Say how data gets a split that fits; only the data set's own is written by `make folds`."""
    if path.name == OWN_SPLIT:
        return (
            f"Use the data it was made for, with the {DECISIONS} of then, since what that drops is not in the data; or "
            "make it anew, `make folds` with overwrite=true, and train every member again."
        )
    if path.parts[-3:-1] != ("conf", "folds"):
        return "Use the data it was made for, or name the split of these with split_file=."
    data = path.stem.partition("_")[0]
    return (
        "Use all of the data that it was made for. A part of it takes a split of its own, under a name of its own: "
        f'`make folds DATA={data} ARGS="data.name={data}_part"`, then ARGS="data.name={data}_part" with make train.'
    )


def fold_numbers(path: Path) -> list[int]:
    """Return the numbers of a split's folds, 0 to k-1.

    Raises:
        MaskfoldError: If there is no split, it is damaged, or a group crosses folds.
    """
    return sorted(set(_read(path)["fold"].tolist()))


def fold_members(folds: pd.DataFrame, fold: int) -> list[str]:
    """Return the ids of a fold's images: what it validates on; all others are what it trains on.

    Raises:
        MaskfoldError: If there is no such fold.
    """
    last = folds["fold"].max()
    if not 0 <= fold <= last:
        raise MaskfoldError(f"fold {fold} is beyond {folds.attrs.get('path', 'the split')}, which has folds 0..{last}.")
    return folds.loc[folds["fold"] == fold, "image_id"].tolist()


def _read(path: Path) -> pd.DataFrame:
    """Read a split and check what can be checked without its images."""
    if not path.exists():
        raise MaskfoldError(
            f"{path}: the data has no split yet. Run `make folds DATA={path.parent.name}` first "
            '(your own photos: `make folds DATA=pairs ARGS="data.root=..."`).'
        )
    anew = "Put back a whole copy; or make it anew, `make folds` with overwrite=true, and train every member again."
    try:
        # An image may be called 007 or NA.
        folds = pd.read_csv(path, dtype={"image_id": str, "group": str}, keep_default_na=False)
        folds = folds[COLUMNS].astype({"fold": np.int64})
    except (OSError, ValueError, KeyError) as error:
        raise MaskfoldError(f"{path}: not a split with columns {', '.join(COLUMNS)} ({error}). {anew}") from error
    doubles = folds.loc[folds["image_id"].duplicated(), "image_id"]
    if len(doubles):
        raise MaskfoldError(f"{path}: {len(doubles)} images are there twice:\n{listing(list(doubles), 5)}\n{anew}")
    crossing = folds.groupby("group")["fold"].nunique()
    crossing = crossing.index[crossing > 1]
    if len(crossing):
        raise MaskfoldError(f"{path}: {len(crossing)} groups cross folds:\n{listing(list(crossing), 5)}\n{anew}")
    if folds.empty or sorted(set(folds["fold"])) != list(range(folds["fold"].max() + 1)):
        raise MaskfoldError(f"{path}: its folds are not 0, 1, 2 and so on without a gap. {anew}")
    if folds["fold"].max() == 0:
        raise MaskfoldError(f"{path}: it has one fold, so nothing would be left to learn from. {anew}")
    folds.attrs = {"path": str(path), "hash": sha256(path)}
    return folds
