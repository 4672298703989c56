"""Train one fold of one member: `maskfold train experiment=linknet34 fold=0`."""

import logging
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import mean

import lightning
import pandas as pd
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from maskfold.campaign.lessons import find_teacher, with_lesson
from maskfold.cleaning.audit import gate
from maskfold.config import EXPERIMENTS, build, recorded, resolved
from maskfold.data.augmentation import CPU
from maskfold.data.balance import DRAWS, describe_draws
from maskfold.data.folds import split_path
from maskfold.data.mask_copies import with_copies
from maskfold.data.source import Source
from maskfold.data.statistics import channel_statistics
from maskfold.engine.batch_size import settle_batch_size
from maskfold.engine.checkpoints import load_checkpoint
from maskfold.engine.chunked import Chunks
from maskfold.engine.engine import Engine
from maskfold.engine.freezing import refuse_random
from maskfold.engine.loaders import EpochLoader
from maskfold.engine.parts import TaskParts
from maskfold.engine.ranks import refuse_anew, warn_of_shared_store
from maskfold.engine.schedules import Schedule
from maskfold.engine.step_schedule import StepSchedule
from maskfold.engine.task import Task
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.every_fold import folds_of_split, for_each_fold
from maskfold.files import locked
from maskfold.models.counts import with_counts
from maskfold.pseudo.rows import FoldRows, rows_of_all, rows_of_fold
from maskfold.runs.layout import FULL, MemberFolder
from maskfold.runs.lineage import keep_lineage, refuse_replaced
from maskfold.runs.monitor import UNKNOWN
from maskfold.runs.run_folder import RunFolder
from maskfold.runs.start import Start, find_start
from maskfold.schemas import ALL
from maskfold.segmentation.mixing import refuse_single
from maskfold.segmentation.placing import AUGMENTED, place_of
from maskfold.shards.source import in_chunks
from maskfold.terminal import RESULT, counted, duration, readable
from maskfold.tracking.guard import tracked
from maskfold.trust import without_pretrained

log = logging.getLogger(__name__)


def train(config: DictConfig) -> dict[str, float]:
    """Train a fold into its run folder; return the metrics of its best epoch."""
    if config.overwrite:
        refuse_anew(config.name)
    warn_of_shared_store()
    source: Source = build(config.data)
    teacher = find_teacher(config.get("distill"), fold=config.fold)
    taught = {} if teacher is None else {"teacher": teacher.checkpoint}
    folder = MemberFolder(EXPERIMENTS / config.name).run(config.fold)
    placed, place = _placed(config, folder)
    parts: TaskParts = build(placed.task, **source.said(), **taught)
    table, split = source.load(), split_path(source, config.split_file)
    if full := config.fold == FULL:
        _refuse_judging(config)
        rows = rows_of_all(table, source, pseudo=config.pseudo)
    else:
        rows = rows_of_fold(table, source, split, fold=config.fold, pseudo=config.pseudo)
    rows, lesson = with_lesson(rows, source, config.get("distill"), fold=config.fold)
    start = find_start(config.start_from, fold=config.fold)
    for known in (start, teacher):
        if known is not None:
            source.refuse_other_classes(known.folder)
    rows = rows.begun_with(start).taught_by(teacher).replayed(config.replay, start, seed=config.seed)
    rows = rows.by_cluster(balance=config.balance, weights=config.cluster_weights)
    if rank_zero_only.rank != 0:  # one of several processes of one run, whose first one keeps the folder
        return folder.summary() if _is_finished(folder, config) else _fit(config, parts, rows, folder, start, source)
    if not full and (config.overwrite or not folder.finished.exists()):
        _audit(config, source, table, split)
    with locked(folder.path, anew=config.overwrite):
        refuse_replaced(folder, rows.lineage)
        epochs = None if _is_stretched(config) else _epochs(config)
        if folder.lengthen(recorded(config), identity=rows.identity, epochs=epochs):
            log.info("%s: %d epochs from here on, at the rates of its schedule.", folder.path, epochs)
        folder.begin(recorded(config), identity=rows.identity)
        source.leave(folder.path)
        keep_lineage(folder, rows.lineage)
        if folder.finished.exists():
            log.info("%s is finished; overwrite=true trains it again.", folder.path)
            if not (config.keep_last or folder.read_config().get("keep_last", True)):
                folder.last.unlink(missing_ok=True)  # killed between the two writes of its end
            best = folder.summary()
            _tell(folder, best)
            return best
        if lesson is not None:
            lesson.write()
        monitor = UNKNOWN if full else parts.objective().monitor
        if full:
            folder.note(monitor=asdict(monitor))  # from its beginning on, for whoever looks at it meanwhile
        audit = "none" if full else "passed" if config.audit else "off"
        folder.note(audit=audit, training_photos=len(rows.training), **place)
        best = _fit(config, parts, rows, folder, start, source)
        folder.finish(best, monitor=monitor)
        if not config.keep_last:
            folder.last.unlink(missing_ok=True)
    _tell(folder, best)
    return best


def _refuse_judging(config: DictConfig) -> None:
    """Refuse what only a score, or a fold, could decide in a training on all photos.

    Raises:
        MaskfoldError: If something asks for one.
    """
    schedule = build(config.schedule)
    plateau = isinstance(schedule, Schedule) and any(epoch.plateau is not None for epoch in schedule.table)
    asks = {
        "trainer.patience": config.trainer.patience is not None,
        "keep_best": config.keep_best is not None,
        "schedule (plateau)": plateau,
    }
    if keys := [key for key, is_set in asks.items() if is_set]:
        raise MaskfoldError(
            f"fold={FULL}: {', '.join(keys)} goes by the score of photos that are held out, and here none are. Train "
            "for as many epochs as the folds have chosen: set it to null, and trainer.max_epochs or the schedule's "
            "length to that number."
        )


def _placed(config: DictConfig, folder: RunFolder) -> tuple[DictConfig, dict[str, str]]:
    """Return the configuration with `augment.device` as it is in this run, and what `run.json` is to say of it."""
    if config.get("augment") is None:  # photos are changed in another way, or not at all
        return config, {}
    augment = build(config.augment)
    place = place_of(augment, folder, accelerator=config.trainer.accelerator, anew=config.overwrite)
    if place == getattr(augment, "device", CPU):
        return config, {AUGMENTED: place}
    placed = config.copy()
    OmegaConf.update(placed, "augment.device", place, force_add=True)
    return placed, {AUGMENTED: place}


def _is_finished(folder: RunFolder, config: DictConfig) -> bool:
    """Return whether the first process, too, finds nothing to train here; it may be about to lengthen the run."""
    if not folder.finished.exists() or folder.differing(recorded(config)):
        return False
    return folder.finished.exists()  # once more: who lengthens a run takes this away before it writes the configuration


def _audit(config: DictConfig, source: Source, table: pd.DataFrame, split: Path) -> None:
    """Refuse a split that parts photos which belong together, unless that is not asked."""
    if config.audit:
        gate(source, table, split)
    else:
        log.warning("audit=off: nobody looks whether photos that belong together are on two sides of %s.", split)


def _tell(folder: RunFolder, best: dict[str, float]) -> None:
    """Say what the best epoch has come to, and where its weights are."""
    monitor, costs = folder.monitor(), folder.costs()
    memory = f", device memory {readable(costs['peak_memory_mb'] * 2**20)}" if costs["peak_memory_mb"] else ""
    epochs = counted(costs["epochs"], "epoch")
    log.info("%s: %s in %s%s", folder.path, epochs, duration(costs["seconds"]), memory)
    if monitor == UNKNOWN:
        log.info("trained on all photos, so its score is unknown; the last epoch: %s", folder.best, extra=RESULT)
        return
    log.info(
        "best %s %.5f, epoch %d: %s", monitor.label, best[monitor.name], best["epoch"] + 1, folder.best, extra=RESULT
    )


def _epochs(config: DictConfig) -> int | None:
    """Return how many epochs are asked for; None if only a schedule without a length of its own could say it."""
    schedule = build(config.schedule)
    return config.trainer.max_epochs or (len(schedule) if isinstance(schedule, Schedule) else None)


def _is_stretched(config: DictConfig) -> bool:
    """Return whether epochs are other ones where there are more of them, though no key but their number says so."""
    mixing = resolved(config).get("mixing") or {}
    ends = mixing.get("until", 1) < 1 and any(mixing.get(way, 0) > 0 for way in ("mixup", "cutmix"))
    return ends or isinstance(build(config.schedule), StepSchedule)


def _fit(
    config: DictConfig, parts: TaskParts, rows: FoldRows, folder: RunFolder, start: Start | None, source: Source
) -> dict[str, float]:
    schedule = build(config.schedule)
    trainer = resolved(config.trainer)
    layout = {"channels_last": trainer.pop("channels_last"), "compile_network": trainer.pop("compile")}
    statistics = _statistics(source, rows, folder)
    task = _task(config, parts, schedule, start, source, rows, statistics, **layout)
    batch_size = trainer.pop("batch_size")
    averaging = build(config.averaging) if config.averaging else None
    load = partial(EpochLoader, num_workers=trainer.pop("num_workers"), timeout=trainer.pop("load_timeout"))
    order = {"seed": config.seed, "shuffle": True, "draws": _draws(rows), "chunks": _chunks(rows.training)}
    learned, measured = with_copies([rows.training, rows.validation], source.folder)
    training = partial(load, parts.training_set(learned, seed=config.seed), **order)
    one_size = _is_one_size(config, rows)

    def validation(batch_size: int) -> EpochLoader | None:
        if rows.validation.empty:  # a training on all photos
            return None
        held_out = parts.validation_set(measured, seed=config.seed)
        return load(held_out, chunks=_chunks(rows.validation), batch_size=batch_size)

    def rehearse(size: int) -> None:
        batches = training(batch_size=size), validation(batch_size=size)
        Engine(**trainer).rehearse(task, *batches, averaging=averaging, one_size=one_size)

    if batch_size == "auto":
        batch_size = settle_batch_size(folder, trainer["effective_batch"], rehearse)
    refuse_single(getattr(task.objective, "mixing", None), batch_size=batch_size)
    with tracked((build(node) for node in config.tracker.values()), folder) as trackers:
        best = Engine(**trainer).fit(
            task,
            training(batch_size=batch_size),
            validation(batch_size=batch_size),
            folder=folder,
            schedule=schedule,
            seed=config.seed,
            averaging=averaging,
            report=trackers.log_epoch,
            one_size=one_size,
            keep_best=config.keep_best,
        )
        how = {"precision": trainer["precision"], "accelerator": trainer["accelerator"]}
        draw = partial(parts.draw_samples, folder.best, rows.validation, batch_size=batch_size, **how)
        trackers.log_result(draw, folder.best, epoch=best["epoch"])
    return best


def _is_one_size(config: DictConfig, rows: FoldRows) -> bool:
    """Return whether the network is shown photos of one size, whatever theirs are."""
    if "geometry" not in config:  # a recogniser's framing has one
        return True
    geometry = build(config.geometry)
    shapes = pd.concat([rows.training, rows.validation])[["height", "width"]].drop_duplicates()
    return len({geometry.network_size(*shape) for shape in shapes.itertuples(index=False)}) == 1


def _draws(rows: FoldRows) -> list[float] | None:
    """Return how often an epoch has each training row, and say what has which share; None where all are alike."""
    if DRAWS not in rows.training:
        return None
    log.info("What an epoch has, by how often photos are drawn:\n%s", describe_draws(rows.training))
    return rows.training[DRAWS].tolist()


def _chunks(rows: pd.DataFrame) -> Chunks | None:
    """Return where photos lie, many to a file; None where each is a file."""
    places = in_chunks(rows)
    return None if places is None else Chunks(*places)


def _statistics(source: Source, rows: FoldRows, folder: RunFolder) -> dict[str, list[float]]:
    """Return mean and standard deviation of each channel where the data count them: those that a run was begun with."""
    if source.channels is None:
        return {}
    if folder.last.exists():
        begun = load_checkpoint(folder.last)["network"]
        return {name: begun[name] for name in ("mean", "std")}
    return channel_statistics(rows.training, channels=source.channels, folder=source.folder)


def _task(
    config: DictConfig,
    parts: TaskParts,
    schedule: Schedule | object,
    start: Start | None,
    source: Source,
    rows: FoldRows,
    statistics: dict[str, list[float]],
    **layout: bool | str,
) -> Task:
    lightning.seed_everything(config.seed, verbose=False)  # the first weights
    counts = {"classes": source.outputs} | ({"channels": len(statistics["mean"])} if statistics else {})
    construction = model = with_counts(resolved(config.model), **counts)
    if start is not None:  # nothing is fetched that the start replaces
        model = without_pretrained(model)
    else:
        refuse_random(config.freeze, model)
    task = Task(
        parts.network(build(model), **statistics),
        optimizer=build(config.optimizer),
        objective=parts.objective(rows.training, seed=config.seed),
        scheduler=None if isinstance(schedule, Schedule) else schedule,
        construction=construction,
        freeze=config.freeze,
        **layout,
    )
    if start is not None:
        task.take_weights(start.checkpoint)
    return task


def judged(config: DictConfig) -> float | None:
    """Return what a sweep compares: the best score in validation, with `fold=all` the mean over the folds.

    A training on all photos has none.

    That is the word of the process that keeps the run folder: another of the same run may be here before it is written.
    """
    if rank_zero_only.rank != 0 or config.fold == FULL:
        return None
    folds = [config.fold] if config.fold != ALL else folds_of_split(config)
    runs = [MemberFolder(EXPERIMENTS / config.name).run(fold) for fold in folds]
    return mean(run.summary()[run.monitor().name] for run in runs)


main = entry_point(for_each_fold(train, folds_of_split), objective=judged)

if __name__ == "__main__":
    main()
