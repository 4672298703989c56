"""Which stores an ensemble that is predicted in one pass has."""

from fractions import Fraction
from pathlib import Path

from maskfold.config import build, compose
from maskfold.ensembling.fused_stores import FusedStores, leaves_of_passes
from maskfold.ensembling.postprocess import FillHoles
from maskfold.ensembling.recipe import ByCluster, ByMembers, Recipe, Repair
from maskfold.ensembling.tree import Leaf, leaf_nodes
from maskfold.runs.ensemble_folder import EnsembleFolder

A, B, C = ({"experiment": name} for name in "abc")
FOLDER = EnsembleFolder(Path("submissions/e"))


def stores(**recipe) -> list[str]:
    return [folder.name for folder in FusedStores(Recipe(name="e", members=[A, B, C], **recipe), FOLDER).folders]


def step(*members) -> ByMembers:
    return ByMembers(members=members, step=FillHoles())


def test_each_mean_has_one_store_whoever_looks_at_it():
    assert stores() == ["fused"]
    assert stores(postprocess=[step(C, {"members": [A, B], "weight": 2})]) == ["fused"]  # as all of them
    assert stores(repair=Repair(worst=0, members=[A])) == ["fused"]  # of no photo

    one, other = stores(postprocess=[step(A, B)]), stores(postprocess=[step(A, {**B, "weight": 2})])
    assert len({*one, *other}) == 3
    assert stores(postprocess=[step({**B, "weight": 3}, {**A, "weight": 3})]) == one
    by_cluster = ByCluster(clusters=["night"], step=step(A, B))
    assert stores(repair=Repair(worst=1, members=[A, {**B, "weight": 2}], steps=[by_cluster])) == [*other, one[1]]


def test_the_passes_take_these_stores():
    repair = Repair(worst=1, members=[A])
    for worst, name in ((repair, stores(repair=repair)[1]), (Repair(worst=0, members=[A]), "fused")):
        recipe = Recipe(name="e", members=[A, B], repair=worst)
        usual, mended = leaves_of_passes(
            recipe, split="test", experiments=Path("nowhere"), fused=FusedStores(recipe, FOLDER)
        )
        assert usual == [Leaf("fused", Fraction(1), (FOLDER.fused,))]
        assert mended == [Leaf(name, Fraction(1), (FOLDER.path / name,))]


def test_the_winners_49_networks_keep_two_maps_a_photo():
    recipe = build(compose("ensemble", ["ensemble=carvana"]).ensemble)
    assert len(FusedStores(recipe, FOLDER).folders) == 2
    assert len(leaf_nodes(recipe.trees[1])) == 6
