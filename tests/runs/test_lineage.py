from dataclasses import replace

import pandas as pd
import pytest

from maskfold.errors import MaskfoldError
from maskfold.runs.layout import MemberFolder
from maskfold.runs.lineage import (
    Lineage,
    describe_leak,
    every_fold,
    keep_lineage,
    lineage_of_split,
    read_lineage,
    refuse_leak,
    refuse_replaced,
    shows_any_of,
    sights,
    write_lineage,
)
from maskfold.runs.run_folder import RunFolder

LONG = '{"data": "cars", "round": 0, "seen": ["a"], "held_out": ["b"], "folds": 1000000000000}'


def test_a_lineage_is_read_as_it_was_written(tmp_path):
    lineage = Lineage("cars", 2, ("a", "b"), ("c",))
    write_lineage(tmp_path, lineage)
    assert read_lineage(tmp_path) == lineage


def test_what_leaks_is_what_was_seen_and_is_asked_about():
    assert Lineage("cars", 0, ("a", "b", "d"), ()).leaks_into(["d", "c", "b", "b"]) == ["b", "d"]


@pytest.mark.hostile("leaks")
def test_a_folder_without_a_lineage_is_refused(tmp_path):
    with pytest.raises(MaskfoldError, match=r"seen\.json: missing, so nobody knows what this network was trained on"):
        read_lineage(tmp_path)


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize(
    "content", [LONG, '{"data": "cars"}', "[]", '{"data": 1, "round": 0, "seen": 3, "held_out": []}']
)
def test_a_damaged_lineage_is_refused(tmp_path, content):
    (tmp_path / "seen.json").write_text(content)
    with pytest.raises(MaskfoldError, match=r"seen\.json"):
        read_lineage(tmp_path)


def test_a_leak_is_told_by_its_groups():
    text = describe_leak(["a", "b"], teacher="linknet34/fold1", student="fold 0")
    assert "linknet34/fold1 has seen 2 groups and images that fold 0 is validated on" in text
    assert "\n  a\n  b\n" in text


@pytest.mark.hostile("leaks")
def test_another_grouping_does_not_hide_a_photo_that_was_seen():
    before = pd.DataFrame({"image_id": ["car1_01", "car1_02"], "group": ["car1_01", "car1_02"]})
    now = pd.DataFrame({"image_id": ["car1_02", "car1_03"], "group": ["car1", "car1"]})
    seen = Lineage("cars", 0, sights(before), ())
    assert seen.leaks_into(sights(now)) == ["image car1_02"]
    assert sights(now) == ("group car1", "image car1_02", "image car1_03")


def test_a_photo_is_found_again_by_its_group_its_name_or_its_content():
    rows = pd.DataFrame(
        {
            "image_id": ["a", "b", "c", "d"],
            "group": ["A", "B", "C", "D"],
            "image_hash": ["1" * 32, "2" * 32, "3" * 32, None],
        }
    )
    seen = ["group A", "image b", "content " + 16 * "3", "image A", "group d"]
    assert shows_any_of(rows, seen).tolist() == [True, True, True, False]
    assert shows_any_of(rows.drop(columns="image_hash"), seen).tolist() == [True, True, False, False]


def rows(*image_ids: str, group: str = "g", contents: str = "") -> pd.DataFrame:
    """Return rows of the image table, of one group; contents are one letter a photo."""
    hashes = [32 * letter for letter in contents or image_ids]
    return pd.DataFrame({"image_id": image_ids, "group": group, "image_hash": hashes, "mask_hash": 32 * "0"})


def run_of_one_epoch(path, lineage: Lineage) -> RunFolder:
    run = RunFolder(path)
    keep_lineage(run, lineage)
    run.metrics.write_text("epoch\n0\n")
    return run


@pytest.mark.hostile("leaks")
def test_a_photo_that_was_renamed_and_regrouped_is_one_that_was_seen(tmp_path):
    run = run_of_one_epoch(tmp_path, lineage_of_split("cars", rows("a", "b"), rows("c", group="h"), folds=2))

    refuse_leak(run, rows("d", group="k"))
    with pytest.raises(
        MaskfoldError, match=r"has learned from 1 of the 2 photos(.|\n)*:\n  d \(group k\)\nOut of fold"
    ):
        refuse_leak(run, rows("d", "e", group="k", contents="be"))


@pytest.mark.hostile("leaks")
def test_a_photo_on_both_sides_of_a_split_is_named_before_anything_is_trained(tmp_path, caplog):
    lineage = lineage_of_split("cars", rows("a", "b"), rows("c", "d", group="h", contents="cb"), folds=2)
    run = run_of_one_epoch(tmp_path, lineage)

    assert "cars: 2 photos are byte for byte both among" in caplog.text
    assert "\n  b\n  d" in caplog.text
    refuse_leak(run, rows("c", "d", group="h", contents="cb"))  # said once; no fold of such data could be scored else


@pytest.mark.hostile("replaced files")
def test_what_was_seen_is_written_before_anything_is_trained_and_stays_so(tmp_path):
    before = lineage_of_split("cars", rows("a"), rows("c", group="h"), folds=2)
    run = run_of_one_epoch(tmp_path, before)
    now = lineage_of_split("cars", rows("a", contents="x"), rows("c", group="h"), folds=2)

    with pytest.raises(MaskfoldError, match=r"\n  photo of a\nPut the old files back"):
        refuse_replaced(run, now)
    keep_lineage(run, now)
    assert read_lineage(tmp_path) == before
    assert read_lineage(tmp_path).replaced({"a": 16 * "a", "c": "x"}, {"a": "x", "d": "x"}) == [
        "photo of c",
        "mask of a",
    ]


def test_what_an_older_version_has_not_recorded_is_not_made_up(tmp_path):
    run = RunFolder(tmp_path)
    run.metrics.write_text("epoch\n0\n")
    lineage, now = (lineage_of_split("cars", rows("a", contents=x), rows("c", group="h"), folds=2) for x in "ax")

    refuse_replaced(run, lineage)
    keep_lineage(run, lineage)

    assert read_lineage(tmp_path) == replace(lineage, photos={}, masks={})
    assert read_lineage(tmp_path).replaced(now.photos, now.masks) == []


def test_a_member_has_the_folds_of_its_split_and_those_that_are_there(tmp_path):
    (tmp_path / "fold1").mkdir()
    assert every_fold(MemberFolder(tmp_path)) == [1]
    write_lineage(tmp_path / "fold1", Lineage("cars", 0, tuple("abc"), ("d",), folds=4))
    assert every_fold(MemberFolder(tmp_path)) == [0, 1, 2, 3]
    (tmp_path / "fold5").mkdir()
    assert every_fold(MemberFolder(tmp_path)) == [0, 1, 2, 3, 5]
