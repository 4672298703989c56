"""A look-alike of TGS Salt from its folders and tables to out-of-fold scores: grey, 101 pixels, runs by columns."""

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.config import compose
from maskfold.masks.rules import Rules
from maskfold.prediction.store import ProbabilityStore
from maskfold.stages.evaluate import evaluate
from maskfold.stages.folds import folds
from maskfold.stages.predict import predict
from maskfold.stages.train import train

RULES = Rules(columns={"id": "{image_id}", "rle_mask": "{runs}"}, order="columns")
DATA = [
    "data=competition",
    "data.root=salt",
    "data.images=train/images",
    "data.test=test/images",
    "data.masks={kind:runs,file:train.csv,columns:{id:'{image_id}',rle_mask:'{runs}'},order:columns}",
    "data.group={file:depths.csv,id:id,column:z}",
]
EMPTY = 8  # of 20 photos


def drawn(number: int) -> np.ndarray:
    """The mask of a photo."""
    mask = np.zeros((101, 101), np.uint8)
    if number >= EMPTY:
        cv2.rectangle(mask, (number, 3), (number + 40, 60), 1, -1)
    return mask


def dice(predicted: np.ndarray, actual: np.ndarray) -> float:
    both = predicted.sum() + actual.sum()
    return 2 * (predicted & (actual > 0)).sum() / both if both else 1.0


@pytest.fixture
def salt(tmp_path, monkeypatch):
    """Twenty train photos, of which eight are empty, and two to predict; every two are of one depth."""
    monkeypatch.chdir(tmp_path)
    rng, lines, depths = np.random.default_rng(0), ["id,rle_mask"], ["id,z"]
    for number in range(22):
        split, name = "train" if number < 20 else "test", f"{number:010x}"
        folder = tmp_path / "salt" / split / "images"
        folder.mkdir(parents=True, exist_ok=True)
        mask = drawn(number)
        photo = rng.integers(0, 90, mask.shape, dtype=np.uint8) + 120 * mask
        cv2.imwrite(str(folder / f"{name}.png"), photo)
        depths.append(f"{name},{number // 2}")
        if split == "train":
            lines.append(",".join(RULES.row(f"{name}.png", RULES.text(mask))))
    (tmp_path / "salt/train.csv").write_text("\n".join(lines))
    (tmp_path / "salt/depths.csv").write_text("\n".join(depths))
    return tmp_path


def test_salt_goes_from_its_tables_to_scores_out_of_fold(salt):
    folds(compose("folds", [*DATA, "folds=group_stratified", "folds.k=2"]))
    split = pd.read_csv(salt / "data/salt/folds.csv", dtype=str)
    number = split["image_id"].map(lambda name: int(name, 16))
    assert split.groupby("group")["fold"].nunique().tolist() == [1] * 10
    assert split[number < EMPTY].groupby("fold").size().tolist() == [4, 4]

    overrides = ["name=tiny", "fold=0", *DATA, "scale=smoke", "geometry=pad", "geometry.height=128"]
    config = compose("train", [*overrides, "geometry.width=128", "trainer.accelerator=cpu"])
    layer = {"_target_": "torch.nn.Conv2d", "in_channels": 3, "out_channels": 1, "kernel_size": 3, "padding": 1}
    config.model = {"_target_": "torch.nn.Sequential", "_args_": [layer]}
    train(config)
    for part in ("oof", "test"):
        predict(compose("predict", ["name=tiny", "fold=0", f"split={part}", "trainer.accelerator=cpu"]))
    results = evaluate(compose("evaluate", ["name=tiny", "fold=0"])).set_index("fold")

    stores = {part: ProbabilityStore(salt / "experiments/tiny/fold0/predictions" / part) for part in ("oof", "test")}
    validated = split.loc[split["fold"] == "0", "image_id"].tolist()
    assert len(validated) == 10
    scores = [dice(stores["oof"].read(image_id) >= 128, drawn(int(image_id, 16))) for image_id in validated]
    assert results.loc["0", "dice"] == round(float(np.mean(scores)), 6)
    assert {stores["test"].read(f"{number:010x}").shape for number in (20, 21)} == {(101, 101)}
