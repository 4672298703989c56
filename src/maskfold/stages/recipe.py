"""Experiments and an ensemble that fit a budget: `maskfold recipe data=pairs data.root=/photos hours=12`."""

import logging
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from omegaconf import DictConfig, OmegaConf

from maskfold import files
from maskfold.campaign.member_data import as_overrides
from maskfold.campaign.members import Member, find_members
from maskfold.campaign.plan import cost_of_fold
from maskfold.campaign.probe import Cost, probe
from maskfold.config import SUBMISSIONS, build, compose, resolved
from maskfold.data.folds import read_folds, split_path
from maskfold.data.source import Source
from maskfold.data.task import SEGMENTATION
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.places import CONF, OWN_CONF
from maskfold.recipe import summary, writing
from maskfold.recipe.budget import MemberCost, fitting, least_hours, usable
from maskfold.recipe.looking import DataLook, look_at
from maskfold.recipe.machine import Device, lies_here, this_device
from maskfold.recipe.members import Family, at_hand
from maskfold.recipe.rules import InputSize, Said, Training, input_size, number_of_folds, smaller, training
from maskfold.recipe.summary import RecipeProposal
from maskfold.terminal import RESULT, show_table

log = logging.getLogger(__name__)

_TRIES = 3  # sizes, each smaller than the one before
_ENSEMBLE = 2  # networks, below which a smaller size is tried


def recipe(config: DictConfig) -> Path:
    """Write experiments and an ensemble for the data, the device and the hours; return the path of the summary."""
    source: Source = build(config.data)
    if source.task != SEGMENTATION:
        raise MaskfoldError(f"data={source.name}: a recipe is for photos with masks, and these have labels.")
    name = _name(config.name or source.name)
    weights_files = dict(config.files or {})
    _refuse_missing(weights_files)
    device = this_device()
    families = {
        f"{name}_{family.name}": family
        for family in at_hand(device, weights=config.weights, files=weights_files, lies_here=lies_here)
    }
    wanted = [Path("experiment", f"{member}.yaml") for member in families] + [Path("ensemble", f"{name}.yaml")]
    writing.refuse_edited(folder / path for path in wanted for folder in (OWN_CONF, Path(CONF)))
    look, folds = _look(source, device, config)
    proposal = _propose(config, families, look, device, folds, name=name)
    option, keys = _data(config)
    texts = {
        OWN_CONF / "experiment" / f"{member}.yaml": writing.experiment(
            member, proposal.trainings[member], look, epochs=epochs, data=(option, keys)
        )
        for member, epochs in proposal.epochs.items()
    }
    texts[OWN_CONF / "ensemble" / f"{name}.yaml"] = writing.ensemble(name, [*proposal.epochs])
    writing.write(texts)
    path = SUBMISSIONS / name / "recipe.md"
    files.write_text(path, summary.document(proposal))
    _show(proposal, path, [*texts])
    return path


def _name(name: str) -> str:
    if not re.fullmatch(r"\w[\w-]*", name, re.ASCII) or name.isdigit():
        raise MaskfoldError(f"{name}: experiments cannot be called so. Give name=<letters, digits, _ and ->.")
    return name


def _refuse_missing(weights: Mapping[str, str]) -> None:
    for family, path in weights.items():
        if not Path(path).is_file():
            raise MaskfoldError(f"files.{family}={path}: there is no such file.")


def _look(source: Source, device: Device, config: DictConfig) -> tuple[DataLook, Said]:
    """Return what the data are like, and their folds; they are dealt where they are not yet."""
    says = {"channels": source.channels, "classes": source.classes, "exclusive": source.exclusive}
    look, path = look_at(source.load(), **says), split_path(source)
    if path.exists():
        table = source.load()
        count = read_folds(path, table, left_out=source.left_out)["fold"].nunique()
        if config.k not in (None, count):
            raise MaskfoldError(f"{path}: has {count} folds, not k={config.k}. Leave k out, or remove the file.")
        return look, Said(count, f"those of {path}")
    folds = number_of_folds(look, device) if config.k is None else Said(config.k, "as asked")
    if folds.value < 2:
        raise MaskfoldError(f"data={source.name}: {look.groups} group, and two are needed. Set data.group.")
    overrides = [*as_overrides(resolved(config.data)), f"folds.k={folds.value}"]
    log.info("No split yet: maskfold folds %s", " ".join(overrides))
    done = subprocess.run(
        [sys.executable, "-m", "maskfold.stages.folds", *overrides], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise MaskfoldError(f"The split could not be written:\n{done.stderr.strip()}")
    return look_at(source.load(), **says), folds


def _data(config: DictConfig) -> tuple[str, dict[str, Any]]:
    """Return the option of the group `data` that is nearest to what was given, and the keys that differ from it."""
    given = resolved(config.data)
    option = as_overrides(given)[0].removeprefix("data=")
    own: Any = OmegaConf.to_container(compose("recipe", [f"data={option}"]).data, resolve=False)
    return option, {key: value for key, value in given.items() if key not in own or own[key] != value}


def _propose(
    config: DictConfig, families: Mapping[str, Family], look: DataLook, device: Device, folds: Said, *, name: str
) -> RecipeProposal:
    """Choose the size, probe every member, and fit them into the hours; a smaller size where fewer than two fit.

    Raises:
        MaskfoldError: If no member fits, naming the least that works; if none can be probed.
    """
    size = input_size(look, device)
    if config.size is not None:
        if len(config.size) != 2 or min(config.size) < 1:
            raise MaskfoldError(f"size={[*config.size]}: give [<height>,<width>] in pixels.")
        height, width = config.size
        size = InputSize("resize", height, width, "as asked")
    best: RecipeProposal | None = None
    costs: list[MemberCost] = []
    for _ in range(_TRIES):
        trainings = {
            member: training(family, look, device, size, k=folds.value, epochs=config.epochs)
            for member, family in families.items()
        }
        costs, failed = _costs(trainings, look, config)
        epochs = fitting(costs, usable(config.hours))
        if len(epochs) > (len(best.epochs) if best else 0):
            best = RecipeProposal(name, config.hours, look, device, folds, size, trainings, costs, epochs, failed)
        below = None if config.size is not None else smaller(size)
        if len(epochs) >= min(_ENSEMBLE, len(costs)) or below is None:
            break
        size = input_size(look, device, most=below)
    if best is None:
        raise MaskfoldError(
            f"hours={config.hours:g}: no member fits. The least that works is hours={least_hours(costs):.2g}, at "
            f"{size.width} x {size.height}; or give fewer folds (k=2), a smaller size=[<height>,<width>] or epochs=<n>."
        )
    return best


def _costs(
    trainings: Mapping[str, Training], look: DataLook, config: DictConfig
) -> tuple[list[MemberCost], dict[str, str]]:
    """Return what members cost, by a few steps of each, and why others could not be tried.

    Raises:
        MaskfoldError: If none could.
    """
    asked = resolved(compose("predict", ["name=any"]).trainer)
    costs, failed = [], {}
    with TemporaryDirectory() as folder:
        for name, one in trainings.items():
            tried = f"probed_{name}"  # a name of its own, for an option of the same name may be there
            text = writing.experiment(tried, one, look, epochs=one.wanted, data=_data(config))
            files.write_text(Path(folder, "experiment", f"{tried}.yaml"), text)
            log.info("%s: a few steps at %d x %d", name, one.size.width, one.size.height)
            (member,) = find_members([], [f"hydra.searchpath=['file://{folder}']"], experiments=[tried])
            try:
                cost = probe(member, predict=asked, batches=config.batches, photos=config.photos, map_bytes=None)
            except MaskfoldError as error:
                log.warning("%s is left out: %s", name, error)
                failed[name] = str(error)
            else:
                costs.append(_of_all_folds(name, member, cost, one))
    if not costs:
        raise MaskfoldError("No member could be tried:\n" + "\n".join(failed.values()))
    return costs, failed


def _of_all_folds(name: str, member: Member, cost: Cost, one: Training) -> MemberCost:
    none, single = (
        sum(cost_of_fold(replace(member, epochs=epochs), cost, fold).seconds for fold in member.folds)
        for epochs in (0, 1)
    )
    return MemberCost(name, none, single - none, one.wanted, one.least)


def _show(proposal: RecipeProposal, path: Path, written: list[Path]) -> None:
    show_table(["member", "epochs", "minutes", "why"], summary.rows(proposal))
    log.info("%s", summary.total(proposal))
    log.info("%s", summary.twice(proposal))
    log.info("written:\n%s", "\n".join(f"  {one}" for one in written))
    log.info("%s", path, extra=RESULT)
    log.info("Next:\n%s", "\n".join(f"  {command}" for command in summary.commands(proposal)))


main = entry_point(recipe)

if __name__ == "__main__":
    main()
