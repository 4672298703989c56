"""The doctor on small files with one thing wrong each, and on masks in both orientations."""

from pathlib import Path

import numpy as np
import pytest

from maskfold import parallel
from maskfold.errors import MaskfoldError
from maskfold.masks.rle import ORDERS, encode
from maskfold.masks.rules import Rules
from maskfold.submission import doctor
from maskfold.submission.doctor import examine
from maskfold.submission.findings import Report
from maskfold.submission.orientation import Chosen
from maskfold.submission.shape import Shape
from maskfold.submission.writer import write_submission
from textures import car

DATA = Path(__file__).parents[2].parent / "shared/data"
SAMPLE = ["a.jpg,1 1", "b.jpg,1 1", "c.jpg,1 1", "d.jpg,1 1"]
GOOD = ["a.jpg,1 2 5 1", "b.jpg,", "c.jpg,1 12", "d.jpg,12 1"]


def written(path: Path, rows: list[str], header: str = "img,rle_mask") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


@pytest.fixture
def diagnose(tmp_path):
    def examine_rows(rows, header="img,rle_mask", sizes=(3, 4)):
        sample = written(tmp_path / "sample.csv", SAMPLE)
        return examine(written(tmp_path / "submission.csv", rows, header), sample, sizes=sizes)

    return examine_rows


def test_a_good_submission_is_counted_and_passes(diagnose):
    report = diagnose(GOOD)

    assert report.ok
    assert (report.images, report.empty_masks, report.errors, report.warnings) == (4, 1, [], [])
    assert str(report) == "4 images, 1 empty masks\nno errors\nno warnings"


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("at", "row", "message"),
    [
        (1, "a.jpg,", "double images: line 3, column img: 'a.jpg' is already in line 2"),
        (1, "x.jpg,", "unknown images: line 3, column img: 'x.jpg' is not in the sample submission"),
        (1, "b.jpg,1 2,3", "columns: line 3 has 3 columns, not 2"),
        (1, "b.jpg,1 2 3", "malformed masks: line 3, b.jpg, column rle_mask: 3 values are an odd number"),
        (1, "b.jpg,1 2.5", "malformed masks: line 3, b.jpg, column rle_mask: value 2 is '2.5', not a whole number"),
        (2, "c.jpg,0 2", "starts below 1: line 4, c.jpg, column rle_mask: pair 1, '0 2': pixels are counted from 1"),
        (2, "c.jpg,1 0", "lengths below 1: line 4, c.jpg, column rle_mask: pair 1, '1 0'"),
        (2, "c.jpg,1 -3", "lengths below 1: line 4, c.jpg, column rle_mask: pair 1, '1 -3'"),
        (3, "d.jpg,12 2", "runs outside the image: line 5, d.jpg, column rle_mask: pair 1, '12 2': 4x3 has 12 pixels"),
        (3, "d.jpg,13 1", "runs outside the image: line 5, d.jpg, column rle_mask: pair 1, '13 1'"),
        (3, "d.jpg,5 1 1 1", "pairs out of order: line 5, d.jpg, column rle_mask: pair 2, '1 1'"),
        (3, "d.jpg,1 3 3 1", "overlapping runs: line 5, d.jpg, column rle_mask: pair 2, '3 1'"),
    ],
)
def test_one_fault_is_one_error_that_names_line_image_and_column(diagnose, at, row, message):
    report = diagnose([*GOOD[:at], row, *GOOD[at + 1 :]])

    assert not report.ok
    found = [error for error in report.errors if not error.startswith("missing images")]
    assert len(found) == 1
    assert found[0].startswith(message)


@pytest.mark.hostile("wrong input")
def test_missing_images_are_named_with_their_line_in_the_sample(diagnose):
    assert diagnose([GOOD[0], GOOD[3]]).errors == [
        "missing images: column img: 'b.jpg', line 3 of the sample, has no row",
        "missing images: column img: 'c.jpg', line 4 of the sample, has no row",
    ]
    assert diagnose([]).errors[0] == "rows: there is none below the header"


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(("order", "line", "image"), [("dabc", 3, "a"), ("bcda", 5, "a"), ("acbd", 4, "b")])
def test_one_row_out_of_order_is_one_error(diagnose, order, line, image):
    report = diagnose([GOOD["abcd".index(letter)] for letter in order])

    assert len(report.errors) == 1
    assert report.errors[0].startswith(f"order: line {line}, column img: '{image}.jpg' is in line")


@pytest.mark.hostile("wrong input")
def test_another_header_is_an_error(diagnose):
    assert diagnose(GOOD, header="image,rle").errors == ["header: line 1 is 'image,rle', not 'img,rle_mask'"]


def test_what_is_found_by_parts_is_in_the_order_of_the_lines_whichever_part_is_done_first(tmp_path, monkeypatch):
    rows = ["a.jpg,1 1", "b.jpg,2 0", "a.jpg,", "c.jpg", "d.jpg,0 1", "e.jpg,1 2.5", "f.jpg,5 0", "x.jpg,none"]
    path = written(tmp_path / "submission.csv", rows)
    sample = written(tmp_path / "sample.csv", [f"{name}.jpg,1 1" for name in "abcdefg"])
    monkeypatch.setattr(doctor, "_MOST_ROWS", 2)
    monkeypatch.setattr(
        doctor, "map_unordered", lambda function, items, *words, **keys: reversed([*map(function, items)])
    )
    chosen = Chosen()

    report = examine(path, sample, sizes=(3, 4), watch=chosen, jobs=2)

    beginnings = [
        "lengths below 1: line 3, b.jpg",
        "lengths below 1: line 8, f.jpg",
        "double images: line 4,",
        "columns: line 5 has 1 columns",
        "starts below 1: line 6, d.jpg",
        "malformed masks: line 7, e.jpg",
        "unknown images: line 9,",
        "empty masks: line 9, x.jpg",
        "missing images: column img: 'c.jpg'",
        "missing images: column img: 'g.jpg'",
    ]
    assert len(report.errors) == len(beginnings)
    assert all(error.startswith(begins) for error, begins in zip(report.errors, beginnings, strict=True))
    assert (report.images, report.empty_masks) == (8, 2)
    assert [image_id for image_id, _, _ in chosen] == ["a"]


@pytest.mark.slow  # two processes that import the package
def test_masks_are_looked_at_in_processes_and_a_file_that_is_cut_short_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "START_UP_S", 0)
    path = tmp_path / "submission.csv.gz"
    write_submission(path, [(f"{number}.jpg", "", "1 2 5 1") for number in range(10_000)])
    assert examine(path, None, sizes=(3, 4), jobs=2) == Report(10_000, 0, [], [])

    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(MaskfoldError, match="cannot be read"):
        examine(path, None, sizes=(3, 4), jobs=2)


def test_touching_runs_are_a_warning(diagnose):
    report = diagnose(["a.jpg,1 2 3 1", *GOOD[1:]])

    assert report.ok
    assert report.warnings == [
        "touching runs: line 2, a.jpg, column rle_mask: pair 2 goes on where the pair in front of it ends"
    ]


def test_every_image_has_its_own_size(diagnose):
    report = diagnose(GOOD, sizes={"a": (1, 4), "c": (3, 4)})

    assert [error[:41] for error in report.errors] == ["runs outside the image: line 2, a.jpg, co"]
    assert report.warnings == ["masks not checked: line 5, d.jpg, column rle_mask: the size of this image is not known"]


def test_many_messages_of_a_kind_are_counted(tmp_path):
    path = written(tmp_path / "submission.csv", [f"{i}.jpg,0 1" for i in range(50)])
    report = examine(path, None, sizes=(3, 4))

    assert len(report.errors) == 22
    assert report.errors[-2:] == [
        "starts below 1: and 30 more",
        "base: 50 masks fit their images if the first pixel is number 0, and here it is 1",
    ]
    assert report.images == 50


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(("transposed", "message"), [(10, "error"), (3, "warning")])
def test_transposed_masks_are_an_error_when_most_are_and_else_a_warning(tmp_path, transposed, message):
    masks = [np.roll(car(), shift, axis=1) for shift in range(10)]
    rows = [(f"{i}.jpg", "", encode(mask.T if i < transposed else mask)) for i, mask in enumerate(masks)]
    write_submission(tmp_path / "submission.csv.gz", rows)

    report = examine(tmp_path / "submission.csv.gz", None, sizes=(128, 192))

    if message == "error":
        assert len(report.errors) == 1
        assert report.errors[0].startswith("orientation: 10 of 10 masks seem transposed, the first in line 2, 0.jpg")
    else:
        assert report.ok
        assert [warning.split(":")[1] for warning in report.warnings] == [
            f" line {line}, {line - 2}.jpg, column rle_mask" for line in (2, 3, 4)
        ]


FOUR = Shape(Rules(columns={"id_class": "{image_id}_{class}", "rle": "{runs}"}, order="columns", empty="-"), ("1", "2"))
FOUR_ROWS = ["a_1,1 2 5 1", "a_2,-", "b_1,-", "b_2,12 1"]


@pytest.fixture
def diagnose_classes(tmp_path):
    def examine_rows(rows, sample=FOUR_ROWS, header="id_class,rle"):
        written(tmp_path / "sample.csv", sample or [], header="id_class,rle")
        path = written(tmp_path / "submission.csv", rows, header)
        return examine(path, tmp_path / "sample.csv" if sample else None, sizes={"a": (3, 4), "b": (3, 4)}, shape=FOUR)

    return examine_rows


def test_a_row_for_each_image_and_class_is_counted_and_passes(diagnose_classes):
    report = diagnose_classes(FOUR_ROWS)

    assert (report.errors, report.warnings) == ([], [])
    assert (report.images, report.empty_masks) == (2, 2)


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a_1,-", "a_2,-", "b_1,-"], "missing images: column id_class: 'b' of class '2', line 5 of the sample"),
        (["a_1,-", "a_1,-"], "double images: line 3, column id_class: 'a' of class '1' is already in line 2"),
        (["a_3,-"], "unknown classes: line 2, column id_class: 'a_3' is not of the form {image_id}_{class}, the "
         "classes being 1, 2; '3' is none of them"),
        (["a,-"], "malformed rows: line 2, column id_class: 'a' is not of the form {image_id}_{class}"),
        (["a.jpg_1,-"], "unknown images: line 2, column id_class: 'a.jpg' of class '1' is not in the sample "
         "submission, which has 'a': leave out the suffix"),
        (["a_1,"], "empty masks: line 2, a of class 1, column rle: '', and a mask without a pixel is written '-'"),
        (["a_1,nan"], "empty masks: line 2, a of class 1, column rle: 'nan', and a mask without a pixel is"),
        (["a_2,-", "a_1,-"], "order: line 3, column id_class: 'a' of class '1' is in line 2 of the sample, before the"),
        (["a_1,13 1"], "runs outside the image: line 2, a of class 1, column rle: pair 1, '13 1': 4x3 has 12 pixels"),
    ],
)  # fmt: skip
def test_one_fault_of_classes_is_named(diagnose_classes, rows, message):
    errors = diagnose_classes(rows).errors

    assert any(error.startswith(message) for error in errors), errors


@pytest.mark.hostile("wrong input")
def test_without_a_sample_every_image_needs_a_row_for_each_class(diagnose_classes):
    assert diagnose_classes(["a_1,-", "a_2,-", "b_2,-"], sample=None).errors == [
        "missing classes: column id_class: 'b' of class '1' has no row"
    ]


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("start", "rows", "message"),
    [
        (
            1,
            ["a.jpg,0 2", "b.jpg,0 3"],
            "base: 2 masks fit their images if the first pixel is number 0, and here it is 1",
        ),
        (0, ["a.jpg,11 2", "b.jpg,12 1"], "base: 2 masks fit their images if the first pixel is number 1, and here it"),
    ],
)
def test_pixels_counted_from_another_number_are_recognised(tmp_path, start, rows, message):
    path = written(tmp_path / "submission.csv", rows)

    errors = examine(path, None, sizes=(3, 4), shape=Shape(Rules(start=start))).errors

    assert errors[-1].startswith(message)


@pytest.mark.hostile("wrong input")
def test_a_dash_where_an_empty_cell_is_asked_for(tmp_path):
    path = written(tmp_path / "submission.csv", ["a.jpg,-"])

    assert examine(path, None, sizes=(3, 4)).errors == [
        "empty masks: line 2, a.jpg, column rle_mask: '-', and a mask without a pixel is written as an empty cell"
    ]


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize("order", ORDERS)
def test_oblong_masks_are_judged_by_the_order_asked_for(tmp_path, order):
    rules = Rules(order=order)
    masks = [np.roll(car(), shift, axis=1) for shift in range(10)]
    for name, numbered in (("right", order), ("wrong", next(one for one in ORDERS if one != order))):
        rows = [(f"{i}.jpg", "", encode(mask, order=numbered)) for i, mask in enumerate(masks)]
        write_submission(tmp_path / f"{name}.csv.gz", rows, rules)

    right, wrong = (
        examine(tmp_path / f"{name}.csv.gz", None, sizes=(128, 192), shape=Shape(rules)).errors
        for name in ("right", "wrong")
    )

    assert right == []
    assert f"number the pixels by {order} from the top left, and see that height and width are not exch" in wrong[0]


@pytest.mark.skipif(not (DATA / "carvana/sample_submission.csv").is_file(), reason="needs shared/data/carvana")
def test_the_real_sample_submission_passes_against_itself():
    sample = DATA / "carvana/sample_submission.csv"
    report = examine(sample, sample, sizes=(1280, 1918))

    assert report.ok
    assert (report.images, report.empty_masks) == (len(sample.read_text().splitlines()) - 1, 0)
