"""Kaggle's CLI: its words, as versions old and new say them, understood; its failures told with what to do."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from maskfold.errors import MaskfoldError
from maskfold.leaderboard import kaggle
from maskfold.leaderboard.kaggle import find, submissions, upload, wait_for_score

NEW = """ref,fileName,date,description,status,publicScore,privateScore
55058575,submission.csv.gz,2026-07-28 15:17:26.513000,"soft, ""wide"" [aaaa]",SubmissionStatus.COMPLETE,0.99613,0.99587
54846753,submission.csv.gz,2026-07-20 06:28:33.097000,first [bbbb],SubmissionStatus.PENDING,,
54846752,submission.csv.gz,2026-07-19 06:28:33.097000,,SubmissionStatus.ERROR,,
"""
OLD = """Warning: Looks like you're using an outdated API Version, please consider updating
fileName,date,description,status,publicScore,privateScore
submission.csv.gz,2020-04-27 10:56:14,"soft, ""wide"" [aaaa]",complete,0.99613,None
"""


@pytest.fixture
def cli(tmp_path, monkeypatch):
    """Return a function that makes a CLI which prints, says on the error stream, and exits as it is told."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def make(out: str = "", said: str = "", status: int = 0) -> Path:
        path = tmp_path / "kaggle"
        body = f"import sys; print({out!r}, end=''); print({said!r}, end='', file=sys.stderr); sys.exit({status})"
        path.write_text(f"#!{sys.executable}\n{body}\n")
        path.chmod(0o755)
        return path

    return make


def test_the_list_is_read(cli):
    cli(NEW)

    listed = submissions("carvana")

    expected = pd.DataFrame(
        {
            "date": ["2026-07-28 15:17:26", "2026-07-20 06:28:33", "2026-07-19 06:28:33"],
            "description": ['soft, "wide" [aaaa]', "first [bbbb]", ""],
            "status": ["complete", "pending", "error"],
            "public": [0.99613, None, None],
            "private": [0.99587, None, None],
        }
    )
    pd.testing.assert_frame_equal(listed, expected)


def test_an_older_cli_is_understood_as_well(cli):
    cli(OLD)

    (row,) = submissions("carvana").to_dict("records")

    assert (row["date"], row["status"], row["public"]) == ("2020-04-27 10:56:14", "complete", 0.99613)
    assert pd.isna(row["private"])


def test_before_the_first_submission_the_list_is_empty(cli):
    cli("No submissions found\n")

    assert submissions("carvana").empty


@pytest.mark.parametrize(
    ("out", "said", "advice"),
    [
        ("Authentication required to call the Kaggle API.\n", "", r"API token at https.*kaggle\.json.*carvana/rules"),
        ("", "OSError: Could not find kaggle.json. Make sure it's located in ~/.kaggle.", r"KAGGLE_API_TOKEN"),
        ("401 - Unauthorized", "", r"KAGGLE_API_TOKEN"),
        ("", "403 Client Error: Forbidden for url: ...", r"Accept the competition's rules at https.*carvana/rules"),
        ("404 - Not Found", "", r"Is carvana the competition's name"),
        ("", "kaggle: error: unrecognized arguments: --page-size 100", r"too old: pip install --upgrade kaggle"),
        ("", "HTTPSConnectionPool: Failed to resolve 'api.kaggle.com'", r"Run the same command again later"),
    ],
)
def test_a_failure_is_told_with_what_to_do_and_what_was_said(cli, out, said, advice):
    cli(out, said, status=1)

    with pytest.raises(MaskfoldError, match=advice) as refused:
        submissions("carvana")

    assert (out + said).strip() in str(refused.value)


def test_an_answer_that_is_no_list_is_shown(cli):
    cli("<html>Down for maintenance</html>\n")

    with pytest.raises(MaskfoldError, match=r"not understood:\n<html>Down for maintenance</html>$"):
        submissions("carvana")


def test_a_list_that_never_comes_is_given_up(tmp_path, monkeypatch):
    (tmp_path / "kaggle").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    (tmp_path / "kaggle").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(kaggle, "_ANSWER", 0.1)

    with pytest.raises(MaskfoldError, match=r"no answer within 0\.1 s"):
        submissions("carvana")


@pytest.mark.parametrize(
    ("out", "status", "message"),
    [
        ("Could not submit to competition", 0, r"^Could not submit.*\nsub\.csv: .*could not upload it.*number of sub"),
        ("403 - You cannot submit until you accept the competition rules", 1, r"carvana/rules"),
    ],
)
def test_an_upload_that_fails_is_an_error_whatever_the_exit_status(cli, out, status, message):
    cli(out, status=status)

    with pytest.raises(MaskfoldError, match=message):
        upload(Path("sub.csv"), competition="carvana", message="one")


def test_the_newest_of_equal_submissions_counts():
    listed = pd.DataFrame(
        {
            "date": ["2026-01-02 00:00:00", "2026-01-01 00:00:00", "2026-01-03 00:00:00"],
            "description": ["again [aaaa]", "one [aaaa]", "one aaaa"],
        }
    )

    assert find(listed, "aaaa")["description"] == "again [aaaa]"
    assert find(listed, "cccc") is None


def test_the_wait_ends_with_the_score_or_with_the_time(cli):
    cli(NEW)

    listed = wait_for_score("aaaa", competition="carvana", seconds=0.01, every=0.01)
    assert find(listed, "aaaa")["public"] == 0.99613
    with pytest.raises(MaskfoldError, match=r"not scored the submission \[bbbb\] after 0.02 s.*not uploaded twice"):
        wait_for_score("bbbb", competition="carvana", seconds=0.02, every=0.01)
