import gzip
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskfold.data.class_table import ClassTable
from maskfold.errors import MaskfoldError
from maskfold.submission.label_doctor import examine_labels
from maskfold.submission.labels import LabelShape, WantedRows, label_rows, label_shape, rows_wanted, shape_said
from maskfold.submission.writer import write_table

LABELS = ["green apple", "pear", "plum"]
CLASSES = ClassTable.empty().extended(pd.DataFrame({"label": LABELS})).retired_in("2026-05", ["plum"])
PHOTOS = pd.DataFrame({"image_id": ["shop_a", "shop_b"], "image": ["photos/shop/a.jpg", "photos/shop/b.jpg"]})
LIKELY = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])


class Source:
    """What a submission asks of a data set."""

    name = "shop"

    def __init__(self, root, submission=None, sample=None):
        self.root, self.submission, self.sample = Path(root), submission, sample

    def class_table(self):
        return CLASSES


def sampled(tmp_path, text):
    path = tmp_path / "sample_submission.csv"
    path.write_text(text)
    return Source("photos", sample=str(path))


def written(rows):
    return [*label_rows(rows, [LIKELY[[PHOTOS["image_id"].tolist().index(name)]] for name in rows.image_ids], LABELS)]


def test_a_label_a_photo_in_the_order_of_the_sample(tmp_path):
    rows = rows_wanted(sampled(tmp_path, "image,kind\nb.jpg,pear\na.jpg,green apple\n"), PHOTOS)

    assert rows.shape == LabelShape("file", "image", "kind")
    assert written(rows) == [("b.jpg", "green apple"), ("a.jpg", "pear")]


def test_several_labels_with_spaces_between(tmp_path):
    rows = rows_wanted(sampled(tmp_path, "id,labels\nshop/a.jpg,pear plum\n"), PHOTOS)

    assert rows.shape == LabelShape("path", "id", "labels", best=2)
    assert written(rows) == [("shop/a.jpg", "pear plum")]


def test_a_column_a_label_in_the_order_of_the_sample(tmp_path):
    rows = rows_wanted(sampled(tmp_path, "id,plum,pear,green apple\nshop_b,0,0,1\nshop_a,0,0,1\n"), PHOTOS)

    assert rows.shape.header == ("id", "plum", "pear", "green apple")
    assert written(rows) == [("shop_b", "0.3", "0.1", "0.6"), ("shop_a", "0.3", "0.5", "0.2")]


def test_without_a_sample_every_test_photo_has_a_row_and_the_data_may_say_how():
    assert written(rows_wanted(Source("photos"), PHOTOS)) == [("shop_a", "pear"), ("shop_b", "green apple")]
    said = {"columns": {"photo": "{stem}", "best": "{labels:2}"}}
    rows = rows_wanted(Source("photos", submission=said), PHOTOS)
    assert rows.names == ["a", "b"]
    assert rows.shape.header == ("photo", "best")
    table = shape_said({"columns": {"id": "{image_id}", "{label}": "{probability}"}}, LABELS)
    assert table.header == ("id", *LABELS)


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,label\nshop_a,0\n", "'0' in its second column, which is no label"),
        ("id,label\nx,pear\n", "none of its ids is a test photo"),
        ("id,label\nshop_a,pear\nx,pear\n", "1 of its 2 ids are no test photos of the data:\n  x"),
        ("id,pear,plum,kiwi\nshop_a,0,0,1\n", "1 labels of the data have no column:\n  green apple"),
        ("id\nshop_a\n", "no sample submission"),
    ],
)
def test_a_sample_that_does_not_fit_is_refused(tmp_path, text, message):
    with pytest.raises(MaskfoldError, match=message):
        rows_wanted(sampled(tmp_path, text), PHOTOS)


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize("columns", [{"id": "{photo}", "label": "{label}"}, {"id": "{file}", "x": "{top}"}, {"a": "b"}])
def test_columns_that_cannot_be_written_are_refused(columns):
    with pytest.raises(MaskfoldError, match=r"Say it with data\.submission"):
        shape_said({"columns": columns}, LABELS)


def test_two_photos_of_one_name_are_refused():
    photos = pd.DataFrame({"image_id": ["x", "y"], "image": ["photos/1/a.jpg", "photos/2/a.jpg"]})
    with pytest.raises(MaskfoldError, match="1 test photos are called as another one is:"):
        rows_wanted(Source("photos", submission={"columns": {"id": "{file}", "label": "{label}"}}), photos)
    assert label_shape(Source("photos"), photos).photo == "image_id"


def test_the_same_rows_give_the_same_bytes_without_a_time(tmp_path):
    rows = WantedRows(LabelShape(), ["shop_a", "shop_b"], ["shop_a", "shop_b"])
    for name in ("one", "two"):
        write_table(tmp_path / f"{name}.csv.gz", rows.shape.header, written(rows))

    one = (tmp_path / "one.csv.gz").read_bytes()
    assert one == (tmp_path / "two.csv.gz").read_bytes()
    assert one[4:8] == b"\0\0\0\0"
    assert gzip.decompress(one).decode() == "id,label\nshop_a,pear\nshop_b,green apple\n"


def examined(tmp_path, text, shape=None, *, ordered=True):
    path = tmp_path / "submission.csv"
    path.write_text(text)
    return examine_labels(path, shape or LabelShape(), CLASSES, wanted=["a", "b", "c"], ordered=ordered)


def test_a_good_submission_has_nothing_to_mend(tmp_path):
    report = examined(tmp_path, "id,label\na,pear\nb,green apple\nc,pear\n")

    assert report.ok
    assert str(report) == "3 images\nno errors\nno warnings"


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,name\na,pear\nb,pear\nc,pear\n", "header: line 1 is 'id,name', not 'id,label'"),
        ("label,id\na,pear\nb,pear\nc,pear\n", "column 1 is 'label', not 'id'"),
        ("id,label\n", "rows: there is none"),
        ("id,label\na,pear,1\nb,pear\nc,pear\n", "columns: line 2 has 3 columns, not 2"),
        ("id,label\na,pear\na,pear\nb,pear\nc,pear\n", "double images: line 3, column id: 'a' is already in line 2"),
        ("id,label\na,pear\nb,pear\nc,pear\nd,pear\n", "unknown images: line 5, column id: 'd'"),
        ("id,label\na,pear\nc,pear\n", "missing images: column id: 'b' has no row"),
        ("id,label\nb,pear\na,pear\nc,pear\n", "order: line 3, column id: 'a'"),
        ("id,label\na,\nb,pear\nc,pear\n", "empty labels: line 2, a, column label"),
        ("id,label\na,Pear\nb,pear\nc,pear\n", "unknown labels: line 2, a, column label: 'Pear'.*which has 'pear'"),
    ],
)
def test_what_would_be_refused_is_named_with_its_line(tmp_path, text, message):
    report = examined(tmp_path, text)
    assert not report.ok
    assert [error for error in report.errors if re.search(message, error)], report.errors


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,0.5,0.2,0.2", "sums: line 2, a: its probabilities add up to 0.9, not to 1"),
        ("a,1.5,-0.5,0", "range: line 2, a, column green apple: 1.5 is not from 0 to 1"),
        ("a,nan,0,1", "not a number: line 2, a, column green apple: 'nan'"),
        ("a,0.5,,0.5", "not a number: line 2, a, column pear: an empty cell"),
        ("a,0.5,x,0.5", "not a number: line 2, a, column pear: 'x'"),
    ],
)
def test_probabilities_that_are_none_are_named(tmp_path, row, message):
    shape = LabelShape(column="", labels=tuple(LABELS))
    rest = "b,0,1,0\nc,0.3333,0.3333,0.3333\n"
    report = examined(tmp_path, f"id,{','.join(LABELS)}\n{row}\n{rest}", shape)
    assert report.errors == [message]


def test_several_labels_are_not_more_than_count_and_none_twice(tmp_path):
    shape = LabelShape(column="labels", best=2)
    report = examined(tmp_path, "id,labels\na,pear plum pear\nb,pear\nc,pear\n", shape)
    assert [error.partition(":")[0] for error in report.errors] == ["too many labels", "double labels"]
    assert [warning.partition(":")[0] for warning in report.warnings] == ["retired labels"]


def test_one_answer_for_all_is_odd_and_an_order_is_wanted_only_where_a_sample_has_one(tmp_path):
    report = examined(tmp_path, "id,label\nb,pear\na,pear\nc,pear\n", ordered=False)
    assert report.ok
    assert report.warnings == ["one answer: all 3 photos are answered with 'pear'"]
