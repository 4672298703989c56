"""What belongs together lies on one side of a split, or nobody trains on it."""

from pathlib import Path

import pandas as pd
import pytest

from maskfold import files
from maskfold.cleaning import audit as room
from maskfold.cleaning.audit import audit, find_crossings, gate
from maskfold.cleaning.twins import COLUMNS
from maskfold.data.annotations import annotate
from maskfold.errors import MaskfoldError
from scenes import copied, scene, table_of


class Source:
    """A data set whose folder is the current one."""

    folder = Path()
    channels = None
    task = "segmentation"
    left_out = frozenset()


def split_of(table: pd.DataFrame, folds: dict[str, int]) -> Path:
    """Write a split and return its path."""
    train = table[table["image_id"].isin(folds)]
    train.assign(fold=train["image_id"].map(folds))[["image_id", "group", "fold"]].to_csv("folds.csv", index=False)
    return Path("folds.csv")


@pytest.fixture
def parted(tmp_path, monkeypatch):
    """Photos a to d in two folds and t to test with, of which b in fold 1 is a near-copy of a in fold 0."""
    monkeypatch.chdir(tmp_path)
    photos = {"a": scene(1), "b": copied(scene(1)), "c": scene(2), "d": scene(3), "t": scene(4)}
    table = table_of(tmp_path / "photos", photos, test={"t"})
    return table, split_of(table, {"a": 0, "b": 1, "c": 0, "d": 1})


def test_groups_bytes_and_near_copies_that_cross_are_named():
    table = pd.DataFrame({"image_id": [*"abcdet"], "group": ["g", "h", "i", "j", "k", "g"]})
    table = table.assign(split=["train"] * 5 + ["test"])
    folds = pd.DataFrame({"image_id": [*"abcde"], "fold": [0, 0, 1, 1, 2]})
    pairs = [("a", "b", 0, True), ("b", "c", 0, True), ("c", "d", 7, False), ("d", "t", 12, False)]

    crossings = find_crossings(table, folds, pd.DataFrame(pairs, columns=COLUMNS), pd.Series({"e": "h"}))

    assert [f"{crossing}" for crossing in crossings] == [
        "group (g): a and t, fold 0 and the test set",
        "group (h): b and e, fold 0 and fold 2",  # which the user has named since
        "same bytes: b and c, fold 0 and fold 1",
        "near-copy (12 bits): d and t, fold 1 and the test set",
    ]


@pytest.mark.hostile("leaks")
def test_a_split_that_parts_twins_is_refused_with_the_ways_out(parted):
    with pytest.raises(MaskfoldError) as refused:
        gate(Source(), *parted)

    message = f"{refused.value}"
    assert message.startswith("folds.csv: the audit failed: 1 times")
    assert "bits): a and b, fold 0 and fold 1\n" in message
    for way in ("overwrite=true", "<image_id>,keep` of both in decisions.csv", "audit=off"):
        assert way in message
    assert ",drop" not in message  # the test set is not in it


@pytest.mark.hostile("leaks")
def test_a_test_photo_among_those_to_learn_from_is_refused_until_it_is_dropped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photos = {"a": scene(1), "b": scene(2), "c": scene(3), "t": scene(1)}
    table = table_of(tmp_path / "photos", photos, test={"t"})
    with pytest.raises(
        MaskfoldError, match=r"(?s)same bytes: a and t, fold 0 and the test set.*<image_id>,drop.*cut the split anew"
    ):
        gate(Source(), table, split_of(table, {"a": 0, "b": 1, "c": 0}))

    Path("decisions.csv").write_text("image_id,decision\na,drop\n")
    left = annotate(table, Path())
    gate(Source(), left, split_of(left, {"b": 1, "c": 0}))


def test_what_the_user_keeps_passes_and_nothing_is_looked_at_again(parted, monkeypatch):
    table, split = parted
    with pytest.raises(MaskfoldError):
        gate(Source(), table, split)
    Path("decisions.csv").write_text("image_id,decision\na,keep\nb,keep\n")
    gate(Source(), table, split)

    monkeypatch.setattr(room, "find_twins", None)
    gate(Source(), table, split)  # by its record
    Path("decisions.csv").unlink()
    with pytest.raises(TypeError):  # no record of it as it is now
        gate(Source(), table, split)


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize("content", ["", "[1]", "{cut", "none of it"])
def test_a_damaged_record_is_made_anew(parted, content):
    table, split = parted
    gate_passes = audit(Source(), table, split, distance=0)
    assert gate_passes.count == 0
    record = files.read_json(Path("audit.json"))
    name = next(iter(record))
    if content == "none of it":
        files.write_json(Path("audit.json"), {name: {"key": 5}})
    else:
        Path("audit.json").write_text(content)

    with pytest.raises(MaskfoldError, match="near-copy"):
        gate(Source(), table, split)
    assert files.read_json(Path("audit.json"))[name]["count"] == 1


def test_a_split_cut_by_bytes_alone_is_judged_by_bytes_alone(parted):
    table, split = parted
    audit(Source(), table, split, distance=0)
    Path("decisions.csv").write_text("image_id,decision\nd,keep\n")  # so that the record is no longer of today

    gate(Source(), table, split)


def test_a_training_does_not_begin_with_a_long_look(parted, monkeypatch, caplog):
    table, split = parted
    monkeypatch.setattr(room, "_FEW", 3)
    gate(Source(), table, split)

    assert "5 photos were never compared" in caplog.text
    assert not Path("audit.json").exists()


@pytest.mark.hostile("full or read-only disk")
def test_a_training_on_data_that_cannot_be_written_to_is_audited_all_the_same(parted, caplog):
    table, split = parted
    Path("decisions.csv").write_text("image_id,decision\na,keep\nb,keep\n")
    Source.folder.joinpath(".lock").mkdir()  # which nobody can open to write
    gate(Source(), table, split)

    assert "is not kept, and looked at again" in caplog.text
    assert "The audit is made again next time" in caplog.text
