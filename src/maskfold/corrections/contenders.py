"""A network in front of its judges: the run it comes from, its maps of the judge set, and what they come to."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd

from maskfold import files
from maskfold.data.source import Source
from maskfold.ensembling.evaluation import score_images
from maskfold.ensembling.tree import Leaf, MemberMaps
from maskfold.errors import MaskfoldError
from maskfold.masks.metrics import named
from maskfold.prediction.branches import Branch
from maskfold.prediction.predictor import predict_together
from maskfold.prediction.store import ProbabilityStore
from maskfold.runs.checkpoint_hash import checkpoint_hash
from maskfold.runs.layout import MemberFolder
from maskfold.runs.run_folder import RunFolder

JUDGED = "judged"  # in the judge data's own folder: a store of maps a network


@dataclass(frozen=True)
class JudgeSet:
    """What networks are judged on.

    Attributes:
        source: The data.
        photos: Rows of its image table.
        fingerprint: Of both, as `maskfold.corrections.judge_set.freeze` returns it.
    """

    source: Source
    photos: pd.DataFrame
    fingerprint: str

    def store_of(self, run: RunFolder, options: dict[str, Any]) -> ProbabilityStore:
        """Return where the maps of a run's network lie; another checkpoint, preparation or precision has another."""
        config = run.read_config()
        prepared = {key: config.get(key) for key in ("geometry", "preprocess", "tta")}
        origin = {"judge": self.fingerprint, "checkpoint": checkpoint_hash(run.best), **prepared}
        origin |= {key: options[key] for key in ("precision", "accelerator")}
        name = hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()[:16]
        return ProbabilityStore(self.source.folder / JUDGED / name)

    def judge(self, run: RunFolder, branch: Branch, *, jobs: int, options: dict[str, Any]) -> pd.DataFrame:
        """Add every map that is missing, and score them all, cut at one half.

        Args:
            run: Its folder.
            branch: Its network.
            jobs: Processes that score.
            options: Those of `predict_together`.

        Returns:
            A row a photo: `image_id`, `group`, the scores, and `cluster` where clusters are known.

        Raises:
            MaskfoldError: As `predict_together`, or if another process is predicting the same.
        """
        store, photos, source = self.store_of(run, options), self.photos, self.source
        with files.locked(store.folder):
            predict_together([branch], photos, store=store, **options)
        maps = MemberMaps(Leaf(str(run.path), Fraction(1), (store.folder,)), None, tuple(source.classes))
        whole = {"metric": named(source.metric), "classes": source.classes, "exclusive": source.exclusive}
        scores, _ = score_images(maps, photos.assign(fold=0), **whole, jobs=jobs)
        return scores.drop(columns="fold")


def best_run(member: MemberFolder, fold: int | None) -> RunFolder:
    """Return a finished run of a member.

    Args:
        member: The member.
        fold: Its fold; None for the one with the best validation score, though each has its own photos for that.

    Raises:
        MaskfoldError: If there is no finished run, or none of this fold.
    """
    runs = member.begun() if fold is None else [member.run(fold)]
    finished = [run for run in runs if run.finished.exists()]
    if not finished:
        which = "no fold" if fold is None else f"fold {fold} is not"
        raise MaskfoldError(f"{member.path}: {which} trained to its end. Run `make train EXP={member.name}` first.")
    return _best(finished)


def _best(runs: Sequence[RunFolder]) -> RunFolder:
    summaries = [run.summary() for run in runs]
    best = runs[0].monitor().best(summaries)
    return runs[next(number for number, summary in enumerate(summaries) if summary is best)]


def empty_judged(folder: Path) -> None:
    """Remove the maps of a judge set that is frozen anew: they are of other photos."""
    judged = folder / JUDGED
    if judged.is_dir():
        with files.locked(judged, anew=True):
            pass
