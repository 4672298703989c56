"""Check a submission, upload it and record its score: `maskfold submit submission=... message=...`."""

import logging
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig

from maskfold import files
from maskfold.analysis.charts import as_png
from maskfold.config import SUBMISSIONS, build, resolved
from maskfold.data.source import Source
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.leaderboard.chart import comparable, leaderboard_chart
from maskfold.leaderboard.results import judged_by, member_names, read_out_of_fold, read_result, short_hash
from maskfold.leaderboard.submitting import submit_once
from maskfold.masks.scoring import DICE, Judged
from maskfold.runs.ensemble_folder import ensemble_of
from maskfold.runs.layout import LEADERBOARD, LEADERBOARD_CHART
from maskfold.submission.checkup import check_up, data_of_submission

CARVANA = "carvana-image-masking-challenge"

log = logging.getLogger(__name__)


def submit(config: DictConfig) -> pd.DataFrame:
    """Upload a submission once, append it to `experiments/leaderboard.csv` with its scores, and draw the chart."""
    submission = Path(config.submission)
    data = None if config.data is None else resolved(config.data)
    competition = config.competition or _competition_of(submission, data)
    report = check_up(
        submission,
        data=data,
        sample=config.sample,
        height=config.height,
        width=config.width,
        rules={key: value for key, value in resolved(config.rules).items() if value is not None},
        classes=config.classes,
        jobs=config.jobs,
    )
    print(f"{submission}: {report}")
    if not report.ok:  # nothing may be uploaded that was not checked in the same breath
        raise MaskfoldError(f"{submission}: not uploaded. Mend what is listed above first.")
    about = _about(submission, competition)
    with files.locked(SUBMISSIONS / ".uploading"):
        table = submit_once(
            submission,
            about,
            table=LEADERBOARD,
            message=config.message,
            wait=config.wait,
            poll=config.poll,
        )
        table = table[table["competition"] == competition]
        compared = comparable(table)
        if len(compared):
            files.write_bytes(LEADERBOARD_CHART, as_png(leaderboard_chart(compared, _title(submission, data))))
    own = table[table["submission"] == about["submission"]]
    log.info("%s\n%s", LEADERBOARD, own.T.to_string(header=False))
    return table


def _competition_of(submission: Path, data: dict[str, Any] | None) -> str:
    """Return the competition that a submission's data belongs to: nobody's own photos are offered to another's."""
    node = data or data_of_submission(submission)
    source: Source = build(node)
    is_carvana = source.name == "carvana"
    # A manifest of an earlier version has no such key; and data=carvana with a root and a name of one's own keeps it.
    competition = CARVANA if is_carvana and "competition" not in node else source.competition
    if not competition or (competition == CARVANA and not is_carvana):
        raise MaskfoldError(
            f"{submission}: is of the data {source.name}, which names no competition of its own. Name it with "
            "competition=<its name in Kaggle's addresses>, or as data.competition in the data's own file."
        )
    return competition


def _title(submission: Path, data: dict[str, Any] | None) -> str:
    """Return what the submission's data is scored by; Dice where nobody says what data it is of."""
    try:
        return Judged((data or data_of_submission(submission)).get("metric", DICE.metric)).title
    except MaskfoldError:
        return DICE.title


def _about(submission: Path, competition: str) -> dict[str, object]:
    """Return what the table says of a submission before it is uploaded; say why what is missing is so."""
    about = {"competition": competition, "submission": short_hash(submission)}
    about |= {"ensemble": ensemble_of(submission).name, "members": "", "cv": float("nan")}
    try:
        manifest = read_result(submission)
        about |= {"ensemble": manifest["ensemble"]["name"], "members": member_names(manifest)}
        scores, _ = read_out_of_fold(submission, manifest)
        about["cv"] = round(judged_by(manifest).total(scores), 6)
    except MaskfoldError as error:
        log.info("No CV in the table: %s", error)
    return about


main = entry_point(submit)

if __name__ == "__main__":
    main()
