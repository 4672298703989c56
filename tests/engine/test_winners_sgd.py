"""`unet_scratch` takes the winners' steps: the sum of four gradients at their rate and decay, written out in NumPy."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset
from torchmetrics import MeanMetric, MetricCollection

from maskfold.config import build, compose
from maskfold.engine.engine import Engine
from maskfold.engine.loaders import EpochLoader
from maskfold.engine.objective import Objective
from maskfold.engine.schedules import Schedule
from maskfold.engine.task import Task
from maskfold.runs.monitor import Monitor
from maskfold.runs.run_folder import RunFolder

RATES = {0: 0.005, 100: 0.0025, 200: 0.00125}  # theirs, from these epochs on
DECAY, MOMENTUM, ADDED = 5e-4, 0.9, 4
POINTS = np.random.default_rng(5).normal(size=(8, 3)).astype(np.float32)
TARGETS = np.random.default_rng(6).normal(size=8).astype(np.float32)


class Points(Dataset):
    def __len__(self) -> int:
        return len(POINTS)

    def __getitem__(self, key: tuple[int, int]) -> dict[str, torch.Tensor]:
        index = key[1]
        return {"image": torch.tensor(POINTS[index]), "index": torch.tensor(index)}


class SquaredError(Objective):
    monitor = Monitor(name="val/score", mode="max", label="validation score")

    def __init__(self, order: list[int]) -> None:
        super().__init__()
        self.order = order
        self.metric = MetricCollection({"score": MeanMetric()})

    def losses(self, output: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        if output.requires_grad:
            self.order += batch["index"].tolist()
        return (output[:, 0] - torch.tensor(TARGETS)[batch["index"]]).square()

    def measure(self, output: torch.Tensor, batch: dict[str, torch.Tensor]) -> None:
        self.metric.update(-self.losses(output, batch))


def their_weights(start: np.ndarray, order: list[int]) -> np.ndarray:
    """Go through the samples as they did: one at a time, a step on the sum of every four gradients."""
    weights, velocity = start.astype(np.float64), np.zeros(3)
    epochs = np.split(np.array(order), len(RATES))
    for samples, rate in zip(epochs, RATES.values(), strict=True):
        for four in np.split(samples, len(samples) // ADDED):
            gradient = sum(2 * (POINTS[one] @ weights - TARGETS[one]) * POINTS[one].astype(np.float64) for one in four)
            velocity = MOMENTUM * velocity + gradient + DECAY * weights
            weights = weights - rate * velocity
    return weights


def test_four_times_the_rate_on_the_mean_is_their_step_on_the_sum(tmp_path):
    config = compose("train", ["experiment=unet_scratch"])
    table = build(config.schedule)
    assert config.trainer.batch_size == 1
    torch.manual_seed(0)
    network = nn.Linear(3, 1, bias=False)
    start, order = network.weight.detach().numpy()[0].copy(), []
    Engine(accelerator="cpu", accumulate=config.trainer.accumulate).fit(
        Task(network, optimizer=build(config.optimizer), objective=SquaredError(order)),
        EpochLoader(Points(), batch_size=config.trainer.batch_size, seed=1, shuffle=True, num_workers=0),
        EpochLoader(Points(), batch_size=4, seed=1, shuffle=False, num_workers=0),
        folder=RunFolder(tmp_path / "run"),
        schedule=Schedule(phases=[{"epochs": 1, "rate": table.epoch(first).rate} for first in RATES]),
        seed=1,
    )
    ours, theirs = network.weight.detach().numpy()[0], their_weights(start, order)
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=2e-6)
    assert np.abs(theirs - start).max() > 0.1  # far more than the tolerance
    assert their_weights(start, order[::-1])[0] != pytest.approx(ours[0], abs=1e-4)  # the order is theirs as well
