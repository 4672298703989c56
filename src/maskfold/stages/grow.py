"""A recogniser learns a month's products, behind a gate: `maskfold grow name=resnet18_grocery month=2026-03`."""

import logging
import shlex
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from omegaconf import DictConfig

from maskfold.campaign.member_data import as_overrides, overrides_of
from maskfold.config import EXPERIMENTS, build, resolved
from maskfold.corrections.growth import (
    PAGE,
    RECORD,
    costs_of,
    described,
    frozen_test,
    refuse_known,
    said_by,
    tags_of,
    unknown_photos,
    write_growth,
)
from maskfold.corrections.judge_set import refuse_seen
from maskfold.data.class_table import FILE, ClassTable
from maskfold.data.source import Source
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError, listing
from maskfold.every_fold import run_stage
from maskfold.files import read_json, write_json
from maskfold.recognition.gate import GateLimits, GateVerdict, judge
from maskfold.runs.layout import MemberFolder, fold_of
from maskfold.runs.run_folder import RunFolder
from maskfold.terminal import RESULT, show_table
from maskfold.tracking.mlflow_tracker import MlflowTracker
from maskfold.tracking.registry import CHAMPION, Registry, Version

log = logging.getLogger(__name__)

LEVELS = {"enroll": "_enrolled", "finetune": "", "full": "_full"}  # behind the challenger's name
_JUDGED = "judged"  # in the data's own folder: what networks say of the frozen test


def grow(config: DictConfig) -> Version:
    """Train and judge a challenger that knows a month's products; return the champion, which it has become.

    Raises:
        MaskfoldError: If it may not: the champion stands, and the reasons are in growth.json and at its version.
    """
    if config.level not in LEVELS:
        raise MaskfoldError(f"level={config.level}: there are {', '.join(LEVELS)}.")
    limits = GateLimits(**{field.name: config[field.name] for field in fields(GateLimits) if field.name in config})
    registry = _registry(config)
    champion, run = _champion(registry, config)
    name = config.to or f"{config.name}_{config.month}{LEVELS[config.level]}"
    challenger = MemberFolder(EXPERIMENTS / name).run(config.fold)
    if challenger.path == run.path:
        return _champion_already(challenger, champion, registry)
    data = _data(config, run)
    _prepare(config, data, run, challenger)
    source: Source = build(challenger.part("data"))
    verdict = _judged(config, limits, source, run, challenger)
    version = registry.register(challenger)
    about = {
        "month": config.month,
        "level": config.level,
        "challenger": str(challenger.path),
        "champion": str(run.path),
        "model": registry.model,
        "version": version.number,
        "against": champion.number,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    record = described(verdict, limits=limits, about=about, costs=costs_of(challenger))
    registry.tag(version, tags_of(record))
    write_growth(challenger, record, verdict)
    _tell(verdict, record)
    log.info("%s", challenger.path / PAGE)
    if not verdict.passed:
        raise MaskfoldError(
            f"{challenger.path} is not promoted, the champion stays {champion.name}:\n"
            f"{listing(verdict.reasons, limit=30)}"
        )
    registry.promote(version, over=champion)
    write_json(challenger.path / RECORD, record | {"promoted": True})
    log.info("models:/%s@%s is %s", registry.model, CHAMPION, version.name, extra=RESULT)
    return version


def _registry(config: DictConfig) -> Registry:
    if "mlflow" not in config.tracker:
        raise MaskfoldError("tracker: the champion stands in MLflow's registry. Leave it at tracker=mlflow.")
    tracker: MlflowTracker = build(config.tracker.mlflow)
    place = {"tracking_uri": tracker.tracking_uri, "artifacts": tracker.artifacts, "experiment": tracker.experiment}
    return Registry(**place, model=config.registered_model)


def _champion(registry: Registry, config: DictConfig) -> tuple[Version, RunFolder]:
    """Return the champion and its run folder; where there is none, the experiment's own run becomes it."""
    champion = registry.alias(CHAMPION)
    if champion is None:
        run = MemberFolder(EXPERIMENTS / config.name).run(config.fold)
        if not run.finished.exists():
            raise MaskfoldError(
                f"{run.path}: not trained to its end, and model {registry.model} has no champion yet. `make train "
                f"EXP={config.name}` the products of the months before first."
            )
        version = registry.register(run)
        registry.promote(version, over=None)
        log.info("models:/%s@%s is %s: there was none before", registry.model, CHAMPION, version.name)
        return version, run
    member, fold = (champion.tags.get(key, "") for key in ("member", "fold"))
    run = RunFolder(EXPERIMENTS / member / fold)
    known = registry.version_of(run) if run.finished.exists() else None
    if known is None or known.number != champion.number:
        raise MaskfoldError(
            f"{run.path}: not the run of the champion, {champion.name}, or not there. Put that folder back: a "
            "challenger begins with it."
        )
    return champion, run


def _champion_already(run: RunFolder, champion: Version, registry: Registry) -> Version:
    """End a growth that was broken off when all but its record was done."""
    record = read_json(run.path / RECORD) if (run.path / RECORD).exists() else {}
    if record.get("promoted") is False:
        write_json(run.path / RECORD, record | {"promoted": True})
    log.info("models:/%s@%s is %s already", registry.model, CHAMPION, champion.name, extra=RESULT)
    return champion


def _data(config: DictConfig, run: RunFolder) -> list[str]:
    """Return the overrides that name the champion's data with a month more."""
    data = run.read_config()["data"] | {"until": None}
    return [*as_overrides(data), f"data.until={config.month}"]


def _prepare(config: DictConfig, data: list[str], run: RunFolder, challenger: RunFolder) -> None:
    """Number the new products, put their photos into folds, and make the challenger; what is finished stays."""
    run_stage("folds", data)
    name = f"name={challenger.path.parent.name}"
    if config.level == "enroll":
        where = [f"name={run.path.parent.name}", f"fold={fold_of(run)}", f"month={config.month}"]
        run_stage("enroll", [*where, f"to={challenger.path.parent.name}", *shlex.split(config.enroll)])
        return
    fold = f"fold={config.fold}"
    start = []
    if config.level == "finetune":  # its weights fit no other model than its own: an enrolment has changed the head
        model = overrides_of("model", run.read_config()["model"])
        start = [f"start_from={run.path}", f"replay={config.replay}", *model]
    run_stage("train", [f"experiment={config.name}", name, fold, *data, *start, *shlex.split(config.train)])


def _judged(
    config: DictConfig, limits: GateLimits, source: Source, champion: RunFolder, challenger: RunFolder
) -> GateVerdict:
    """Return the gate's verdict on what both say of the frozen test, which neither has seen."""
    table, classes = source.load(), source.said()["classes"]
    photos, strangers = frozen_test(table, classes), unknown_photos(config.unknown)
    if strangers is not None:
        refuse_known(strangers, table, (champion, challenger))
    options = resolved(config.trainer) | {"folder": source.folder / _JUDGED}
    before = ClassTable.read(champion.path / FILE)
    known = {*before.rows.loc[before.active(), "label"]}
    judged = photos[["image_id", "label"]].assign(new=~photos["label"].isin(known))
    others = None if strangers is None else pd.DataFrame(index=strangers.index)
    for side, run in (("champion", champion), ("challenger", challenger)):
        refuse_seen(run, f"the {side} ({run.path})", photos)
        framing = build(run.part("framing"))
        said = said_by(run, photos, classes, framing, **options)
        judged = judged.assign(**{side: said["said"], f"{side}_score": said["score"]})
        if strangers is not None:
            others[f"{side}_score"] = said_by(run, strangers, classes, framing, **options)["score"]
    return judge(judged, others, limits)


def _tell(verdict: GateVerdict, record: dict[str, Any]) -> None:
    """Show both beside one another, what the challenger has cost, and what the test cannot show."""
    figures, costs = verdict.figures, record["costs"]
    cells = [
        ["old products, macro recall", figures["old_macro_recall_champion"], figures["old_macro_recall_challenger"]],
        ["new products, macro recall", None, figures.get("new_macro_recall")],
        ["unknown photos accepted", figures.get("false_accepts_champion"), figures.get("false_accepts_challenger")],
    ]
    written = [
        [name, *("-" if value is None else f"{100 * value:.1f} %" for value in values)] for name, *values in cells
    ]
    show_table(("", "champion", "challenger"), written)
    images = "an unknown number of" if costs["images"] is None else f"{costs['images']:,}"
    log.info("%s images, %s s", images, costs["seconds"])
    for note in verdict.notes:
        log.info("not shown by this test: %s", note)


main = entry_point(grow)

if __name__ == "__main__":
    main()
