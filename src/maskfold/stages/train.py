"""Train one fold of one member: `python -m maskfold.stages.train experiment=linknet34 fold=0`."""

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig

from maskfold.config import EXPERIMENTS, build, entry_point, refuse_unknown, resolved
from maskfold.data.folds import fold_members, read_folds, split_path
from maskfold.data.geometry import Geometry
from maskfold.data.table import fingerprint
from maskfold.engine.batch_size import settle_batch_size
from maskfold.engine.engine import Engine
from maskfold.engine.loaders import EpochLoader
from maskfold.engine.schedules import Schedule
from maskfold.files import locked, sha256
from maskfold.models.network import Network
from maskfold.prediction.tta import check_tta
from maskfold.pseudo.label_set import LabelSet
from maskfold.runs.lineage import Lineage, sights, write_lineage
from maskfold.runs.run_folder import RunFolder
from maskfold.segmentation.dataset import LabelledDataset
from maskfold.segmentation.samples import predict_samples
from maskfold.segmentation.segmentation import SegmentationTask
from maskfold.tracking.guard import tracked

log = logging.getLogger(__name__)

TRAINER = ("batch_size", "effective_batch", "num_workers", "channels_last", "compile", *Engine.__dataclass_fields__)


def train(config: DictConfig) -> dict[str, float]:
    """Train a fold into its run folder; return the metrics of its best epoch."""
    check_tta(config.tta)
    refuse_unknown(config.trainer, TRAINER, group="trainer.")
    source = build(config.data)
    table = source.load()
    split = split_path(source, config.split_file)
    in_fold = fold_members(read_folds(split, table), config.fold)
    labelled = table[table["split"] == "train"]
    validation = labelled["image_id"].isin(in_fold)
    identity = {"data": fingerprint(labelled), "folds": sha256(split)}
    train_rows, lineage = _with_pseudo_labels(config, source.name, labelled[~validation], labelled[validation])
    if config.pseudo:
        identity["pseudo"] = sha256(LabelSet(Path(config.pseudo)).manifest)
    folder = RunFolder(EXPERIMENTS / config.name / f"fold{config.fold}")
    if rank_zero_only.rank != 0:  # one of several processes of one run, whose first one keeps the folder
        return _fit(config, train_rows, labelled[validation], folder)
    with locked(folder.path):
        folder.begin(resolved(config), identity=identity, overwrite=config.overwrite)
        write_lineage(folder.path, lineage)
        if folder.finished.exists():
            log.info("%s is finished; overwrite=true trains it again.", folder.path)
            return folder.summary()
        best = _fit(config, train_rows, labelled[validation], folder)
        folder.finish(best)
    log.info("%s: best epoch %d, validation Dice %.5f", folder.path, best["epoch"] + 1, best["val/dice"])
    return best


def _with_pseudo_labels(
    config: DictConfig, data: str, train_rows: pd.DataFrame, validation_rows: pd.DataFrame
) -> tuple[pd.DataFrame, Lineage]:
    """Return the rows to train on, with pseudo-labels behind the true masks, and what the network will have seen."""
    held_out = sights(validation_rows)
    true = Lineage(data, 0, sights(train_rows), held_out)
    if not config.pseudo:
        return train_rows, true
    rows, told = LabelSet(Path(config.pseudo)).for_fold(config.fold, data=data, held_out=held_out)
    seen = {*true.seen, *told.seen, *sights(rows)}
    joined = pd.concat([train_rows.assign(weight=1.0, soft=False), rows], ignore_index=True)
    log.info("%s: %d pseudo-labels beside %d true masks", config.pseudo, len(rows), len(train_rows))
    return joined, replace(told, seen=tuple(sorted(seen)))


def _fit(config: DictConfig, train_rows: pd.DataFrame, validation_rows: pd.DataFrame, folder: RunFolder) -> dict:
    geometry, preprocess = build(config.geometry), build(config.preprocess)
    augment, schedule = build(config.augment), build(config.schedule)
    trainer = resolved(config.trainer)
    layout = {"channels_last": trainer.pop("channels_last"), "compile_network": trainer.pop("compile")}
    task = _task(config, geometry, schedule, **layout)
    batch_size, effective = trainer.pop("batch_size"), trainer.pop("effective_batch")
    averaging = build(config.averaging) if config.averaging else None
    dataset = partial(LabelledDataset, geometry=geometry, preprocess=preprocess, seed=config.seed)
    load = partial(EpochLoader, num_workers=trainer.pop("num_workers"))
    learn = partial(load, dataset(train_rows, augment=augment), seed=config.seed, shuffle=True)
    validate = partial(load, dataset(validation_rows))

    def rehearse(size: int) -> None:
        Engine(**trainer).rehearse(task, learn(batch_size=size), validate(batch_size=size), averaging=averaging)

    if batch_size == "auto":
        batch_size = settle_batch_size(folder, effective, rehearse)
        trainer["accumulate"] = effective // batch_size
    with tracked((build(node) for node in config.tracker.values()), folder) as trackers:
        best = Engine(**trainer).fit(
            task,
            learn(batch_size=batch_size),
            validate(batch_size=batch_size),
            folder=folder,
            schedule=schedule,
            seed=config.seed,
            monitor="val/dice",
            averaging=averaging,
            report=trackers.log_epoch,
        )
        draw = partial(
            predict_samples,
            folder.best,
            validation_rows,
            geometry=geometry,
            preprocess=preprocess,
            tta=config.tta,
            batch_size=batch_size,
            precision=config.trainer.precision,
            accelerator=config.trainer.accelerator,
        )
        trackers.log_result(draw, folder.best, epoch=best["epoch"])
    return best


def _task(config: DictConfig, geometry: Geometry, schedule: Schedule | Any, **layout: bool) -> SegmentationTask:
    lightning.seed_everything(config.seed, verbose=False)  # the first weights
    network = Network(build(config.model))
    geometry.check_stride(network.stride)
    return SegmentationTask(
        network,
        loss=build(config.loss),
        optimizer=build(config.optimizer),
        scheduler=None if isinstance(schedule, Schedule) else schedule,
        construction=resolved(config.model),
        **layout,
    )


main = entry_point(train)

if __name__ == "__main__":
    main()
