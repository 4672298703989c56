"""The trainings and predictions that the table needs, one after another, each a stage in a process of its own."""

import importlib
import logging
import multiprocessing
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from maskfold.errors import MaskfoldError
from maskfold.runs.run_folder import RunFolder
from maskfold.techniques.layout import TechniquesFolder, store_of
from maskfold.techniques.technique import BASE, ENSEMBLE, PREDICT, SOUP, TRAIN, Technique
from maskfold.terminal import duration
from maskfold.termination import has_come

log = logging.getLogger(__name__)

IMPORTED_ONCE = [f"maskfold.stages.{stage}" for stage in (TRAIN, SOUP, PREDICT)]


@dataclass(frozen=True)
class TechniqueJob:
    """A stage's command.

    Attributes:
        technique: Its name, or `BASE`.
        stage: `train`, `soup` or `predict`.
        overrides: Of the stage.
        run: The run folder.
        fold: Its fold.
        store: Of a prediction, the name of the maps' folder.
    """

    technique: str
    stage: str
    overrides: tuple[str, ...]
    run: RunFolder
    fold: int
    store: str = ""

    @property
    def title(self) -> str:
        """What readers call it."""
        return f"{self.stage} {self.run.path}{f', {self.store}' if self.store else ''}"


def jobs_of(
    techniques: Sequence[Technique],
    folder: TechniquesFolder,
    *,
    seeds: Sequence[int],
    folds: Sequence[int],
    train: Sequence[str],
    predict: Sequence[str],
) -> list[TechniqueJob]:
    """Return all jobs, a seed after another, in each the base first.

    Args:
        techniques: Those to measure.
        folder: Where their runs lie.
        seeds: Of the trainings.
        folds: That are trained and predicted out of fold.
        train: Overrides of every training.
        predict: Overrides of every prediction.
    """
    jobs = []
    for seed in seeds:
        for technique in [Technique(BASE), *techniques]:
            if technique.kind == ENSEMBLE:
                continue
            trained = BASE if technique.kind == PREDICT else technique.name
            name, store = folder.name_of(trained, seed), store_of(technique)
            member = folder.member(trained, seed)
            for fold in folds:
                about = {"technique": technique.name, "run": member.run(fold), "fold": fold}
                which = (f"name={name}", f"fold={fold}")
                own = technique.overrides
                if technique.kind == TRAIN:
                    jobs.append(TechniqueJob(stage=TRAIN, overrides=(*train, *own, *which, f"seed={seed}"), **about))
                if technique.kind == SOUP:
                    of_base = (f"name={folder.name_of(BASE, seed)}", f"fold={fold}", f"to={name}")
                    jobs.append(TechniqueJob(stage=SOUP, overrides=(*own, *of_base), **about))
                if technique.kind != PREDICT:
                    own = ()
                asked = (*predict, *own, *which, "split=oof", f"store={store}")
                jobs.append(TechniqueJob(stage=PREDICT, overrides=asked, store=store, **about))
    return jobs


def run_jobs(
    jobs: Sequence[TechniqueJob], *, is_done: Callable[[TechniqueJob], bool], do: Callable[[TechniqueJob], bool]
) -> dict[str, str]:
    """Do what is not done; say how far it is.

    Args:
        jobs: In their order.
        is_done: Whether there is nothing to do.
        do: Does a job and returns whether it went well.

    Returns:
        `technique -> the job that failed`; nothing more of such a technique is done.

    Raises:
        MaskfoldError: If a job of the base fails, without which there is no table.
    """
    missing = [job for job in jobs if not is_done(job)]
    log.info("%d of %d trainings and predictions are there.", len(jobs) - len(missing), len(jobs))
    failed: dict[str, str] = {}
    seconds: dict[str, list[float]] = {}
    for number, job in enumerate(missing, start=1):
        if job.technique in failed:
            continue
        began = time.monotonic()
        if not do(job):
            if job.technique == BASE:
                raise MaskfoldError(f"{job.title}: it failed, see above. Mend that, and run the same command again.")
            failed[job.technique] = job.title
            log.warning("%s: it failed, see above; %s is left out.", job.title, job.technique)
            continue
        seconds.setdefault(job.stage, []).append(time.monotonic() - began)
        left = time_left([other.stage for other in missing[number:] if other.technique not in failed], seconds)
        there = len(jobs) - len(missing) + number
        log.info("%d of %d done: %s; about %s left.", there, len(jobs), job.title, duration(left))
    return failed


def time_left(stages: Sequence[str], seconds: dict[str, list[float]]) -> float:
    """Return the seconds that jobs will take, by the mean of those of their stage; of an unknown stage by all."""
    every = [one for some in seconds.values() for one in some]
    means = {stage: sum(some) / len(some) for stage, some in seconds.items()}
    return sum(means.get(stage, sum(every) / len(every)) for stage in stages) if every else 0.0


def run_stage(job: TechniqueJob) -> bool:
    """Run a job as its command would, in a process of its own; return whether it went well.

    It is forked off a server that has imported what stages need once, so it starts at once.
    """
    forked = multiprocessing.get_context("forkserver")
    forked.set_forkserver_preload(IMPORTED_ONCE)
    process = forked.Process(target=_be_command, args=(job.stage, job.overrides))
    process.start()
    try:
        process.join()
    except KeyboardInterrupt:  # which a terminal has given the process as well
        if has_come():  # SIGTERM goes to one process alone
            process.terminate()
        process.join()
        raise
    return process.exitcode == 0


def _be_command(stage: str, overrides: Sequence[str]) -> None:
    """Run a stage with a command line, as `python -m` would."""
    module = importlib.import_module(f"maskfold.stages.{stage}")
    sys.modules["__main__"] = module  # what Lightning and joblib start more processes of
    sys.argv = [str(module.__file__), *overrides]
    module.main()
