"""What is said of photos beside their files: decisions, twins and clusters."""

import pandas as pd
import pytest

from maskfold.data.annotations import annotate, write_twins
from maskfold.errors import MaskfoldError


def a_table() -> pd.DataFrame:
    ids = ["a", "b", "c", "t"]
    return pd.DataFrame({"image_id": ids, "group": ids, "split": ["train"] * 3 + ["test"]})


def test_nothing_said_leaves_the_table_as_it_is(tmp_path):
    pd.testing.assert_frame_equal(annotate(a_table(), tmp_path), a_table())


def test_decisions_drop_photos_and_join_groups(tmp_path):
    (tmp_path / "decisions.csv").write_text("image_id,decision,why\na,drop,wrong mask\nb,group=c,one burst\nc,keep,\n")

    rows = annotate(a_table(), tmp_path)

    assert rows["image_id"].tolist() == ["b", "c", "t"]
    assert rows["group"].tolist() == ["c", "c", "t"]


def test_twins_share_a_group(tmp_path):
    write_twins(tmp_path, pd.Series({"b": "a", "a": "a"}))

    assert annotate(a_table(), tmp_path)["group"].tolist() == ["a", "a", "c", "t"]

    write_twins(tmp_path, pd.Series(dtype="str"))

    assert annotate(a_table(), tmp_path)["group"].tolist() == ["a", "b", "c", "t"]


def test_the_users_clusters_stand_above_those_found(tmp_path):
    pd.DataFrame({"image_id": ["a", "b"], "cluster": ["shorts", "shorts"]}).to_parquet(tmp_path / "clusters.parquet")
    (tmp_path / "clusters.csv").write_text("image_id,cluster\nb,trousers\n")

    clusters = annotate(a_table(), tmp_path)["cluster"]

    assert clusters[:2].tolist() == ["shorts", "trousers"]
    assert clusters[2:].isna().all()


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("decisions.csv", "image_id,decision\na,delete\n", "a: 'delete'"),
        ("decisions.csv", "image_id,decision\na,group=\n", "a: 'group='"),
        ("decisions.csv", "image_id,decision\nt,drop\n", "test photos are to be dropped"),
        ("decisions.csv", "image_id,decision\nx,drop\n", "the data has no photos of 1"),
        ("decisions.csv", "image_id,decision\na,drop\na,keep\n", "1 photos have several rows"),
        ("decisions.csv", "photo,decision\na,drop\n", "not a CSV file with columns image_id,decision"),
        ("clusters.csv", "image_id\na\n", "not a CSV file with columns image_id,cluster"),
        ("clusters.parquet", "nothing", "damaged"),
    ],
)
def test_what_cannot_be_obeyed_is_refused(tmp_path, name, content, says):
    (tmp_path / name).write_text(content)

    with pytest.raises(MaskfoldError, match=says):
        annotate(a_table(), tmp_path)
