"""The stage that checks a submission, and its exit status."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from maskfold import files
from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.stages.doctor import doctor
from maskfold.submission.writer import write_submission

SUBMISSION = Path("submissions/x/submission.csv.gz")
NAMES = [f"{number:012x}_{view:02}.jpg" for number in range(6, 10) for view in (1, 2)]


def config(*overrides: str):
    return compose("doctor", [f"submission={SUBMISSION}", *overrides])


def write(rows: list[tuple[str, str, str]]) -> None:
    write_submission(SUBMISSION, rows)
    source = {"_target_": "maskfold.data.sources.Carvana", "root": "photos", "name": "tiny"}
    files.write_json(SUBMISSION.with_name("manifest.json"), {"source": source})


def test_a_good_submission_is_checked_against_the_data_of_its_manifest(trained, capsys):
    write([(name, "", "1 3") for name in NAMES])

    assert doctor(config()).ok
    assert f"{SUBMISSION}: 8 images, 0 empty masks" in capsys.readouterr().out


def test_ids_come_from_the_sample_and_sizes_from_the_photos(trained):
    write([(name, "", "2399 2") for name in NAMES[1:]])  # 40x60 has 2400 pixels

    assert [error.split(":")[0] for error in doctor(config()).errors] == ["missing images"]
    write([(name, "", "2399 3") for name in NAMES])
    assert len(doctor(config()).errors) == 8


def test_a_size_and_a_sample_can_be_named_instead(trained):
    write_submission(SUBMISSION, [("a.jpg", "", "1 100")])

    assert not doctor(config("height=9", "width=11")).ok
    assert doctor(config("height=10", "width=10")).ok
    assert not doctor(config("height=10", "width=10", "sample=photos/sample_submission.csv")).ok


def test_rules_can_be_named_instead(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    SUBMISSION.parent.mkdir(parents=True)
    SUBMISSION.write_bytes(gzip.compress(b"id,rle\na_1,0 2\na_2,-\n"))
    size = ["height=10", "width=10"]
    columns = "rules.columns={id: '{image_id}_{class}', rle: '{runs}'}"

    assert doctor(config(*size, columns, "rules.start=0", "rules.empty=-", "classes=['1','2']")).errors == []
    assert not doctor(config(*size, columns, "rules.start=0", "classes=['1','2']")).ok
    with pytest.raises(MaskfoldError, match=r"rules= and classes=: classes and a column with \{class\} in it"):
        doctor(config(*size, columns))


def test_data_can_be_named_instead(trained):
    write_submission(SUBMISSION, [(name, "", "1 3") for name in NAMES])

    assert doctor(config("data=carvana", "data.root=photos", "data.name=tiny")).ok


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], r"submissions/x/manifest\.json: missing, so say what .* is of: data=carvana, or height= and width="),
        (["height=10"], "Give both height= and width="),
        (["height=10", "width=10", "sample=nowhere.csv"], r"nowhere\.csv: cannot be read"),
    ],
)
def test_what_is_missing_is_named(trained, overrides, message):
    write_submission(SUBMISSION, [("a.jpg", "", "1 100")])

    with pytest.raises(MaskfoldError, match=message):
        doctor(config(*overrides))


def test_a_manifest_that_names_no_data(trained):
    write_submission(SUBMISSION, [("a.jpg", "", "1 100")])
    files.write_json(SUBMISSION.with_name("manifest.json"), {"made": "by hand"})

    with pytest.raises(MaskfoldError, match=r"manifest\.json: does not name its data"):
        doctor(config())


def test_the_command_exits_with_1_when_the_submission_would_be_refused(tmp_path):
    (tmp_path / "bad.csv.gz").write_bytes(gzip.compress(b"img,rle_mask\na.jpg,1 3 2 5\n"))
    command = [sys.executable, "-m", "maskfold.stages.doctor", "submission=bad.csv.gz", "height=10", "width=10"]

    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert run.returncode == 1
    assert "overlapping runs: line 2, a.jpg, column rle_mask: pair 2, '2 5'" in run.stdout
    assert "Traceback" not in run.stderr
