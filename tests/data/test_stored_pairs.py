"""A store as data: its rows, its splits and weights, and files that are not what was stored."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskfold.cleaning.audit import find_crossings
from maskfold.config import compose
from maskfold.data.folds import GroupFolds, write_folds
from maskfold.data.geometry import Pad
from maskfold.data.ledger import LEDGER, Ledger, ledger_counts
from maskfold.data.sources import Pairs
from maskfold.data.stored_pairs import StoredPairs
from maskfold.errors import MaskfoldError
from maskfold.pseudo.rows import FoldRows, rows_of_fold
from maskfold.review.record import encode_mask
from maskfold.runs.lineage import Lineage
from maskfold.segmentation.dataset import LabelledDataset
from maskfold.stages.store import store
from stored import box, draw_photo, review, route, sha256_name


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def add(*rows, store="store"):
    """Put photos into a store, each `(seed, source, columns)`; return their ids."""
    ledger, kept = Ledger(store), []
    ledger.begin()
    for seed, source, columns in rows:
        draw_photo(Path("drawn.png"), seed)
        photo, mask = Path("drawn.png").read_bytes(), encode_mask(box(10, 40 + seed))
        row = {"photo": sha256_name(photo), "mask": sha256_name(mask), "source": source, "seconds": 1.0}
        row |= {
            "weight": 0.5 if source == "auto" else 1.0,
            "made": pd.Timestamp("2026-11-01", tz="UTC"),
            "audit": False,
        }
        kept.append(row | {"image_id": f"photo {seed}"} | columns)
        for folder, name, content in (("images", row["photo"], photo), ("versions", row["mask"], mask)):
            path = Path(store, folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        Path(store, "masks").mkdir(exist_ok=True)
        Path(store, "masks", row["photo"]).write_bytes(mask)
    ledger.add(pd.DataFrame(kept))
    return [row["photo"][:64] for row in kept]


def test_rows_are_called_by_their_hashes_with_what_the_ledger_knows(place):
    one, other = add((0, "corrected", {"group": "g", "cluster": "shoe"}), (1, "auto", {}))

    table = StoredPairs(root="store").load(jobs=1).set_index("image_id")

    assert table.loc[one, ["split", "group", "cluster", "weight", "height", "width"]].tolist() == [
        *("train", "g", "shoe", 1.0, 64, 96)
    ]
    assert table.loc[other, ["split", "group", "weight"]].tolist() == ["automatic", other, 0.5]
    assert pd.isna(table.loc[other, "cluster"])
    assert table["mask_area"].to_dict() == pytest.approx({one: 30 / 96, other: 31 / 96})
    # As a plain folder of pairs it is the same photos and masks, without groups, weights and automatic labels.
    plain = Pairs(root="store", name="plain").load(jobs=1).set_index("image_id")
    assert plain["mask_area"].to_dict() == table["mask_area"].to_dict()
    assert {*plain["split"]} == {"train"}


@pytest.mark.hostile("replaced files")
@pytest.mark.parametrize("folder", ["images", "versions"])
def test_a_file_that_is_not_what_its_name_says_is_refused(place, folder):
    add((0, "corrected", {}), (1, "corrected", {}))
    one, other = sorted(Path("store", folder).iterdir())
    one.write_bytes(other.read_bytes())

    with pytest.raises(MaskfoldError, match=rf"1 files are not those that were stored.*\n  store/{folder}/{one.name}"):
        StoredPairs(root="store").load(jobs=1)
    one.unlink()
    with pytest.raises(MaskfoldError, match=rf"1 files that its ledger names cannot be had:\n.*{one.name}"):
        StoredPairs(root="store").load(jobs=1)


def test_a_snapshot_is_data_of_its_own_name(place):
    add((0, "corrected", {}), (1, "auto", {}))
    ledger = Ledger("store").read()
    Path("store/snapshots").mkdir()
    ledger[["photo", "mask", "source", "weight", "group", "cluster"]].to_parquet("store/snapshots/2026-11.parquet")
    add((2, "corrected", {}))

    source = StoredPairs(root="store", snapshot="2026-11")

    assert source.name == "store-2026-11"
    assert {*source.load(jobs=1)["image_id"]} == {*ledger["photo"].str[:64]}
    assert len(StoredPairs(root="store").load(jobs=1)) == 3
    with pytest.raises(MaskfoldError, match=r"no such snapshot\. Make it: `make store STORE=store SNAPSHOT=2026-10`"):
        StoredPairs(root="store", snapshot="2026-10").load(jobs=1)


def test_folds_learn_from_automatic_labels_but_for_groups_they_are_validated_on_and_never_validate_on_them(place):
    ids = add(
        *((seed, "corrected", {"group": f"g{seed % 2}"}) for seed in range(4)),
        (4, "auto", {"group": "g0"}),
        (5, "auto", {"group": "g1"}),
        (6, "auto", {}),
    )
    source = StoredPairs(root="store")
    table = source.load(jobs=1)
    split = Path("folds.csv")
    write_folds(split, GroupFolds(k=2)(table))

    for fold in (0, 1):
        rows = rows_of_fold(table, source, split, fold=fold, pseudo=None)
        (validated,) = {*rows.validation["group"]}
        other = {"g0": "g1", "g1": "g0"}[validated]
        assert len(rows.validation) == 2
        assert {*rows.validation["split"]} == {"train"}
        taught = rows.training[rows.training["split"] == "automatic"]
        assert {*taught["group"]} == {other, ids[6]}
        assert rows.training["weight"].tolist() == [1, 1, 0.5, 0.5]
        assert not rows.lineage.leaks_into(f"group {group}" for group in rows.validation["group"])
        assert rows.identity["weights"].startswith("2 of 4 photos automatic (")
        assert rows.by_cluster(balance=0, weights={}) is rows  # a half, and no more
        samples = LabelledDataset(rows.training, geometry=Pad(multiple=32))
        assert [float(samples[0, index]["weight"]) for index in range(4)] == [1, 1, 0.5, 0.5]  # what the loss gets

    again = rows_of_fold(table.assign(weight=0.25), source, split, fold=0, pseudo=None)
    assert again.identity["weights"] != rows_of_fold(table, source, split, fold=0, pseudo=None).identity["weights"]


def by_hand_and_automatic(by_hand, automatic, **columns):
    split = ["train"] * by_hand + ["automatic"] * automatic
    training = pd.DataFrame({"image_id": [f"{number}" for number in range(len(split))], "split": split, **columns})
    return FoldRows(training, pd.DataFrame(columns=["cluster"]), Lineage("store", 0, (), ()), {})


def test_automatic_labels_are_at_most_half_of_an_epoch():
    rows = by_hand_and_automatic(10, 30).by_cluster(balance=0, weights={})

    assert rows.training["draws"].tolist() == pytest.approx([2] * 10 + [2 / 3] * 30)


def test_clusters_are_balanced_within_either_half():
    clusters = [*"ab", *"aabbbb"]
    rows = by_hand_and_automatic(2, 6, cluster=clusters)
    balanced = rows.by_cluster(balance=1, weights={}).training

    share = balanced.groupby("split")["draws"].sum()
    assert share.to_dict() == pytest.approx({"automatic": 4, "train": 4})
    # Of 8 draws a and b have 4 each: 4/3 for each of three a, 4/5 for each of five b; then either half is scaled.
    by_hand, automatic = 4 / (4 / 3 + 4 / 5), 4 / (2 * 4 / 3 + 4 * 4 / 5)
    expected = np.where(balanced["split"] == "train", by_hand, automatic) * np.where(
        balanced["cluster"] == "a", 4 / 3, 0.8
    )
    assert balanced["draws"].tolist() == pytest.approx([*expected])


@pytest.mark.hostile("wrong input")
def test_automatic_labels_alone_teach_nobody(place):
    rows = by_hand_and_automatic(0, 3)
    with pytest.raises(MaskfoldError, match="store: of the 3 photos to learn from, no person has seen a mask"):
        rows.by_cluster(balance=0, weights={})


@pytest.mark.hostile("leaks")
def test_a_near_copy_that_is_automatic_must_not_cross_a_fold(place):
    table = pd.DataFrame({"image_id": [*"abcd"], "group": [*"ghgi"], "split": ["train", "train", *["automatic"] * 2]})
    folds = pd.DataFrame({"image_id": [*"ab"], "fold": [0, 1]})
    pairs = pd.DataFrame(
        [("b", "c", 3, False), ("b", "d", 5, False)], columns=["image_id", "partner", "distance", "same_bytes"]
    )

    assert [str(crossing) for crossing in find_crossings(table, folds, pairs)] == [
        "near-copy (3 bits): b and c, fold 1 and fold 0",
        "near-copy (5 bits): b and d, fold 1 and the photos that every fold learns from",
    ]


def test_a_store_at_an_address_is_read_from_copies_that_stay(place, monkeypatch):
    address = f"memory://{place.name}/store"
    routes = route(Path("out"), {"a": "ship", "b": "review"})
    review(routes, "b", "corrected", box(5, 20))
    config = compose("store", ["jobs=1", "audit=0", f"store={address}", f"routes={routes}"])

    assert store(config) == store(config) == {"auto": 1, "accepted": 0, "corrected": 1, "manual": 0, "rejected": 0}

    source = StoredPairs(root=address)
    table = source.load(jobs=1)
    assert sorted(table["weight"]) == [0.5, 1]
    assert {Path(path).parent for path in table["image"]} == {Path("data/store/copies/images")}
    assert len(ledger_counts(address)) == 5
    monkeypatch.setattr("maskfold.storage.address.AddressStorage.read", pytest.fail)
    assert source._files("images", [Path(table["image"][0]).name]) == [table["image"][0]]  # nothing is fetched again


def test_parts_of_the_ledger_are_one_table_to_anybody(place):
    add((0, "corrected", {}))
    add((1, "auto", {}))

    assert len(pd.read_parquet(Path("store") / LEDGER)) == 2
