"""A split of labelled photos grows month by month: what is known stays, and what belongs together stays together."""

from pathlib import Path

import pandas as pd
import pytest

from maskfold.config import build, compose
from maskfold.data.class_table import ClassTable
from maskfold.errors import MaskfoldError
from maskfold.pseudo.rows import rows_of_fold
from maskfold.stages.folds import folds
from shops import shelf, stock

SPLIT, DATA = Path("data/shop/folds.csv"), ["data=label_table", "data.root=photos", "data.name=shop"]
JANUARY = [*shelf("ale", 6), *shelf("bread", 6)]
FEBRUARY = [*shelf("milk", 6, "2026-02"), *shelf("ale", 3, "2026-02", start=6)]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A shop whose photos of January are split in three."""
    monkeypatch.chdir(tmp_path)
    stock(Path("photos"), JANUARY)
    cut("folds.k=3")


def cut(*more: str) -> pd.Series:
    """Make the split; return the fold of each photo."""
    return pd.read_csv(folds(compose("folds", [*DATA, *more]))).set_index("image_id")["fold"]


def rows_of(*more: str):
    source = build(compose("folds", [*DATA, *more]).data)
    return rows_of_fold(source.load(), source, SPLIT, fold=0, pseudo=None)


def test_photos_keep_their_folds_and_a_run_of_january_stays_what_it_was(caplog):
    before, january = pd.read_csv(SPLIT).set_index("image_id")["fold"], rows_of()
    stock(Path("photos"), [*JANUARY, *FEBRUARY])
    with pytest.raises(MaskfoldError, match="1 labels of the data are not in it yet"):
        rows_of()

    with caplog.at_level("INFO"):
        after = cut()
    assert "9 photos new, 0 taken out; all others keep their folds" in caplog.text
    assert (after[before.index] == before).all()
    assert after.groupby([after.index.str[:3], after]).size().to_dict() == {
        **{("ale", fold): 3 for fold in range(3)},
        **{(label, fold): 2 for label in ("bre", "mil") for fold in range(3)},
    }
    assert ClassTable.read(SPLIT.with_name("classes.parquet")).labels == ["ale", "bread", "milk"]
    assert rows_of("data.until=2026-01").identity == january.identity
    assert len(rows_of().validation) == 7

    content = SPLIT.read_bytes()
    cut("data.until=2026-01")  # what it does not see stays in the split
    cut()
    assert SPLIT.read_bytes() == content


def test_a_near_copy_of_a_known_photo_is_of_its_group_and_fold():
    stock(Path("photos"), [*JANUARY, {**shelf("aal", 1, "2026-02")[0], "of": "ale/3.png"}])
    after = pd.read_csv(folds(compose("folds", DATA))).set_index("image_id")
    assert after.loc["aal_0", ["group", "fold"]].tolist() == after.loc["ale_3", ["group", "fold"]].tolist()
    assert after.at["ale_3", "group"] == "ale_3"  # known ones are never renamed: a run folder knows them by it
    rows_of()
    cut("data.until=2026-01")
    assert Path("data/shop/twins.csv").read_text() == "image_id,group\naal_0,ale_3\n"


@pytest.mark.hostile("leaks")
def test_a_photo_that_links_two_folds_is_refused_until_it_is_dropped():
    before = pd.read_csv(SPLIT).set_index("image_id")["fold"]
    one, other = before.index[before == 0][0], before.index[before == 1][0]
    rows = [{**row, "group": row["path"][:-4].replace("/", "_")} for row in JANUARY]
    linking = shelf("milk", 2, "2026-02", group=one)
    linking[1] |= {"group": other, "of": "milk/0.png"}
    stock(Path("photos"), [*rows, *linking])
    words = rf"1 groups .* several folds .*\n  {one}: folds 0, 1; new: milk_0, milk_1\n"
    with pytest.raises(MaskfoldError, match=words):
        cut()
    assert ClassTable.read(SPLIT.with_name("classes.parquet")).labels == ["ale", "bread"]
    SPLIT.with_name("decisions.csv").write_text("image_id,decision\nmilk_0,drop\n")
    after = cut()
    assert after["milk_1"] == 1
    assert (after[before.index] == before).all()


def test_photos_that_are_dropped_or_gone():
    stock(Path("photos"), JANUARY[1:])
    with pytest.raises(MaskfoldError, match=r"1 of its photos are no train photos .*\n  ale_0\n"):
        cut()
    SPLIT.with_name("decisions.csv").write_text("image_id,decision\nbread_0,drop\n")
    assert {*cut("forget=true").index} == {row["path"][:-4].replace("/", "_") for row in JANUARY} - {"ale_0", "bread_0"}


@pytest.mark.hostile("leaks")
def test_photos_kept_for_testing_are_never_dealt_and_their_near_copies_named(caplog):
    cut("data.test=0.3", "overwrite=true", "folds.k=2")
    kept = pd.read_csv("data/shop/test.csv")["image_id"].tolist()
    assert 0 < len(kept) < 12
    path = kept[0].replace("_", "/") + ".png"
    stock(Path("photos"), [*JANUARY, {**shelf("milk", 1, "2026-02")[0], "of": path}, *shelf("milk", 4, start=1)])
    with caplog.at_level("INFO"):
        after = cut()  # without data.test
    assert not {*kept} & {*after.index}
    assert f"same bytes: {kept[0]} and milk_0, the test set and fold {after['milk_0']}" in caplog.text
    assert "`<image_id>,drop` in data/shop/decisions.csv, and run `make folds` again" in caplog.text


def test_dealt_anew_on_demand_and_numbers_stay():
    stock(Path("photos"), [*FEBRUARY, *JANUARY])
    cut()
    assert {*cut("overwrite=true", "folds.k=4")} == {0, 1, 2, 3}
    assert ClassTable.read(SPLIT.with_name("classes.parquet")).labels == ["ale", "bread", "milk"]
    with pytest.raises(MaskfoldError, match=r"folds.k=3: the split that is there has 4 folds"):
        cut("folds.k=3")
