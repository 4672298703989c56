"""Which ensembles can be predicted in one pass."""

from pathlib import Path

import pytest

from maskfold.ensembling import fusion
from maskfold.ensembling.postprocess import FillHoles
from maskfold.ensembling.recipe import ByMembers, Recipe, Repair
from maskfold.errors import MaskfoldError

MEMBERS = [{"experiment": "a"}, {"experiment": "b"}]
OF_ONE = ByMembers(members=MEMBERS[:1], step=FillHoles())


@pytest.mark.parametrize(
    ("recipe", "refused"),
    [
        ({}, None),
        ({"postprocess": [FillHoles()]}, None),  # which looks at the mean of all
        ({"repair": Repair(worst=3)}, None),
        ({"repair": Repair(worst=0, members=MEMBERS[:1])}, None),  # of no photo
        ({"postprocess": [OF_ONE]}, "a step that looks at some of the members"),
        ({"repair": Repair(worst=3, members=MEMBERS[:1])}, "repair.members averages some of the members"),
    ],
)
def test_an_ensemble_is_fused_unless_it_needs_maps_of_some_members(recipe, refused, monkeypatch):
    monkeypatch.setattr(fusion, "trained_leaves", lambda members, *, experiments: [])
    ask = {"split": "test", "experiments": Path("experiments")}

    if refused is None:
        assert fusion.fusible(Recipe(name="e", members=MEMBERS, **recipe), **ask) == []
    else:
        with pytest.raises(MaskfoldError, match=refused):
            fusion.fusible(Recipe(name="e", members=MEMBERS, **recipe), **ask)
