"""Runs under deep supervision: trained on, predicted from, and begun from one another."""

import pytest
import torch

from maskfold.config import compose
from maskfold.engine.checkpoints import load_checkpoint
from maskfold.errors import MaskfoldError
from maskfold.prediction.members import load_network
from maskfold.runs.run_folder import RunFolder
from maskfold.stages.train import train

SMALL = ["experiment=demo_unet", "scale=smoke", "model.widths=[4,4,8]", "trainer.accelerator=cpu", "averaging=ema"]
HEAD = "network.auxiliary.heads.0.weight"


@pytest.fixture
def run(tmp_path, workplace):
    """Train with overrides; return the run's folder."""

    def start(name: str, *overrides: str) -> RunFolder:
        train(compose("train", [*SMALL, *workplace, f"name={name}", *overrides]))
        return RunFolder(tmp_path / "experiments" / name / "fold0")

    return start


def weights(path):
    return load_checkpoint(path)["state_dict"]


def test_one_epoch_and_another_are_what_two_are_and_others_begin_from_it(run):
    longer = run("longer", "deep=[up.0]", "keep_last=true")
    run("longer", "deep=[up.0]", "trainer.max_epochs=2", "keep_last=true")
    whole = run("whole", "deep=1", "trainer.max_epochs=2", "keep_last=true")
    one, other = weights(longer.last), weights(whole.last)
    assert HEAD in one
    assert all(torch.equal(one[key], other[key]) for key in one)

    network = load_network(whole.best)
    with torch.inference_mode():
        assert network(torch.zeros(1, 3, 64, 96, dtype=torch.uint8)).shape == (1, 1, 64, 96)

    with pytest.raises(MaskfoldError, match="deep: 1 before, 0 now"):
        run("whole", "trainer.max_epochs=2")
    plain = run("plain", f"start_from={whole.path}", "freeze=[down]")
    assert HEAD not in weights(plain.best)
    first = "network.model.down.0.0.weight"
    assert torch.equal(weights(plain.best)[first], weights(whole.best)[first])
