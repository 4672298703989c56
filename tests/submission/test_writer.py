"""Submission files: their bytes, and what reading refuses."""

import gzip
import time
import zlib

import pandas as pd
import pytest

from maskfold.errors import MaskfoldError
from maskfold.masks.rules import Rules
from maskfold.submission.shape import Shape
from maskfold.submission.writer import read_submission, rows_of, write_submission, write_table

ROWS = [("a_01.jpg", "", "1 2 5 1"), ("a_02.jpg", "", "")]


def test_the_text_is_what_kaggle_asks_for(tmp_path):
    write_submission(tmp_path / "sub" / "submission.csv.gz", iter(ROWS))

    text = gzip.decompress((tmp_path / "sub" / "submission.csv.gz").read_bytes())
    assert text == b"img,rle_mask\na_01.jpg,1 2 5 1\na_02.jpg,\n"
    assert list(read_submission(tmp_path / "sub" / "submission.csv.gz")) == ROWS


def test_cells_are_quoted_where_they_must_be_and_compressed_at_level_3(tmp_path):
    path = tmp_path / "table.csv.gz"
    rows = [("a.jpg", "1 2"), ("b,c.jpg", ""), ('say "x".jpg', "3 4"), ("line\nbreak", "5 6")]
    write_table(path, ("img", "runs"), rows)

    expected = b'img,runs\na.jpg,1 2\n"b,c.jpg",\n"say ""x"".jpg",3 4\n"line\nbreak",5 6\n'
    content = path.read_bytes()
    assert gzip.decompress(content) == expected
    deflate = zlib.compressobj(3, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(expected) + deflate.flush(zlib.Z_SYNC_FLUSH) + deflate.flush()
    assert content[10:-8] == body  # between header and checksum


def test_two_photos_of_one_name_are_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(MaskfoldError, match=r"two photos are called a_01\.jpg"):
        write_submission(tmp_path / "one.csv.gz", [*ROWS, ("a_01.jpg", "", "9 1")])
    assert not [*tmp_path.iterdir()]


def test_the_same_rows_give_the_same_bytes_at_any_time_under_any_name(tmp_path, monkeypatch):
    write_submission(tmp_path / "one.csv.gz", ROWS)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    write_submission(tmp_path / "two.csv.gz", ROWS)

    content = (tmp_path / "one.csv.gz").read_bytes()
    assert content == (tmp_path / "two.csv.gz").read_bytes()
    assert content[3] == 0  # RFC 1952: no flags, so no file name
    assert content[4:8] == bytes(4)  # RFC 1952: no time


def test_a_failure_half_way_leaves_no_file(tmp_path):
    def rows():
        yield ROWS[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_submission(tmp_path / "submission.csv.gz", rows())

    assert list(tmp_path.iterdir()) == []


def test_plain_quoted_windows_files_with_a_byte_order_mark_are_read(tmp_path):
    path = tmp_path / "submission.csv"
    path.write_bytes('\ufeffimg,rle_mask\r\n"a_01.jpg","1 2 5 1"\r\na_02.jpg,\r\n'.encode())

    assert list(read_submission(path)) == ROWS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: the header is ''"),
        ("image,mask\na,1 1\n", "line 1: the header is 'image,mask', not 'img,rle_mask'"),
        ("img,rle_mask\na,1 1\nb\n", "line 3: 1 columns instead of 2"),
        ("img,rle_mask\na,1,1\n", "line 2: 3 columns instead of 2"),
    ],
)
def test_what_is_no_submission_is_refused_with_the_line(tmp_path, text, message):
    path = tmp_path / "submission.csv"
    path.write_text(text)
    with pytest.raises(MaskfoldError, match=message):
        list(read_submission(path))


def test_a_file_cut_short_or_missing_or_not_gzip_is_refused_by_name(tmp_path):
    whole = tmp_path / "whole.csv.gz"
    write_submission(whole, [(f"{i}.jpg", "", f"{i + 1} {i + 1}") for i in range(1000)])
    (tmp_path / "cut.csv.gz").write_bytes(whole.read_bytes()[:-500])
    (tmp_path / "text.csv.gz").write_text("img,rle_mask\n")
    (tmp_path / "binary.csv").write_bytes(whole.read_bytes())

    for name in ("cut.csv.gz", "missing.csv.gz", "text.csv.gz", "binary.csv"):
        with pytest.raises(MaskfoldError, match=f"{name}: cannot be read"):
            list(read_submission(tmp_path / name))


@pytest.mark.hostile("names and paths")
def test_names_with_commas_and_quotes_are_rows_that_pandas_reads(tmp_path):
    path = tmp_path / "submission.csv.gz"
    rows = [("a, b.jpg", "", "1 2"), ('the "best".jpg', "", ""), (" ü'.jpg", "", "1 " * 100_000)]

    write_submission(path, rows)

    assert list(read_submission(path)) == rows
    table = pd.read_csv(path, keep_default_na=False)
    assert list(table.itertuples(index=False, name=None)) == [(name, runs) for name, _, runs in rows]
    text = gzip.decompress(path.read_bytes()).decode()
    assert text.startswith('img,rle_mask\n"a, b.jpg",1 2\n"the ""best"".jpg",\n')


@pytest.mark.hostile("names and paths")
@pytest.mark.parametrize("name", ["a\nb.jpg", "a\rb.jpg", "\udce4.jpg"])
def test_a_name_that_no_table_can_hold_is_refused_and_nothing_is_left(tmp_path, name):
    with pytest.raises(MaskfoldError, match=r"a photo is called '.*\.jpg', which no table can hold"):
        write_submission(tmp_path / "one.csv.gz", [(name, "", "1 2")])
    assert not [*tmp_path.iterdir()]


FOUR = Shape(Rules(columns={"ImageId_ClassId": "{file}_{class}", "rle": "{runs}"}, empty="-"), ("1", "2"))


def test_a_row_for_each_photo_and_class_goes_there_and_back(tmp_path):
    path = tmp_path / "submission.csv.gz"
    masks = [("1 2", "-"), ("-", "3 4")]

    write_submission(path, rows_of(["a.jpg", "b_1.jpg"], masks, FOUR.classes, order=("2", "1")), FOUR.rules)

    text = gzip.decompress(path.read_bytes()).decode()
    assert text == "ImageId_ClassId,rle\na.jpg_2,-\na.jpg_1,1 2\nb_1.jpg_2,3 4\nb_1.jpg_1,-\n"
    assert [*read_submission(path, FOUR)] == [
        ("a.jpg", "2", "-"),
        ("a.jpg", "1", "1 2"),
        ("b_1.jpg", "2", "3 4"),
        ("b_1.jpg", "1", "-"),
    ]


def test_two_photos_whose_names_differ_in_their_suffix_only_are_refused_where_rows_have_none(tmp_path):
    rules = Rules(columns={"id": "{image_id}", "rle": "{runs}"})

    with pytest.raises(MaskfoldError, match="two photos are called a, and a submission names photos by their files"):
        write_submission(tmp_path / "one.csv.gz", [("a.jpg", "", "1 2"), ("a.png", "", "3 4")], rules)
