"""A champion and a challenger that knows more products, both on the frozen test: what each says of every photo."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from maskfold import files
from maskfold.analysis.growth_page import growth_page
from maskfold.data.class_table import ClassTable
from maskfold.data.folders import list_images
from maskfold.data.loading import content_hash
from maskfold.data.table import CLASS_INDEX
from maskfold.errors import MaskfoldError, listing
from maskfold.prediction.members import load_network
from maskfold.recognition.answers import AnswerStore
from maskfold.recognition.framing import Framing
from maskfold.recognition.gate import GateLimits, GateVerdict
from maskfold.recognition.predicting import predict_answers
from maskfold.recognition.trained import classes_digest, trained_classes
from maskfold.runs.checkpoint_hash import checkpoint_hash
from maskfold.runs.contents import hashes_of
from maskfold.runs.lineage import CONTENT, read_lineage
from maskfold.runs.run_folder import RunFolder

RECORD = "growth.json"  # in the challenger's run folder
PAGE, PAIRS, PRODUCTS = "growth.html", "growth_pairs.csv", "growth_products.csv"  # beside it
_LONGEST = 5000  # characters of a tag that every registry's database takes
_NAMED = 20  # pairs in the record


def frozen_test(table: pd.DataFrame, classes: ClassTable) -> pd.DataFrame:
    """Return the photos that all versions are judged by: labelled test photos of products that are still sold.

    Raises:
        MaskfoldError: If there are none.
    """
    sold = np.append(classes.active(), False)[table[CLASS_INDEX]]  # -1, no class of the table, is the last one
    photos = table[(table["split"] == "test") & sold].reset_index(drop=True)
    if photos.empty:
        raise MaskfoldError(
            "grow: the data has no test photos with labels, so nobody can judge. Keep some: data.test=0.2 before "
            "anything is trained, or split=test in the table."
        )
    return photos


def unknown_photos(folder: str | None) -> pd.DataFrame | None:
    """Return rows of the photos in a folder and the folders in it, whose products nobody knows; None of none.

    Raises:
        MaskfoldError: If there is no such folder, or no photo in it.
    """
    if folder is None:
        return None
    root = Path(folder)
    if not root.is_dir():
        raise MaskfoldError(f"unknown={folder}: no such folder. Name one with photos of products that nobody knows.")
    places = [root, *sorted(path for path in root.rglob("*") if path.is_dir())]
    paths = [path for place in places for path in list_images(place, [])["path"]]
    if not paths:
        raise MaskfoldError(f"unknown={folder}: no photos in it.")
    contents = [content_hash(path) for path in paths]
    return pd.DataFrame({"image_id": paths, "image": paths, "image_hash": contents, CLASS_INDEX: -1})


def refuse_known(strangers: pd.DataFrame, table: pd.DataFrame, runs: Iterable[RunFolder]) -> None:
    """Refuse photos as unknown that are not: those of the data, or that a network has seen, byte for byte.

    Args:
        strangers: As `unknown_photos` returns them.
        table: The image table of the data.
        runs: The networks' run folders.

    Raises:
        MaskfoldError: If there are some; the message names them. Or nobody knows what a network has seen.
    """
    where = dict.fromkeys(hashes_of(table, "image").values(), "a photo of the data")
    for run in runs:
        lineage = read_lineage(run.path)
        for sight in (*lineage.seen, *lineage.held_out):
            if sight.startswith(CONTENT):
                where.setdefault(sight.removeprefix(CONTENT), f"seen by {run.path}")
    contents = hashes_of(strangers, "image").items()
    known = [f"{path}: {where[content]}" for path, content in contents if content in where]
    if known:
        raise MaskfoldError(
            f"unknown: {len(known)} of {len(strangers)} photos are none of products that nobody knows:\n"
            f"{listing(known)}\n"
            "Rejection would be judged by photos that networks may know. Take them out of that folder."
        )


def said_by(
    run: RunFolder, photos: pd.DataFrame, classes: ClassTable, framing: Framing, *, folder: Path, **options: Any
) -> pd.DataFrame:
    """Return what a run's network says of some photos; answers are kept, so that a broken comparison goes on.

    Args:
        run: Finished.
        photos: Rows of the image table.
        classes: Of the data as they are now: retired products are not answered.
        framing: The run's.
        folder: For what is kept, a folder in it for each network and set of photos.
        options: The others of `predict_answers`.

    Returns:
        A row a photo: `said`, a label, and `score`, its logit, larger where the network is surer.

    Raises:
        MaskfoldError: As `trained_classes` and `predict_answers`.
    """
    own, tta = trained_classes(run, classes), run.read_config()["tta"]
    contents = hashes_of(photos, "image") or photos["image"].tolist()
    origin = [checkpoint_hash(run.best), classes_digest(own), contents, vars(framing), tta, options["precision"]]
    name = hashlib.sha256(json.dumps(origin, default=str).encode()).hexdigest()[:16]
    store = AnswerStore(folder / name)
    network = load_network(run.best)
    predict_answers(network, photos, framing=framing, active=own.active(), store=store, tta=tta, **options)
    answers = store.read(photos["image_id"])
    said = np.array(own.labels, dtype=object)[answers.classes[:, 0]]
    return pd.DataFrame({"said": said, "score": answers.logits[:, 0]}, index=photos.index)


def described(
    verdict: GateVerdict, *, limits: GateLimits, about: Mapping[str, Any], costs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the record of a growth, as JSON has it."""
    pairs = verdict.pairs[verdict.pairs["challenger"] > 0].head(_NAMED)
    return {
        **about,
        "passed": verdict.passed,
        "promoted": False,
        "reasons": [*verdict.reasons],
        "notes": [*verdict.notes],
        "costs": dict(costs),
        "figures": verdict.figures,
        "limits": asdict(limits),
        "confused": pairs.to_dict("records"),
    }


def tags_of(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of the challenger's version, in the order they are written: `validation` is the last."""
    tags = {
        "reasons": "; ".join(record["reasons"]),
        "metrics": json.dumps(record["figures"]),
        "month": record["month"],
        "level": record["level"],
        "against": record["against"],
        "validation": "passed" if record["passed"] else "refused",
    }
    return {key: value[:_LONGEST] for key, value in tags.items()}


def write_growth(run: RunFolder, record: Mapping[str, Any], verdict: GateVerdict) -> None:
    """Keep a record in the challenger's run folder; beside it every product, every confused pair, and a page."""
    for name, table in ((PAIRS, verdict.pairs), (PRODUCTS, verdict.products)):
        files.write_text(run.path / name, table.to_csv(index=False))
    files.write_text(run.path / PAGE, growth_page(record, verdict))
    files.write_json(run.path / RECORD, record)


def costs_of(run: RunFolder) -> dict[str, Any]:
    """Return what a run has cost: `images`, photos that went through the network, `epochs` and `seconds`."""
    costs, photos = run.costs(), files.read_json(run.run).get("training_photos")
    images = None if photos is None else photos * costs["epochs"]
    return {"images": images, "epochs": costs["epochs"], "seconds": costs["seconds"]}
