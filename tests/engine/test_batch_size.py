"""The batch size by trial, on a device that pretends to have little memory."""

import json

import pandas as pd
import pytest
import torch

from maskfold import files
from maskfold.config import compose
from maskfold.engine.batch_size import largest_batch, settle_batch_size
from maskfold.engine.checkpoints import load_checkpoint
from maskfold.engine.engine import DeviceMemoryError
from maskfold.engine.task import Task
from maskfold.errors import MaskfoldError
from maskfold.runs.run_folder import RunFolder
from maskfold.stages.train import train

SMALL = ["experiment=demo_unet", "model.widths=[4,4]", "geometry.height=32", "geometry.width=48"]
SMALL += ["trainer.accelerator=cpu", "trainer.num_workers=0", "trainer.max_epochs=2"]
TIMINGS = ["seconds", "images_per_second"]


@pytest.mark.parametrize(
    ("effective", "room", "found", "tried"),
    [(4, 9, 4, [4]), (12, 5, 4, [12, 6, 4]), (7, 6, 1, [7, 1]), (1, 1, 1, [1])],
)
def test_the_largest_divisor_that_fits(effective, room, found, tried):
    sizes = []

    def trial(size):
        sizes.append(size)
        if size > room:
            raise DeviceMemoryError

    assert largest_batch(effective, trial) == found
    assert sizes == tried


def test_a_step_may_be_of_one_image_and_not_of_none(tmp_path):
    folder = RunFolder(tmp_path)
    files.write_json(folder.run, {})

    with pytest.raises(MaskfoldError, match="effective_batch"):
        settle_batch_size(folder, 0, lambda size: None)
    assert settle_batch_size(folder, 1, lambda size: None) == 1


def test_a_device_that_holds_not_even_one_image_is_told():
    def trial(size):
        raise DeviceMemoryError

    with pytest.raises(MaskfoldError, match=r"Not even one image at a time fits"):
        largest_batch(4, trial)


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    def trial(size):
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        largest_batch(4, trial)


@pytest.fixture
def seen(monkeypatch):
    """A device with room for training on two images; returns the sizes of the batches that came."""
    sizes = []
    step = Task.training_step

    def limited(task, batch, batch_idx):
        sizes.append(len(batch["image"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return step(task, batch, batch_idx)

    monkeypatch.setattr(Task, "training_step", limited)
    return sizes


def test_what_fits_is_found_kept_and_accumulated_to_the_same_run_as_given_by_hand(tmp_path, workplace, seen):
    auto = [
        *SMALL,
        *workplace,
        "trainer.batch_size=auto",
        "trainer.effective_batch=6",
        "averaging=ema",
        "keep_last=true",
    ]
    train(compose("train", [*auto, "name=auto"]))
    assert seen == [6, 3, 2, 2] + [2] * 6  # two trials that fail, one of two steps, and two epochs of six images
    run = tmp_path / "experiments/auto/fold0"
    assert json.loads((run / "run.json").read_text())["batch_size"] == 2

    train(
        compose(
            "train",
            [*SMALL, *workplace, "trainer.batch_size=2", "trainer.accumulate=3", "averaging=ema", "keep_last=true"],
        )
    )
    by_hand = tmp_path / "experiments/demo_unet/fold0"
    logs = [pd.read_csv(folder / "metrics.csv").drop(columns=TIMINGS) for folder in (run, by_hand)]
    pd.testing.assert_frame_equal(*logs, check_exact=True)
    last, expected = (load_checkpoint(folder / "checkpoints/last.ckpt") for folder in (run, by_hand))
    assert last["global_step"] == 2  # one step an epoch
    assert all(torch.equal(last["state_dict"][key], expected["state_dict"][key]) for key in expected["state_dict"])


def test_a_run_that_goes_on_does_not_look_again(tmp_path, workplace, seen, monkeypatch):
    auto = [*SMALL, *workplace, "trainer.batch_size=auto", "trainer.effective_batch=2"]

    def killed(*arguments, **_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("maskfold.runs.run_folder.RunFolder.finish", killed)
        with pytest.raises(KeyboardInterrupt):
            train(compose("train", auto))
    seen.clear()
    train(compose("train", auto))
    assert seen == []  # neither a trial, nor an epoch that was finished


def test_without_auto_the_message_says_what_to_do(workplace, seen):
    with pytest.raises(MaskfoldError, match=r"Out of memory on the device .*trainer\.batch_size=auto"):
        train(compose("train", [*SMALL, *workplace, "trainer.batch_size=3"]))


def test_auto_asks_for_the_effective_batch(workplace):
    with pytest.raises(MaskfoldError, match=r"say with trainer\.effective_batch=<n>"):
        train(compose("train", [*SMALL, *workplace, "trainer.batch_size=auto"]))
