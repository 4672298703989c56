"""New products join a trained recogniser without a training: `maskfold enroll name=resnet18_grocery month=2026-03`."""

import hashlib
import logging
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from maskfold.config import EXPERIMENTS, build, resolved
from maskfold.data.class_table import FILE, ClassTable
from maskfold.data.folds import split_path
from maskfold.data.source import Source
from maskfold.data.table import CLASS_INDEX
from maskfold.engine.checkpoints import AtomicCheckpointIO, load_checkpoint
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError, listing
from maskfold.files import locked, write_text
from maskfold.prediction.members import load_network
from maskfold.pseudo.rows import FoldRows, rows_of_fold
from maskfold.recognition.answers import AnswerStore
from maskfold.recognition.enrolled import rows_of_head, with_rows
from maskfold.recognition.enrolment import WAYS, Embedded, HeadRows, best_rows
from maskfold.recognition.predicting import predict_answers
from maskfold.recognition.prototypes import Prototypes
from maskfold.recognition.replay import replayed
from maskfold.recognition.trained import trained_classes
from maskfold.runs.checkpoint_hash import checkpoint_hash
from maskfold.runs.layout import MemberFolder
from maskfold.runs.lineage import keep_lineage
from maskfold.runs.run_folder import RunFolder
from maskfold.runs.start import find_start
from maskfold.terminal import RESULT, counted, duration, show_table

log = logging.getLogger(__name__)

PROTOTYPES = "prototypes.safetensors"  # in the run folder


def enroll(config: DictConfig) -> RunFolder:
    """Make a run in which the network of another has rows for the products of a month; return it."""
    began = time.perf_counter()
    champion = MemberFolder(EXPERIMENTS / config.name).run(config.fold)
    start = find_start(str(champion.path), fold=config.fold)
    trained = champion.read_config()
    data = resolved(config.data) if config.data is not None else champion.part("data")
    source: Source = build(data | {"until": config.month})
    source.refuse_other_classes(champion.path)
    classes = source.said()["classes"]
    old = _learned(ClassTable.read(champion.path / FILE), classes)
    rows = rows_of_fold(
        source.load(), source, split_path(source, trained["split_file"]), fold=config.fold, pseudo=None
    ).begun_with(start)
    _refuse_without_photos(rows.training, classes, old, config.month)
    name = config.to or f"{config.name}_{config.month}_enrolled"
    run = MemberFolder(EXPERIMENTS / name).run(config.fold)
    settings = trained | {"name": name, "data": data | {"until": config.month}, "start_from": str(champion.path)}
    settings["model"] = trained["model"] | {"head": "cosine"}
    with locked(run.path, anew=config.overwrite):
        run.begin(settings, identity=rows.identity | {"enroll": f"{config.way} {config.photos} {config.allowed_loss}"})
        source.leave(run.path)
        keep_lineage(run, rows.lineage)
        if run.finished.exists():
            log.info("%s is finished; overwrite=true enrolls again.", run.path)
            return run
        learned, held_out = _embedded(config, champion, run, rows, classes)
        photos = len(learned.classes) + len(held_out.classes)
        checkpoint = load_checkpoint(champion.best)
        head = rows_of_head(checkpoint)
        best, tried = best_rows(
            learned,
            held_out,
            old=old,
            old_rows=None if head is None else head.of_classes(np.flatnonzero(old)),
            allowed=config.allowed_loss,
            ways=WAYS if config.way == "auto" else [config.way],
        )
        _tell(tried, best)
        _name_alike(learned, classes, old, best.rows.centre).write(run.path / PROTOTYPES)
        AtomicCheckpointIO().save_checkpoint(with_rows(checkpoint, best, old=old), run.best)
        seconds = time.perf_counter() - began
        _finish(run, champion, best, held_out, photos, seconds)
    log.info(
        "%s joined in %s, from %s: %s",
        counted(int((classes.active() & ~old).sum()), "product"),
        duration(seconds),
        counted(photos, "photo"),
        run.best,
        extra=RESULT,
    )
    return run


def _learned(before: ClassTable, now: ClassTable) -> np.ndarray:
    """Return which classes of now a network of before has learned, `(C,) bool`.

    One that was not sold then and is now, such as a product of a later month whose number came early, has a row that
    only keeps its place.
    """
    learned = np.arange(len(now)) < len(before)
    learned[: len(before)] &= before.active() | ~now.active()[: len(before)]
    return learned


def _refuse_without_photos(training: pd.DataFrame, classes: ClassTable, old: np.ndarray, month: str) -> None:
    """Refuse a month without new products, or new products that are sold without photos to learn from."""
    new = [label for label, sold in zip(classes.labels, classes.active() & ~old, strict=True) if sold]
    if not new:
        raise MaskfoldError(
            f"month={month}: no product is new since this network was trained. `make folds` with data.until={month} "
            "numbers those of the month; see classes.parquet."
        )
    bare = sorted({*new} - {*training["label"]})
    if bare:
        raise MaskfoldError(
            f"{len(bare)} new products have no photos outside this fold and the frozen test:\n{listing(bare, 5)}\n"
            "One photo there is the least; ten, from all sides, are a good number."
        )


def _embedded(
    config: DictConfig, champion: RunFolder, run: RunFolder, rows: FoldRows, classes: ClassTable
) -> tuple[Embedded, Embedded]:
    """Return embeddings of the photos that rows are made from, and of those that they are tried on."""
    own, training = trained_classes(champion, classes), rows.training
    if config.photos is not None:
        training = replayed(training, known=len(own), photos=config.photos, seed=0)
    network, framing = load_network(champion.best), build(champion.part("framing"))
    options = resolved(config.trainer) | {"tta": champion.read_config()["tta"], "active": own.active()}
    photos = pd.concat([training, rows.validation])
    origin = "\n".join([checkpoint_hash(champion.best), *photos["image_id"]])
    store = AnswerStore(_stores(run) / hashlib.sha256(origin.encode()).hexdigest()[:16])
    predict_answers(network, photos, framing=framing, store=store, **options)
    embeddings = store.read(photos["image_id"]).embeddings
    classes_of = photos[CLASS_INDEX].to_numpy()
    return tuple(
        Embedded(embeddings[part], classes_of[part]) for part in (slice(len(training)), slice(len(training), None))
    )


def _stores(run: RunFolder) -> Path:
    """Return where answers lie until the run is finished, so that a broken one goes on."""
    return run.path / "embedded"


def _tell(tried: list[HeadRows], best: HeadRows) -> None:
    cells = [[_named(rows), f"{100 * rows.old_recall:.1f} %", f"{100 * rows.new_recall:.1f} %"] for rows in tried]
    headings = ("way", "old products, macro recall out of fold", "new products")
    show_table(headings, cells, strong=next(number for number, rows in enumerate(tried) if rows is best))


def _named(rows: HeadRows) -> str:
    return rows.way if rows.gain[-1] == 1 else f"{rows.way}, times {rows.gain[-1]:.2f}"


def _name_alike(learned: Embedded, classes: ClassTable, learned_ones: np.ndarray, centre: np.ndarray) -> Prototypes:
    """Return all prototypes; name the new products that look like an old one, before anybody confuses them."""
    prototypes = Prototypes.of(learned.embeddings, learned.classes, centre=centre)
    old, new = (prototypes.of_classes(np.flatnonzero(part)) for part in (learned_ones, ~learned_ones))
    alike = new.alike(old)
    names = np.array(classes.labels, dtype=object)
    columns = names[alike["class_index"]], names[alike["other_index"]], alike["cosine"]
    lines = [f"{own} looks like {other}: cosine {cosine:.3f}" for own, other, cosine in zip(*columns, strict=True)]
    if lines:
        log.warning(
            "%d pairs of a new and an old product are hard to tell apart. Take photos of the side that tells them "
            "apart:\n%s",
            len(lines),
            listing(lines, 20),
        )
    return prototypes


def _finish(
    run: RunFolder, champion: RunFolder, best: HeadRows, held_out: Embedded, photos: int, seconds: float
) -> None:
    """Write down what a training writes down: its only epoch, and the number that it is judged by."""
    right = best.rows.nearest(held_out.embeddings, gain=best.gain)[0] == held_out.classes
    monitor = champion.monitor()
    row: dict[str, Any] = {"epoch": 0, "val/accuracy": float(np.mean(right)), "seconds": round(seconds, 3)}
    row |= {"images_per_second": round(photos / seconds, 3), "peak_memory_mb": 0}
    write_text(run.metrics, pd.DataFrame([row]).to_csv(index=False))
    run.note(training_photos=photos, audit="off", enrolled=best.way)
    shutil.rmtree(_stores(run))
    run.finish(row | {monitor.name: row["val/accuracy"]}, monitor=monitor)


main = entry_point(enroll)

if __name__ == "__main__":
    main()
