"""Average the weights of a run's best checkpoints into one network: `maskfold soup name=linknet34 fold=0`."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
import torch
from omegaconf import DictConfig

from maskfold import files
from maskfold.config import EXPERIMENTS, build
from maskfold.data.folds import split_path
from maskfold.data.source import Source
from maskfold.engine.checkpoints import AtomicCheckpointIO, load_checkpoint
from maskfold.engine.freezing import freeze_layers
from maskfold.engine.soup import Soup, Weights, greedy_soup, uniform_soup
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.every_fold import folds_with_a_run, for_each_fold
from maskfold.masks.metrics import named
from maskfold.prediction.members import load_network
from maskfold.pseudo.rows import FoldRows, rows_of_fold
from maskfold.runs.kinship import SOUP, Ingredient, ingredients_of, refuse_unlike
from maskfold.runs.layout import MemberFolder
from maskfold.runs.lineage import Lineage, read_lineage, refuse_leak, refuse_replaced, write_lineage
from maskfold.runs.run_folder import RunFolder
from maskfold.segmentation.fold_judge import FoldJudge
from maskfold.terminal import RESULT, counted, show_table

log = logging.getLogger(__name__)


def soup(config: DictConfig) -> dict[str, Any]:
    """Write the mean of checkpoints as a run folder of its own; return what it is worth, as the row of an epoch."""
    began = time.monotonic()
    runs = [MemberFolder(EXPERIMENTS / name).run(config.fold) for name in (config.name, *config.runs)]
    refuse_unlike(runs)
    ingredients = ingredients_of(runs, keep=config.keep)
    folder = MemberFolder(EXPERIMENTS / (config.to or f"{config.name}_soup")).run(config.fold)
    recorded, parents = _recorded(config, runs[0], folder), [one.sha256 for one in ingredients]
    if _is_made(folder, recorded, parents, overwrite=config.overwrite):
        log.info("%s is made of these already; overwrite=true makes it again.", folder.path)
        return folder.summary()
    source: Source = build(runs[0].part("data"))
    table, split = source.load(), split_path(source, runs[0].read_config()["split_file"])
    rows = rows_of_fold(table, source, split, fold=config.fold, pseudo=None)
    for run in runs:
        refuse_leak(run, rows.validation)
        refuse_replaced(run, rows.lineage)
    judge = _judge(config, runs[0], rows, source)
    made, single = _made(config, judge, ingredients)
    scores = judge.scores(made.weights)
    row = {"epoch": 0, "rate": 0.0, "train/loss": float("nan"), "val/loss": float("nan"), **scores}
    row |= {"seconds": round(time.monotonic() - began, 3), "images_per_second": 0.0, "peak_memory_mb": 0}
    kept = [_describe(one, made, place) for place, one in enumerate(ingredients)]
    with files.locked(folder.path, anew=True):  # what a killed soup has left is no part of this one
        _begin(folder, recorded, runs, rows, source, parents)
        files.write_text(folder.metrics, pd.DataFrame([row]).to_csv(index=False))
        checkpoint = load_checkpoint(ingredients[0].path) | {"state_dict": made.weights}
        AtomicCheckpointIO().save_checkpoint(checkpoint, folder.best)
        folder.note(soup={"greedy": config.greedy, "best_single": single, "checkpoints": kept})
        folder.finish(row, monitor=judge.monitor)
    _tell(folder, made, ingredients, single=single, greedy=config.greedy)
    return row


def _recorded(config: DictConfig, first: RunFolder, folder: RunFolder) -> dict[str, Any]:
    """Return the soup's configuration, alike in all folds: that of its first run, and how it was made."""
    about = {key: config[key] for key in ("keep", "greedy", "batches", "batch_size")}
    return first.read_config() | {"name": folder.path.parent.name, SOUP: {"runs": [*config.runs], **about}}


def _is_made(folder: RunFolder, recorded: dict[str, Any], parents: Sequence[str], *, overwrite: bool) -> bool:
    """Return whether the very soup is there already.

    Raises:
        MaskfoldError: If something else was trained there, or it is the mean of other checkpoints.
    """
    if overwrite or not folder.holds_training:
        return False
    if SOUP not in folder.read_config():
        raise MaskfoldError(f"{folder.path}: a training, no soup. Give the soup a name of its own with to=...")
    if not folder.finished.exists():
        return False
    folder.refuse_other(recorded)
    if read_lineage(folder.path).parents != tuple(parents):
        raise MaskfoldError(
            f"{folder.path}: made of other checkpoints than there are now. Give this soup a name of its own with "
            "to=..., or replace the old one with overwrite=true."
        )
    return True


def _judge(config: DictConfig, run: RunFolder, rows: FoldRows, source: Source) -> FoldJudge:
    network = load_network(run.best)
    freeze_layers(network, run.read_config().get("freeze") or [])
    on_gpu = config.accelerator in ("gpu", "cuda") or (config.accelerator == "auto" and torch.cuda.is_available())
    return FoldJudge(
        network,
        (rows.training, rows.validation),
        geometry=build(run.part("geometry")),
        preprocess=build(run.part("preprocess")),
        metric=named(source.metric),
        classes=source.classes,
        monitor=run.monitor(),
        seed=run.read_config()["seed"],
        batches=config.batches,
        batch_size=config.batch_size,
        num_workers=config.num_workers,
        device="cuda" if on_gpu else "cpu",
    )


def _made(config: DictConfig, judge: FoldJudge, ingredients: Sequence[Ingredient]) -> tuple[Soup, float]:
    """Return the soup, and what the best single checkpoint is worth on the same photos."""
    read = _readers(ingredients)
    single = judge.scores(read[0]())[judge.monitor.name]
    if config.greedy:
        return greedy_soup(read, judge, best=single, sign=1 if judge.monitor.mode == "max" else -1), single
    return uniform_soup(read, judge), single


def _readers(ingredients: Sequence[Ingredient]) -> list[Callable[[], Weights]]:
    """Return what reads the weights of each checkpoint.

    Raises:
        MaskfoldError: One of these, if a checkpoint is not of the network of the first.
    """
    first = _network_of(load_checkpoint(ingredients[0].path))

    def read(one: Ingredient) -> Weights:
        checkpoint = load_checkpoint(one.path)
        if _network_of(checkpoint) != first:
            raise MaskfoldError(
                f"{one.path} is of another network than {ingredients[0].path}: only weights of one can be averaged. "
                "Leave its run out; make ensemble averages its maps."
            )
        return checkpoint["state_dict"]

    return [partial(read, one) for one in ingredients]


def _network_of(checkpoint: dict[str, Any]) -> tuple[Any, ...]:
    shapes = {name: tuple(tensor.shape) for name, tensor in checkpoint["state_dict"].items()}
    return checkpoint.get("construction"), checkpoint.get("network"), shapes


def _begin(
    folder: RunFolder,
    recorded: dict[str, Any],
    runs: Sequence[RunFolder],
    rows: FoldRows,
    source: Source,
    parents: Sequence[str],
) -> None:
    """Begin the soup's folder: its configuration, and that it has seen what the networks in it have."""
    folder.begin(recorded, identity=files.read_json(runs[0].run)["identity"])
    folder.note(training_photos=len(rows.training))
    source.leave(folder.path)
    write_lineage(folder.path, _of_all([read_lineage(run.path) for run in runs], parents))


def _of_all(lineages: Sequence[Lineage], parents: Sequence[str]) -> Lineage:
    seen = {sight for lineage in lineages for sight in lineage.seen}
    rounds = max(lineage.round for lineage in lineages)
    return replace(lineages[0], round=rounds, seen=tuple(sorted(seen)), parents=tuple(parents))


def _describe(one: Ingredient, made: Soup, place: int) -> dict[str, Any]:
    return {
        "checkpoint": str(one.path),
        "sha256": one.sha256,
        "epoch": one.epoch,
        "score": one.score,
        "soup_with_it": made.tried[place],
        "taken": place in made.taken,
    }


def _tell(folder: RunFolder, made: Soup, ingredients: Sequence[Ingredient], *, single: float, greedy: bool) -> None:
    """Show what went into the soup and what it is worth beside its best checkpoint."""
    monitor = folder.monitor()
    lines = []
    for place, one in enumerate(ingredients):
        tried = "" if made.tried[place] is None else f"{made.tried[place]:.5f}"
        lines.append(
            [str(one.path), f"{one.epoch + 1}", f"{one.score:.5f}", tried, "yes" if place in made.taken else ""]
        )
    show_table(["checkpoint", "epoch", "in training", "soup with it", "taken"], lines)
    words = "" if made.score != single or len(made.taken) > 1 else ": no other helps, so it is its best checkpoint"
    log.info(
        "%s: %s %.5f of %s, %.5f of the best alone (%+.5f), both on the fold's own validation photos%s",
        folder.path,
        monitor.label,
        made.score,
        counted(len(made.taken), "checkpoint"),
        single,
        made.score - single,
        words,
        extra=RESULT,
    )
    if greedy:
        log.info("greedy=true has chosen by these same photos, so its score flatters a little; fresh photos say more.")


main = entry_point(for_each_fold(soup, folds_with_a_run))

if __name__ == "__main__":
    main()
