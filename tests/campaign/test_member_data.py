"""The data of an ensemble's members: as their runs have it, unless the user or their experiment says another."""

from pathlib import Path

import pytest
import yaml

from maskfold.campaign.jobs import member_jobs
from maskfold.campaign.member_data import as_overrides, data_of_members
from maskfold.campaign.members import find_members
from maskfold.config import compose, recorded, resolved
from maskfold.errors import MaskfoldError
from maskfold.runs.layout import MemberFolder

TREE = [{"experiment": "linknet34"}, {"members": [{"experiment": "ternausnet11"}]}]


@pytest.fixture
def begun(workplace) -> dict:
    """A run of linknet34 on photos of one's own has begun; return its configuration."""
    config = recorded(compose("train", ["experiment=linknet34", "fold=1", *workplace]))
    run = MemberFolder(Path("experiments/linknet34")).run(1)
    run.path.mkdir(parents=True)
    run.config.write_text(yaml.safe_dump(config))
    return config


def test_members_take_the_data_of_the_run_that_there_is(begun):
    first, second = find_members([TREE], ["trainer.max_epochs=2"])

    assert first.config["data"] == second.config["data"] == begun["data"]
    assert first.folds == (0, 1)
    job = next(member_jobs(second, predict=[]))
    assert job.command[:3] == ("train", "experiment=ternausnet11", "fold=0")
    again = compose("train", [*job.command[1:]])
    assert resolved(again.data) == begun["data"]
    assert again.trainer.max_epochs == 2


def test_what_the_user_or_an_experiment_says_of_data_holds(begun):
    assert data_of_members(["linknet34"], ["data.root=/elsewhere"]) == {"linknet34": []}
    own = data_of_members(["linknet34", "demo_unet"], ["trainer.max_epochs=2"])
    assert own["demo_unet"] == []  # the generated set
    assert own["linknet34"][0] == "data=pairs"
    assert data_of_members(["ternausnet11"], []) == {"ternausnet11": []}


@pytest.mark.parametrize(
    "data",
    [
        {"_target_": "maskfold.data.sources.Carvana", "root": "it's, here: 1", "name": "studio", "on_error": "raise"},
        {
            "_target_": "maskfold.data.sources.Pairs",
            "root": "/p",
            "group": r"(.*)_\d+\\'{x}",
            "limit": 3,
            "names": ["a", "b"],
        },
    ],
)
def test_any_source_comes_back_from_its_overrides(data):
    taken = resolved(compose("train", ["name=any", *as_overrides(data)]).data)
    assert {key: value for key, value in taken.items() if value is not None} == data


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    "text", ["", "- a\n", "defaults: [competition]\nroot: mine\n", "name: mine\n", "a: [1\n", "\xff\n"]
)
def test_options_of_the_users_own_that_name_no_source_by_themselves_are_passed_over(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    Path("conf/data").mkdir(parents=True)
    Path("conf/data/mine.yaml").write_text(text, encoding="latin-1")

    taken = as_overrides({"_target_": "maskfold.data.sources.Pairs", "root": "/p"})

    assert taken[0] == "data=pairs"
    assert "data.root='/p'" in taken


@pytest.mark.hostile("foreign files")
def test_a_source_that_only_a_run_folder_names_is_not_taken_on_its_word():
    with pytest.raises(MaskfoldError, match=r"a source of its own, pandas\.read_pickle: name the data"):
        as_overrides({"_target_": "pandas.read_pickle", "filepath_or_buffer": "evil"})
