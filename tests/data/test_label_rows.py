"""Tables of photos and labels: names of columns, cells of any kind, rows that cannot be meant."""

import datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from maskfold.data.label_rows import OWN_COLUMNS, as_photos, as_text, read_rows
from maskfold.errors import MaskfoldError

COLUMNS = {"path": "path"} | OWN_COLUMNS
ROOT = Path("/photos")


def test_columns_of_other_names_and_metadata():
    rows = pd.DataFrame(
        {"file": ["./a/1.jpg", "b.tar/2"], "sku": [12, 13], "split": ["VAL", "test"], "scale": [1.5, 2]}
    )
    table = as_photos(rows, COLUMNS | {"path": "file", "label": "sku"}, root=ROOT, name="labels.csv")
    assert table["image"].tolist() == ["/photos/a/1.jpg", "/photos/b.tar/2"]
    assert table["image_id"].tolist() == ["a_1", "b.tar_2"]
    assert table["label"].tolist() == ["12", "13"]
    assert table["split"].tolist() == ["train", "test"]
    assert table["meta.scale"].tolist() == ["1.5", "2.0"]


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        ([12.0, None], ["12", None]),
        ([Decimal("7"), Decimal("7.5")], ["7", "7.5"]),
        ([datetime.date(2026, 3, 9), None], ["2026-03-09", None]),
        (["", "NA"], [None, "NA"]),
    ],
)
def test_cells_become_text(cells, text):
    assert [None if pd.isna(cell) else cell for cell in as_text(pd.Series(cells))] == text


def test_a_date_stands_for_its_month():
    assert as_text(pd.Series(pd.to_datetime(["2026-03-09", None])), month=True).tolist()[0] == "2026-03"


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"path": ["a"], "sku": ["x"]}, "no column label; there are path, sku.*data.columns={label: <name>}"),
        ({"path": ["a"], "label": ["x"], "split": ["holdout"]}, "split 'holdout' in its column split"),
        ({"path": ["a", None], "label": ["x", "y"]}, "1 rows name no photo:\n  row 3"),
        ({"path": ["a", "../b"], "label": ["x", "y"]}, "1 paths lead out of /photos.*\n  ../b"),
        ({"path": ["a", "/etc/b"], "label": ["x", "y"]}, "1 paths lead out of /photos"),
        ({"path": ["a", "a", "b"], "label": ["x", "y", "z"]}, "1 photos have several rows:\n  a: x\n  a: y\n"),
    ],
)
def test_what_cannot_be_meant_is_refused(rows, words):
    with pytest.raises(MaskfoldError, match=words):
        as_photos(pd.DataFrame(rows, dtype="str"), COLUMNS, root=ROOT, name="labels.csv")


@pytest.mark.hostile("wrong input")
def test_a_column_that_the_user_names_has_to_be_there():
    rows = pd.DataFrame({"path": ["a"], "label": ["x"]})
    with pytest.raises(MaskfoldError, match="no column shelf; there are path, label"):
        as_photos(rows, COLUMNS | {"coarse": "shelf"}, root=ROOT, name="labels.csv")


@pytest.mark.hostile("damaged files")
def test_files_that_are_no_tables(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"no table")
    (tmp_path / "b.csv").write_bytes("path,label\né,x".encode("latin1"))
    for name in ("a.parquet", "b.csv"):
        with pytest.raises(MaskfoldError, match=f"{name}: cannot be read as a table"):
            read_rows(tmp_path / name)
    (tmp_path / "c.csv").write_bytes("\ufeffpath,label\n1.jpg,NA\n".encode())
    assert read_rows(tmp_path / "c.csv")["label"].tolist() == ["NA"]
