"""What each technique gains over a base, and costs: `maskfold techniques data=studio base=demo_unet`."""

import logging
import shlex
from collections.abc import Mapping, Sequence
from functools import partial

import pandas as pd
from hydra.errors import HydraException
from omegaconf import DictConfig

from maskfold import files
from maskfold.config import EXPERIMENTS, build, compose, overrides_of, recorded, resolved
from maskfold.data.folds import fold_members, fold_numbers, read_folds, split_path
from maskfold.data.source import Source
from maskfold.data.windows import refuse_large
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError, listing
from maskfold.masks.metrics import named
from maskfold.prediction.store import ProbabilityStore
from maskfold.runs import kinship
from maskfold.runs.checkpoint_hash import checkpoint_hash
from maskfold.runs.layout import MemberFolder
from maskfold.runs.lineage import read_lineage
from maskfold.techniques import runner
from maskfold.techniques.layout import TechniquesFolder, writing_time
from maskfold.techniques.page import gains_chart, page, smallest
from maskfold.techniques.runner import TechniqueJob, jobs_of, run_jobs
from maskfold.techniques.scoring import Scoring, costs_of, marks_of, smaller_of
from maskfold.techniques.table import technique_table
from maskfold.techniques.technique import BASE, ENSEMBLE, SOUP, TRAIN, Technique, read_techniques
from maskfold.terminal import RESULT, counted

log = logging.getLogger(__name__)


def techniques(config: DictConfig) -> pd.DataFrame:
    """Train, predict and score what is missing; write and return the table."""
    source: Source = build(config.data)
    folder = TechniquesFolder(config.name or source.name)
    train = [f"experiment={config.base}", *_of_data(config), *shlex.split(config.train)]
    predict = shlex.split(config.predict)
    if any(one.startswith("overwrite=") for one in (*train, *predict)):
        raise MaskfoldError("overwrite=true would begin anew at every start: remove the runs' folders instead.")
    wanted = read_techniques(resolved(config.techniques), config.only)
    base = compose("train", [*train, "name=any"])
    _refuse_other_data(resolved(config.data), resolved(base.data), config.base)
    configs, left_out = _composed(wanted, train, base)
    if config.seeds == 1:
        left_out |= {one.name: "one seed has nothing to average." for one in wanted if one.kind == ENSEMBLE}
    for name, why in left_out.items():
        log.warning("%s is left out: %s", name, why)
    rows, folds = _rows(source, configs[BASE], config.only_folds)
    scoring = Scoring(folder, rows, source, range(config.seeds), folds, config.jobs)
    with files.locked(folder.path):
        _draw(folder, configs, rows, source)
        asked = {"seeds": scoring.seeds, "folds": folds, "train": train, "predict": predict}
        jobs = jobs_of(_without(wanted, left_out), folder, **asked)
        members = {fold: {*rows.loc[rows["fold"] == fold, "image_id"]} for fold in folds}
        left_out |= run_jobs(jobs, is_done=partial(_is_done, folder, members), do=partial(_do, folder, members))
        about = f"The experiment {config.base}; each training was given `{' '.join(train)}`."
        table = _measure(_without(wanted, left_out), scoring, about, left_out)
    log.info("%s", folder.page, extra=RESULT)
    return table


def _without(wanted: Sequence[Technique], left_out: Mapping[str, str]) -> list[Technique]:
    """Return the techniques that are not left out, nor compared with one that is."""
    return [one for one in wanted if not {one.name, one.over} & {*left_out}]


def _measure(wanted: Sequence[Technique], scoring: Scoring, about: str, left_out: Mapping[str, str]) -> pd.DataFrame:
    """Score what is there, and write tables, chart and page."""
    folder, rows, metric = scoring.folder, scoring.rows, named(scoring.source.metric)
    every = [Technique(BASE), *wanted]
    marks = {one.name: marks_of(one, scoring) for one in every}
    costs = {one.name: costs_of(one, scoring) for one in every}
    table = technique_table(wanted, marks, costs, rows["group"], metric=metric.name)
    smaller = smaller_of(every, scoring)
    files.write_text(folder.table, table.round(8).to_csv(index=False))
    if smaller is not None:
        files.write_text(folder.smaller, smaller.round(8).to_csv(index=False))
    files.write_text(folder.chart, gains_chart(table, metric.title))
    counts = (
        counted(len(rows), "photo"),
        counted(rows["group"].nunique(), "group"),
        counted(len(scoring.folds), "fold"),
    )
    about += f" {metric.title} out of fold: {', '.join(counts)}, {counted(len(scoring.seeds), 'seed')}."
    files.write_text(folder.page, page(folder, table, smaller, about=about, left_out=left_out))
    log.info("%s", table.drop(columns=["kind", "device", "seeds"]).round(5).to_string(index=False))
    if smaller is not None:
        log.info("%s", smallest(smaller))
    return table


def _of_data(config: DictConfig) -> list[str]:
    """Return what the command line says of the data, for the trainings."""
    return [one for one in overrides_of(config) if one.lstrip("+~").startswith(("data=", "data."))]


def _composed(
    wanted: Sequence[Technique], train: list[str], base: DictConfig
) -> tuple[dict[str, DictConfig], dict[str, str]]:
    """Return the configuration of the base and of each technique that is trained; and which cannot be, and why."""
    configs, left_out = {BASE: base}, {}
    for one in wanted:
        if one.kind == SOUP and not base.keep_best:
            left_out[one.name] = "the base keeps the weights of its best epoch alone: train='keep_best=5'."
        if one.kind != TRAIN:
            continue
        try:
            configs[one.name] = compose("train", [*train, *one.overrides, "name=any"])
        except (MaskfoldError, HydraException) as error:
            reason = f"{error}".partition("\n")[0]
            left_out[one.name] = reason.replace("Could not override", "the base has no key")
    return configs, left_out


def _refuse_other_data(scored: Mapping[str, object], learned: Mapping[str, object], base: str) -> None:
    """Refuse to score other photos, or to score them otherwise, than the base is trained on.

    Raises:
        MaskfoldError: If a key differs.
    """
    keys = sorted(key for key in scored.keys() | learned.keys() if scored.get(key) != learned.get(key))
    if keys:
        lines = [f"data.{key}: {learned.get(key)} in training, {scored.get(key)} in scoring" for key in keys]
        raise MaskfoldError(
            f"base={base} is trained on other data than those that are scored:\n{listing(lines)}\n"
            "Name the data for both: data=<name>, and its keys outside of train=."
        )


def _rows(source: Source, base: DictConfig, only: list[int] | None) -> tuple[pd.DataFrame, list[int]]:
    """Return the photos that are scored, with their `fold`; and the folds."""
    table = source.load()
    split = split_path(source, base.split_file)
    numbers = fold_numbers(split)
    folds = numbers if only is None else sorted({*only})
    if not folds or not {*folds} <= {*numbers}:
        raise MaskfoldError(f"only_folds={only}: {split} has the folds {numbers}.")
    dealt = read_folds(split, table, left_out=source.left_out)
    ids = [image_id for fold in folds for image_id in fold_members(dealt, fold)]
    rows = table.merge(dealt[dealt["image_id"].isin(ids)][["image_id", "fold"]], on="image_id")
    refuse_large(rows, "and techniques are compared on maps that are read whole.")
    return rows, folds


def _draw(folder: TechniquesFolder, configs: Mapping[str, DictConfig], rows: pd.DataFrame, source: Source) -> None:
    """Draw what each technique makes of training samples, those that change any."""
    from maskfold.techniques.samples import row_of, sheet  # torch, which only drawing and trainings need

    drawn = {name: row_of(build(one.task, **source.said()), rows) for name, one in configs.items()}
    base = drawn[BASE]
    changed = {
        name: row
        for name, row in drawn.items()
        if name == BASE or any(one.shape != two.shape or (one != two).any() for one, two in zip(row, base, strict=True))
    }
    files.write_bytes(folder.samples, sheet(changed))


def _is_done(folder: TechniquesFolder, members: Mapping[int, set[str]], job: TechniqueJob) -> bool:
    """Return whether a run is finished, or all of its maps are there.

    Raises:
        MaskfoldError: If a run was begun otherwise than it would be now.
    """
    if job.stage == TRAIN:
        if not job.run.finished.exists():
            return False
        job.run.refuse_other(recorded(compose("train", [*job.overrides])))
        return True
    if job.stage == SOUP:
        return _is_made(job)
    store = ProbabilityStore(job.run.store(job.store))
    note = folder.predictions().get(_key(job), {})
    return note.get("overrides") == [*job.overrides] and not store.missing(members[job.fold])


def _is_made(job: TechniqueJob) -> bool:
    """Return whether a soup is there, of the base that there is now, and made as it would be now."""
    config = compose(SOUP, [*job.overrides])
    base = MemberFolder(EXPERIMENTS / config.name).run(config.fold)
    if not (base.finished.exists() and job.run.finished.exists()):
        return False
    made = job.run.read_config()[kinship.SOUP]
    of_this = checkpoint_hash(base.best) in read_lineage(job.run.path).parents
    return of_this and made == {key: config[key] for key in made}


def _do(folder: TechniquesFolder, members: Mapping[int, set[str]], job: TechniqueJob) -> bool:
    """Do a job; of a prediction note what it took, also of one that is broken off."""
    if job.stage in (TRAIN, SOUP):
        return runner.run_stage(job)
    store = ProbabilityStore(job.run.store(job.store))
    before = {*members[job.fold]} - {*store.missing(members[job.fold])}
    try:
        return runner.run_stage(job)
    finally:
        new = {*members[job.fold]} - {*store.missing(members[job.fold])} - before
        folder.note_prediction(_key(job), [*job.overrides], *writing_time(store, new))


def _key(job: TechniqueJob) -> str:
    return job.run.store(job.store).relative_to(EXPERIMENTS).as_posix()


main = entry_point(techniques)

if __name__ == "__main__":
    main()
