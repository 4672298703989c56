"""Training and prediction on a device, in its precisions and layouts: about what a CPU does in float32."""

import json
import shutil
from contextlib import chdir
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskfold.config import compose
from maskfold.prediction.store import ProbabilityStore
from maskfold.stages.fuse import fuse
from maskfold.stages.predict import predict
from maskfold.stages.train import train

MEMBER = ["experiment=demo_unet", "data=carvana", "data.name=tiny", "data.root=photos", "augment=soft", "seed=3"]
MEMBER += ["model.widths=[8,16]", "geometry.height=32", "geometry.width=48", "trainer.max_epochs=2"]
IN_FLOAT32 = ["trainer.accelerator=cpu", "trainer.precision=32-true", "trainer.num_workers=0"]
RECIPE = ["ensemble=linknet34", "ensemble.members=[{experiment: there, folds: [0]}]"]
ON_GPU = [
    (["trainer.precision=32-true"], 2),
    (["trainer.precision=16-mixed"], 3),
    (["trainer.precision=bf16-mixed"], 8),
    (["trainer.precision=32-true", "trainer.channels_last=true"], 2),
    (["trainer.precision=32-true", "trainer.compile=true"], 2),
    (["trainer.precision=32-true", "trainer.num_workers=2"], 2),
]


@pytest.fixture(scope="module")
def learned_once(trained_once, made_once) -> Path:
    """A working folder with a member `there` that a CPU has trained in float32, and its maps of the test photos."""

    def make(root: Path) -> None:
        shutil.copytree(trained_once, root, dirs_exist_ok=True)
        with chdir(root):
            train(compose("train", [*MEMBER, "name=there", *IN_FLOAT32]))
            predict(compose("predict", ["name=there", "split=test", *IN_FLOAT32]))

    return made_once("learned_in_float32", make)


@pytest.fixture
def learned(learned_once, tmp_path, monkeypatch) -> Path:
    """A copy of `learned_once`, as the current directory."""
    copy = shutil.copytree(learned_once, tmp_path / "work")
    monkeypatch.chdir(copy)
    return copy


def predictions(name: str) -> ProbabilityStore:
    return ProbabilityStore(Path(f"experiments/there/fold0/predictions/{name}"))


def furthest(store: ProbabilityStore) -> int:
    """Return by how many grey levels a store's maps are at most away from the CPU's."""
    theirs = predictions("test")
    assert store.image_ids() == theirs.image_ids()
    return max(np.abs(store.read(one).astype(int) - theirs.read(one)).max() for one in theirs.image_ids())


@pytest.mark.parametrize(
    ("device", "options", "levels"),
    [
        ("cpu", ["trainer.precision=bf16-mixed", "trainer.channels_last=true", "trainer.num_workers=0"], 8),
        *(pytest.param("cuda", *case, marks=pytest.mark.gpu, id=case[0][-1]) for case in ON_GPU),
    ],
)
def test_a_device_learns_and_predicts_about_what_a_cpu_does_in_float32(learned, device, options, levels):
    on_device = [f"trainer.accelerator={device}", *options]

    predict(compose("predict", ["name=there", "split=test", "store=elsewhere", *on_device]))
    train(compose("train", [*MEMBER, "name=again", *on_device]))

    assert furthest(predictions("elsewhere")) <= levels
    logs = [pd.read_csv(f"experiments/{name}/fold0/metrics.csv") for name in ("there", "again")]
    for losses in ("train/loss", "val/loss"):
        np.testing.assert_allclose(*(log[losses] for log in reversed(logs)), rtol=0.05)
    augmented_on = json.loads(Path("experiments/again/fold0/run.json").read_text())["augmented_on"]
    assert augmented_on == ("cpu" if device == "cpu" else "device")


def test_a_run_broken_off_on_a_device_goes_on_there(learned, device):
    on_device = [f"trainer.accelerator={device}", "trainer.precision=32-true", "trainer.num_workers=0"]
    train(compose("train", [*MEMBER, "name=again", "trainer.max_epochs=1", "keep_last=true", *on_device]))

    train(compose("train", [*MEMBER, "name=again", *on_device]))

    whole, again = (pd.read_csv(f"experiments/{name}/fold0/metrics.csv") for name in ("there", "again"))
    assert again["epoch"].tolist() == [0, 1]
    np.testing.assert_allclose(again["train/loss"], whole["train/loss"], rtol=0.05)


def test_fusing_on_a_device_gives_the_networks_map(learned, device):
    fuse(compose("fuse", [*RECIPE, f"trainer.accelerator={device}", "trainer.precision=32-true"]))

    (folder,) = {path.parent for path in Path("submissions").rglob("*.b2nd")}
    assert furthest(ProbabilityStore(folder)) <= (0 if device == "cpu" else 2)
