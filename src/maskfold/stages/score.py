"""Score a submission where the truth is known: `maskfold score submission=... truth=...`."""

from pathlib import Path

import pandas as pd
from omegaconf import DictConfig

from maskfold.analysis.true_labels import described, score_labels
from maskfold.analysis.truth import DICE, IOU, score_submission
from maskfold.config import build, resolved
from maskfold.data.source import Source
from maskfold.data.task import RECOGNITION
from maskfold.entry import entry_point
from maskfold.masks.metrics import named
from maskfold.masks.scoring import Judged
from maskfold.prediction.splits import photos_of
from maskfold.runs.ensemble_folder import result_of
from maskfold.submission.checkup import data_of_submission
from maskfold.submission.labels import label_shape
from maskfold.submission.shape import shape_of


def score(config: DictConfig) -> pd.DataFrame:
    """Print the scores of a submission; return them, a row an image."""
    submission = Path(config.submission)
    source = _source(config, submission)
    if source is not None and source.task == RECOGNITION:
        shape = label_shape(source, photos_of(source.load(), "test"))
        scores = score_labels(submission, Path(config.truth), shape)
        print(f"{submission}: {described(scores)}, over {len(scores)} photos")
        return scores
    metric = named(source.metric) if source else DICE
    shape = shape_of(source) if source else None
    scores = score_submission(submission, Path(config.truth), shape=shape, metric=metric, jobs=config.jobs)
    shown = {one.name: one for one in (metric, DICE, IOU)}.values()
    values = ", ".join(f"{one.title} {Judged(one.name).total(scores):.6f}" for one in shown)
    print(f"{submission}: {values}, the mean over {len(scores)} images")
    return scores


def _source(config: DictConfig, submission: Path) -> Source | None:
    """Return the data that a submission is of, which says how it is written and scored; None if nobody says it."""
    if config.data is not None:
        return build(resolved(config.data))
    return build(data_of_submission(submission)) if result_of(submission).manifest.exists() else None


main = entry_point(score)

if __name__ == "__main__":
    main()
