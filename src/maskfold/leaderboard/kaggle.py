"""Kaggle by its own command line: what has been submitted, one more submission, and the wait for its score.

What the CLI prints was looked up in kaggle 2.2.5; the words of older ones are understood as well.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from maskfold.errors import MaskfoldError
from maskfold.parallel import progress

COMPLETE, FAILED = "complete", "error"  # what else a submission may be is pending
_SITE = "https://www.kaggle.com/competitions"
_PAGE = 100  # submissions asked for at once; the CLI's own choice is 20
_ANSWER = 120  # seconds that a list may take
_NONE = "No submissions found"
_LOGIN = r"Authentication required|\b401\b|Unauthorized|kaggle\.json"
_RULES = r"\b403\b|Forbidden|accept"


def submissions(competition: str) -> pd.DataFrame:
    """Ask Kaggle for one's newest submissions.

    Returns:
        A row each: `date` (UTC, to the second), `description`, `status` (`pending`, `complete` or `error`), `public`
        and `private`, its scores, NaN while they are not known.

    Raises:
        MaskfoldError: If there is no CLI, it is not logged in, or it fails; the message says what to do.
    """
    answer = _ask(competition)
    header = re.search(r"^(ref,)?fileName,", answer, re.MULTILINE)  # notices may stand in front of it
    if header is None and _NONE not in answer:
        raise MaskfoldError(f"The Kaggle CLI's list of submissions is not understood:\n{answer.strip()}")
    table = answer[header.start() :] if header else "date,description,status,publicScore,privateScore"
    listed = pd.read_csv(io.StringIO(table), dtype=str, keep_default_na=False)
    return pd.DataFrame(
        {
            "date": listed["date"].str[:19],
            "description": listed["description"],
            "status": listed["status"].str.removeprefix("SubmissionStatus.").str.lower(),
            "public": pd.to_numeric(listed["publicScore"], errors="coerce"),
            "private": pd.to_numeric(listed["privateScore"], errors="coerce"),
        }
    )


def upload(submission: Path, *, competition: str, message: str) -> None:
    """Submit a file; the CLI shows its own progress.

    Args:
        submission: `.csv` or `.csv.gz`.
        competition: Its name in Kaggle's addresses.
        message: Kaggle's description of the submission.

    Raises:
        MaskfoldError: If there is no CLI, or it does not take the file.
    """
    command = [_cli(competition), "competitions", "submit", "-c", competition, "-f", str(submission), "-m", message]
    run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode or "Could not submit" in run.stdout:  # older CLIs fail with exit status 0
        raise MaskfoldError(
            f"{run.stdout.strip()}\n{submission}: the Kaggle CLI could not upload it; it said why above. "
            f"{_advice(run.stdout, competition)} Is this day's number of submissions used up?"
        )


def wait_for_score(tag: str, *, competition: str, seconds: float, every: float) -> pd.DataFrame:
    """Wait until Kaggle has scored a submission.

    Args:
        tag: What its description holds.
        competition: Its name in Kaggle's addresses.
        seconds: How long to wait.
        every: Seconds from one look to the next.

    Returns:
        The list in which it is scored, or has failed, as `submissions` returns it.

    Raises:
        MaskfoldError: If there is no score in time. What `submissions` refuses.
    """
    for _ in progress(range(max(int(seconds / every), 1)), "wait for the score", unit="looks"):
        time.sleep(every)
        listed = submissions(competition)
        newest = find(listed, tag)
        if newest is not None and newest["status"] in (COMPLETE, FAILED):
            return listed
    raise MaskfoldError(
        f"Kaggle has not scored the submission [{tag}] after {seconds:g} s. Run the same command again to go on "
        f"waiting (it is not uploaded twice), longer with wait=<seconds>. Its state: {submissions_page(competition)}"
    )


def find(listed: pd.DataFrame, tag: str) -> pd.Series | None:
    """Return the newest submission whose description holds `tag` in brackets, if there is one."""
    tagged = listed[listed["description"].str.contains(f"[{tag}]", regex=False)].sort_values("date", kind="stable")
    return None if tagged.empty else tagged.iloc[-1]


def submissions_page(competition: str) -> str:
    """Return the address at which Kaggle shows one's submissions, with the reason of a failure."""
    return f"{_SITE}/{competition}/submissions"


def _cli(competition: str) -> str:
    """Return the path of the CLI, on the PATH or in this interpreter's own environment."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    command = shutil.which("kaggle", path=path)
    if command is None:
        raise MaskfoldError(
            f"The Kaggle CLI is missing. Install it with `{sys.executable} -m pip install kaggle`. Then: "
            f"{_log_in(competition)}"
        )
    return command


def _ask(competition: str) -> str:
    """Return what the CLI prints when it is asked for one's submissions."""
    command = [_cli(competition), "competitions", "submissions", "-c", competition, "--csv", "--page-size", f"{_PAGE}"]
    try:
        run = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_ANSWER, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise MaskfoldError(f"Kaggle gave no answer within {_ANSWER} s. Run the same command again later.") from error
    if run.returncode:
        answer = f"{run.stdout}\n{run.stderr}".strip()
        raise MaskfoldError(
            f"The Kaggle CLI could not list the submissions. {_advice(answer, competition)} It said:\n{answer}"
        )
    return run.stdout


def _advice(answer: str, competition: str) -> str:
    """Return what to do about an error of the CLI."""
    if re.search(_LOGIN, answer):
        return _log_in(competition)
    if re.search(_RULES, answer):
        return f"Accept the competition's rules at {_SITE}/{competition}/rules with the account that is logged in."
    if re.search(r"\b404\b|not find", answer):
        return f"Is {competition} the competition's name in Kaggle's addresses? Give another with competition=..."
    if "unrecognized arguments" in answer:
        return "It is too old: pip install --upgrade kaggle."
    return "Run the same command again later; nothing is uploaded twice."


def _log_in(competition: str) -> str:
    return (
        "Make an API token at https://www.kaggle.com/settings/api, and put it into the variable KAGGLE_API_TOKEN or "
        "the file ~/.kaggle/access_token (an older kaggle.json into ~/.kaggle/, or its values into KAGGLE_USERNAME "
        f"and KAGGLE_KEY). Accept the competition's rules at {_SITE}/{competition}/rules."
    )
