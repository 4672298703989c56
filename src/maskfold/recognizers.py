"""Trained recognisers as an export: what `make export` writes of run folders with task=recognition."""

import hashlib
import json
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from maskfold import files
from maskfold.config import build
from maskfold.data.class_table import FILE as CLASSES
from maskfold.data.class_table import ClassTable
from maskfold.data.labelled import LabelledSource
from maskfold.data.loading import read_image
from maskfold.data.table import CLASS_INDEX
from maskfold.ensembling.fusion import named_networks
from maskfold.ensembling.tree import Leaf
from maskfold.errors import MaskfoldError
from maskfold.export.int8 import write_int8
from maskfold.export.layout import MODEL, WEIGHTS
from maskfold.export.making import weights_file
from maskfold.export.parity import generated_photo
from maskfold.export.recognizer_graph import ProductVoter, RecognizerGraph, recognizer_file, refuse_other_answers
from maskfold.prediction.members import load_network
from maskfold.prediction.onnx_file import OnnxFile
from maskfold.recognition.answers import ORIGIN, Answers, AnswerStore, joined
from maskfold.recognition.fitting import as_mean, fit
from maskfold.recognition.framing import Framing
from maskfold.recognition.prototypes import Prototypes
from maskfold.recognition.recognizer import EMBEDDING, LOGITS, PROTOTYPES
from maskfold.recognition.settings import FILE as SETTINGS
from maskfold.recognition.settings import RecognizerSettings
from maskfold.recognition.trained import trained_classes
from maskfold.runs.checkpoint_hash import checkpoint_hash
from maskfold.runs.layout import fold_name, fold_of
from maskfold.runs.lineage import read_lineage
from maskfold.runs.run_folder import RunFolder
from maskfold.terminal import bar

INT8 = "model.int8.onnx"

_BATCH = 32
_JUDGED = 1000  # photos, at most, that int8 is compared with floats on

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RecognizerOptions:
    """Keys of `make export` that a recogniser has.

    Attributes:
        prototypes: Photos of a product, at most, that its prototype is made of; 0 for none.
        wrong: Of the photos that are answered without asking, at most this share may be wrong; fits the margin.
        int8: Whether the file in whole numbers is written too.
        calibration: Photos that its ranges are taken from.
    """

    prototypes: int
    wrong: float
    int8: bool
    calibration: int


def is_recognition(members: Sequence[Leaf]) -> bool:
    """Tell whether trained members recognise products.

    Raises:
        MaskfoldError: If some do and others mask photos.
    """
    kinds = {"framing" in run.read_config() for run, _, _ in named_networks(members)}
    if len(kinds) > 1:
        raise MaskfoldError("Some of these members mask photos and others recognise products. Export them one by one.")
    return kinds == {True}


def recognizer_files(members: Sequence[Leaf], *, name: str, options: RecognizerOptions) -> dict[str, bytes]:
    """Return all files of an export, by name.

    Args:
        members: Trained with task=recognition.
        name: What answers call it.
        options: See `RecognizerOptions`.

    Raises:
        MaskfoldError: If networks were trained on other classes, or shown photos in another way, than the first; data,
            a photo or a checkpoint is missing or damaged; or the file does not say what the networks say.
    """
    networks = [*named_networks(members)]
    runs = [run for run, _, _ in networks]
    framing = _framing(runs)
    source: LabelledSource = build(runs[0].part("data"))
    classes = _classes(runs, source)
    table = source.load()
    voters = [ProductVoter(load_network(run.best), run.read_config()["tta"], share) for run, share, _ in networks]
    graph = RecognizerGraph(voters, classes.active()).eval()
    content = {WEIGHTS: _weights(networks, voters)}
    with tempfile.TemporaryDirectory(prefix="maskfold-") as place:
        folder = Path(place)
        (folder / MODEL).write_bytes(recognizer_file(graph, size=framing.size, name=name, identity=_identity(networks)))
        file = OnnxFile(folder / MODEL, accelerator="cpu")
        learned = table[(table["split"] == "train") & (table[CLASS_INDEX] >= 0) & ~_held_out(table, runs)]
        _compare(graph, file, framing, learned, name)
        prototypes = _prototypes(graph, framing, learned, options.prototypes)
        settings = _settings(runs, table, framing, prototypes, options)
        if options.int8:
            write_int8(folder / MODEL, folder / INT8, _shown(_some(learned, options.calibration), framing))
            judged = _judged(table, runs)
            settings = replace(settings, measured=_measured(file, OnnxFile(folder / INT8), judged, framing))
        classes.write(folder / CLASSES)
        if prototypes is not None:
            prototypes.write(folder / PROTOTYPES)
        names = [path.name for path in sorted(folder.iterdir())]
        content |= {part: (folder / part).read_bytes() for part in names}
    return content | {SETTINGS: settings.text().encode()}


def _framing(runs: Sequence[RunFolder]) -> Framing:
    """Return what photos are shown by; of several networks, all by the same.

    Raises:
        MaskfoldError: If they are not.
    """
    framings = [build(run.part("framing")) for run in runs]
    for run, framing in zip(runs, framings, strict=True):
        if (framing.size, framing.resize) != (framings[0].size, framings[0].resize):
            raise MaskfoldError(
                f"{run.path} is shown photos at framing.size={framing.size} (resize={framing.resize}), and "
                f"{runs[0].path} at {framings[0].size} ({framings[0].resize}): one file takes photos of one size. "
                "Export them one by one."
            )
    return framings[0]


def _classes(runs: Sequence[RunFolder], source: LabelledSource) -> ClassTable:
    """Return the classes that networks answer for, retired as the data has them now.

    Raises:
        MaskfoldError: If a network answers for others than the first, or the data has others in their places now.
    """
    now = source.class_table()
    tables = [trained_classes(run, now) for run in runs]
    for run, table in zip(runs, tables, strict=True):
        if table.labels != tables[0].labels:
            raise MaskfoldError(
                f"{run.path} was trained on other classes than {runs[0].path} ({len(table)} and {len(tables[0])}). "
                "Export members of one class table."
            )
    return tables[0]


def _identity(networks: Sequence[tuple[RunFolder, float, str]]) -> str:
    parts = []
    for run, share, _ in networks:
        trained = run.read_config()
        parts.append([checkpoint_hash(run.best), trained["framing"], trained["tta"], round(share, 12)])
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _weights(networks: Sequence[tuple[RunFolder, float, str]], voters: Sequence[ProductVoter]) -> bytes:
    """Return the weights of all networks, and how each is built and shown its photos."""
    facts, named = {}, []
    for (run, share, member), voter in zip(networks, voters, strict=True):
        prefix, trained = f"{member}.{fold_name(fold_of(run))}", run.read_config()
        facts[prefix] = {key: trained[key] for key in ("model", "framing", "tta")} | {"share": share}
        named.append((prefix, voter.network))
    return weights_file(named, facts)


def _held_out(table: pd.DataFrame, runs: Sequence[RunFolder]) -> pd.Series:
    """Tell of each row whether no network of these has learned from it: what the only one was validated on."""
    if len(runs) > 1:
        return pd.Series(False, index=table.index)
    return ("image " + table["image_id"]).isin({*read_lineage(runs[0].path).held_out})


def _compare(graph: RecognizerGraph, file: OnnxFile, framing: Framing, rows: pd.DataFrame, name: str) -> None:
    """Compare the file with the networks, on noise, on a few photos, and on one alone."""
    side = framing.size
    noise = [generated_photo(side, side, seed) for seed in range(2)]
    shown = np.concatenate([np.stack(noise), _shown(_some(rows, 6), framing)])
    worst = 0.0
    for photos in (shown, shown[-1:]):
        answers = tuple(file.run([LOGITS, EMBEDDING], photos))
        worst = max(worst, refuse_other_answers(graph, answers, photos, name=name))
    log.info("%s: the file's answers are at most %.1e apart from the networks' own", name, worst)


def _prototypes(graph: RecognizerGraph, framing: Framing, rows: pd.DataFrame, most: int) -> Prototypes | None:
    """Return the prototypes of all classes that the networks have learned."""
    if not most:
        return None
    some = rows.sample(frac=1, random_state=0).groupby(CLASS_INDEX, sort=True).head(most)
    log.info("prototypes of %d classes, from %d photos", some[CLASS_INDEX].nunique(), len(some))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    graph.to(device)
    parts = []
    with torch.inference_mode(), bar("prototypes", total=len(some), unit="photos") as progress:
        for begin in range(0, len(some), _BATCH):
            shown = torch.from_numpy(_shown(some[begin : begin + _BATCH], framing)).to(device)
            parts.append(graph(shown)[1].float().cpu().numpy())
            progress.update(len(shown))
    graph.to("cpu")
    return Prototypes.of(np.concatenate(parts), some[CLASS_INDEX].to_numpy())


def _settings(
    runs: Sequence[RunFolder],
    table: pd.DataFrame,
    framing: Framing,
    prototypes: Prototypes | None,
    options: RecognizerOptions,
) -> RecognizerSettings:
    """Return how the recogniser answers; what only out-of-fold answers could tell is not known without them."""
    bare = RecognizerSettings(size=framing.size, resize=framing.resize)
    answers = [_out_of_fold(run) for run in runs]
    missing = [run for run, part in zip(runs, answers, strict=True) if part is None]
    if missing:
        log.warning(
            "%s has no answers out of fold, so temperature, thresholds and margin are not known, and no photo will be "
            "unknown or asked about. Run make predict EXP=%s SPLIT=oof, and export once more.",
            missing[0].path,
            missing[0].path.parent.name,
        )
        return bare
    whole = joined(answers)
    index = table.set_index("image_id")[CLASS_INDEX].reindex(whole.image_ids).fillna(-1).to_numpy(np.int64)
    whole, index = whole.taken(index >= 0), index[index >= 0]
    if not len(index):
        return bare
    several = len(runs) > 1
    # Of several networks a photo out of fold has the embedding of one alone, which is not what the file answers.
    fitted = fit(
        as_mean(whole) if several else whole,
        index,
        prototypes=None if several else prototypes,
        wrong=options.wrong,
    )
    folds = ", ".join(fold_name(fold_of(run)) for run in runs)
    text = f"{len(index)} photos out of fold ({folds})"
    if several:
        text += ", each answered by one network and not by the mean of all; no cosine is known of it"
    values: dict[str, Any] = vars(fitted)
    return replace(bare, **values, fitted_on=text)


def _out_of_fold(run: RunFolder) -> Answers | None:
    """Return a run's answers to the photos that it is validated on; None where there are none, or of other weights."""
    store = AnswerStore(run.store("oof"))
    if not store.parts():
        return None
    origin = store.folder / ORIGIN
    if not origin.exists() or files.read_json(origin).get("checkpoint") != checkpoint_hash(run.best):
        log.warning("%s: answers of other weights than %s; they do not count.", store.folder, run.best)
        return None
    return store.read()


def _judged(table: pd.DataFrame, runs: Sequence[RunFolder]) -> tuple[str, pd.DataFrame]:
    """Return labelled photos that no network of these has learned from, if there are any, and what they are."""
    rows = table[table[CLASS_INDEX] >= 0]
    test = rows[rows["split"] == "test"]
    if len(test):
        return "labelled test photos", _some(test, _JUDGED)
    return "photos out of fold", _some(rows[_held_out(rows, runs)], _JUDGED)


def _measured(
    floats: OnnxFile, whole_numbers: OnnxFile, judged: tuple[str, pd.DataFrame], framing: Framing
) -> dict[str, Any]:
    """Return how often both files are right, and how often their first answers are the same."""
    what, rows = judged
    if rows.empty:
        log.warning("Every labelled photo was learned from: what int8 costs in accuracy is not measured.")
        return {"int8": None}
    first = []
    for begin in range(0, len(rows), _BATCH):
        shown = _shown(rows[begin : begin + _BATCH], framing)
        first.append([file.run([LOGITS], shown)[0].argmax(1) for file in (floats, whole_numbers)])
    own, other = (np.concatenate(parts) for parts in zip(*first, strict=True))
    truth = rows[CLASS_INDEX].to_numpy()
    measured = {
        "photos": len(rows),
        "of": what,
        "accuracy": float((own == truth).mean()),
        "accuracy_int8": float((other == truth).mean()),
        "alike": float((own == other).mean()),
    }
    log.info("int8 on %d %s: %s", len(rows), what, ", ".join(f"{key} {measured[key]:.4f}" for key in [*measured][2:]))
    return {"int8": measured}


def _some(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return rows at even distances, so many at most."""
    return rows.iloc[np.unique(np.linspace(0, len(rows) - 1, most).round().astype(int))] if len(rows) > most else rows


def _shown(rows: pd.DataFrame, framing: Framing) -> np.ndarray:
    """Return photos as a network is shown them, `(N, S, S, 3) uint8`."""
    return np.stack([framing.shown(read_image(path)) for path in rows["image"]])
