"""Two ranks have the gradients of one, whatever is frozen, and send them as cheaply as the training allows."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.strategies import DDPStrategy
from torch import nn
from torch.utils.data import Dataset
from torchmetrics import MeanMetric, MetricCollection

from maskfold.engine.checkpoints import load_checkpoint
from maskfold.engine.engine import Engine
from maskfold.engine.loaders import EpochLoader
from maskfold.engine.objective import Objective
from maskfold.engine.reduction import set_up_reduction
from maskfold.engine.schedules import Schedule
from maskfold.engine.task import Task
from maskfold.errors import MaskfoldError
from maskfold.runs.monitor import Monitor
from maskfold.runs.run_folder import RunFolder


class Pictures(Dataset):
    """32 pictures of 8x8 that follow from their number."""

    def __len__(self) -> int:
        return 32

    def __getitem__(self, key: tuple[int, int]) -> dict[str, torch.Tensor]:
        return {"image": torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(key[1])) + 0.5}


class Sum(Objective):
    """The sum of a picture, by its squared error."""

    monitor = Monitor(name="val/error", mode="min", label="validation error")

    def __init__(self) -> None:
        super().__init__()
        self.metric = MetricCollection({"error": MeanMetric()})

    def losses(self, output: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return (output.sum(1) - batch["image"].sum(dim=(1, 2, 3))).square()

    def measure(self, output: torch.Tensor, batch: dict[str, torch.Tensor]) -> None:
        self.metric.update(self.losses(output, batch))


class Watched(Task):
    """Writes down the gradients of the first step, and how they were shared."""

    path: Path

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        if self.trainer.global_step == 0 and self.trainer.is_global_zero:
            gradients = {name: one.grad for name, one in self.network.named_parameters() if one.grad is not None}
            torch.save(gradients, self.path / "gradients")
            model = self.trainer.model
            if self.trainer.world_size > 1:
                shared = model._get_ddp_logging_data()["total_parameter_size_bytes"] // 4
                facts = [model.static_graph, model.gradient_as_bucket_view, model.bucket_bytes_cap, shared]
                (self.path / "facts").write_text(json.dumps(facts))


def network() -> nn.Module:
    torch.manual_seed(3)
    stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    stem[1].running_mean.fill_(0.3)
    body = nn.Sequential(nn.Conv2d(4, 8, 3, groups=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(stem, body, nn.Linear(8, 2))


def fit(path: Path, *, batch_size: int, **trainer: object) -> None:
    path.mkdir(exist_ok=True)
    task = Watched(network(), optimizer=partial(torch.optim.SGD, lr=1e-4), objective=Sum(), freeze=["0"])
    task.path = path
    load = partial(EpochLoader, Pictures(), batch_size=batch_size, seed=1, num_workers=0)
    Engine(accelerator="cpu", **trainer).fit(
        task,
        load(shuffle=True),
        load(),
        folder=RunFolder(path),
        schedule=Schedule(phases=[{"epochs": 2, "rate": 1e-4}]),
        seed=1,
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> dict[str, torch.Tensor]:
    """The gradients of the first step of one rank with sixteen pictures."""
    path = tmp_path_factory.mktemp("alone")
    fit(path, batch_size=16)
    return torch.load(path / "gradients")


@pytest.mark.parametrize(("batch_size", "accumulate"), [(8, 1), (4, 2)])
def test_two_ranks_have_the_gradients_of_one_with_frozen_layers(batch_size, accumulate, alone, tmp_path, together):
    trained = partial(fit, tmp_path, batch_size=batch_size, accumulate=accumulate, bucket_mb=1)
    assert together(lambda rank: trained()) == [0, 0]

    gradients = torch.load(tmp_path / "gradients")
    assert gradients.keys() == alone.keys() == {"1.0.weight", "1.0.bias", "2.weight", "2.bias"}
    for name, one in alone.items():
        torch.testing.assert_close(gradients[name], one, rtol=1e-5, atol=1e-5)
        assert one.abs().max() > 0.1
    numbers = sum(one.numel() for one in alone.values())
    # Steps without a reduction break the first one of a static graph.
    assert json.loads((tmp_path / "facts").read_text()) == [accumulate == 1, True, 2**20, numbers]
    before, after = network().state_dict(), load_checkpoint(RunFolder(tmp_path).last)["state_dict"]
    unchanged = {name for name, value in before.items() if torch.equal(value, after[f"network.{name}"])}
    assert unchanged == {name for name in before if name.startswith("0.")}


def test_gradients_may_travel_in_sixteen_bits(alone, tmp_path, together):
    assert together(lambda rank: fit(tmp_path, batch_size=8, compress_gradients="bf16")) == [0, 0]

    gradients = torch.load(tmp_path / "gradients")
    for name, one in alone.items():
        torch.testing.assert_close(gradients[name], one, rtol=2**-7, atol=2**-7)
        assert torch.equal(gradients[name], gradients[name].bfloat16().float())


def test_one_process_says_that_it_compresses_nothing(tmp_path, caplog):
    fit(tmp_path, batch_size=8, compress_gradients="bf16")
    assert "compress_gradients=bf16: this run has one process" in caplog.text
    with pytest.raises(MaskfoldError, match="compress_gradients=fp16: there is bf16, or null"):
        fit(tmp_path, batch_size=8, compress_gradients="fp16")


@pytest.mark.parametrize(
    ("strategy", "same_graph", "accumulate", "static"),
    [
        ({}, True, 1, True),
        ({}, False, 1, False),
        ({}, True, 2, False),
        ({"find_unused_parameters": True}, True, 1, False),
    ],
)
def test_a_graph_is_taken_for_static_where_it_is(strategy, same_graph, accumulate, static):
    trainer = SimpleNamespace(strategy=DDPStrategy(**strategy), world_size=2, accumulate_grad_batches=accumulate)
    set_up_reduction(trainer, bucket_mb=25, same_graph=same_graph)
    assert trainer.strategy._ddp_kwargs["static_graph"] is static
    assert trainer.strategy._ddp_kwargs["gradient_as_bucket_view"]


@pytest.mark.parametrize("schedule", [None, partial(torch.optim.lr_scheduler.ConstantLR, factor=1.0)])
def test_rates_follow_the_images_to_a_step_where_that_is_asked(schedule, toy: Callable):
    options = {"schedule": schedule} if schedule else {"phases": [{"epochs": 1, "rate": 1.0}]}
    scaled = toy(max_epochs=1, accumulate=2, scale_rate=256, **options)
    assert {*scaled.rates} == {2 * 2 / 256}
