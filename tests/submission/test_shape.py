"""The shape of a submission, and what a manifest says of it."""

import re

import pytest

from maskfold import files
from maskfold.data.sources import Pairs
from maskfold.errors import MaskfoldError
from maskfold.masks.rules import Rules
from maskfold.submission.shape import Shape, sample_of, shape_of, shape_written

COLUMNS = {"id": "{image_id}", "class": "{class}", "rle": "{runs}"}
SHAPE = Shape(Rules(columns=COLUMNS, order="columns", start=0, empty="-"), ("cat", "dog"))


def test_what_a_manifest_keeps_is_read_back(tmp_path):
    files.write_json(tmp_path / "manifest.json", {"members": []} | SHAPE.facts)

    assert shape_written(tmp_path / "submission.csv.gz") == SHAPE


def test_a_manifest_of_an_older_version_means_carvana_s_and_so_does_none(tmp_path):
    assert shape_written(tmp_path / "submission.csv.gz") == Shape()
    files.write_json(tmp_path / "manifest.json", {"members": []})
    assert shape_written(tmp_path / "submission.csv.gz") == Shape()


@pytest.mark.hostile("foreign files")
@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"rules": {"order": "diagonal"}}, "order=diagonal of run lengths: there are rows and columns"),
        ({"rules": {"colour": 1}}, "there are columns, order, start, empty, and columns holds text"),
        ({"rules": {"columns": COLUMNS}}, "classes and a column with {class} in it belong together"),
        ({"classes": ["cat", "dog"]}, "classes and a column with {class} in it belong together"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused_by_name(tmp_path, facts, message):
    files.write_json(tmp_path / "manifest.json", facts)

    with pytest.raises(MaskfoldError, match=f"manifest.json: .*{re.escape(message)}"):
        shape_written(tmp_path / "submission.csv.gz")


def test_several_classes_have_a_row_each_where_the_data_says_nothing():
    shape = shape_of(Pairs(root="photos", classes=["cat", "dog"]))

    assert shape.rules.row("a.png", "1 2", "dog") == ("a.png", "dog", "1 2")


def test_several_classes_in_one_row_are_refused():
    with pytest.raises(MaskfoldError, match=r"several classes, and no column of data\.submission has \{class\} in it"):
        Pairs(root="photos", classes=["cat", "dog"], submission={"order": "columns"})


def test_a_sample_may_be_compressed(tmp_path):
    source = Pairs(root=str(tmp_path))
    assert sample_of(source) is None
    (tmp_path / "sample_submission.csv.gz").touch()
    assert sample_of(source) == tmp_path / "sample_submission.csv.gz"


@pytest.mark.hostile("names and paths")
def test_a_sample_of_another_name_is_found_where_the_data_says_and_missed_by_its_key(tmp_path):
    root, elsewhere = tmp_path / "photos", tmp_path / "stage_1.csv"
    root.mkdir()
    (root / "sample_submission.csv").touch()
    with pytest.raises(MaskfoldError, match=r"data\.sample=stage_1\.csv: .*photos/stage_1\.csv is not there"):
        sample_of(Pairs(root=str(root), sample="stage_1.csv"))
    for path in (root / "stage_1.csv", elsewhere):
        path.touch()
    assert sample_of(Pairs(root=str(root), sample="stage_1.csv")) == root / "stage_1.csv"
    assert sample_of(Pairs(root=str(root), sample=str(elsewhere))) == elsewhere
