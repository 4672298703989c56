"""The stage that sorts photos into kinds, on photos of ten tiny cars."""

from pathlib import Path

import pandas as pd
import pytest

from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.stages.clusters import clusters

DATA = ["data=carvana", "data.name=tiny", "data.root=photos", "jobs=1", "k=2"]
MAPS = "maps=experiments/tiny/fold0/predictions/test"
FOLDER = Path("data/tiny")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for name, value in {"STARTS": 2, "DRAWS": 2, "MOST": 3}.items():
        monkeypatch.setattr(f"maskfold.clusters.stability.{name}", value)


def run(*overrides: str) -> pd.DataFrame:
    return clusters(compose("clusters", [*DATA, *overrides])).set_index("image_id")


def test_train_and_test_photos_get_clusters_that_the_next_stage_reads(trained, caplog):
    caplog.set_level("INFO")
    table = run()

    assert len(table) == 20
    assert {*table["cluster"]} <= {"cluster 1", "cluster 2", "light"}
    assert [*table["object"].value_counts()[["mask", "photo"]]] == [12, 8]
    assert "8 have neither a mask nor a map" in caplog.text
    assert pd.read_parquet(FOLDER / "clusters.parquet").set_index("image_id").equals(table)
    assert "Clusters of tiny" in (FOLDER / "clusters.html").read_text()

    first, page = table, (FOLDER / "clusters.html").read_bytes()
    assert run().equals(first)
    assert (FOLDER / "clusters.html").read_bytes() == page
    assert (run(MAPS)["object"] == "map").sum() == 8


def test_the_user_names_clusters_and_is_told_of_unknown_ids(trained, caplog):
    ids = run().index[:5]
    lines = [f"{image_id},{name}" for image_id, name in zip(ids, ["small"] * 3 + ["odd"] * 2, strict=True)]
    (FOLDER / "clusters.csv").write_text("\n".join(["image_id,cluster", *lines, "gone,small", ""]))

    table = run("light=null")

    assert {*table["cluster"]} == {"small", "cluster 1"}
    assert [*table["cluster"][:3]] == ["small"] * 3
    assert "no photos of 1 of its ids:\n  gone" in caplog.text
    assert "which takes 3: odd (2)" in caplog.text


def test_a_member_looks_with_its_encoder(trained):
    table = run("member=tiny")

    assert {*table["features"]} == {"encoder of tiny, fold0"}
    assert (FOLDER / "features" / "network.parquet").exists()


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["weights=w.pth"], r"needs network=<timm's name"),
        (["network=resnet18"], "nothing is downloaded"),
        (["weights=w.pth", "member=tiny"], "Give one of them"),
        (["member=nobody"], "no fold has been trained"),
        (["k=21"], "has 20 photos"),
        (["maps=nowhere"], "no such store"),
    ],
)
def test_what_cannot_be_is_refused(trained, overrides, says):
    with pytest.raises(MaskfoldError, match=says):
        run(*overrides)


@pytest.mark.hostile("replaced files")
def test_maps_of_photos_that_were_replaced_are_refused(trained):
    one, other = sorted(Path("photos/test").iterdir())[:2]
    one.write_bytes(other.read_bytes())

    with pytest.raises(MaskfoldError, match="not the files any more"):
        run(MAPS)
