"""The split of Carvana is the members' own; a part of Carvana gets one that the advice leads to."""

import re
from pathlib import Path

import pandas as pd
import pytest

from maskfold.config import build, compose
from maskfold.errors import MaskfoldError
from maskfold.places import CONF
from maskfold.pseudo.rows import read_fold
from maskfold.stages.folds import folds


class WholeCarvana:
    """The challenge's table, of which a split needs names alone."""

    folder = Path("data/carvana")

    def load(self):
        split = pd.read_csv(Path(CONF, "folds/carvana_5_area.csv"), dtype=str)
        return split[["image_id", "group"]].assign(split="train", view="", mask_area=0.2)


@pytest.fixture
def whole(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("maskfold.data.sources.Carvana", lambda **_: WholeCarvana())


def test_the_split_of_carvana_is_the_file_that_members_read(whole):
    written = folds(compose("folds", ["data=carvana"])).read_bytes()
    member = compose("train", ["experiment=linknet34", "data=carvana"])
    assert written == Path(CONF).parent.joinpath(member.split_file).read_bytes()


def test_another_split_of_carvana_is_drawn_on_demand(whole):
    drawn = folds(compose("folds", ["data=carvana", "folds.k=3"])).read_text()
    assert {line[-1] for line in drawn.splitlines()[1:]} == {"0", "1", "2"}


def test_data_without_a_name_is_dealt(whole, monkeypatch):
    config = compose("folds", ["data=carvana", "~data.name"])
    monkeypatch.setattr(WholeCarvana, "folder", Path("data/own"))
    assert {line[-1] for line in folds(config).read_text().splitlines()[1:]} == set("01234")
    assert compose("train", ["experiment=linknet34", "data=carvana", "~data.name"]).split_file is None


@pytest.mark.hostile("wrong input")
def test_a_part_of_carvana_is_told_of_a_split_that_works(trained):
    part = ["data=carvana", "data.root=photos"]
    advice = r'make folds DATA=carvana ARGS="(data\.name=carvana_part)".*ARGS="data\.name=carvana_part" with make train'
    with pytest.raises(MaskfoldError, match="5088 of its images are not in the data") as refused:
        folds(compose("folds", part))
    name = re.search(advice, str(refused.value))[1]
    with pytest.raises(MaskfoldError, match=advice):
        read_member(part)

    assert folds(compose("folds", [*part, name])) == Path("data/carvana_part/folds.csv")
    assert len(read_member([*part, name]).validation) in (2, 4)  # six cars of two views in five folds


def read_member(overrides):
    """Read what fold 0 of a member of the winners' would train on."""
    config = compose("train", ["experiment=linknet34_area05", *overrides])
    return read_fold(build(config.data), split_file=config.split_file, fold=0, pseudo=None)
