"""Whether maps may be used: whether their network is trained, has these weights, and has not seen their photos."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from maskfold import files
from maskfold.data.classes import classes_of, spoken
from maskfold.ensembling.stores import store_in
from maskfold.errors import MaskfoldError, listing
from maskfold.prediction.larger import GEOMETRY
from maskfold.prediction.photos import PHOTOS, refuse_replaced_photos
from maskfold.prediction.store import ORIGIN
from maskfold.runs.checkpoint_hash import checkpoint_hash
from maskfold.runs.contents import hashes_of
from maskfold.runs.lineage import refuse_leak
from maskfold.runs.run_folder import RunFolder, run_of

log = logging.getLogger(__name__)


def vet(stores: Mapping[Path, bool], photos: pd.DataFrame, *, split: str, classes: Sequence[str] | None = None) -> None:
    """Refuse stores whose maps are not what they should be. Of maps from other code nothing is known.

    Args:
        stores: Each with whether somebody has asked for it by name; then its run may be unfinished.
        photos: Rows of the image table that the maps are used for.
        split: `oof` or `test`.
        classes: Of the data; None does not look at those of the maps.

    Raises:
        MaskfoldError: If a run is unfinished, maps are of older weights than the run has, of photos that have been
            replaced or of other classes, or a network is to be scored on photos that it has seen.
    """
    hashes, masks = hashes_of(photos, "image"), hashes_of(photos, "mask")
    without_record: list[str] = []
    other_truth: set[str] = set()
    for folder, named in stores.items():
        refuse_replaced_photos(store_in(folder), hashes)
        if classes is not None:
            refuse_other_classes(folder, classes)
        run = run_of(folder)
        if not run.config.exists():
            continue
        refuse_unfinished(run, named=named)
        refuse_stale(run, folder)
        if split == "oof":
            own = photos["image_id"].isin(store_in(folder).image_ids())
            other_truth |= {*refuse_leak(run, photos[own]).replaced(hashes, masks)}
        if not (folder / PHOTOS).exists():
            without_record.append(str(folder))
    if without_record:
        log.warning(
            "Maps of an older version, which did not record what photos they were made of; whether photos have been "
            "replaced since, nobody knows:\n%s",
            listing(without_record),
        )
    if other_truth:
        log.warning(
            "%d files have been replaced since the networks were trained. They are scored with the files of now, which "
            "is right if masks were mended; to learn from them as well, train again:\n%s",
            len(other_truth),
            listing(sorted(other_truth)),
        )


def refuse_other_classes(folder: Path, classes: Sequence[str]) -> None:
    """Refuse maps that say that they are of other classes than the data's, or of these in another order.

    Raises:
        MaskfoldError: If they do.
    """
    origin = files.read_json(folder / ORIGIN) if (folder / ORIGIN).exists() else {}
    theirs = classes_of(origin)
    if origin and theirs != tuple(classes):
        raise MaskfoldError(
            f"{folder}: its maps are of {spoken(theirs)}, the data has {spoken(classes)}. Leave the member out, "
            "train it on this data, or correct data.classes."
        )


def refuse_mixed(stores: Sequence[Path]) -> None:
    """Refuse maps of a member's folds that were predicted in different ways: its mean would be neither.

    Raises:
        MaskfoldError: If their views or their geometry differ; the message names two of them. Of maps from other code
            nothing is known.
    """
    ways: dict[str, tuple[Path, object]] = {}
    for folder in stores:
        if not (folder / ORIGIN).exists():
            continue
        origin = files.read_json(folder / ORIGIN)
        for key, way in (("tta", origin.get("tta")), (GEOMETRY, origin.get(GEOMETRY, {}))):
            first, theirs = ways.setdefault(key, (folder, way))
            if way != theirs:
                raise MaskfoldError(
                    f"{folder}: predicted with {key}={way}, and {first} with {key}={theirs}: folds of one member. "
                    "Predict all of them in one way; maps of the other may go to a store of their own (store=<name>)."
                )


def refuse_unfinished(run: RunFolder, *, named: bool) -> None:
    """Refuse a run that was not trained to its end; where somebody has asked for it by name, say so and go on.

    Raises:
        MaskfoldError: If it is unfinished and not named.
    """
    if run.finished.exists():
        return
    fault = f"{run.path}: not trained to its end, so its maps are a half-trained network's."
    if not named:
        raise MaskfoldError(
            f"{fault} Train it to its end and predict it again; or name the folds that are meant, this one or only the "
            "others: folds: [0, 1] beside the experiment in the ensemble (evaluate: fold=0)."
        )
    log.warning("%s It is taken since it was asked for by name.", fault)


def refuse_stale(run: RunFolder, folder: Path) -> None:
    """Refuse maps of weights that the run does not have any more: an earlier epoch's, or an earlier training's.

    Raises:
        MaskfoldError: If they are.
    """
    origin = folder / ORIGIN
    source = files.read_json(origin).get("checkpoint") if origin.exists() else None
    checkpoints = [path for path in run.checkpoints.glob("*.ckpt") if path.is_file()]
    kept = sorted(checkpoints, key=lambda path: path != run.best)  # mostly the first look tells
    if source is None or not kept or any(checkpoint_hash(path) == source for path in kept):
        return
    raise MaskfoldError(
        f"{folder}: its maps come from other weights than {run.best} has now: those of an earlier epoch, or of an "
        "earlier training. Delete the folder and predict again."
    )
