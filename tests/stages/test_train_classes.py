"""A member of four classes from photos to checkpoint, overlapping or not; what one class costs and says stays."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from maskfold.arrays import encode
from maskfold.config import compose
from maskfold.data.source import Source
from maskfold.engine.checkpoints import load_checkpoint
from maskfold.errors import MaskfoldError
from maskfold.prediction.members import load_network
from maskfold.runs.run_folder import RunFolder
from maskfold.stages.train import train

CLASSES = ["red", "green", "blue", "bright"]


class Stacks(Source):
    """Photos `<id>.png` beside masks `<id>.b2nd`, each with a fold in its name."""

    def table(self) -> pd.DataFrame:
        photos = sorted(self.root.glob("*.png"))
        rows = [(photo.stem, str(photo), str(photo.with_suffix(".b2nd")), photo.stem, "", "train") for photo in photos]
        return pd.DataFrame(rows, columns=["image_id", "image", "mask", "group", "view", "split"], dtype="str")


@pytest.fixture
def stacks(tmp_path, monkeypatch):
    """Eight photos of 32x48 with a patch of each colour: `data` overrides, and the folder as the current one."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    rng = np.random.default_rng(0)
    for number in range(8):
        image = rng.integers(0, 60, (32, 48, 3), dtype=np.uint8)
        masks = np.zeros((4, 32, 48), np.uint8)
        for colour in range(3):
            top, left = rng.integers(0, 20), 16 * colour
            image[top : top + 12, left : left + 12, colour] += 180
            masks[colour, top : top + 12, left : left + 12] = 1
        cv2.imwrite(f"photos/photo{number}.png", image[..., ::-1])
        Path(f"photos/photo{number}.b2nd").write_bytes(encode(masks))
    Path("data/photos").mkdir(parents=True)
    folds = [f"photo{number},photo{number},{number % 2}" for number in range(8)]
    Path("data/photos/folds.csv").write_text("\n".join(["image_id,group,fold", *folds, ""]))


def configured(*overrides, model=None, **data):
    small = ["name=four", "model=unet_scratch", "model.widths=[8,8,8]", "geometry=pad", "scale=smoke", *overrides]
    small += ["trainer.accelerator=cpu", "trainer.num_workers=0", "trainer.limit_batches=null", "trainer.max_epochs=1"]
    config = compose("train", small)
    config.data = {"_target_": f"{__name__}.Stacks", "root": "photos", "name": "photos"} | data
    if model is not None:
        config.model = model
    return config


@pytest.mark.parametrize("exclusive", [False, True])
def test_four_classes_are_learned_and_the_metric_of_the_data_chooses(stacks, exclusive):
    loss = ["loss=cross_entropy"] if exclusive else ["augment=heavy"]
    best = train(configured(*loss, classes=CLASSES, exclusive=exclusive, metric="pooled_dice"))
    run = RunFolder(Path("experiments/four/fold0"))
    assert {"val/dice", "val/pooled_dice", *(f"val/dice.{name}" for name in CLASSES)} <= set(best)
    assert best["val/dice"] == pytest.approx(np.mean([best[f"val/dice.{name}"] for name in CLASSES]))
    assert run.monitor().name == "val/pooled_dice"
    checkpoint = load_checkpoint(run.best)
    assert checkpoint["construction"]["classes"] == 4
    assert checkpoint.get("network", {}) == ({"exclusive": True} if exclusive else {})
    with torch.inference_mode():
        probability = load_network(run.best)(torch.zeros(1, 3, 32, 64, dtype=torch.uint8)).sigmoid()
    assert probability.shape == (1, 4, 32, 64)
    assert not exclusive or float(probability.sum(1).max()) < 1


def test_one_class_is_told_nothing_of_classes(workplace, tmp_path):
    train(compose("train", ["experiment=demo_unet", "scale=smoke", *workplace, "trainer.accelerator=cpu"]))
    run = RunFolder(tmp_path / "experiments/demo_unet/fold0")
    checkpoint = load_checkpoint(run.best)
    assert "classes" not in checkpoint["construction"]
    assert "network" not in checkpoint
    assert run.monitor().name == "val/dice"


def test_a_model_that_cannot_be_told_is_named_by_its_answer(stacks):
    layer = {"_target_": "torch.nn.Conv2d", "in_channels": 3, "out_channels": 1, "kernel_size": 3, "padding": 1}
    with pytest.raises(MaskfoldError, match=r"answers with 1 channel.* 4 classes: set the argument"):
        train(configured(model=layer, classes=CLASSES))
    train(configured("name=told", model=layer | {"out_channels": 4}, classes=CLASSES))


def test_cross_entropy_is_refused_for_classes_that_may_overlap(stacks):
    with pytest.raises(MaskfoldError, match=r"never overlap.*data\.exclusive=true"):
        train(configured("loss=cross_entropy", classes=CLASSES))


def test_masks_of_other_classes_than_the_data_names_are_refused_by_name(stacks):
    with pytest.raises(MaskfoldError, match=r"photo\d\.b2nd: a mask of 4 planes, and the data has 3 classes"):
        train(configured(classes=CLASSES[:3]))
