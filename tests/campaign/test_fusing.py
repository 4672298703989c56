"""When a campaign predicts the test photos with all networks together, and when each network does by itself."""

from pathlib import Path

import pandas as pd
import pytest

from maskfold.campaign.fusing import fuse_overrides, why_own_maps
from maskfold.campaign.members import Member
from maskfold.config import compose, resolved
from maskfold.ensembling.postprocess import LargestComponent
from maskfold.ensembling.recipe import ByMembers, Recipe, Repair

ONE, OTHER = {"experiment": "one"}, {"experiment": "other", "folds": [0]}


@pytest.fixture(scope="module")
def data():
    return {name: resolved(compose("train", ["name=any", f"data={name}"]).data) for name in ("carvana", "grocery")}


def member(name: str, folds: tuple[int, ...], data: dict, tta: str = "none") -> Member:
    return Member(name, folds, {"data": data, "tta": tta}, (), 1, {}, ["x"], pd.DataFrame())


def why(members, *, nodes=(ONE, OTHER), own_maps=False, predict=(), **recipe) -> str | None:
    whole = Recipe(name="mine", members=[*nodes], **recipe)
    return why_own_maps(whole, members, Path("fused"), own_maps=own_maps, predict=predict)


def test_all_networks_predict_together_unless_something_needs_their_own_maps(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    two = [member("one", (0, 1), data["carvana"]), member("other", (0,), data["carvana"])]
    assert why(two) is None
    assert why(two, own_maps=True) == "own_maps=true"
    assert why(two, nodes=[ONE, {"maps": "elsewhere"}]) == "a member is a folder of maps"
    assert why(two, nodes=[ONE, OTHER | {"store": "new"}]) == "a member names the store of its maps"
    assert why(two, repair=Repair(worst=0.1)) is None
    assert why(two, repair=Repair(worst=0.1, members=[ONE])) is None
    assert why(two, repair=Repair(worst=0.1, members=[{"maps": "elsewhere"}])) == "a member is a folder of maps"
    assert why(two, repair=Repair(worst=0, members=[ONE])) is None
    assert why(two, postprocess=[ByMembers(members=[ONE], step=LargestComponent())]) is None
    assert why(two[1:], nodes=[OTHER]) == "it is one network"
    other_photos = member("other", (0,), data["carvana"] | {"name": "others"})
    assert why([two[0], other_photos]) == "its members are trained on different data"
    assert why([member("one", (0, 1), data["grocery"])]) == "recognisers leave answers, not maps"


def test_what_predictions_are_told_holds_for_the_pass_or_there_is_none(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    two = [member("one", (0,), data["carvana"]), member("other", (0,), data["carvana"], tta="hflip")]
    trainer = ["trainer.batch_size=8", "++trainer.accelerator=cpu"]
    assert why(two, predict=trainer) is None
    assert fuse_overrides([*trainer, "tta=hflip"]) == trainer
    assert why(two, predict=["tta=hflip"]) == "predict='tta=hflip' is of one network's prediction"
    assert why(two[1:] * 2, predict=["tta=hflip"]) is None  # as their runs have it
    assert "checkpoint=last" in why(two, predict=[*trainer, "checkpoint=last"])


def test_what_was_begun_goes_on(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    two = [member("one", (0, 1), data["carvana"])]
    folder = two[0].run(1).store("test")
    folder.mkdir(parents=True)
    assert why(two) is None  # no map yet
    (folder / "x.b2nd").touch()
    assert why(two).startswith(f"1 of 2 networks have maps of their own, the first in {folder}; delete")
    Path("fused").mkdir()
    Path("fused/store.json").write_text("{}")
    assert why(two) is None
