"""What is said of photos beside their files: decisions of the user, twins that share a group, clusters.

All of it lies in the data's own folder, `data/<name>/`, and every stage that loads the data obeys it:

- `decisions.csv`, the user's alone: `image_id,decision` with `keep`, `drop` or `group=<name>`, of photos with labels
  `label=<name>` too (see `maskfold.data.said_of_labels`);
- `twins.csv`, written with the split: `image_id,group` of photos that share a group with a near-copy;
- `clusters.csv`, the user's alone: `image_id,cluster`; and `clusters.parquet`, what `make clusters` has found.
"""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from maskfold import files
from maskfold.data.table import CLUSTER, LABEL
from maskfold.errors import MaskfoldError, listing

DECISIONS, TWINS, CLUSTERS, FOUND_CLUSTERS = "decisions.csv", "twins.csv", "clusters.csv", "clusters.parquet"
KEEP, DROP, GROUP, NAMED = "keep", "drop", "group=", "label="


def annotate(table: pd.DataFrame, folder: Path, *, left_out: Collection[str] = ()) -> pd.DataFrame:
    """Return a checked image table as its photos' decisions, twins and clusters have it.

    Args:
        table: The image table as the files are.
        folder: The data's own.
        left_out: Ids of photos that the table leaves out, of which decisions may speak all the same.

    Returns:
        The rows without those dropped, the groups as they are joined, and, where there are clusters, a column
        `cluster`, missing where nothing is known of a photo; what a source itself knows stands behind the files.

    Raises:
        MaskfoldError: If a file is damaged or names a photo twice, or a decision is none of the three or of a photo
            that the data has not. (Of unknown photos in `clusters.csv` the stage `clusters` warns.)
    """
    decisions = read_decisions(folder, table, left_out=left_out)
    table = with_groups(decided(table, decisions), read_twins(folder))
    clusters = read_clusters(folder, table)
    if clusters is None:
        return table
    return table.assign(**{CLUSTER: clusters if CLUSTER not in table else clusters.fillna(table[CLUSTER])})


def decided(table: pd.DataFrame, decisions: pd.Series) -> pd.DataFrame:
    """Return an image table without the rows that decisions drop, and with the groups that they name."""
    dropped = table["image_id"].isin(decisions.index[decisions == DROP])
    return with_groups(table[~dropped].reset_index(drop=True), named_groups(decisions))


def named_groups(decisions: pd.Series) -> pd.Series:
    """Return the groups that decisions name, by `image_id`."""
    return decisions[decisions.str.startswith(GROUP)].str.removeprefix(GROUP)


def named_labels(decisions: pd.Series) -> pd.Series:
    """Return the labels that decisions name, by `image_id`."""
    return decisions[decisions.str.startswith(NAMED)].str.removeprefix(NAMED)


def with_groups(table: pd.DataFrame, groups: pd.Series) -> pd.DataFrame:
    """Return a table whose photos are of other groups, where these name one by `image_id`."""
    if groups.empty:
        return table
    return table.assign(group=table["image_id"].map(groups).fillna(table["group"]))


def read_decisions(folder: Path, table: pd.DataFrame | None = None, *, left_out: Collection[str] = ()) -> pd.Series:
    """Return what the user has decided, by `image_id`; nothing where there is no such file.

    Args:
        folder: The data's own.
        table: The image table as the files are; None where the decisions were checked against it already.
        left_out: Ids of photos that it leaves out.

    Raises:
        MaskfoldError: As `annotate`, and if a test photo is to be dropped, whose row a submission needs.
    """
    path = folder / DECISIONS
    decisions = _read(path, "decision")
    names = [GROUP] if table is not None and LABEL not in table else [GROUP, NAMED]
    wrong = decisions[~decisions.isin([KEEP, DROP]) & ~decisions.str.fullmatch(f"({'|'.join(names)}).+")]
    if len(wrong):
        lines = [f"{image_id}: {decision!r}" for image_id, decision in wrong.items()]
        ways = " or ".join(f"{name}<name>" for name in names)
        raise MaskfoldError(f"{path}: a decision is {KEEP}, {DROP} or {ways}:\n{listing(lines)}\nCorrect them.")
    if table is None:
        return decisions
    _refuse_unknown(path, decisions, {*table["image_id"], *left_out})
    is_test = table["split"] == "test"
    if LABEL in table:
        is_test &= table[LABEL].isna()  # one with a label is in no submission
    tests = table.loc[is_test, "image_id"]
    if lost := sorted({*decisions.index[decisions == DROP]} & {*tests}):
        raise MaskfoldError(
            f"{path}: {len(lost)} test photos are to be dropped, whose rows a submission needs:\n{listing(lost)}\n"
            "Drop train photos alone."
        )
    return decisions


def read_clusters(folder: Path, table: pd.DataFrame) -> pd.Series | None:
    """Return each row's cluster, missing where nothing is known; None where nothing is known of any photo.

    The user's word, `clusters.csv`, stands above what was found.

    Args:
        folder: The data's own.
        table: Rows of the image table.

    Raises:
        MaskfoldError: As `annotate`.
    """
    by_hand, by_machine = folder / CLUSTERS, folder / FOUND_CLUSTERS
    if not by_hand.exists() and not by_machine.exists():
        return None
    known = pd.Series(dtype="str")
    if by_machine.exists():
        try:
            known = pd.read_parquet(by_machine, columns=["image_id", "cluster"]).set_index("image_id")["cluster"]
        except (OSError, ValueError) as error:
            raise MaskfoldError(
                f"{by_machine}: damaged ({error}). Remove it, and run `make clusters` again."
            ) from error
    said = given_clusters(folder)
    ids = table["image_id"]
    return ids.map(said).fillna(ids.map(known)).astype("str").where(lambda cells: cells.notna(), None)


def given_clusters(folder: Path) -> pd.Series:
    """Return what the user has said of clusters, by `image_id`; nothing where there is no such file.

    Args:
        folder: The data's own.

    Raises:
        MaskfoldError: If the file is damaged or names a photo twice.
    """
    return _read(folder / CLUSTERS, "cluster")


def read_twins(folder: Path) -> pd.Series:
    """Return the groups of photos that share one with a near-copy, by `image_id`.

    Args:
        folder: The data's own.

    Raises:
        MaskfoldError: If the file is damaged or names a photo twice.
    """
    return _read(folder / TWINS, "group")


def write_twins(folder: Path, groups: pd.Series) -> None:
    """Keep which photos share a group with a near-copy.

    Args:
        folder: The data's own.
        groups: The group that each such photo is of from now on, by `image_id`; none removes the file.
    """
    path = folder / TWINS
    if groups.empty:
        path.unlink(missing_ok=True)
        return
    files.write_text(path, groups.sort_index().rename_axis("image_id").rename("group").to_csv(lineterminator="\n"))


def _refuse_unknown(path: Path, said: pd.Series, there: set[str]) -> None:
    """Refuse what is said of photos that the data has not, which is mostly a misspelt id."""
    unknown = sorted({*said.index} - there)
    if unknown:
        raise MaskfoldError(
            f"{path}: the data has no photos of {len(unknown)} of its ids:\n{listing(unknown)}\nCorrect or remove them."
        )


def _read(path: Path, column: str) -> pd.Series:
    """Return one column of a CSV by `image_id`, all of it text; nothing where there is no such file."""
    if not path.exists():
        return pd.Series(dtype="str", index=pd.Index([], name="image_id", dtype="str"), name=column)
    try:
        rows = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True)
        said = rows.set_index("image_id")[column].str.strip()
    except (OSError, ValueError, KeyError) as error:
        raise MaskfoldError(
            f"{path}: not a CSV file with columns image_id,{column} ({error}). Mend or remove it."
        ) from error
    said = said[said != ""]
    twice = sorted({*said.index[said.index.duplicated()]})
    if twice:
        raise MaskfoldError(f"{path}: {len(twice)} photos have several rows:\n{listing(twice)}\nKeep one of each.")
    return said
