"""Samples and training tables as competitions have them, and what their columns hold."""

from pathlib import Path

import pandas as pd
import pytest

from maskfold.errors import MaskfoldError
from maskfold.joining.guesses import Unclear
from maskfold.joining.naming import Photos
from maskfold.joining.shapes import (
    read_text,
    shape_by_columns,
    shape_of_sample,
    shape_of_train,
)
from maskfold.masks.rules import Rules
from maskfold.submission.shape import Shape
from maskfold.submission.writer import read_submission

FILE = Path("sample.csv")
PHOTOS = Photos(["p1.jpg", "p2.jpg"])


def table(**columns):
    return pd.DataFrame(columns, dtype=str)


def sample(photos=PHOTOS, like=None, **columns):
    return shape_of_sample(table(**columns), photos, file=FILE, like=like)


def test_a_space_in_the_header_belongs_to_the_column_s_name_as_for_all_who_read_the_table(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("id, rle\np1,1 2\np2,\n")
    columns = shape_of_train(read_text(path), PHOTOS, file=path, classes=()).columns

    assert columns == {"id": "{image_id}", " rle": "{runs}"}
    cells = [*read_submission(path, Shape(Rules(columns=columns)))]
    assert [cell.runs for cell in cells] == ["1 2", ""]


@pytest.mark.parametrize(
    ("columns", "template", "classes"),
    [
        ({"img": ["p1.jpg", "p2.jpg"], "rle_mask": ["1 1", "1 1"]}, {"img": "{file}", "rle_mask": "{runs}"}, ()),
        ({"id": ["p1", "p2"], "rle_mask": ["", "1 1"]}, {"id": "{image_id}", "rle_mask": "{runs}"}, ()),
        (
            {"Id_Class": [f"p{one}.jpg_{two}" for one in "12" for two in (1, 10, 2)], "EncodedPixels": ["1 1"] * 6},
            {"Id_Class": "{file}_{class}", "EncodedPixels": "{runs}"},
            ("1", "2", "10"),
        ),
        (
            {"ImageId": ["p1", "p1", "p2", "p2"], "EncodedPixels": ["-"] * 4, "ClassId": ["dog", "cat"] * 2},
            {"ImageId": "{image_id}", "EncodedPixels": "{runs}", "ClassId": "{class}"},
            ("dog", "cat"),
        ),
        (
            {"id": ["p1", "p2"], "confidence": ["0.5", "0.5"], "rle": ["-", "-"]},
            {"id": "{image_id}", "confidence": "0.5", "rle": "{runs}"},
            (),
        ),
    ],
)
def test_samples(columns, template, classes):
    shape = sample(**columns)

    assert shape.columns == template
    assert [*shape.columns] == [*columns]
    assert shape.classes == classes


def test_a_class_that_is_the_only_one_is_text():
    shape = sample(id=["p1_nucleus", "p2_nucleus"], rle=["1 1", "1 1"])

    assert shape.columns == {"id": "{image_id}_nucleus", "rle": "{runs}"}
    assert shape.classes == ()


def test_without_test_photos_a_suffix_tells_and_the_training_table_does():
    joined = sample(Photos([]), id=["x.jpg_1", "x.jpg_2", "y.jpg_1", "y.jpg_2"], rle=["1 1"] * 4)
    like = shape_of_train(table(id=["p1", "p2"], rle=["1 2", ""]), PHOTOS, file=FILE, classes=())
    alike = sample(Photos([]), like, id=["x_1", "x_2"], rle=["1 1"] * 2)

    assert joined.columns["id"] == "{file}_{class}"
    assert joined.classes == ("1", "2")
    assert alike.columns["id"] == "{image_id}"
    with pytest.raises(Unclear, match="test=<folder"):
        sample(Photos([]), id=["x_1", "x_2"], rle=["1 1"] * 2)


def test_what_is_open_is_asked():
    with pytest.raises(Unclear, match="which column holds the run lengths") as unclear:
        sample(id=["p1", "p2"], first=["-", "-"], second=["-", "-"])
    assert "{id: ..., first: ..., second: ...}" in unclear.value.question.flags
    with pytest.raises(Unclear, match="what its column height holds"):
        sample(id=["p1", "p2"], height=["10", "20"], rle=["", ""])
    with pytest.raises(Unclear, match="no column names photos"):
        sample(id=["q1", "q2"], rle=["1 1", "1 1"])


def test_training_tables_may_have_other_columns_and_rows_of_present_masks_only():
    rows = table(
        ImageId=["p1.jpg", "p1.jpg", "p2.jpg"],
        ClassId=["1", "3", "1"],
        Encoded=["1 2", "3 4", "5 6"],
        age=["4", "5", "6"],
    )
    shape = shape_of_train(rows, PHOTOS, file=FILE, classes=("1", "2", "3"))

    assert shape.columns == {"ImageId": "{file}", "ClassId": "{class}", "Encoded": "{runs}"}
    assert shape.rows.values.tolist() == [["p1", "1", "1 2"], ["p1", "3", "3 4"], ["p2", "1", "5 6"]]
    assert shape_of_train(rows[["ImageId", "age"]], PHOTOS, file=FILE, classes=()) is None
    with pytest.raises(Unclear, match="no column here says which class"):
        shape_of_train(rows[["ImageId", "Encoded"]], PHOTOS, file=FILE, classes=("1", "2"))


def test_columns_of_the_users_own():
    rows = table(id=["p1_left_lung", "p1_heart"], rle=["", ""])
    columns = {"id": "{image_id}_{class}", "rle": "{runs}"}
    shape = shape_by_columns(rows, columns, ["left_lung", "heart"], file=FILE)

    assert shape.columns == columns
    assert shape.rows[["photo", "label"]].values.tolist() == [["p1", "left_lung"], ["p1", "heart"]]
    with pytest.raises(MaskfoldError, match=r"sample\.csv has id, rle, in this order"):
        shape_by_columns(rows, {"rle": "{runs}", "id": "{image_id}"}, (), file=FILE)


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize("content", ["", "id,rle\n", "id\np1\n", '"id,rle\np1'])
def test_what_is_no_table_is_refused(tmp_path, content):
    path = tmp_path / "sample.csv"
    path.write_text(content)

    with pytest.raises(MaskfoldError, match=r"sample\.csv: .*Name the right"):
        read_text(path)


def test_cells_are_read_as_they_stand(tmp_path):
    path = tmp_path / "sample.csv"
    path.write_text("id,rle\n007,NA\nnan,\n")

    assert read_text(path).values.tolist() == [["007", "NA"], ["nan", ""]]
