"""A run whose loss becomes NaN says so, ends, and keeps what was good."""

import math

import pandas as pd
import pytest
import torch

from maskfold.engine.checkpoints import load_checkpoint
from maskfold.engine.divergence import StopWhenDiverged
from maskfold.errors import MaskfoldError

BREAKS_IN_THE_THIRD = [{"epochs": 2, "rate": 0.01}, {"epochs": 4, "rate": 1e30}]


@pytest.mark.hostile("endless and hanging")
@pytest.mark.parametrize(
    ("options", "fault", "loss"),
    [
        ({"phases": BREAKS_IN_THE_THIRD}, "the network's weights are", True),
        ({"losses": [3.0, 2.0, math.nan, 1.0]}, "the validation loss is", False),
        ({"losses": [3.0, 2.0, math.inf, 1.0]}, "the validation loss is", False),
    ],
)
def test_the_run_ends_with_its_last_good_state(toy, tmp_path, caplog, options, fault, loss):
    with pytest.raises(MaskfoldError, match=rf"run: the training has diverged: in epoch 3 {fault} no number any more"):
        toy(**options)

    run = tmp_path / "run"
    assert pd.read_csv(run / "metrics.csv")["epoch"].tolist() == [0, 1]
    for name in ("best", "last"):
        checkpoint = load_checkpoint(run / "checkpoints" / f"{name}.ckpt")
        assert checkpoint["epoch"] <= 1
        assert all(torch.isfinite(value).all() for value in checkpoint["state_dict"].values())
    said = [message for message in caplog.messages if "the training loss is" in message]
    assert len(said) == loss
    assert all("in epoch 3, batch" in message for message in said)


@pytest.mark.hostile("endless and hanging")
def test_a_run_that_has_never_been_good_keeps_nothing(toy, tmp_path):
    with pytest.raises(MaskfoldError, match=r"in epoch 1 .* No epoch has been finished\. The same command"):
        toy(phases=[{"epochs": 4, "rate": 1e30}])
    assert not [*tmp_path.rglob("*.ckpt")]


class Trainer:
    """As much of Lightning's as is asked for."""

    def __init__(self) -> None:
        self.current_epoch = 0
        self.callback_metrics = {"val/loss": torch.tensor(0.5)}
        self.strategy = self

    def reduce_boolean_decision(self, decision: bool, all: bool) -> bool:
        return decision


def test_a_single_bad_loss_is_said_and_passed_over(tmp_path, caplog):
    callback, trainer, network = StopWhenDiverged(tmp_path), Trainer(), torch.nn.Linear(1, 1)
    callback.on_train_epoch_start(trainer, network)
    for number, loss in enumerate([0.5, math.inf, 0.5, math.inf]):
        callback.on_train_batch_end(trainer, network, {"loss": torch.tensor(loss)}, None, number)

    callback.on_validation_end(trainer, network)

    assert caplog.messages == [f"{tmp_path}: the training loss is inf in epoch 1, batch 2."]


def test_a_buffer_that_is_infinite_from_the_start_is_no_fault(tmp_path):
    callback, trainer, network = StopWhenDiverged(tmp_path), Trainer(), torch.nn.BatchNorm1d(2)
    network.register_buffer("attention", torch.full((2, 2), -math.inf).triu(1))
    callback.on_fit_start(trainer, network)
    callback.on_validation_end(trainer, network)

    network.running_var[0] = math.inf
    with pytest.raises(MaskfoldError, match="the network's weights are no number"):
        callback.on_validation_end(trainer, network)


def test_an_epoch_without_any_good_loss_ends_the_run(tmp_path):
    callback, trainer, network = StopWhenDiverged(tmp_path), Trainer(), torch.nn.Linear(1, 1)
    callback.on_train_epoch_start(trainer, network)
    for number in range(3):
        callback.on_train_batch_end(trainer, network, {"loss": torch.tensor(math.nan)}, None, number)

    with pytest.raises(MaskfoldError, match="the training loss of every batch is no number"):
        callback.on_validation_end(trainer, network)
