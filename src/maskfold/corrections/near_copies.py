"""Near-copies of judge photos among those that a network has seen: what its lineage cannot know by hash or name."""

import pandas as pd

from maskfold.cleaning.fingerprints import CACHE
from maskfold.cleaning.twins import find_twins
from maskfold.data.source import Source
from maskfold.errors import MaskfoldError, listing
from maskfold.runs.lineage import shows_any_of

_JUDGE, _OTHER = "judge ", "other "  # in front of ids while both are in one table


def refuse_near_copies(
    name: str, source: Source, photos: pd.DataFrame, table: pd.DataFrame, sights: tuple[str, ...], *, jobs: int
) -> None:
    """Refuse a network that has seen a near-copy of a photo of the judge set.

    Args:
        name: What messages call the network.
        source: The judge data, in whose folder the photos' fingerprints are kept.
        photos: The judge set's.
        table: The image table of the data that the network was trained on.
        sights: All that it has seen, see `maskfold.runs.lineage.sights`.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If it has; the message names both photos.
    """
    across = near_copies(source, photos, table[shows_any_of(table, sights)], jobs=jobs)
    if len(across):
        lines = [f"{row.judge}: {row.other}, {row.distance} of 256 bits apart" for row in across.itertuples()]
        raise MaskfoldError(
            f"{name} has seen near-copies of {across['judge'].nunique()} photos of the judge set:\n"
            f"{listing(lines)}\n"
            "Take these out of the judge set (drop, in the decisions.csv of its folder), and judge by the rest with "
            "judge_anew=true."
        )


def near_copies(source: Source, photos: pd.DataFrame, table: pd.DataFrame, *, jobs: int) -> pd.DataFrame:
    """Return which photos of a table are near-copies of photos of the judge set.

    Args:
        source: The judge data, in whose folder the photos' fingerprints are kept.
        photos: The judge set's.
        table: The others: rows of an image table.
        jobs: Processes; -1 is one per core.

    Returns:
        `judge` and `other`, both `image_id`s, and `distance`, in how many of 256 bits they differ.
    """
    # Photos of the judge set are compared with all, the others not with one another.
    sides = ((photos, _JUDGE, "train"), (table, _OTHER, "test"))
    both = [side.assign(image_id=prefix + side["image_id"], split=split) for side, prefix, split in sides]
    rows = pd.concat(both, ignore_index=True)
    pairs = find_twins(rows, channels=source.channels, cache=source.folder / CACHE, jobs=jobs)
    across = pairs[pairs["image_id"].str.startswith(_JUDGE) & pairs["partner"].str.startswith(_OTHER)]
    names = {"judge": across["image_id"].str.removeprefix(_JUDGE), "other": across["partner"].str.removeprefix(_OTHER)}
    return pd.DataFrame(names | {"distance": across["distance"]}).reset_index(drop=True)
