"""What a stage is configured with: composed as the command line would, checked, and built."""

import pytest
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue

from maskfold.config import build, compose, resolved
from maskfold.errors import MaskfoldError
from maskfold.schemas import STAGES, TASKS


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_a_configuration_that_composes_without_arguments(stage):
    needed = ["ensemble=linknet34"] if "ensemble" in STAGES[stage].__dataclass_fields__ else []

    composed = compose(stage, needed)

    assert issubclass(OmegaConf.get_type(composed), STAGES[stage])


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


RESIZE = {"_target_": "maskfold.data.geometry.Resize", "height": 1024, "width": 1024, "decode": "scaled"}
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
        (["data=studio"], "schedule.phases", [{"epochs": 8, "rate": 3e-3}, {"epochs": 4, "rate": 6e-4}]),
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


def test_keys_of_a_task_are_in_training_with_that_task_alone():
    masks = compose("train", ["name=any", "geometry=tile", "loss=lovasz"])
    assert OmegaConf.get_type(masks) is TASKS["segmentation"]
    assert masks.task.geometry == masks.geometry
    assert masks.geometry._target_ == "maskfold.data.geometry.Tile"
    other = compose("train", ["name=any", "~task", "+task={_target_: some.Other}"])
    assert OmegaConf.get_type(other) is STAGES["train"]
    assert not {"geometry", "preprocess", "augment", "loss", "tta"} & {*other}
