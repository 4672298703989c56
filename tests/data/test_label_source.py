"""Photos with labels as the stages see them: months, shares for testing, retired products, corrections."""

from itertools import chain
from pathlib import Path

import pandas as pd
import pytest

from maskfold.data.class_table import FILE, ClassTable
from maskfold.data.labelled import LabelTable
from maskfold.errors import MaskfoldError
from shops import shelf, stock

HOME = Path("data/shop")


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Five products, of which one comes in February and one in March."""
    root = tmp_path_factory.mktemp("shop") / "photos"
    shelves = [shelf("ale", 12), shelf("bread", 12, coarse="food"), shelf("milk", 12, coarse="food")]
    stock(root, [*chain(*shelves), *shelf("pear", 4, "2026-02"), *shelf("plum", 4, "2026-03")])
    return root


@pytest.fixture
def shop(photos, tmp_path, monkeypatch):
    """What makes the source, in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return lambda **more: LabelTable(root=str(photos), name="shop", **more)


def numbered(source):
    source.prepare_classes(source.as_found(jobs=1))
    return source


def test_labels_have_numbers_once_folds_are_made(shop):
    with pytest.raises(MaskfoldError, match="Run `make folds DATA=shop` first"):
        shop().load(jobs=1)
    numbered(shop(until="2026-01"))
    with pytest.raises(MaskfoldError, match=r"2 labels of the data are not in it yet:\n  pear\n  plum\n"):
        shop().load(jobs=1)
    table = numbered(shop()).load(jobs=1)
    assert table.drop_duplicates("label").set_index("label")["class_index"].to_dict() == {
        "ale": 0,
        "bread": 1,
        "milk": 2,
        "pear": 3,
        "plum": 4,
    }


def test_later_months_are_left_out_and_named(shop):
    numbered(shop())
    source = shop(until="2026-02")
    table = source.load(jobs=1)
    assert table["label"].nunique() == source.outputs == 4
    assert source.left_out == {f"plum_{number}" for number in range(4)}
    with pytest.raises(MaskfoldError, match="no photos until 2025-12"):
        shop(until="2025-12").load(jobs=1)


def test_what_is_said_of_photos_of_later_months_is_no_error(shop):
    numbered(shop())
    (HOME / "decisions.csv").write_text("image_id,decision\nplum_0,drop\nplum_1,label=pear\n")
    assert len(shop(until="2026-02").load(jobs=1)) == 40
    assert "plum_0" not in {*shop().load(jobs=1)["image_id"]}


def test_a_retired_product_is_left_out_from_its_month_on(shop, tmp_path):
    numbered(shop())
    (HOME / "retired.csv").write_text("label,month\nbread,2026-02\n")
    source = shop()
    table = source.load(jobs=1)
    assert "bread" not in {*table["label"]}
    assert source.left_out == {f"bread_{number}" for number in range(12)}
    assert source.outputs == 5
    assert source.class_table().active().tolist() == [True, False, True, True, True]
    assert "bread" in {*shop(until="2026-01").load(jobs=1)["label"]}
    source.leave(tmp_path / "run")
    assert not ClassTable.read(tmp_path / "run" / FILE).active().all()
    (HOME / "retired.csv").write_text("label,month\n")  # it is sold again
    assert "bread" in {*shop().load(jobs=1)["label"]}


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("label,month\nbraed,2026-02\n", r"no class called so of 1 of its labels:\n  braed"),
        ("label,month\nale,soon\n", "ale=soon: give a month such as 2026-03"),
        ("label,month\nale,2026-02\nale,2026-03\n", r"1 labels have several rows:\n  ale"),
        ("label\nale\n", "not a CSV file with columns label,month"),
    ],
)
def test_a_list_of_retired_products_that_makes_no_sense(shop, text, words):
    numbered(shop())
    (HOME / "retired.csv").write_text(text)
    with pytest.raises(MaskfoldError, match=f"(?s)retired.csv.*{words}"):
        shop().class_table()


def test_a_label_is_corrected_and_its_kind_with_it(shop):
    numbered(shop())
    (HOME / "decisions.csv").write_text("image_id,decision\nale_0,label=bread\nale_1,label=braed\n")
    with pytest.raises(
        MaskfoldError, match=r"1 photos are to have a label that no photo of the data has:\n  ale_1: braed"
    ):
        shop().load(jobs=1)
    (HOME / "decisions.csv").write_text("image_id,decision\nale_0,label=bread\n")
    row = shop().load(jobs=1).set_index("image_id").loc["ale_0"]
    assert [row["label"], row["coarse"], row["class_index"]] == ["bread", "food", 1]


def test_photos_for_testing_are_the_same_when_others_come(shop):
    splits = [
        shop(test=0.25, until=month).as_found(jobs=1).set_index("image_id")["split"] for month in ("2026-01", None)
    ]
    assert 4 <= (splits[0] == "test").sum() <= 16  # of 36, a quarter by chance
    assert (splits[1][splits[0].index] == splits[0]).all()


def test_a_photo_that_was_kept_for_testing_stays_there(shop):
    before = numbered(shop(test=0.25)).as_found(jobs=1).set_index("image_id")["split"]
    kept = before.index[before == "test"]
    assert pd.read_csv(HOME / "test.csv")["image_id"].tolist() == sorted(kept)
    for share in (0, 0.01):  # whatever is drawn now, and however its file is changed
        assert {*shop(test=share).as_found(jobs=1).query("split == 'test'")["image_id"]} >= {*kept}
    numbered(shop(test=0.3))
    assert {*pd.read_csv(HOME / "test.csv")["image_id"]} > {*kept}
    (HOME / "test.csv").write_text("ids\n")
    with pytest.raises(MaskfoldError, match=r"test.csv: not a CSV file with a column image_id .*Put back a whole copy"):
        shop().as_found(jobs=1)


@pytest.mark.hostile("leaks")
def test_a_product_that_was_held_out_is_learned_when_it_is_not_any_more(shop):
    held = numbered(shop(test=0.25, hold_out={"labels": ["milk"]})).as_found(jobs=1)
    assert {*held.query("label == 'milk'")["split"]} == {"test"}
    drawn = shop(test=0.25).as_found(jobs=1).query("split == 'test'")["image_id"]  # as if nothing had been held out
    assert {*pd.read_csv(HOME / "test.csv")["image_id"]} == {*drawn}
    assert "milk" in numbered(shop(test=0.25)).class_table().labels


def test_photos_of_a_group_are_tested_together(photos, shop, tmp_path):
    rows = pd.read_csv(photos / "labels.csv").assign(group=lambda rows: rows["path"].str.extract(r"(\d+)")[0])
    rows.to_csv(tmp_path / "grouped.csv", index=False)
    split = shop(test=0.4, file=str(tmp_path / "grouped.csv")).as_found(jobs=1)
    assert (split.groupby("group")["split"].nunique() == 1).all()
    assert split["split"].nunique() == 2


@pytest.mark.hostile("wrong input")
def test_train_photos_without_labels_and_keys_out_of_range(photos, shop, tmp_path):
    rows = pd.read_csv(photos / "labels.csv")
    rows.loc[[0, 1], "label"] = [None, " "]
    rows.to_csv(tmp_path / "bare.csv", index=False)
    with pytest.raises(MaskfoldError, match=r"2 train photos without a label:\n.*ale/0.png"):
        shop(file=str(tmp_path / "bare.csv")).table()
    with pytest.raises(MaskfoldError, match=r"data.until=2026: give a month"):
        shop(until="2026")
    with pytest.raises(MaskfoldError, match=r"data.test=1: give a share"):
        shop(test=1)
