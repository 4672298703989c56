"""Every experiment composes, takes two optimizer steps at 64x96, and leaves a network that prediction can load."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from maskfold.config import CONF, build, compose
from maskfold.engine.checkpoints import AtomicCheckpointIO
from maskfold.errors import MaskfoldError
from maskfold.prediction.members import load_network
from maskfold.stages.folds import folds
from maskfold.stages.train import train

EXPERIMENTS = sorted(path.stem for path in Path(CONF, "experiment").glob("*.yaml"))
PARAMETERS = {"linknet34": 21_642_401, "ternausnet11": 22_927_393, "unet_scratch": 91_238_817, "unet_vgg11": 33_554_753}
PARAMETERS |= {"u2net": 44_009_869, "u2net_small": 1_131_181}
RECOGNITION = {"demo_recognition", "resnet18_grocery", "resnet152"}
# The same steps as another's, u2net_small's, segformer_b0's and fpn_efficientnetv2_s's, with more filters or blocks.
LARGER = {"u2net", "segformer_b3", "unet_efficientnetv2_m"}

SMALLER = {"resnet34": "resnet18", "efficientnet-b3": "efficientnet-b0"}
TINY = ["model=unet_scratch", "model.widths=[8,8,8,8,8]"]  # in the place of a network that another experiment has shown
SMALLER |= {"tu-convnext_small": "tu-convnext_atto", "tu-tf_efficientnetv2_s": "tu-tf_efficientnetv2_b0"}
SMALLER |= {"tu-maxvit_tiny_tf_512": "tu-maxvit_rmlp_pico_rw_256"}


@pytest.fixture
def steps():
    """Count the steps of any optimizer."""
    taken = []
    hook = register_optimizer_step_post_hook(lambda optimizer, *_: taken.append(type(optimizer).__name__))
    yield taken
    hook.remove()


@pytest.fixture(scope="module")
def tiny_labels(tiny_photos, tmp_path_factory):
    """A folder for `data=class_folders`: three labels with four photos each."""
    root = tmp_path_factory.mktemp("labels")
    for number, path in enumerate(sorted((tiny_photos / "images").iterdir())):
        (root / f"label{number % 3}").mkdir(exist_ok=True)
        shutil.copy(path, root / f"label{number % 3}" / path.name)
    return root


@pytest.fixture
def best_only(monkeypatch):
    """Save no last.ckpt, which tells nothing here and weighs up to 0.7 GB."""
    save = AtomicCheckpointIO.save_checkpoint

    def save_best(plugin, checkpoint, path, storage_options=None):
        if Path(path).name == "best.ckpt":
            save(plugin, checkpoint, path, storage_options)

    monkeypatch.setattr(AtomicCheckpointIO, "save_checkpoint", save_best)


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items())
def test_networks_are_as_large_as_their_authors(name, parameters):
    weights = [] if name == "unet_scratch" else ["model.weights=null"]
    config = compose("train", [f"experiment={name}", *weights])
    with torch.device("meta"):  # shapes without numbers
        network = build(config.model)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name not in LARGER | RECOGNITION])
def test_two_steps(name, workplace, tmp_path, steps, best_only):
    overrides = [f"experiment={name}", "scale=smoke", *workplace, "trainer.accelerator=cpu", "trainer.num_workers=0"]
    model, shown = (compose("train", [f"experiment={one}"]).model for one in (name, "linknet34"))
    if name != "linknet34" and model == shown:
        overrides, model = [*overrides, *TINY], {}
    if "weights" in model:
        overrides.append("model.weights=null")
    if model.get("encoder") in SMALLER:
        overrides.append(f"model.encoder={SMALLER[model.encoder]}")
    if "maxvit" in model.get("encoder", ""):
        overrides.append("+model.depths=[1,1,1,1]")
    if "widths" in model:
        overrides.append(f"model.widths={[8] * len(model.widths)}")
    if "filters" in model:
        overrides.append("model.filters=4")
    config = compose("train", overrides)
    train(config)
    run = tmp_path / "experiments" / name / "fold0"
    assert len(steps) == 2
    log = pd.read_csv(run / "metrics.csv")
    assert log[["train/loss", "val/loss", "val/dice"]].notna().all(axis=None)
    network = load_network(run / "checkpoints/best.ckpt")
    shutil.rmtree(run)
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 64, 96, dtype=torch.uint8)).isfinite().all()


@pytest.mark.parametrize("name", sorted(RECOGNITION))
def test_two_steps_of_a_recognition(name, tiny_labels, tmp_path, monkeypatch, steps, best_only):
    monkeypatch.chdir(tmp_path)
    data = ["data=class_folders", f"data.root={tiny_labels}", "data.name=tiny"]
    folds(compose("folds", [*data, "folds.k=2", "twins=0"]))
    shrunk = ["model.architecture=resnet10t", "model.weights=null", "freeze=[]", "framing.size=32", "framing.resize=36"]
    shrunk += ["trainer.max_epochs=1", "trainer.batch_size=2", "trainer.limit_batches=2", "trainer.accelerator=cpu"]
    train(compose("train", [f"experiment={name}", *data, *shrunk, "audit=false"]))
    run = tmp_path / "experiments" / name / "fold0"
    assert len(steps) == 2
    log = pd.read_csv(run / "metrics.csv")
    assert log[["train/loss", "val/loss", "val/accuracy", "val/top5", "val/macro_recall"]].notna().all(axis=None)
    network = load_network(run / "checkpoints/best.ckpt")
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)).shape == (1, 3)


def test_frozen_layers_of_random_weights_are_refused(tiny_labels, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = ["data=class_folders", f"data.root={tiny_labels}", "data.name=tiny"]
    folds(compose("folds", [*data, "folds.k=2", "twins=0"]))
    shrunk = ["model.architecture=resnet10t", "model.weights=null", "freeze=[encoder.conv1]", "audit=false"]
    with pytest.raises(MaskfoldError, match=r"freeze: \[encoder\.conv1\] with model\.weights=null"):
        train(compose("train", ["experiment=resnet152", *data, *shrunk]))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_overlay_opens_with_its_command_and_is_named_as_its_file(name):
    first, second, *_ = Path(CONF, "experiment", f"{name}.yaml").read_text().splitlines()
    assert first == "# @package _global_"
    assert second.startswith(f"# make train EXP={name} FOLD=0")
    assert compose("train", [f"experiment={name}"]).name == name


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_split_is_carvanas_own_for_carvana_and_the_datas_own_for_any_other(name):
    splits = compose("train", [f"experiment={name}"]).splits
    for file in splits.values():
        assert Path(CONF).parent.joinpath(file).is_file()
    carvana = compose("train", [f"experiment={name}", "data=carvana"])
    assert carvana.split_file == splits.get("carvana")
    photos = compose("train", [f"experiment={name}", "data=pairs", "data.root=/photos"])
    assert photos.split_file is None
