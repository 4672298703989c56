"""What cleaning finds: faults planted in a generated set, and masks of real photos that are spoilt one by one.

A studio set gets five masks of other photos, five mirrored, five shifted and five near-copies, and the places of these
among the findings of their kind are noted. Of real photos, `name=folder` with `images/` and `masks/`, every mask is
laid on its photo wrongly, and how well it fits is compared with how the masks fit as they are. Writes
docs/measured/cleaning.csv and cleaning_findings.csv. A CPU, some four minutes.

    python tests/benchmarks/study_cleaning.py ccp=/photos/ccp human=/photos/human
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pandas as pd
from measure import publish
from scipy.stats import rankdata

from maskfold.cleaning.edges import PhotoEdges
from maskfold.cleaning.findings import Inspected, inspect_source
from maskfold.cleaning.kinds import KINDS, MISFIT, PART, TURNED, TWIN
from maskfold.cleaning.suspicions import DEVIATIONS
from maskfold.data.loading import read_image, read_mask
from maskfold.data.sources import Pairs
from maskfold.parallel import progress
from maskfold.studio.generate import generate

sys.path.insert(0, str(Path(__file__).parents[1]))
from plants import COPY, MIRRORED, SWAPPED, dilated, plant, shifted

CARS, HEIGHT, WIDTH = 24, 320, 480
FIRST = 20  # findings of a kind that a user surely looks at
SHIFT, GROWTH = 0.02, 0.02  # of the width
GROSS = "grossly wrong"


def studio() -> tuple[list[dict[str, object]], Inspected]:
    """Plant faults in a generated set and look for them; return a row for each kind of fault, and what was found."""
    root = Path("studio")
    generate(root, cars=CARS, test_cars=0, height=HEIGHT, width=WIDTH, seed=0)
    known = pd.read_csv(root / "planted.csv").query("split == 'train'")
    gross = known[known["kind"] == "wrong_mask"]
    spare = (*gross["image_id"], *known.loc[known["kind"] == "white_van", "image_id"])
    planted = plant(root, images="train", masks="train_masks", spare=spare)
    planted = pd.concat([planted, gross[["image_id"]].assign(kind=GROSS)])
    inspected = inspect_source(Pairs(root=str(root), images="train", masks="train_masks", group=r"(.*)_\d+"))
    return [_places(kind, rows["image_id"], inspected) for kind, rows in planted.groupby("kind", sort=False)], inspected


def _places(kind: str, ids: pd.Series, inspected: Inspected) -> dict[str, object]:
    """Return how many faults of a kind are among the first findings, and the places of all."""
    names = [one.name for one in ([TWIN] if kind == COPY else [MISFIT, TURNED, PART])]
    found = inspected.findings[inspected.findings["kind"].isin(names)]
    by_photo = pd.concat([found.set_index(side)["rank"] for side in ("image_id", "partner")]).groupby(level=0).min()
    places = ids.map(by_photo).dropna().astype(int).sort_values()
    first = f"{(places <= FIRST).sum()} of {len(ids)}"
    return {"case": kind, "in_first_20": first, "places": " ".join(map(str, places))}


def real(name: str, folder: str) -> tuple[list[dict[str, object]], Inspected]:
    """Spoil every mask of real photos; return a row for each kind of fault, and what is found of them as they are."""
    source = Pairs(root=folder, name=name, resize_masks=True)
    inspected = inspect_source(source)
    edges, masks = [], []
    for row in progress([*source.as_found().itertuples()], f"spoil masks of {name}"):
        mask = read_mask(row.mask, size=(row.height, row.width))
        if mask.min() < mask.max():
            edges.append(PhotoEdges(read_image(row.image)))
            masks.append(cv2.resize(mask, edges[-1].shape[::-1], interpolation=cv2.INTER_AREA))
    true = np.array([fit_of(photo, mask) for photo, mask in zip(edges, masks, strict=True)])
    limit = np.median(true) - DEVIATIONS * np.median(np.abs(true - np.median(true)))
    others = masks[1:] + masks[:1]
    spoilt: dict[str, Callable[[int], np.ndarray]] = {
        SWAPPED: lambda number: others[number],
        MIRRORED: lambda number: masks[number][:, ::-1],
        "shifted by 2 %": lambda number: shifted(masks[number], SHIFT),
        "dilated by 2 %": lambda number: dilated(masks[number], GROWTH),
    }
    rows = []
    for case, change in spoilt.items():
        ratios = np.array([fit_of(photo, change(number)) for number, photo in enumerate(edges)])
        ratios = ratios[~np.isnan(ratios)]
        rows.append({"case": case, "auc": f"{auc(true, ratios):.3f}", "suspicious": f"{(ratios < limit).mean():.0%}"})
    rows.append({"case": "masks as they are", "suspicious": f"{(true < limit).mean():.1%}"})
    return rows, inspected


def fit_of(photo: PhotoEdges, mask: np.ndarray) -> float:
    """Return what masks are ranked by."""
    fit = photo.fit(mask)
    return fit.ratio - fit.gain


def auc(high: np.ndarray, low: np.ndarray) -> float:
    """Return how often one of `high` is above one of `low`; ties count half."""
    ranks = rankdata(np.concatenate([high, low]))[: len(high)]
    return float((ranks.sum() - len(high) * (len(high) + 1) / 2) / (len(high) * len(low)))


def main(arguments: list[str]) -> None:
    """Study the studio and every real set that is named."""
    folders = {name: os.path.abspath(folder) for name, _, folder in (argument.partition("=") for argument in arguments)}
    here = Path.cwd()
    with TemporaryDirectory() as place:
        os.chdir(place)  # what is remembered of the sets stays here
        try:
            studies = {"studio": studio()} | {name: real(name, folder) for name, folder in folders.items()}
        finally:
            os.chdir(here)
    columns = ["data", "photos", "case", "in_first_20", "places", "auc", "suspicious"]
    rows = [
        {"data": name, "photos": len(found.rows), **row} for name, (of_set, found) in studies.items() for row in of_set
    ]
    publish("cleaning", pd.DataFrame(rows, columns=columns).fillna(""))
    counts = {name: found.findings["kind"].value_counts() for name, (_, found) in studies.items()}
    table = pd.DataFrame(counts).reindex([kind.name for kind in KINDS]).fillna(0).astype(int)
    publish("cleaning_findings", table.rename_axis("finding").reset_index())


if __name__ == "__main__":
    main(sys.argv[1:])
