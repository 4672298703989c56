import pandas as pd
import pytest

from maskfold.errors import MaskfoldError
from maskfold.runs.lineage import Lineage, describe_leak, read_lineage, shows_any_of, sights, write_lineage


def test_a_lineage_is_read_as_it_was_written(tmp_path):
    lineage = Lineage("cars", 2, ("a", "b"), ("c",))
    write_lineage(tmp_path, lineage)
    assert read_lineage(tmp_path) == lineage


def test_what_leaks_is_what_was_seen_and_is_asked_about():
    assert Lineage("cars", 0, ("a", "b", "d"), ()).leaks_into(["d", "c", "b", "b"]) == ["b", "d"]


def test_a_folder_without_a_lineage_is_refused(tmp_path):
    with pytest.raises(MaskfoldError, match=r"seen\.json: missing, so nobody knows what this member was trained on"):
        read_lineage(tmp_path)


@pytest.mark.parametrize("content", ['{"data": "cars"}', "[]", '{"data": 1, "round": 0, "seen": 3, "held_out": []}'])
def test_a_damaged_lineage_is_refused(tmp_path, content):
    (tmp_path / "seen.json").write_text(content)
    with pytest.raises(MaskfoldError, match=r"seen\.json"):
        read_lineage(tmp_path)


def test_a_leak_is_told_by_its_groups():
    text = describe_leak(["a", "b"], teacher="linknet34/fold1", student="fold 0")
    assert "linknet34/fold1 has seen 2 groups and images that fold 0 is validated on" in text
    assert "\n  a\n  b\n" in text


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
