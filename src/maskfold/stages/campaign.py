"""Make an ensemble from nothing: `maskfold campaign ensemble=carvana`."""

import logging
import shlex
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich.live import Live

from maskfold.analysis.verdicts import ensemble_worth
from maskfold.campaign.clusters import connected
from maskfold.campaign.fusing import fuse_overrides, refuse_other_fused, why_own_maps
from maskfold.campaign.jobs import Job, ensemble_jobs, member_jobs
from maskfold.campaign.members import Member, find_members
from maskfold.campaign.runner import Runner
from maskfold.campaign.standings import Standing, State
from maskfold.campaign.table import draw, scores_so_far
from maskfold.config import EXPERIMENTS, SUBMISSIONS, build, compose, resolved
from maskfold.ensembling.fused_stores import FusedStores
from maskfold.ensembling.recipe import Recipe
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.files import locked, read_table
from maskfold.masks.scoring import DICE, Judged
from maskfold.runs.ensemble_folder import EnsembleFolder
from maskfold.terminal import RESULT, console, duration

log = logging.getLogger(__name__)


def campaign(config: DictConfig) -> dict[str, Standing]:
    """Run every job of an ensemble that is not done; return how each stands, and say what failed."""
    if "overwrite=true" in f"{config.train} {config.predict} {config.merge}":
        raise MaskfoldError("overwrite=true would begin anew at every retry: remove the runs' folders instead.")
    if "fused=" in config.merge:
        raise MaskfoldError("merge: fused= follows from own_maps, which says how the test photos are predicted.")
    recipe: Recipe = build(config.ensemble)
    train, predict, merge = (shlex.split(overrides) for overrides in (config.train, config.predict, config.merge))
    members = find_members([one.members for one in recipe.passes], train)
    folder = EnsembleFolder(SUBMISSIONS / recipe.name)
    own_maps = _own_maps(config, recipe, members, folder, predict)
    asked = compose("predict", ["name=any", *predict])
    shown = asked.tta, resolved(asked.geometry)
    for member in members:
        member.refuse_other_runs()
        member.refuse_other_maps(*shown, splits=("oof", "test") if own_maps else ("oof",))
    if not own_maps:
        refuse_other_fused(FusedStores(recipe, folder), members)
    jobs = [job for member in members for job in member_jobs(member, predict=predict, own_maps=own_maps)]
    merge = [*_chosen(recipe.name), *merge]
    fuse = None if own_maps else [*_of_ensemble(merge), *fuse_overrides(predict)]
    jobs += ensemble_jobs(folder, recipe, resolved(config.ensemble), members, overrides=merge, fuse=fuse)
    connect = partial(connected, resolved(config.cluster), config.jobs)
    limits = {"retries": config.retries, "losses": config.losses, "poll": config.poll}
    with locked(folder.logs):
        standings = _run(jobs, members, folder, connect=connect, **limits)
    _summarise(standings, folder.logs)
    if folder.test.submission.exists():
        log.info("%s", folder.test.submission)
    if folder.oof.scores.exists():
        scores = read_table(folder.oof.scores, again="Delete it, and run the same command again.")
        judged = DICE if DICE.column in scores else Judged(members[0].config["data"]["metric"])
        log.info("%s", ensemble_worth(recipe, scores, experiments=EXPERIMENTS, judged=judged), extra=RESULT)
    return standings


def _own_maps(
    config: DictConfig, recipe: Recipe, members: Sequence[Member], folder: EnsembleFolder, predict: Sequence[str]
) -> bool:
    """Return whether every network predicts the test photos by itself; say why where nobody has asked for it."""
    why = why_own_maps(recipe, members, folder.fused, own_maps=config.own_maps, predict=predict)
    if why is not None and not config.own_maps:
        log.info("%s: every network predicts the test photos by itself: %s.", recipe.name, why)
    return why is not None


def _of_ensemble(overrides: Sequence[str]) -> list[str]:
    return [each for each in overrides if each.lstrip("+~").startswith("ensemble")]


def _chosen(name: str) -> list[str]:
    """Return the overrides that chose the ensemble, for the stage that merges it."""
    if not HydraConfig.initialized():
        return [f"ensemble={name}"]
    return _of_ensemble(HydraConfig.get().overrides.task)


def _run(
    jobs: Sequence[Job],
    members: Sequence[Member],
    folder: EnsembleFolder,
    **options: Any,
) -> dict[str, Standing]:
    """Run jobs under a live table; `options` are the runner's."""
    began, logs = time.monotonic(), folder.logs
    results = {member.name: member.folder.results for member in members}

    def table() -> object:
        scores = scores_so_far(results, folder.oof.scores)
        seconds = time.monotonic() - began
        return draw(runner.standings.values(), title=f"{folder.name}: logs in {logs}", seconds=seconds, scores=scores)

    def report(standing: Standing) -> None:
        live.console.print(_sentence(standing, logs), highlight=False)

    live = Live(console=console(), auto_refresh=False)  # drawn by this thread alone
    runner = Runner(jobs, logs=logs, report=report, show=lambda: live.update(table(), refresh=True), **options)
    with live:
        runner.run()
    return runner.standings


def _sentence(standing: Standing, logs: Path) -> str:
    name, seconds = standing.job.name, standing.seconds
    if standing.state is State.BLOCKED:
        return f"{name}: left out, for what it needs has failed"
    if standing.state is State.DONE:
        return f"{name}: done in {duration(seconds)}"
    if standing.state is State.WAITING and standing.reason:
        return f"{name}: {standing.reason}, goes on elsewhere"
    if standing.reason:
        return f"{name}: given up: {standing.reason}"
    end = "tried again" if standing.state is State.WAITING else "given up"
    return f"{name}: failed after {duration(seconds)}, {end} ({logs / name}.log)"


def _summarise(standings: dict[str, Standing], logs: Path) -> None:
    """Say what has failed, with the last lines of each log.

    Raises:
        MaskfoldError: If anything has.
    """
    failed = [standing for standing in standings.values() if standing.state is State.FAILED]
    if not failed:
        return
    blocked = sum(standing.state is State.BLOCKED for standing in standings.values())
    raise MaskfoldError(
        f"{len(failed)} jobs failed and {blocked} that need them were left out; the others are done.\n"
        + "\n".join(_last_lines(standing, logs) for standing in failed)
        + "\nMend it and run the same command again: what is done is kept."
    )


def _last_lines(standing: Standing, logs: Path) -> str:
    path = logs / f"{standing.job.name}.log"
    lines = path.read_text(errors="replace").strip().splitlines()[-3:] if path.exists() else []
    if standing.reason:
        lines.append(standing.reason)
    return "\n".join([f"{standing.job.name} ({standing.tries} tries, {path}):", *(f"  {line}" for line in lines)])


main = entry_point(campaign)

if __name__ == "__main__":
    main()
