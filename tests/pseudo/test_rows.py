"""The rows that a fold learns from and is measured on."""

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from maskfold.data.sources import Carvana
from maskfold.errors import MaskfoldError
from maskfold.pseudo.label_set import LabelSet
from maskfold.pseudo.rows import FoldRows, rows_of_fold
from maskfold.runs.lineage import Lineage


@pytest.mark.hostile("metadata")
def test_metadata_is_neither_a_weight_nor_a_kind_of_label(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a_01", "b_01"):
        for path in (Path("photos/train", f"{name}.png"), Path("photos/train_masks", f"{name}_mask.png")):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (6, 4), 255).save(path)
    Path("photos/metadata.csv").write_text("id,weight,soft,fold\na,0,1,5\nb,0,1,5\n")
    Path("folds.csv").write_text("image_id,group,fold\na_01,a,0\nb_01,b,1\n")

    source = Carvana(root="photos")
    rows = rows_of_fold(source.load(), source, Path("folds.csv"), fold=0, pseudo=None)

    assert rows.training["image_id"].tolist() == ["b_01"]
    assert not {"weight", "soft", "fold"} & {*rows.training.columns}


def fold_rows(clusters: list[str | None] | None, **columns: list) -> FoldRows:
    """Return rows of two photos to learn from and one to measure, which is of the cluster `c`."""
    training, validation = pd.DataFrame({"image_id": ["1", "2"], **columns}), pd.DataFrame({"image_id": ["3"]})
    if clusters is not None:
        training, validation = training.assign(cluster=pd.Series(clusters, dtype="str")), validation.assign(cluster="c")
    return FoldRows(training, validation, Lineage("shop", 0, (), ()), {"data": "abc"})


def test_by_no_cluster_a_run_is_the_run_it_was():
    for rows in (fold_rows(None), fold_rows(["a", "b"])):
        assert rows.by_cluster(balance=0, weights={}) is rows


@pytest.mark.parametrize("how", [{"balance": 0.5, "weights": {}}, {"balance": 0, "weights": {"a": 2}}])
def test_clusters_that_count_are_part_of_what_a_run_is(how):
    one, same, other = (fold_rows(clusters).by_cluster(**how) for clusters in (["a", "b"], ["a", "b"], ["a", "a"]))

    assert one.identity == same.identity
    assert one.identity["data"] == "abc"
    assert one.identity["clusters"] != other.identity["clusters"]


def test_weights_of_clusters_multiply_those_of_pseudo_labels():
    rows = fold_rows(["a", None], weight=[0.5, 0.25]).by_cluster(balance=0, weights={"a": 3, "c": 7})

    assert rows.training["weight"].tolist() == [1.5, 0.25]
    assert fold_rows(["a", "b"]).by_cluster(balance=0, weights={"b": 3}).training["weight"].tolist() == [1, 3]


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("clusters", "how", "says"),
    [
        (None, {"balance": 0.5, "weights": {}}, r"balance=0\.5: .*no photo of shop has one.*make clusters DATA=shop"),
        ([None, None], {"balance": 1, "weights": {}}, "balance=1: .*data/shop/clusters.csv"),
        (None, {"balance": 0, "weights": {"a": 2}}, "cluster_weights: goes by clusters"),
        (["a", "b"], {"balance": 0, "weights": {"d": 2}}, "  d\nThere are a, b, c"),
    ],
)
def test_what_cannot_be_balanced_is_refused_with_the_way_out(clusters, how, says):
    with pytest.raises(MaskfoldError, match=says):
        fold_rows(clusters).by_cluster(**how)


def test_pseudo_labels_have_the_clusters_of_their_photos_where_these_are_known(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folds.csv").write_text("image_id,group,fold\na,a,0\nb,b,1\n")
    photos = ["a", "b", "t"]
    table = pd.DataFrame({"image_id": photos, "group": photos, "split": ["train", "train", "test"], "mask_area": 0.5})
    table = table.assign(image=photos, image_hash=["ha", "hb", "ht"], height=4, width=6, cluster=["x", "y", "y"])
    # Of the data's own test photo, and of a photo elsewhere that has the id of another one here.
    taught = pd.DataFrame({"image_id": ["t", "a"], "image_hash": ["ht", "elsewhere"], "weight": 0.5, "soft": True})
    taught = taught.assign(image=["t", "z"], group=["t", "z"])
    monkeypatch.setattr(LabelSet, "for_fold", lambda *_, **__: (taught, Lineage("photos", 1, (), ())))
    Path("set").mkdir()
    Path("set/manifest.json").write_text("{}")

    rows = rows_of_fold(table, Carvana(root="photos"), Path("folds.csv"), fold=0, pseudo="set")

    assert rows.training["image_id"].tolist() == ["b", "t", "a"]
    assert rows.training["cluster"].fillna("-").tolist() == ["y", "y", "-"]
    assert rows.by_cluster(balance=1, weights={}).training["draws"].tolist() == [0.75, 0.75, 1.5]
