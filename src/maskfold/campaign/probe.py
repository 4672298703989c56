"""What a member will cost, from a few steps of its own: the training stage, run briefly in a folder of the probe."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import psutil

from maskfold import files
from maskfold.campaign.members import Member
from maskfold.config import EXPERIMENTS, build
from maskfold.data.task import RECOGNITION
from maskfold.engine.ranks import SIZE_FOUND as BATCH_SIZE
from maskfold.engine.schedules import Schedule
from maskfold.ensembling.stores import store_in
from maskfold.errors import MaskfoldError
from maskfold.prediction.batch_size import AUTO, OF_BEFORE
from maskfold.prediction.larger import changed_numbers
from maskfold.prediction.members import load_network
from maskfold.prediction.predictor import predict_photos
from maskfold.prediction.store import ProbabilityStore
from maskfold.pseudo.label_set import LabelSet
from maskfold.recognition.answers import AnswerStore
from maskfold.recognition.predicting import predict_answers
from maskfold.runs.layout import MemberFolder
from maskfold.runs.run_folder import RunFolder

FOLDER = ".plan"  # in the folder of experiments


@dataclass(frozen=True)
class Cost:
    """What one network costs; seconds and bytes.

    Attributes:
        start: Until the first step: imports, data, the first batch.
        epoch: Of an epoch of training, with its validation.
        photo: To predict one photo.
        device: Memory of the device in training; 0 on a CPU.
        ram: Memory of the machine in training, of all processes.
        checkpoints: Disk for the checkpoints of a fold.
        map: Disk for one photo's probability map, of all classes.
        map_from: Where that comes from.
    """

    start: float
    epoch: float
    photo: float
    device: int
    ram: int
    checkpoints: int
    map: float
    map_from: str


def probe(
    member: Member,
    *,
    predict: dict[str, Any],
    tta: str | None = None,
    geometry: Mapping[str, int | None] = MappingProxyType({}),
    batches: int,
    photos: int,
    map_bytes: int | None,
) -> Cost:
    """Train a member for two epochs of a few batches, predict a few photos, and measure what that took.

    The first of the two epochs warms everything up; the second is the measure.

    Args:
        member: The member to measure.
        predict: The trainer's part of how photos are predicted.
        tta: Their views; None for the member's own.
        geometry: Numbers of their geometry that are not as in training, None where they are.
        batches: Batches of an epoch.
        photos: Photos to predict.
        map_bytes: The size of a map, if it is known; None to take it from the maps that there are.

    Raises:
        MaskfoldError: If the training fails; the message is its own.
    """
    folder = MemberFolder(EXPERIMENTS / FOLDER / member.name)
    run = folder.run(0)
    with files.locked(EXPERIMENTS / FOLDER):
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
            wall, ram = _train(member, folder, [*member.overrides, f"trainer.limit_batches={batches}"])
            log = pd.read_csv(run.metrics)
            epoch = _epoch_seconds(member, run, log.iloc[-1], batches)
            seconds, own_map = _predict(member, run, predict | {"tta": tta or member.config["tta"]}, photos, geometry)
            size, source = _map_size(member, own_map, map_bytes)
            return Cost(
                start=wall - log["seconds"].sum() + max(0.0, log["seconds"].iloc[0] - log["seconds"].iloc[-1]),
                epoch=epoch,
                photo=seconds,
                device=int(log["peak_memory_mb"].max()) * 2**20,
                ram=ram,
                checkpoints=_checkpoint_bytes(member, run),
                map=size,
                map_from=source,
            )
        finally:
            shutil.rmtree(EXPERIMENTS / FOLDER, ignore_errors=True)


def _train(member: Member, folder: MemberFolder, overrides: Sequence[str]) -> tuple[float, int]:
    """Run the training stage; return its seconds and the most bytes of memory that its processes had."""
    name = folder.path.relative_to(EXPERIMENTS)
    command = [sys.executable, "-m", "maskfold.stages.train", f"experiment={member.name}", "tracker=csv", *overrides]
    command += [f"name={name}", "fold=0", "trainer.max_epochs=2", "trainer.patience=null"]
    command += ["overwrite=true", "keep_last=true"]
    log = folder.path / "probe.log"
    began, most = time.monotonic(), 0
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        while process.poll() is None:
            most = max(most, _memory(process.pid))
            time.sleep(0.2)
    if process.returncode != 0:
        last_lines = "\n".join(log.read_text(errors="replace").strip().splitlines()[-3:])
        raise MaskfoldError(f"{member.name}: its first steps failed:\n{last_lines}")
    return time.monotonic() - began, most


def _memory(pid: int) -> int:
    """Return the bytes of a process and all below it, what they share counted once."""
    total = 0
    try:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            total += one.memory_full_info().pss
    except psutil.Error:  # it has ended meanwhile
        pass
    return total


def _epoch_seconds(member: Member, run: RunFolder, measured: pd.Series, batches: int) -> float:
    """Scale the seconds of a short epoch to all images of the fold, those of training and validation each by theirs."""
    trainer = member.config["trainer"]
    size = files.read_json(run.run).get(BATCH_SIZE, trainer["batch_size"])
    validated = len(member.oof[0])
    trained = sum(len(ids) for ids in member.oof.values()) - validated
    if member.config["pseudo"]:
        ledger, _ = LabelSet(Path(member.config["pseudo"])).read()
        trained += int((ledger["fold"] == 0).sum())
    repeated = 1 + 1 / trainer["hard_negatives_every"] if trainer["hard_negatives_every"] else 1
    images = max(1, min(batches, trained // size)) * min(size, trained)
    validation = measured["seconds"] - images / measured["images_per_second"]
    per_validated = max(0.0, validation) / min(batches * size, validated)
    return trained * repeated / measured["images_per_second"] + validated * per_validated


def _predict(
    member: Member, run: RunFolder, options: dict[str, Any], photos: int, geometry: Mapping[str, int | None]
) -> tuple[float, float]:
    """Return the seconds to predict a photo, and the bytes of its map."""
    ids = member.test or member.oof[0]
    rows = member.table[member.table["image_id"].isin(ids)]
    network = load_network(run.best)
    source = build(member.config["data"])
    if source.task == RECOGNITION:
        make, way = AnswerStore, predict_answers
        shown = {"framing": build(member.config["framing"]), "active": source.class_table().active()}
    else:
        make, way = ProbabilityStore, predict_photos
        trained = member.config["geometry"]
        own = build(trained | changed_numbers(trained, geometry))
        shown = {"geometry": own, "preprocess": build(member.config["preprocess"])}
    seconds = 0.0
    warm_up = OF_BEFORE if options["batch_size"] == AUTO else options["batch_size"]
    for name, part in (("first", rows[:warm_up]), ("then", rows[:photos])):
        store = make(run.store(name))
        began = time.monotonic()
        way(network, part, **shown, store=store, **options)
        seconds = (time.monotonic() - began) / len(part)
    return seconds, _bytes_of(store) / len(part)


def _bytes_of(store: ProbabilityStore | AnswerStore) -> int:
    files = store.parts() if isinstance(store, AnswerStore) else store.paths().values()
    return sum(path.stat().st_size for path in files)


def _map_size(member: Member, own: float, map_bytes: int | None) -> tuple[float, str]:
    """Return the bytes of a map and where that comes from."""
    if map_bytes is not None:
        return map_bytes, "as given with map_bytes"
    for fold in member.folds:
        for split in ("oof", "test"):
            store = store_in(member.run(fold).store(split))
            if isinstance(store, AnswerStore):
                return _bytes_of(store) / len(store.image_ids()), f"the mean of {store.folder}"
            paths = list(store.paths().values())[:1000] if store.folder.is_dir() else []
            if paths:
                return sum(path.stat().st_size for path in paths) / len(paths), f"the mean of {store.folder}"
    return own, "of the probe's own network: at most, for maps of a trained one are smaller"


def _checkpoint_bytes(member: Member, run: RunFolder) -> int:
    schedule = build(member.config["schedule"])
    snapshots = schedule.snapshots_before(member.epochs or 0) if isinstance(schedule, Schedule) else 0
    last = run.last.stat().st_size if member.config.get("keep_last") else 0  # else it goes when a run is finished
    kept = min(member.config.get("keep_best") or 0, member.epochs or 1)
    return last + (1 + snapshots + kept) * run.best.stat().st_size


def free_bytes(path: Path) -> int:
    """Return what is free on the disk that `path` is, or will be, on."""
    while not path.exists():
        path = path.parent
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize
