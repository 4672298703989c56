"""What is found of labels in a shop with one fault of each kind, as a table, a page and a list of counts."""

from pathlib import Path

import pandas as pd
import pytest

from maskfold.config import compose
from maskfold.stages.clean import clean
from shops import shelf, stock

DATA = ["data=label_table", "data.root=photos", "data.name=shop", "jobs=1"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    """A photo of ale is one of bread too, byte for byte; milk is written in two ways; of pear there are two photos."""
    home = tmp_path_factory.mktemp("shop")
    rows = [*shelf("ale", 6), *shelf("bread", 6, split="train"), *shelf("Milk", 5), *shelf("milk ", 5, start=5)]
    rows += [*shelf("pear", 2), *shelf("plum", 1, split="test"), {**shelf("bread", 1, start=9)[0], "of": "ale/2.png"}]
    stock(home / "photos", [{**row, "path": row["path"].replace(" ", "").lower()} for row in rows])
    return home


def cleaned(shop, monkeypatch) -> tuple[pd.DataFrame, str]:
    monkeypatch.chdir(shop)
    page = clean(compose("clean", DATA))
    return pd.read_csv(page.with_suffix(".csv"), keep_default_na=False), page.read_text()


def test_each_fault_is_found_and_nothing_else(shop, monkeypatch):
    findings, page = cleaned(shop, monkeypatch)
    assert findings.groupby("kind", sort=False)["image_id"].agg(list).to_dict() == {
        "same photo, other label": ["ale_2"],
        "labels that look alike": ["milk_0"],
        "few photos": ["plum_0", "pear_0"],
    }
    assert findings["finding"].tolist() == [
        "the same bytes: ale and bread",
        "'Milk', 5 photos, and 'milk', 5",
        "plum: 0 groups of photos to learn from, so it gets no number",
        "pear: 2 groups of photos to learn from",
    ]
    assert findings["decision"].tolist()[0] == "bread_9,label=ale"
    assert "bread_9 (train): bread" in page
    assert "<code>ale_2,label=bread</code>" in page

    counts = pd.read_csv("data/shop/classes.csv").set_index("label")
    assert counts.loc["bread", ["photos", "train", "test", "groups"]].tolist() == [7, 7, 0, 7]
    assert counts.loc["plum", ["photos", "train", "test", "groups"]].tolist() == [1, 0, 1, 0]


def test_a_corrected_label_is_no_finding_any_more(shop, monkeypatch):
    monkeypatch.chdir(shop)
    decisions = Path("data/shop/decisions.csv")
    decisions.parent.mkdir(parents=True, exist_ok=True)
    decisions.write_text("image_id,decision\nbread_9,label=ale\n")
    findings, _ = cleaned(shop, monkeypatch)
    decisions.unlink()
    assert "same photo, other label" not in {*findings["kind"]}
    assert findings[findings["kind"] == "twin"]["finding"].tolist() == ["the same bytes, in two groups"]


@pytest.mark.hostile("damaged files")
def test_a_photo_that_cannot_be_read_is_listed(shop, monkeypatch):
    path = shop / "photos/pear/1.png"
    before = path.read_bytes()
    path.write_bytes(before[:100])
    findings, _ = cleaned(shop, monkeypatch)
    path.write_bytes(before)
    assert findings[findings["kind"] == "cannot be used"]["image_id"].tolist() == ["pear_1"]
