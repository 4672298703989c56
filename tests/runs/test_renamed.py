import importlib
import importlib.util

import pytest
import yaml
from omegaconf import OmegaConf

from maskfold.config import build, compose, recorded
from maskfold.errors import MaskfoldError
from maskfold.runs.renamed import (
    ADDED,
    ADDED_TO_SEGMENTATION,
    ADDED_TO_SOURCES,
    MOVED,
    as_of_today,
    with_names_of_today,
)
from maskfold.runs.run_folder import RunFolder

# As a run folder of November 2026 has it, before the modules moved.
OLD = """
name: linknet34
fold: 0
seed: 0
overwrite: false
tta: hflip
geometry: {_target_: maskfold.data.geometry.Pad, multiple: 32}
preprocess: null
augment:
  _target_: maskfold.data.dataset.ByEpoch
  presets:
    hard: {_target_: maskfold.data.augmentation.Albumentations, transforms: []}
  phases: [{preset: hard, epochs: 2}]
model: {_target_: maskfold.models.unet.UNetScratch, widths: [4, 4]}
loss:
  _target_: maskfold.training.losses.Sum
  terms:
    - {_target_: maskfold.training.losses.BCE}
    - {_target_: maskfold.training.losses.Dice}
averaging: {_target_: maskfold.training.averaging.ema, _partial_: true, decay: 0.9}
schedule: {_target_: maskfold.training.schedules.Schedule, phases: []}
optimizer: {_target_: torch.optim.Adam, _partial_: true, lr: 0.001}
trainer: {batch_size: 4, num_workers: null, accelerator: auto}
tracker: {}
"""


@pytest.fixture
def old(tmp_path):
    folder = RunFolder(tmp_path / "linknet34/fold0")
    folder.path.mkdir(parents=True)
    folder.config.write_text(OLD)
    folder.run.write_text('{"identity": {"data": "abc", "folds": "def"}, "seed": 0}')
    folder.metrics.write_text("epoch\n0\n")
    return folder


def of_today():
    """The same configuration in today's words, without what was not there."""
    moved = {
        "maskfold.data.dataset.ByEpoch": "maskfold.data.augmentation.ByEpoch",
        "maskfold.training.losses": "maskfold.segmentation.losses",
        "maskfold.training.averaging": "maskfold.engine.averaging",
        "maskfold.training.schedules": "maskfold.engine.schedules",
    }
    text = OLD
    for before, now in moved.items():
        text = text.replace(before, now)
    config = yaml.safe_load(text)
    for augment in (config["augment"], *config["augment"]["presets"].values()):
        augment["device"] = "auto"
    return config


def test_an_old_run_is_read_in_the_words_of_today(old):
    config = old.read_config()
    assert {key: value for key, value in config.items() if key not in ADDED | ADDED_TO_SEGMENTATION} == of_today()
    assert config["freeze"] == []
    assert config["task"]["_target_"].startswith("maskfold.segmentation.")
    whole = OmegaConf.to_container(OmegaConf.create(config), resolve=True)
    assert whole["task"]["loss"] == of_today()["loss"]


def test_what_an_old_run_names_can_be_built(old):
    config = old.read_config()
    build(OmegaConf.create(config).task)
    build(config["model"])


def test_the_same_run_of_today_goes_on_and_another_is_refused(old):
    identity = {"data": "abc", "folds": "def"}
    old.begin(of_today(), identity=identity)
    old.begin(as_of_today(of_today()), identity=identity)
    old.refuse_other(yaml.safe_load(OLD))
    with pytest.raises(MaskfoldError, match=r"freeze: \[\] before, \['stem'\] now"):
        old.begin(of_today() | {"freeze": ["stem"]}, identity=identity)
    with pytest.raises(MaskfoldError, match=r"task\._target_: maskfold\.segmentation\..* before, elsewhere\.Task now"):
        old.begin(of_today() | {"task": {"_target_": "elsewhere.Task"}}, identity=identity)
    with pytest.raises(MaskfoldError, match=r"loss\._target_: .*losses\.Sum before, elsewhere\.Loss now"):
        old.begin(of_today() | {"loss": {"_target_": "elsewhere.Loss"}}, identity=identity)


def test_a_name_is_moved_by_whole_words_and_the_longest_of_them():
    tree = {
        "_target_": "maskfold.training.lossesque.X",
        "list": [{"_target_": "maskfold.data.dataset.LabelledDataset"}],
    }
    assert with_names_of_today(tree) == {
        "_target_": "maskfold.training.lossesque.X",
        "list": [{"_target_": "maskfold.segmentation.dataset.LabelledDataset"}],
    }
    assert with_names_of_today({"name": "maskfold.training.losses.Sum"}) == {"name": "maskfold.training.losses.Sum"}
    assert with_names_of_today({"_target_": "maskfold.data.studio.scene.Car"}) == {
        "_target_": "maskfold.studio.scene.Car"
    }


@pytest.mark.parametrize(("before", "now"), MOVED.items())
def test_what_has_moved_is_where_it_is_said_to_be(before, now):
    module, _, name = now.rpartition(".")
    found = importlib.util.find_spec(now) if not name[0].isupper() else getattr(importlib.import_module(module), name)
    assert found is not None
    assert before not in MOVED.values()


@pytest.mark.parametrize("data", ["data=studio", "data=competition"])
def test_what_was_added_means_what_the_default_does(data):
    config = recorded(compose("train", ["experiment=demo_unet", data, "data.root=data/demo", "fold=0"]))
    assert config.keys() > ADDED.keys() | ADDED_TO_SEGMENTATION.keys()
    assert config["data"].keys() > ADDED_TO_SOURCES.keys()
    earlier = {key: value for key, value in config.items() if key not in ADDED | ADDED_TO_SEGMENTATION}
    earlier["data"] = {key: value for key, value in config["data"].items() if key not in ADDED_TO_SOURCES}
    assert as_of_today(earlier) == config
    earlier["task"] = {key: value for key, value in config["task"].items() if key not in ("deep", "mixing")}
    assert as_of_today(earlier) == config
    groups = {"_target_": "maskfold.engine.groups.ParameterGroups", "lr": 0.1}
    assert as_of_today({"optimizer": groups | {"layer_decay": 1.0}})["optimizer"] == groups
    own = {"data": {"_target_": "ours.Source", "root": "photos"}}
    assert as_of_today(own)["data"] == own["data"]


def test_a_run_of_before_photos_were_decoded_in_part_is_one_that_decodes_them_in_full(old):
    """What stands for its way to a network stays as it was, and a new run of the other kind is none of it."""
    resize = {"_target_": "maskfold.data.geometry.Resize", "height": 64, "width": 96}
    old.config.write_text(yaml.safe_dump(of_today() | {"geometry": resize}, sort_keys=False))
    assert old.read_config()["geometry"] == resize
    assert build(old.part("geometry")).reduced_for is None
    old.refuse_other(of_today() | {"geometry": resize | {"decode": "full"}})
    with pytest.raises(MaskfoldError, match=r"geometry\.decode: absent before, scaled now"):
        old.refuse_other(of_today() | {"geometry": resize | {"decode": "scaled"}})
    own = {"_target_": "ours.Geometry", "decode": "full"}
    assert as_of_today(of_today() | {"geometry": own})["geometry"] == own


@pytest.mark.hostile("damaged files")
def test_half_a_configuration_is_refused_wherever_it_breaks_off(tmp_path):
    folder = RunFolder(tmp_path / "a/fold0")
    folder.path.mkdir(parents=True)
    folder.begin(recorded(compose("train", ["experiment=demo_unet"])), identity={})
    whole = folder.config.read_text()
    lines = [position for position, letter in enumerate(whole, 1) if letter == "\n"][:-1]

    for length in [0, *lines, *range(1, len(whole), 97), len(whole) - 1]:
        folder.config.write_text(whole[:length])
        with pytest.raises(MaskfoldError, match=r"config\.yaml: damaged \("):
            folder.read_config()
    folder.config.write_text(whole)
    assert folder.read_config()["name"] == "demo_unet"
