"""Train one fold of one member: `python -m maskfold.stages.train experiment=linknet34 fold=0`."""

import logging
from functools import partial

import lightning
import pandas as pd
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig

from maskfold.config import EXPERIMENTS, build, entry_point, refuse_unknown, resolved
from maskfold.data.dataset import LabelledDataset
from maskfold.data.folds import fold_members, read_folds, split_path
from maskfold.data.table import fingerprint
from maskfold.files import locked, sha256
from maskfold.models.network import Network
from maskfold.prediction.tta import check_tta
from maskfold.training.engine import Engine
from maskfold.training.loaders import EpochLoader
from maskfold.training.run_folder import RunFolder
from maskfold.training.schedules import Schedule
from maskfold.training.segmentation import SegmentationTask
from maskfold.training.trackers import tracked

log = logging.getLogger(__name__)

TRAINER = ("batch_size", "num_workers", "channels_last", "compile", *Engine.__dataclass_fields__)


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
    folder = RunFolder(EXPERIMENTS / config.name / f"fold{config.fold}")
    if rank_zero_only.rank != 0:  # one of several processes of one run, whose first one keeps the folder
        return _fit(config, labelled[~validation], labelled[validation], folder)
    with locked(folder.path):
        identity = {"data": fingerprint(labelled), "folds": sha256(split)}
        folder.begin(resolved(config), identity=identity, overwrite=config.overwrite)
        if folder.finished.exists():
            log.info("%s is finished; overwrite=true trains it again.", folder.path)
            return folder.summary()
        best = _fit(config, labelled[~validation], labelled[validation], folder)
        folder.finish(best)
    log.info("%s: best epoch %d, validation Dice %.5f", folder.path, best["epoch"] + 1, best["val/dice"])
    return best


def _fit(config: DictConfig, train_rows: pd.DataFrame, validation_rows: pd.DataFrame, folder: RunFolder) -> dict:
    geometry, preprocess = build(config.geometry), build(config.preprocess)
    augment, schedule = build(config.augment), build(config.schedule)
    trainer = resolved(config.trainer)
    lightning.seed_everything(config.seed, verbose=False)  # the first weights
    network = Network(build(config.model))
    geometry.check_stride(network.stride)
    task = SegmentationTask(
        network,
        loss=build(config.loss),
        optimizer=build(config.optimizer),
        scheduler=None if isinstance(schedule, Schedule) else schedule,
        construction=resolved(config.model),
        channels_last=trainer.pop("channels_last"),
        compile_network=trainer.pop("compile"),
    )
    load = partial(EpochLoader, batch_size=trainer.pop("batch_size"), num_workers=trainer.pop("num_workers"))
    dataset = partial(LabelledDataset, geometry=geometry, preprocess=preprocess, seed=config.seed)
    with tracked(build(node) for node in config.tracker.values()) as loggers:
        return Engine(**trainer).fit(
            task,
            load(dataset(train_rows, augment=augment), seed=config.seed, shuffle=True),
            load(dataset(validation_rows)),
            folder=folder,
            schedule=schedule,
            seed=config.seed,
            monitor="val/dice",
            averaging=build(config.averaging) if config.averaging else None,
            loggers=loggers,
        )


main = entry_point(train)

if __name__ == "__main__":
    main()
