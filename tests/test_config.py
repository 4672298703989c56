"""The door: whatever is typed wrong is answered with its name and what there is, without a traceback."""

import sys

import pytest
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue

from maskfold import config as door
from maskfold.config import build, compose, entry_point, resolved
from maskfold.errors import MaskfoldError
from maskfold.schemas import STAGES, TASKS


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

    assert issubclass(OmegaConf.get_type(composed), STAGES[stage])


@pytest.mark.parametrize(
    ("stage", "arguments", "named"),
    [
        ("train", ["experiment=nope"], ["experiment/nope", "Available options", "linknet34"]),
        ("train", ["trainer.foo=1"], ["trainer.foo: no such key. There are trainer.max_epochs, trainer.patience"]),
        ("train", ["trainer.max_epoch=3"], ["trainer.max_epoch: no such key. Did you mean trainer.max_epochs? There"]),
        ("train", ["+trainer.max_epoch=3", "name=a"], ["trainer.max_epoch: no such key. Did you mean trainer.max_ep"]),
        ("train", ["trainer.max_epochs=many"], ["trainer.max_epochs", "'many'", "Integer"]),
        ("predict", ["trainer.max_epochs=3"], ["trainer.max_epochs: no such key", "trainer.batch_size"]),
        ("predict", ["data.root=/photos"], ["data.root=/photos: data is null here. Choose it first, as in data=carv"]),
        ("train", ["data.rot=/photos"], ["data.rot: no such key. Did you mean data.root?", "sources.Carvana takes"]),
        ("train", ["experimnt=linknet34"], ["experimnt: no such key. Did you mean experiment?"]),
        ("train", ["+foo=1"], ["foo: no such key. There are name, fold, seed"]),
        ("train", ["model=nope"], ["model/nope", "linknet34"]),
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


RESIZE = {"_target_": "maskfold.data.geometry.Resize", "height": 1024, "width": 1024}
LINKNET18 = {"_target_": "maskfold.models.linknet.LinkNet", "encoder": "resnet18", "weights": "imagenet"}
PHASES = [{"epochs": 12, "rate": 1e-4}, {"epochs": 6, "rate": 1e-5}]


@pytest.mark.parametrize(
    ("overrides", "group", "expected"),
    [
        (["schedule=linknet34"], "schedule", {"_target_": "maskfold.engine.schedules.Schedule", "phases": PHASES}),
        (["geometry=resize"], "geometry", RESIZE),
        (["geometry=resize", "geometry.height=64"], "geometry", RESIZE | {"height": 64}),
        (["geometry=resize", "scale=smoke"], "geometry", RESIZE | {"height": 64, "width": 96}),
        (["geometry.height=64"], "geometry", RESIZE | {"height": 64, "width": 192}),
        (["trainer.accumulate=2"], "trainer.batch_size", 4),
        (["model=linknet18", "~model.skip"], "model", LINKNET18),
        (["data=studio"], "schedule.phases", [{"epochs": 9, "rate": 2e-3}, {"epochs": 3, "rate": 4e-4}]),
        (["tracker=[tensorboard,wandb]"], "tracker.wandb.project", "maskfold"),
    ],
)
def test_a_group_chosen_by_hand_beats_what_the_experiment_says_of_it(overrides, group, expected):
    node = OmegaConf.select(compose("train", ["experiment=demo_unet", *overrides]), group)
    assert node == expected


def test_a_torch_scheduler_can_be_chosen_for_an_experiment_with_phases():
    config = compose("train", ["experiment=demo_unet", "schedule=cosine", "trainer.max_epochs=7"])

    assert config.schedule.T_max == 7
    assert "phases" not in config.schedule
    assert config.trainer.batch_size == 4


def test_the_command_composes_as_a_call_does(command, caplog):
    seen = []

    command(seen.append, "train", "experiment=demo_unet", "schedule=linknet34")

    caplog.set_level("INFO")
    assert seen == [compose("train", ["experiment=demo_unet", "schedule=linknet34"])]
    assert "schedule is taken as its own file has it" in caplog.text
    assert "schedule.phases" in caplog.text


def test_keys_of_a_task_are_in_training_with_that_task_alone():
    masks = compose("train", ["name=any", "geometry=tile", "loss=lovasz"])
    assert OmegaConf.get_type(masks) is TASKS["segmentation"]
    assert masks.task.geometry == masks.geometry
    assert masks.geometry._target_ == "maskfold.data.geometry.Tile"
    other = compose("train", ["name=any", "~task", "+task={_target_: some.Other}"])
    assert OmegaConf.get_type(other) is STAGES["train"]
    assert not {"geometry", "preprocess", "augment", "loss", "tta"} & {*other}
