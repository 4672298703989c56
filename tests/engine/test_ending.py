"""A training that is asked to end does so behind a step, and never in the middle of a validation."""

import os
import signal

import pandas as pd
import pytest
import torch
from lightning.pytorch.utilities import rank_zero_only
from test_engine_ranks import fit

from maskfold import termination
from maskfold.engine.checkpoints import load_checkpoint
from maskfold.engine.task import Task
from maskfold.runs.run_folder import RunFolder

pytestmark = pytest.mark.hostile("killed")


@pytest.fixture
def asked_at(toy, monkeypatch):
    """Fit a toy of three epochs that is asked to end at a step of training or validation; return the steps it took."""

    def run(
        *, training: tuple[int, int] | None = None, validation: tuple[int, int] | None = None, **trainer: int
    ) -> list:
        monkeypatch.setattr(termination._Request, "come", False)
        steps, train, validate = [], Task.training_step, Task.validation_step

        def training_step(task, batch, batch_idx):
            steps.append((task.current_epoch, batch_idx))
            if steps[-1] == training:
                termination.pass_on()
            return train(task, batch, batch_idx)

        def validation_step(task, batch, batch_idx):
            if (task.current_epoch, batch_idx) == validation:
                termination.pass_on()
            validate(task, batch, batch_idx)

        with monkeypatch.context() as patch:
            patch.setattr(Task, "training_step", training_step)
            patch.setattr(Task, "validation_step", validation_step)
            with pytest.raises(KeyboardInterrupt):
                toy(phases=[{"epochs": 3, "rate": 0.01}], **trainer)
        return steps

    return run


def kept(tmp_path) -> int:
    """How many epochs the last checkpoint is behind, and the log has."""
    folder = RunFolder(tmp_path / "run")
    epochs = load_checkpoint(folder.last)["epoch"] + 1
    assert len(pd.read_csv(folder.metrics)) == epochs
    return epochs


def test_it_ends_behind_the_step(asked_at, tmp_path):
    assert asked_at(training=(1, 2))[-1] == (1, 2)
    assert kept(tmp_path) == 1


def test_it_does_not_end_between_two_batches_of_a_step(asked_at):
    assert asked_at(training=(1, 0), accumulate=2)[-1] == (1, 1)


def test_it_is_saved_there_and_gone_on_with(asked_at, toy, tmp_path, monkeypatch):
    asked_at(training=(1, 2))
    monkeypatch.setattr(termination._Request, "come", False)
    phases = [{"epochs": 3, "rate": 0.01}]

    resumed, whole = toy(phases=phases), toy("whole", phases=phases)

    assert resumed.seen == whole.seen[8:]  # five batches of the first epoch, three of the second
    one, other = (load_checkpoint(task.folder.last)["state_dict"] for task in (resumed, whole))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("when", [{"training": (1, 4)}, {"validation": (1, 1)}])
def test_an_epoch_whose_steps_are_done_is_validated_and_kept(asked_at, when, tmp_path):
    assert asked_at(**when)[-1] == (1, 4)
    assert kept(tmp_path) == 2


def test_what_is_asked_in_the_last_epochs_validation_ends_it_all_the_same(asked_at, tmp_path):
    asked_at(validation=(2, 0))
    assert kept(tmp_path) == 3


@pytest.mark.slow  # two processes that wait for one another: beside the whole suite they may take too long
def test_one_rank_that_is_asked_ends_all_of_them_behind_the_same_step(together, tmp_path):
    class Asked(Task):
        def training_step(self, batch, batch_idx):
            (tmp_path / f"steps{rank_zero_only.rank}").write_text(f"{self.current_epoch} {batch_idx}")
            if rank_zero_only.rank == 1 and (self.current_epoch, batch_idx) == (1, 0):
                os.kill(os.getpid(), signal.SIGTERM)
            return super().training_step(batch, batch_idx)

    def act(rank: int) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        termination.listen()
        fit(tmp_path / "run", batch_size=1, kind=Asked)

    assert together(act) == [143, 143]
    assert [(tmp_path / f"steps{rank}").read_text() for rank in (0, 1)] == ["1 0", "1 0"]
    assert kept(tmp_path) == 1
