"""The join stage: what it prints and writes, and that the stages behind it find that where it was written."""

from pathlib import Path

import pytest

from competitions import generate
from maskfold.command.catalogue import options
from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.places import CONF
from maskfold.stages.join import join


@pytest.fixture
def overrides(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keys = generate(tmp_path / "c", 3).keys
    return [f"{key}={value}" for key, value in keys.items()]


def test_join_shows_what_was_understood_and_the_stages_behind_it_find_it(overrides, capsys):
    join(compose("join", [*overrides, "name=cells", "metric=pooled_dice"]))

    shown = capsys.readouterr().out
    assert "submission.order" in shown
    assert "columns" in shown
    config = compose("folds", ["data=cells"])
    assert config.data.metric == "pooled_dice"
    assert config.data.submission.order == "columns"
    assert config.data["_target_"] == "maskfold.data.competition.Competition"
    assert "cells" in options("data")


def test_options_of_the_package_come_first(overrides):
    """A folder that is no checkout may have a `conf/` of anybody's: it replaces nothing."""
    own = Path("conf/data/carvana.yaml")
    own.parent.mkdir(parents=True)
    own.write_text("_target_: elsewhere.Source\n")

    assert compose("folds", ["data=carvana"]).data.root == "data/carvana"
    assert options("data")["carvana"].keys == options("data")["carvana"].keys
    assert options("data")["carvana"].heading


@pytest.mark.hostile("foreign files")
def test_a_class_that_a_conf_in_this_folder_names_is_not_thereby_trusted(overrides, monkeypatch):
    """It may have come with the run folder that names it."""
    from maskfold.trust import vetted

    own = Path("conf/model/theirs.yaml")
    own.parent.mkdir(parents=True)
    own.write_text("_target_: theirs.Network\n")

    with pytest.raises(MaskfoldError, match=r"theirs\.Network, which is no model"):
        vetted({"_target_": "theirs.Network"}, "model", Path("checkpoint"))


def test_the_checkout_is_its_own_folder_of_options(monkeypatch):
    monkeypatch.chdir(Path(CONF).parent)

    assert "carvana" in options("data")
    assert compose("folds", ["data=carvana"]).data.name == "carvana"
