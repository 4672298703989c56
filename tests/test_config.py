"""The door: whatever is typed wrong is answered with its name and what there is, without a traceback."""

import sys

import pytest
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue

from maskfold import config as door
from maskfold.config import build, compose, entry_point, resolved
from maskfold.errors import MaskfoldError
from maskfold.schemas import STAGES


@pytest.fixture
def command(monkeypatch, capsys):
    """Run `predict` or another stage that does nothing as a command; return its exit status and all it printed."""
    monkeypatch.setattr(door, "quiet_console", lambda: None)

    def run(stage, name: str, *arguments: str) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        status = None
        try:
            entry_point(stage, config_name=name)()
        except SystemExit as stop:
            status = stop.code
        shown = capsys.readouterr()
        return status, f"{shown.out}{shown.err}{status if isinstance(status, str) else ''}"

    return run


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_a_configuration_that_composes_without_arguments(stage):
    needed = ["ensemble=linknet34"] if "ensemble" in STAGES[stage].__dataclass_fields__ else []

    composed = compose(stage, needed)

    assert OmegaConf.get_type(composed) is STAGES[stage]


@pytest.mark.parametrize(
    ("stage", "arguments", "named"),
    [
        ("train", ["experiment=nope"], ["experiment/nope", "Available options", "linknet34"]),
        ("train", ["trainer.foo=1"], ["trainer.foo"]),
        ("train", ["fold=x"], ["fold", "'x'", "Integer"]),
        ("train", ["experimnt=linknet34"], ["experimnt"]),
        ("train", ["+foo=1"], ["foo: no such key. There are name, fold, seed"]),
        ("train", ["model=nope"], ["model/nope", "linknet34"]),
        ("train", ["fold="], ["fold"]),
        ("predict", ["data=nope"], ["data/nope", "carvana"]),
        ("predict", ["fold=0"], ["name"]),
        ("ensemble", [], ["ensemble=<OPTION>", "linknet34"]),
        ("ensemble", ["ensemble=nope"], ["ensemble/nope", "linknet34"]),
        ("ensemble", ["ensemble=linknet34", "data=nope"], ["data/nope"]),
        ("evaluate", [], ["name"]),
        ("evaluate", ["name=a", "fold=one"], ["fold", "'one'"]),
        ("doctor", [], ["submission: not given. Add submission=... to the command."]),
        ("folds", ["data=pairs"], ["data.root: not given. Add data.root=... to the command."]),
    ],
)
def test_the_answer_names_the_key_and_shows_no_traceback(command, stage, arguments, named):
    status, shown = command(resolved, stage, *arguments)

    assert status not in (None, 0)
    for part in named:
        assert part in shown
    assert "Traceback" not in shown
    assert len(shown.splitlines()) < 40


def test_a_good_command_reaches_its_stage(command):
    seen = []

    status, _ = command(seen.append, "evaluate", "name=linknet34", "fold=2")

    assert status is None
    assert (seen[0].name, seen[0].fold) == ("linknet34", 2)


def test_what_a_stage_says_to_the_user_is_all_that_is_shown(command):
    def refuse(config):
        raise MaskfoldError("a.jpg: truncated. Replace it.")

    def interrupt(config):
        raise KeyboardInterrupt

    status, shown = command(refuse, "evaluate", "name=a")
    assert status == "\na.jpg: truncated. Replace it."
    assert shown == status
    status, shown = command(interrupt, "evaluate", "name=a")
    assert "Run the same command again" in status
    assert shown == status


def test_a_programming_error_keeps_its_traceback(command, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")

    def fail(config):
        raise RuntimeError("a mistake of ours")

    with pytest.raises(RuntimeError, match="a mistake of ours"):
        command(fail, "evaluate", "name=a")


def test_building_names_the_part_whose_key_is_wrong():
    node = {"_target_": "maskfold.data.geometry.Resize", "height": 64, "widht": 96}

    with pytest.raises(MaskfoldError, match=r"maskfold\.data\.geometry\.Resize: .*'widht'.*Check this part's keys"):
        build(node)


def test_what_a_constructor_refuses_is_said_as_it_said_it():
    node = {"_target_": "maskfold.data.geometry.Resize", "height": 0, "width": 96}

    with pytest.raises(MaskfoldError, match=r"^geometry\.height=0 must be at least 1 pixel\.$"):
        build(node)


def test_a_target_that_does_not_exist_is_named():
    with pytest.raises(MaskfoldError, match=r"maskfold\.models\.nothing\.Net"):
        build({"_target_": "maskfold.models.nothing.Net"})


def test_resolving_refuses_what_is_missing_by_name():
    with pytest.raises(MissingMandatoryValue, match="name"):
        resolved(compose("evaluate", []))


def test_composing_in_process_refuses_as_the_command_does():
    with pytest.raises(ConfigCompositionException, match="nothing_like_it"):
        compose("evaluate", ["nothing_like_it=1"])
