"""Numbers of classes: for good, whatever comes when, and whoever writes."""

import multiprocessing

import pandas as pd
import pytest

from maskfold.data.class_table import ClassTable
from maskfold.errors import MaskfoldError


def products(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["label", "month", "coarse"])


@pytest.fixture
def table() -> ClassTable:
    """Three products of two months."""
    rows = products(("pear", "2026-02", "fruit"), ("milk", "2026-01", None), ("apple", "2026-01", "fruit"))
    return ClassTable.empty().extended(rows)


def test_new_ones_stand_behind_the_others_by_month_and_name(table):
    assert table.labels == ["apple", "milk", "pear"]
    later = table.extended(products(("bread", "2026-03", None), ("apple", "2026-03", None), ("ale", "2026-03", None)))
    assert later.labels == ["apple", "milk", "pear", "ale", "bread"]
    assert later.rows["index"].tolist() == [0, 1, 2, 3, 4]
    assert later.rows["added"].tolist() == ["2026-01", "2026-01", "2026-02", "2026-03", "2026-03"]


def test_an_earlier_month_and_a_missing_kind_are_taken_over_and_nothing_else(table):
    later = table.extended(products(("pear", "2025-12", "tree"), ("milk", None, "dairy")))
    assert later.labels == table.labels
    assert later.rows["added"].tolist() == ["2026-01", "2026-01", "2025-12"]
    assert later.rows["coarse"].tolist() == ["fruit", "dairy", "fruit"]


def test_a_product_that_comes_late_of_an_early_month_is_there_in_it_and_those_between_are_not_answered(table):
    later = table.extended(products(("ale", "2026-01", None)))
    assert later.labels == ["apple", "milk", "pear", "ale"]
    then = later.until("2026-01")
    assert then.labels == later.labels
    assert then.active().tolist() == [True, True, False, True]
    assert later.active().all()
    assert len(table.until("2026-01")) == 2
    assert len(table.until("2025-12")) == 0


def test_what_is_retired_keeps_its_row_and_counts_from_its_month_on(table):
    later = table.retired_in("2026-04", ["milk"])
    assert later.active().tolist() == [True, False, True]
    assert later.until("2026-03").active().all()
    assert later.until("2026-04").active().tolist() == [True, False, True]
    assert later.retired_in("2026-05", ["milk"]).rows["retired"].tolist()[1] == "2026-04"
    assert later.retiring(pd.Series({"pear": "2026-05"})).active().tolist() == [True, True, False]
    for refused in (lambda: later.retired_in("2026-05", ["mlik"]), lambda: later.retiring(pd.Series({"mlik": "x"}))):
        with pytest.raises(MaskfoldError, match="1 products to retire are not in the table:\n  mlik"):
            refused()


def test_numbers_of_labels(table):
    numbers = table.indices(pd.Series(["pear", None, "apple", "ale"]))
    assert numbers.tolist() == [2, -1, 0, -1]
    assert numbers.dtype == "int64"


def test_a_file_is_only_added_to(table, tmp_path):
    path = tmp_path / "classes.parquet"
    table.write(path)
    pd.testing.assert_frame_equal(ClassTable.read(path).rows, table.rows)
    other = ClassTable.empty().extended(products(("apple", None, None), ("pear", None, None)))
    with pytest.raises(MaskfoldError, match=r"2 classes would .*\n  milk: 1 here, none there\n  pear: 2 here, 1 there"):
        other.write(path)
    assert ClassTable.read(path).labels == table.labels


@pytest.mark.hostile("damaged files")
def test_a_damaged_file_is_refused_with_the_way_out(table, tmp_path):
    path = tmp_path / "classes.parquet"
    table.write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:50])
    with pytest.raises(MaskfoldError, match=r"not a table of classes .*Put a whole copy back"):
        ClassTable.read(path)
    pd.concat([table.rows, table.rows]).to_parquet(path)
    with pytest.raises(MaskfoldError, match="a class is there twice"):
        ClassTable.grow(path, products(("ale", None, None)))
    path.unlink()
    with pytest.raises(MaskfoldError, match=f"Run `make folds DATA={tmp_path.name}` first"):
        ClassTable.read(path)


def grow(path, number):
    ClassTable.grow(path, products(*[(f"product {number}-{each}", None, None) for each in range(20)]))


@pytest.mark.hostile("killed")
def test_several_that_add_at_once_lose_nothing_and_give_no_number_twice(table, tmp_path):
    path = tmp_path / "classes.parquet"
    table.write(path)
    (tmp_path / ".classes.parquet.part").write_bytes(b"what a kill has left")
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=grow, args=(path, number)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    after = ClassTable.read(path)
    assert [writer.exitcode for writer in writers] == [0] * 4
    assert after.labels[:3] == table.labels
    assert len({*after.labels}) == len(after) == 83
