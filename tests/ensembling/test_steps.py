"""Steps as they are opened: for the photos of some clusters, with the maps of some members, on some classes."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskfold.ensembling.by_class import ByClass
from maskfold.ensembling.recipe import ByCluster, ByMembers, Recipe, Repair
from maskfold.ensembling.steps import check_clusters, cluster_facts, open_steps, steps_for
from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ProbabilityStore

PHOTOS = pd.DataFrame({"image_id": ["a", "b", "c"], "cluster": ["1", "light", None]})
NOWHERE = {"split": "test", "experiments": Path("nowhere")}
MEMBERS = [{"maps": "mate"}]


def flip(probability, mask):
    return 1 - mask


def below(probability, mask):
    return (probability < 128).astype(np.uint8)


def recipe(*steps, **others) -> Recipe:
    return Recipe(name="one", members=MEMBERS, postprocess=steps, **others)


def test_a_step_is_on_for_its_clusters_and_off_where_none_is_known():
    numbered = ByCluster(clusters=[1], step=flip)  # a name that YAML reads as a number
    opened = open_steps([flip, numbered], PHOTOS, **NOWHERE)

    assert [len(steps_for(opened, image_id)) for image_id in "abc"] == [2, 1, 1]
    assert steps_for(opened, "c") == (flip,)


def test_clusters_classes_and_members_go_together(tmp_path):
    light = {"clusters": ["light"]}
    by_class = ByCluster(**light, step=ByClass(classes=["dog"], step=flip))
    (step,) = steps_for(open_steps([by_class], PHOTOS, **NOWHERE, classes=("cat", "dog")), "b")
    mask = np.array([[[0, 1]], [[0, 1]]], np.uint8)
    assert step(mask, mask).tolist() == [[[0, 1]], [[1, 0]]]

    members = [{"maps": str(tmp_path)}]
    for image_id in PHOTOS["image_id"]:
        ProbabilityStore(tmp_path).write(image_id, np.array([[0, 255]], np.uint8))
    by_members = ByCluster(**light, step=ByMembers(members=members, step=below))
    opened = open_steps([by_members], PHOTOS, **NOWHERE)
    assert steps_for(opened, "a") == ()
    assert steps_for(opened, "b")[0](mask[0], mask[0]).tolist() == [[1, 0]]


def test_members_inside_clusters_are_looked_at_like_others():
    inner = ByMembers(members=MEMBERS, step=flip)
    assert recipe(ByCluster(clusters=["light"], step=inner)).steps_by_members == (inner,)
    with pytest.raises(MaskfoldError, match="is not among ensemble"):
        recipe(ByCluster(clusters=["light"], step=ByMembers(members=[{"maps": "other"}], step=flip)))


@pytest.mark.hostile("wrong input")
def test_what_is_no_step_of_clusters_is_refused():
    with pytest.raises(MaskfoldError, match="put ByMembers inside ByCluster"):
        ByMembers(members=MEMBERS, step=ByCluster(clusters=["light"], step=flip))
    with pytest.raises(MaskfoldError, match="step 5: begin it with _target_"):
        ByCluster(clusters=["light"], step=5)
    for wrong in ("light", []):
        with pytest.raises(MaskfoldError, match="give a list of names, or leave the step out"):
            ByCluster(clusters=wrong, step=flip)


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize("photos", [PHOTOS.drop(columns="cluster"), PHOTOS.assign(cluster=None)])
def test_data_without_clusters_is_refused_with_the_way_out(photos):
    of_repair = Repair(worst=1, steps=[ByCluster(clusters=["light"], step=flip)])
    for one in (recipe(ByCluster(clusters=["light"], step=flip)), recipe(repair=of_repair)):
        with pytest.raises(MaskfoldError, match=r"make clusters DATA=shop.*data/shop/clusters\.csv"):
            check_clusters(one, photos, data="shop")
    check_clusters(recipe(flip), photos, data="shop")


def test_a_cluster_that_no_photo_is_of_is_named(caplog):
    check_clusters(recipe(ByCluster(clusters=["light", "lihgt"], step=flip)), PHOTOS, data="shop")

    assert "is for lihgt, of which there is no photo; there are 1, light." in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO):
        check_clusters(recipe(ByCluster(clusters=["light"], step=flip)), PHOTOS, data="shop")
    assert not caplog.text


def test_a_manifest_keeps_the_clusters_that_steps_go_by():
    by_cluster = recipe(ByCluster(clusters=["light"], step=flip))

    assert cluster_facts(recipe(flip), PHOTOS) == {}
    (facts,) = cluster_facts(by_cluster, PHOTOS).values()
    assert facts.startswith("2 clusters of 3 photos")
    assert cluster_facts(by_cluster, PHOTOS.assign(cluster=["1", "1", None]))["clusters"] != facts
    assert cluster_facts(by_cluster, PHOTOS.drop(columns="cluster")) == {"clusters": None}
