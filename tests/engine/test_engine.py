import multiprocessing
import os
import signal
from functools import partial

import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch.utils.data import Dataset

from maskfold.engine import engine
from maskfold.engine.averaging import ema, swa
from maskfold.engine.checkpoints import load_checkpoint
from maskfold.engine.engine import Engine
from maskfold.engine.loaders import EpochLoader
from maskfold.errors import MaskfoldError
from maskfold.runs.run_folder import RunFolder

CYCLES = [
    {
        "repeat": 2,
        "snapshot": True,
        "restart": True,
        "phases": [{"epochs": 1, "rate": 0.1}, {"epochs": 1, "rate": 0.01}],
    }
]
PLATEAU = [{"epochs": 4, "rate": 0.1, "plateau": {"factor": 0.5, "patience": 1}}]


def log_of(task):
    return pd.read_csv(task.folder.metrics).drop(columns=["seconds", "images_per_second"])


def weights(task, name):
    return load_checkpoint(task.folder.checkpoints / f"{name}.ckpt")["state_dict"]


def assert_same_weights(one, other):
    assert one.keys() == other.keys()
    for key in one:
        assert torch.equal(one[key], other[key]), key


@pytest.mark.hostile("killed")
@pytest.mark.parametrize(
    "make",
    [
        dict,
        lambda: {"phases": CYCLES},
        lambda: {"phases": PLATEAU, "losses": [3.0, 4.0, 4.0, 2.0]},
        lambda: {"hard_negatives_every": 2, "accumulate": 2, "gradient_clip": 0.1},
        lambda: {"averaging": ema(decay=0.9), "hard_negatives_every": 2},
        lambda: {"draws": [4.0] * 2 + [1.0] * 8, "hard_negatives_every": 2},
        lambda: {"averaging": swa(first_epoch=1)},
        lambda: {"averaging": swa(first_epoch=3)},
        lambda: {"patience": 1, "losses": [3.0, 2.0, 2.5, 2.0]},
        lambda: {"keep_best": 2, "averaging": ema(decay=0.9), "losses": [3.0, 1.0, 2.0, 1.5]},
    ],
    ids=["plain", "cycles", "plateau", "mining", "ema", "uneven draws", "swa", "swa not begun", "patience", "kept"],
)
def test_a_run_broken_off_in_an_epoch_ends_like_one_that_was_not(toy, make):
    whole = toy("whole", **make())
    broken = toy("broken", stop_at=(2, 3), **make())
    assert len(log_of(broken)) == 2
    resumed = toy("broken", **make())
    assert resumed.seen[0][0] == 2
    pd.testing.assert_frame_equal(log_of(resumed), log_of(whole), check_exact=True)
    assert resumed.best.keys() == whole.best.keys()
    names = sorted(path.stem for path in whole.folder.checkpoints.iterdir())
    assert sorted(path.stem for path in resumed.folder.checkpoints.iterdir()) == names
    for name in names:
        assert_same_weights(weights(resumed, name), weights(whole, name))


def test_a_run_whose_training_is_complete_only_reports(toy):
    first, again = toy(), toy()
    assert again.seen == []
    assert again.best == first.best
    assert len(log_of(again)) == 4


def test_best_checkpoint_is_the_epoch_with_the_largest_monitor(toy):
    task = toy(losses=[3.0, 1.0, 2.0, 1.5])
    assert task.best["epoch"] == 1
    assert task.best["val/loss"] == 1.0
    assert load_checkpoint(task.folder.best)["epoch"] == 1
    assert load_checkpoint(task.folder.last)["epoch"] == 3
    assert "optimizer_states" not in load_checkpoint(task.folder.best)


def test_best_is_kept_over_all_cycles_and_one_snapshot_for_each(toy):
    task = toy(phases=CYCLES, losses=[3.0, 1.0, 2.0, 1.5])
    assert load_checkpoint(task.folder.best)["epoch"] == 1
    epochs = {path.stem: load_checkpoint(path)["epoch"] for path in task.folder.checkpoints.glob("snapshot*.ckpt")}
    assert epochs == {"snapshot0": 1, "snapshot1": 3}
    assert_same_weights(weights(task, "snapshot0"), weights(task, "best"))
    assert_same_weights(weights(task, "snapshot1"), weights(task, "last"))


def test_the_best_epochs_are_kept_and_what_falls_out_is_removed(toy, caplog):
    losses = [3.0, 1.0, 9.0, 2.0, 1.5]
    with caplog.at_level("INFO"):
        task = toy(phases=[{"epochs": 5, "rate": 0.01}], losses=losses, keep_best=2, averaging=ema(decay=0.9))
    assert "keep_best=2: up to " in caplog.text
    # Of the losses 3, 1, 9, 2, 1.5 the two smallest; those before were kept and have fallen out.
    assert {epoch: load_checkpoint(path)["epoch"] for epoch, path in task.folder.kept_checkpoints().items()} == {
        1: 1,
        4: 4,
    }
    assert_same_weights(weights(task, "kept-1"), weights(task, "best"))
    assert_same_weights(weights(task, "kept-4"), weights(task, "last"))
    assert "optimizer_states" not in load_checkpoint(task.folder.kept(1))


def test_patience_ends_a_run_early(toy):
    task = toy(patience=2, losses=[1.0, 2.0, 2.0, 2.0])
    assert log_of(task)["epoch"].tolist() == [0, 1, 2]


class NothingScoredAtFirst(Callback):
    """Forgets what was measured in the first epoch, as if no sample counted."""

    def on_validation_epoch_end(self, trainer, module):
        if trainer.current_epoch == 0:
            module.objective.metric.reset()


def test_an_epoch_whose_metric_is_no_number_ends_nothing_and_is_not_the_best(toy):
    """As a mean over the photos with an object is where validation sees none."""
    task = toy(patience=2, losses=[0.0, 3.0, 2.0, 1.0], averaging=NothingScoredAtFirst())
    assert log_of(task)["val/score"].isna().tolist() == [True, False, False, False]
    assert task.best["epoch"] == load_checkpoint(task.folder.best)["epoch"] == 3


def test_log_has_the_documented_columns_and_a_row_an_epoch(toy):
    task = toy(max_epochs=2)
    table = pd.read_csv(task.folder.metrics)
    columns = ["epoch", "rate", "train/loss", "val/loss", "val/score", "seconds", "images_per_second", "peak_memory_mb"]
    assert table.columns.tolist() == columns
    assert table["epoch"].tolist() == [0, 1]
    assert table["rate"].tolist() == [0.01, 0.01]
    assert (table["seconds"] > 0).all()
    # Ten images an epoch, trained in a part of its seconds.
    assert (table["images_per_second"] >= 10 / (table["seconds"] + 0.001)).all()


def test_limit_batches_limits_training_and_validation(toy):
    task = toy(max_epochs=1, limit_batches=2)
    assert len(task.seen) == 2


def test_damaged_last_checkpoint_is_refused_before_training(toy):
    task = toy(max_epochs=1)
    task.folder.last.write_bytes(b"half")
    with pytest.raises(MaskfoldError, match=r"last\.ckpt: not a readable checkpoint"):
        toy()


def test_a_schedule_without_a_length_asks_for_max_epochs(toy):
    with pytest.raises(MaskfoldError, match=r"trainer\.max_epochs is null"):
        toy(schedule=torch.optim.lr_scheduler.ConstantLR)


@pytest.mark.hostile("endless and hanging")
@pytest.mark.parametrize("epochs", [0, -1])
def test_a_number_of_epochs_that_never_ends_or_never_begins_is_refused(toy, epochs):
    with pytest.raises(MaskfoldError, match=rf"trainer\.max_epochs={epochs}: give 1 or more, or null"):
        toy(max_epochs=epochs)


class Stricken(Dataset):
    """Sends its loading process a signal when a sample is asked for; there is never one."""

    def __init__(self, sign: signal.Signals) -> None:
        self.sign = sign

    def __len__(self) -> int:
        return 4

    def __getitem__(self, key: tuple[int, int]) -> None:
        os.kill(os.getpid(), self.sign)


@pytest.mark.parametrize(
    ("sign", "message"),
    [
        pytest.param(
            signal.SIGSTOP,
            r"No batch has come from the loading processes for 1 s: one of them stands still",
            marks=pytest.mark.hostile("endless and hanging"),
        ),
        pytest.param(
            signal.SIGKILL,
            r"A loading process was lost: \(pid.*memory was full: lower trainer\.num_workers",
            marks=pytest.mark.hostile("memory"),
        ),
    ],
)
def test_a_loading_process_that_is_stopped_or_killed_ends_the_run_in_words(toy, sign, message):
    load = partial(EpochLoader, Stricken(sign), batch_size=2, num_workers=1, timeout=1)
    with pytest.raises(MaskfoldError, match=message):
        toy(max_epochs=1, loaders=[load(shuffle=True), load()])
    for process in multiprocessing.active_children():
        process.join(10)
        assert not process.is_alive()


def test_lightnings_own_bar_is_drawn_neither_in_training_nor_in_a_rehearsal(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(engine, "make_trainer", lambda **settings: drawn.append(settings["enable_progress_bar"]))

    Engine(accelerator="cpu")._trainer(RunFolder(tmp_path), 1, [])
    with pytest.raises(AttributeError):  # there is no trainer
        Engine(accelerator="cpu").rehearse(None, [], [])

    assert drawn == [False, False]
