"""A submission's way to Kaggle and into the table: uploaded once, however often the run is killed and started again."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from maskfold.errors import MaskfoldError
from maskfold.leaderboard.kaggle import COMPLETE, FAILED, find, submissions, submissions_page, upload, wait_for_score
from maskfold.leaderboard.table import read_table, recorded, with_scores, without, write_table


def submit_once(
    submission: Path, about: dict[str, Any], *, table: Path, message: str, wait: float, poll: float
) -> pd.DataFrame:
    """Upload a submission unless it is at Kaggle, wait for its score, and record it.

    It is known by its hash, which ends its description at Kaggle and stands in the table from the upload on. Scores
    of earlier submissions that have appeared since are recorded, too.

    Args:
        submission: The file.
        about: Its `competition`, `submission` (the hash), `ensemble`, `members` and `cv`.
        table: Where the table is.
        message: What is said of it at Kaggle.
        wait: Seconds to wait for the score.
        poll: Seconds from one look to the next.

    Returns:
        The table, written.

    Raises:
        MaskfoldError: If Kaggle cannot be reached, takes no submission, gives no score in time or cannot score it.
    """
    competition, tag = about["competition"], about["submission"]
    listed = submissions(competition)
    rows = with_scores(read_table(table), competition, listed)
    newest, own = find(listed, tag), rows[(rows["competition"] == competition) & (rows["submission"] == tag)]
    if newest is not None:
        upload_facts = {"date": newest["date"], "message": re.sub(r" ?\[\w+\]$", "", newest["description"])}
    elif own.empty:
        upload(submission, competition=competition, message=f"{message} [{tag}]".lstrip())
        upload_facts = {"date": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}", "message": message}
    else:
        upload_facts = {"date": "", "message": ""}
    unscored = own["public"].isna().all() if newest is None else newest["status"] not in (COMPLETE, FAILED)
    rows = recorded(rows, about | upload_facts | {"public": float("nan"), "private": float("nan")})
    write_table(table, rows)  # before the wait: whoever is killed in it finds its upload here
    if unscored:
        listed = wait_for_score(tag, competition=competition, seconds=wait, every=poll)
        newest = find(listed, tag)
    if newest is not None and newest["status"] == FAILED:
        write_table(table, without(rows, competition, tag))
        raise MaskfoldError(
            f"{submission}: Kaggle could not score it. The reason is at {submissions_page(competition)}. The same "
            "bytes are not uploaded again: mend the submission, then submit it."
        )
    rows = with_scores(rows, competition, listed)
    write_table(table, rows)
    return rows
