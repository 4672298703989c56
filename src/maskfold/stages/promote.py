"""Put a trained fold in the champion's place, or go back: `maskfold promote name=linknet34 data=...`."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from omegaconf import DictConfig

from maskfold.config import EXPERIMENTS, build, resolved
from maskfold.corrections.contenders import JudgeSet, best_run, empty_judged
from maskfold.corrections.judge_set import freeze, judge_photos, refuse_seen
from maskfold.corrections.near_copies import refuse_near_copies
from maskfold.corrections.record import complete, described, tags_of, write_record
from maskfold.corrections.verdict import Limits, Verdict, decide, headings
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError, listing
from maskfold.prediction.branches import Branch, Voter
from maskfold.prediction.members import load_network, refuse_other_classes
from maskfold.prediction.tta import check_tta
from maskfold.runs.layout import MemberFolder
from maskfold.runs.run_folder import RunFolder
from maskfold.terminal import RESULT, show_table
from maskfold.tracking.mlflow_tracker import MlflowTracker
from maskfold.tracking.registry import CHAMPION, Registry, Version

log = logging.getLogger(__name__)


def promote(config: DictConfig) -> Version:
    """Judge a finished run against the champion; return the champion, which it has become.

    Raises:
        MaskfoldError: If it may not: the champion stands, and the reasons are tags of the challenger's version.
    """
    registry = _registry(config)
    if config.back:
        return _go_back(registry)
    _refuse_incomplete(config)
    limits = _limits(config)
    run = best_run(MemberFolder(EXPERIMENTS / config.name), config.fold)
    champion, known = registry.alias(CHAMPION), registry.version_of(run)
    if champion is not None and known is not None and known.number == champion.number:
        return _champion_already(run, champion, registry, allowed=config.allow_equal)
    judge = _judge_set(config)
    registry.freeze_judge(judge.fingerprint, anew=config.judge_anew)
    with TemporaryDirectory(prefix="maskfold-") as place:
        runs = {f"the challenger ({run.path})": run}
        if champion is not None:
            runs[f"the champion, {champion.name}"] = registry.fetch(champion, Path(place))
        scores = _judged(config, judge, runs)
    verdict = decide(scores[0], None if champion is None else scores[1], limits)
    show_table(headings(limits.level), verdict.cells(), strong=0)
    version = registry.register(run)
    record = described(
        verdict, scores, metric=judge.source.metric, limits=limits, about=_about(registry, version, champion, judge)
    )
    registry.tag(version, tags_of(record))
    write_record(run, record)
    _refuse(verdict, run, champion)
    registry.promote(version, over=champion)
    complete(run, version.number)
    log.info("%s", "; ".join(verdict.reasons))
    log.info("models:/%s@%s is %s", registry.model, CHAMPION, version.name, extra=RESULT)
    return version


def _registry(config: DictConfig) -> Registry:
    if "mlflow" not in config.tracker:
        raise MaskfoldError("tracker: promotion needs MLflow's registry. Leave it at tracker=mlflow.")
    tracker: MlflowTracker = build(config.tracker.mlflow)
    place = {"tracking_uri": tracker.tracking_uri, "artifacts": tracker.artifacts, "experiment": tracker.experiment}
    return Registry(**place, model=config.registered_model)


def _go_back(registry: Registry) -> Version:
    champion, previous = registry.go_back()
    log.info(
        "models:/%s@%s is %s again; previous is %s",
        registry.model,
        CHAMPION,
        champion.name,
        previous.name,
        extra=RESULT,
    )
    return champion


def _refuse_incomplete(config: DictConfig) -> None:
    if config.name is None:
        raise MaskfoldError("name: not given. Add NAME=<member> (name=<member>), or back=true to go back.")
    if config.data is None:
        raise MaskfoldError(
            "data: not given. Name the judge set, labelled photos that no network has seen, such as "
            "data=pairs data.root=/photos/judge."
        )
    if config.trainer.devices != 1:
        raise MaskfoldError(f"trainer.devices={config.trainer.devices}: promotion predicts on one device. Give 1.")


def _champion_already(run: RunFolder, champion: Version, registry: Registry, *, allowed: bool) -> Version:
    """End a promotion that was broken off when all but its record was done; else there is nothing to gain."""
    if complete(run, champion.number) or allowed:
        log.info("models:/%s@%s is %s", registry.model, CHAMPION, champion.name, extra=RESULT)
        return champion
    raise MaskfoldError(f"{run.path}: no gain: it is the champion already, {champion.name}.")


def _judge_set(config: DictConfig) -> JudgeSet:
    source = build(config.data)
    photos = judge_photos(source)
    fingerprint = freeze(photos, source.folder, anew=config.judge_anew)
    if config.judge_anew:
        empty_judged(source.folder)
    return JudgeSet(source, photos, fingerprint)


def _limits(config: DictConfig) -> Limits:
    return Limits(
        loss=config.allowed_loss,
        cluster_loss=config.allowed_cluster_loss,
        level=config.level,
        share_loss=config.allowed_share_loss,
        equal=config.allow_equal,
    )


def _judged(config: DictConfig, judge: JudgeSet, runs: dict[str, RunFolder]) -> list[pd.DataFrame]:
    """Return the scores of each run, none of which has seen a photo of the judge set."""
    refuse_other_classes(runs.values(), judge.source.classes)
    for name, run in runs.items():
        sights = refuse_seen(run, name, judge.photos)
        table = _training_photos(name, run)
        if table is not None:
            refuse_near_copies(name, judge.source, judge.photos, table, sights, jobs=config.jobs)
    options = resolved(config.trainer)
    return [judge.judge(run, _branch(run), jobs=config.jobs, options=options) for run in runs.values()]


def _training_photos(name: str, run: RunFolder) -> pd.DataFrame | None:
    try:
        return build(run.part("data")).load(needs_masks=False)
    except MaskfoldError as error:
        reason = f"{error}".partition("\n")[0]
        log.warning("%s: its training photos are not at hand, so near-copies were not looked for: %s", name, reason)
        return None


def _branch(run: RunFolder) -> Branch:
    config = run.read_config()
    if "geometry" not in config:
        raise MaskfoldError(
            f"{run.path}: its task makes no masks. Only runs of task=segmentation can be judged here; "
            "`make grow` judges recognisers of products."
        )
    voter = Voter(load_network(run.best), check_tta(config["tta"]))
    return Branch(build(run.part("geometry")), build(run.part("preprocess")), [voter])


def _about(registry: Registry, version: Version, champion: Version | None, judge: JudgeSet) -> dict[str, Any]:
    return {
        "model": registry.model,
        "version": version.number,
        "champion": champion and champion.number,
        "judge": judge.fingerprint,
        "judge_set": judge.source.name,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _refuse(verdict: Verdict, run: RunFolder, champion: Version | None) -> None:
    if not verdict.passed:
        stands = f"the champion stays {champion.name}" if champion else "there is no champion"
        raise MaskfoldError(f"{run.path} is not promoted, {stands}:\n{listing(verdict.reasons, limit=30)}")


main = entry_point(promote)

if __name__ == "__main__":
    main()
