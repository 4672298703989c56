"""Which ensembles can be predicted in one pass."""

from fractions import Fraction
from pathlib import Path

import pytest

from maskfold.ensembling import fusion
from maskfold.ensembling.postprocess import FillHoles
from maskfold.ensembling.recipe import ByMembers, Recipe, Repair
from maskfold.ensembling.tree import Leaf
from maskfold.errors import MaskfoldError
from maskfold.runs.layout import MemberFolder

MEMBERS = [{"experiment": "a"}, {"experiment": "b"}]
OF_ONE = ByMembers(members=MEMBERS[:1], step=FillHoles())


@pytest.mark.parametrize(
    ("recipe", "refused"),
    [
        ({}, None),
        ({"postprocess": [FillHoles()]}, None),  # which looks at the mean of all
        ({"repair": Repair(worst=3)}, None),
        ({"repair": Repair(worst=0, members=MEMBERS[:1])}, None),  # of no photo
        ({"postprocess": [OF_ONE]}, None),
        ({"repair": Repair(worst=3, members=MEMBERS[:1])}, None),
        ({"repair": Repair(worst=3, members=[{"maps": "elsewhere"}])}, "elsewhere: a folder of maps has no network"),
    ],
)
def test_an_ensemble_is_fused_unless_a_mean_needs_maps_that_no_network_made(recipe, refused, monkeypatch):
    def trained(members, *, experiments):
        return [Leaf("elsewhere", Fraction(1), (Path("elsewhere"),))] if "maps" in members[0] else []

    monkeypatch.setattr(fusion, "trained_leaves", trained)
    ask = {"split": "test", "experiments": Path("experiments")}

    if refused is None:
        assert fusion.fusible(Recipe(name="e", members=MEMBERS, **recipe), **ask) == []
    else:
        with pytest.raises(MaskfoldError, match=refused):
            fusion.fusible(Recipe(name="e", members=MEMBERS, **recipe), **ask)


def test_every_network_has_its_share_of_every_mean():
    def leaf(name: str, weight: str, *folds: int) -> Leaf:
        stores = (MemberFolder(Path("experiments") / name).run(fold).store("test") for fold in folds)
        return Leaf(name, Fraction(weight), tuple(stores))

    means = [
        [leaf("a", "1/2", 0, 1), leaf("b", "1/4", 0), leaf("b", "1/4", 0)],  # one of them twice
        [leaf("b", "1/3", 0), leaf("a", "2/3", 1)],
        [leaf("c", "1", 0)],  # which the first mean is without
    ]

    shares = [(str(run.path), name, own) for run, own, name in fusion.shares_of_means(means)]

    assert shares == [
        ("experiments/a/fold0", "a", (1 / 4, 0, 0)),
        ("experiments/a/fold1", "a", (1 / 4, 2 / 3, 0)),
        ("experiments/b/fold0", "b", (1 / 4, 1 / 3, 0)),
        ("experiments/b/fold0", "b", (1 / 4, 0, 0)),
        ("experiments/c/fold0", "c", (0, 0, 1)),
    ]
