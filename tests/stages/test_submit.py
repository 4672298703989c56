"""The stage that submits, against a stand-in for Kaggle's CLI that keeps what is uploaded in a folder."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import chdir
from pathlib import Path

import pandas as pd
import pytest

from maskfold import files
from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.files import sha256
from maskfold.stages.ensemble import ensemble
from maskfold.stages.submit import submit

SUBMISSION = Path("submissions/both/submission.csv.gz")
TABLE = Path("experiments/leaderboard.csv")
RECIPE = {"_target_": "maskfold.ensembling.recipe.Recipe", "name": "both", "members": [{"experiment": "tiny"}]}

CHALLENGE = "carvana-image-masking-challenge"

# Prints what kaggle 2.2.5 prints. `answers` holds, per look at the list, the newest upload's status and its scores;
# the last of them stays.
CLI = f"""#!{sys.executable}
import csv, json, os, pathlib, sys

state = pathlib.Path(os.environ["KAGGLE_STATE"])
uploads = state / "uploads.json"
if "KAGGLE_API_TOKEN" not in os.environ:
    print("Authentication required to call the Kaggle API.")
    sys.exit(1)
known = json.loads(uploads.read_text()) if uploads.exists() else []
_, command, *rest = sys.argv[1:]
options = dict(zip(rest[::2], rest[1::2])) if command == "submit" else {{}}
if command == "submit":
    known.append([os.path.basename(options["-f"]), options["-m"]])
    uploads.write_text(json.dumps(known))
    print("Submission ref: 55058575\\n4 submissions remaining today.")
    print("Successfully submitted to Carvana Image Masking Challenge", end="")
elif not known:
    print("No submissions found")
else:
    answers = json.loads((state / "answers.json").read_text())
    if len(answers) > 1:
        (state / "answers.json").write_text(json.dumps(answers[1:]))
    writer = csv.writer(sys.stdout)
    writer.writerow(["ref", "fileName", "date", "description", "status", "publicScore", "privateScore"])
    for number, (name, description) in reversed(list(enumerate(known))):
        told = answers[0] if number == len(known) - 1 else ["COMPLETE", "0.5", "0.4"]
        date = f"2026-07-28 15:17:{{number:02}}.513000"
        writer.writerow([number, name, date, description, "SubmissionStatus." + told[0], *told[1:]])
"""

PENDING, SCORED, FAILED = ["PENDING", "", ""], ["COMPLETE", "0.99613", ""], ["ERROR", "", ""]


@pytest.fixture(scope="session")
def merged_once(trained_once, made_once) -> Path:
    """What `ensemble` leaves of both splits of `tiny`."""

    def make(root: Path) -> None:
        shutil.copytree(trained_once, root, dirs_exist_ok=True)
        with chdir(root):
            for split in ("test", "oof"):
                composed = compose("ensemble", ["ensemble=linknet34", "jobs=1", f"split={split}"])
                composed.ensemble = RECIPE
                ensemble(composed)

    return made_once("merged", make) / "submissions"


@pytest.fixture
def kaggle(trained, merged_once, tmp_path, monkeypatch) -> Path:
    """Two ensembled splits of `tiny`, and the state of a CLI that is logged in."""
    state = tmp_path / "kaggle"
    (state / "bin").mkdir(parents=True)
    cli = state / "bin" / "kaggle"
    cli.write_text(CLI)
    cli.chmod(0o755)
    monkeypatch.setenv("PATH", str(cli.parent))
    monkeypatch.setenv("KAGGLE_STATE", str(state))
    monkeypatch.setenv("KAGGLE_API_TOKEN", "secret")
    shutil.copytree(merged_once, "submissions")
    answer(state, SCORED)
    return state


def answer(state: Path, *answers: list[str]) -> None:
    (state / "answers.json").write_text(json.dumps(answers))


def uploads(state: Path) -> list[list[str]]:
    path = state / "uploads.json"
    return json.loads(path.read_text()) if path.exists() else []


def config(*overrides: str):
    """Compose the stage; the photos are taken for the challenge's unless something else is said."""
    usual = [f"submission={SUBMISSION}", "message=first try", "poll=0.01", "wait=0.05", f"competition={CHALLENGE}"]
    return compose("submit", [*usual, *overrides])


def table() -> list[dict]:
    return pd.read_csv(TABLE).to_dict("records")


def test_a_submission_is_uploaded_awaited_and_recorded(kaggle):
    answer(kaggle, PENDING, PENDING, SCORED)

    submit(config())

    tag = sha256(SUBMISSION)[:12]
    assert uploads(kaggle) == [["submission.csv.gz", f"first try [{tag}]"]]
    (row,) = table()
    dice = pd.read_parquet("submissions/both/oof/scores.parquet")["dice"]
    assert row["cv"] == pytest.approx(dice.mean(), abs=1e-6)
    assert pd.isna(row.pop("private"))
    assert {key: row[key] for key in row if key != "cv"} == {
        "date": "2026-07-28 15:17:00",
        "competition": "carvana-image-masking-challenge",
        "submission": tag,
        "ensemble": "both",
        "members": "tiny x2",
        "public": 0.99613,
        "message": "first try",
    }
    assert TABLE.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_run_again_it_uploads_nothing_and_adds_the_private_score(kaggle):
    submit(config())
    answer(kaggle, ["COMPLETE", "0.99613", "0.99587"])

    submit(config("message=second thoughts"))

    assert len(uploads(kaggle)) == 1
    (row,) = table()
    assert (row["public"], row["private"], row["message"]) == (0.99613, 0.99587, "first try")


def test_scores_of_other_rows_are_filled_in_as_well(kaggle):
    submit(config())
    composed = compose("ensemble", ["ensemble=linknet34", "jobs=1"])
    composed.ensemble = RECIPE | {"threshold": 60}
    ensemble(composed)

    submit(config("message=lower"))

    first, second = table()
    assert len(uploads(kaggle)) == 2
    assert (first["public"], first["private"]) == (0.5, 0.4)
    assert (second["public"], second["message"]) == (0.99613, "lower")
    assert pd.isna(second["cv"])  # its recipe was not scored out of fold


@pytest.mark.hostile("killed")
def test_killed_while_it_waits_it_goes_on_waiting_for_the_same_upload(kaggle):
    answer(kaggle, PENDING)
    said = [f"submission={SUBMISSION}", f"competition={CHALLENGE}", "poll=0.05", "wait=300"]
    command = [sys.executable, "-m", "maskfold.stages.submit", *said]
    environment = os.environ | {"MESSAGE": "it's 5 folds, (soft): 100 %"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as run:
        while not TABLE.exists():
            assert run.poll() is None
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
    (waiting,) = table()
    assert pd.isna(waiting["public"])
    assert waiting["message"] == environment["MESSAGE"]

    with pytest.raises(MaskfoldError, match=r"not scored .* after 0.05 s.*it is not uploaded twice"):
        submit(config())
    answer(kaggle, PENDING, SCORED)
    submit(config())

    assert len(uploads(kaggle)) == 1
    (row,) = table()
    assert (row["public"], row["message"]) == (0.99613, environment["MESSAGE"])


@pytest.mark.hostile("killed")
def test_killed_before_the_table_was_written_kaggle_s_own_list_tells(kaggle):
    submit(config())
    before = TABLE.read_bytes()
    TABLE.unlink()

    submit(config("message=another"))

    assert len(uploads(kaggle)) == 1
    assert TABLE.read_bytes() == before


def test_an_upload_that_kaggle_does_not_list_any_more_keeps_its_row(kaggle):
    submit(config())
    before = TABLE.read_bytes()
    (kaggle / "uploads.json").unlink()

    submit(config())

    assert TABLE.read_bytes() == before
    assert uploads(kaggle) == []


def test_a_submission_that_kaggle_cannot_score_has_no_row_and_is_not_uploaded_again(kaggle):
    answer(kaggle, PENDING, FAILED)

    for _ in range(2):
        with pytest.raises(MaskfoldError, match=r"could not score it.*challenge/submissions"):
            submit(config())

    assert table() == []
    assert len(uploads(kaggle)) == 1


def test_an_ill_submission_is_not_uploaded(kaggle, capsys):
    with pytest.raises(MaskfoldError, match=r"not uploaded\. Mend what is listed above first"):
        submit(config("height=10", "width=10"))

    assert "runs outside the image" in capsys.readouterr().out
    assert uploads(kaggle) == []
    assert not TABLE.exists()


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("PATH", r"CLI is missing\. Install it with .* -m pip install kaggle"),
        ("KAGGLE_API_TOKEN", "could not list the submissions"),
    ],
)
def test_without_the_cli_or_a_login_it_is_said_how_to_get_them(kaggle, monkeypatch, missing, message):
    monkeypatch.delenv(missing)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setattr(os, "defpath", "/nowhere")

    with pytest.raises(MaskfoldError, match=message) as refused:
        submit(config())

    for way in ("kaggle.json", "KAGGLE_API_TOKEN", "challenge/rules"):
        assert way in str(refused.value)
    assert not TABLE.exists()
    assert uploads(kaggle) == []


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda: Path("submissions/both/oof/manifest.json").unlink(), r"oof: no out-of-fold result"),
        (
            lambda: Path("submissions/both/oof/submission.csv.gz").write_bytes(b""),
            r"oof/manifest\.json: is about another",
        ),
    ],
)
def test_without_its_own_out_of_fold_score_the_cv_is_empty_and_it_is_said_why(kaggle, caplog, spoil, reason):
    spoil()

    with caplog.at_level("INFO"):
        submit(config())

    assert pd.isna(table()[0]["cv"])
    assert re.search(rf"No CV in the table: submissions/both/{reason}", caplog.text)


def test_a_time_of_nothing_is_refused(kaggle):
    with pytest.raises(MaskfoldError, match=r"poll=0\.0: give a number above 0"):
        submit(config("wait=1", "poll=0"))


def test_a_file_without_a_manifest_can_be_submitted_when_its_data_is_named(kaggle):
    files.write_bytes(Path("submissions/mate/submission.csv.gz"), SUBMISSION.read_bytes())

    submit(
        config("submission=submissions/mate/submission.csv.gz", "data=carvana", "data.root=photos", "data.name=tiny")
    )

    (row,) = table()
    assert (row["ensemble"], row["public"]) == ("mate", 0.99613)
    assert pd.isna(row["cv"])
    assert pd.isna(row["members"])


@pytest.mark.hostile("names and paths")
def test_photos_of_one_s_own_are_offered_to_no_competition_that_was_not_named(kaggle):
    """Taken with `data=carvana` and a name of their own, they bring the challenge's along."""
    manifest = files.read_json(SUBMISSION.with_name("manifest.json"))
    for named in (CHALLENGE, None):
        manifest["source"]["competition"] = named
        files.write_json(SUBMISSION.with_name("manifest.json"), manifest)
        with pytest.raises(MaskfoldError, match=r"is of the data tiny, which names no competition of its own\."):
            submit(config("competition=null"))
    assert uploads(kaggle) == []

    manifest["source"]["competition"] = "cars-of-our-own"
    files.write_json(SUBMISSION.with_name("manifest.json"), manifest)
    submit(config("competition=null"))

    assert [row["competition"] for row in table()] == ["cars-of-our-own"]


def test_a_manifest_of_an_earlier_version_belongs_to_the_challenge_by_its_name(kaggle):
    manifest = files.read_json(SUBMISSION.with_name("manifest.json"))
    manifest["source"] = {key: value for key, value in manifest["source"].items() if key != "competition"}
    manifest["source"]["name"] = "carvana"
    files.write_json(SUBMISSION.with_name("manifest.json"), manifest)

    submit(config("competition=null"))

    assert [row["competition"] for row in table()] == [CHALLENGE]


def test_carvana_s_photos_belong_to_its_competition(kaggle):
    submit(
        compose("submit", [f"submission={SUBMISSION}", "poll=0.01", "wait=0.05", "data=carvana", "data.root=photos"])
    )

    assert [row["competition"] for row in table()] == ["carvana-image-masking-challenge"]
