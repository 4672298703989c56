"""Several ranks of one run: forked, since a new interpreter would take seconds to import torch."""

import json
import os
import signal
import time
from functools import partial

import pandas as pd
import pytest
import torch
from lightning.pytorch.utilities import rank_zero_only
from torch import nn
from torch.utils.data import Dataset
from torchmetrics import MeanMetric, MetricCollection

from maskfold import files
from maskfold.engine import ranks
from maskfold.engine.checkpoints import load_checkpoint
from maskfold.engine.engine import Engine
from maskfold.engine.loaders import EpochLoader
from maskfold.engine.objective import Objective
from maskfold.engine.schedules import Schedule
from maskfold.engine.task import Task
from maskfold.errors import MaskfoldError
from maskfold.runs.monitor import Monitor
from maskfold.runs.run_folder import RunFolder

TIMINGS = ["seconds", "images_per_second", "peak_memory_mb"]


class Noise(Dataset):
    """So many pictures of 4x4, which follow from epoch and index."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: tuple[int, int]) -> dict[str, torch.Tensor]:
        epoch, index = key
        return {"image": torch.rand(1, 4, 4, generator=torch.Generator().manual_seed(1000 * epoch + index))}


class MeanOfPicture(Objective):
    """The mean of a picture, by its squared error."""

    monitor = Monitor(name="val/error", mode="min", label="validation error")

    def __init__(self) -> None:
        super().__init__()
        self.metric = MetricCollection({"error": MeanMetric()})

    def losses(self, output: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return (output[:, 0] - batch["image"].mean(dim=(1, 2, 3))).square()

    def measure(self, output: torch.Tensor, batch: dict[str, torch.Tensor]) -> None:
        self.metric.update(self.losses(output, batch))


def plain(kind: type[Task] = Task) -> Task:
    """A task without batch normalisation, whose statistics are those of a rank's share of a batch."""
    torch.manual_seed(3)
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 1))
    return kind(network, optimizer=partial(torch.optim.SGD, lr=1.0), objective=MeanOfPicture())


def fit(folder, *, batch_size: int, kind: type[Task] = Task, **trainer) -> None:
    loaders = (
        EpochLoader(Noise(length), batch_size=batch_size, seed=1, shuffle=length == 10, num_workers=0)
        for length in (10, 5)
    )
    schedule = Schedule(phases=[{"epochs": 3, "rate": 0.1}])
    engine = Engine(accelerator="cpu", **trainer)
    engine.fit(plain(kind), *loaders, folder=RunFolder(folder), schedule=schedule, seed=1)


def epochs(folder) -> pd.DataFrame:
    return pd.read_csv(folder / "metrics.csv").drop(columns=TIMINGS)


def test_two_ranks_step_and_score_as_one_does(tmp_path, together):
    assert together(lambda rank: fit(tmp_path / "two", batch_size=4)) == [0, 0]
    fit(tmp_path / "one", batch_size=8)

    one, two = (load_checkpoint(tmp_path / name / "checkpoints/last.ckpt")["state_dict"] for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=0, atol=1e-6)
    pd.testing.assert_frame_equal(epochs(tmp_path / "two"), epochs(tmp_path / "one"), rtol=1e-6)


class Unmoved(Task):
    """Has the same losses whoever trains it: its rate is nothing."""

    def on_train_batch_start(self, batch, batch_idx) -> None:
        self.optimizers().param_groups[0]["lr"] = 0.0


def test_five_samples_on_two_ranks_have_the_mean_of_one_rank_to_the_last_bit(tmp_path, together):
    assert together(lambda rank: fit(tmp_path / "two", batch_size=1, kind=Unmoved)) == [0, 0]
    fit(tmp_path / "one", batch_size=1, kind=Unmoved)

    one, two = epochs(tmp_path / "one"), epochs(tmp_path / "two")
    by_hand = plain()
    batch = torch.stack([Noise(5)[2, index]["image"] for index in range(5)])
    losses = by_hand.objective.losses(by_hand.network(batch), {"image": batch}).double()
    assert one["val/loss"].iloc[2] == pytest.approx(losses.mean().item(), rel=1e-7)
    assert (two["val/loss"] == one["val/loss"]).all()
    assert (two["train/loss"] == one["train/loss"]).all()


@pytest.mark.hostile("endless and hanging")
def test_a_rank_that_stands_still_is_noticed_in_time_and_in_words(tmp_path, together):
    class Stopped(Task):
        def training_step(self, batch, batch_idx):
            if rank_zero_only.rank == 1 and self.current_epoch == 1:
                os.kill(os.getpid(), signal.SIGSTOP)
            return super().training_step(batch, batch_idx)

    started = time.monotonic()
    fitted = partial(fit, tmp_path / "run", batch_size=4, kind=Stopped, rank_timeout=1)
    assert together(lambda rank: fitted(), f"{tmp_path}/said")[0] == 3
    assert time.monotonic() - started < 30
    said = (tmp_path / "said0").read_text()
    assert "Another process of this run is gone, or has not answered for so long as trainer.rank_timeout" in said
    assert len(epochs(tmp_path / "run")) == 1
    assert load_checkpoint(tmp_path / "run/checkpoints/last.ckpt")["epoch"] == 0


@pytest.mark.hostile("killed")
def test_a_rank_that_is_killed_is_noticed_in_words(tmp_path, together):
    class Killed(Task):
        def training_step(self, batch, batch_idx):
            if rank_zero_only.rank == 1 and self.current_epoch == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().training_step(batch, batch_idx)

    fitted = partial(fit, tmp_path / "run", batch_size=4, kind=Killed)
    assert together(lambda rank: fitted(), f"{tmp_path}/said")[0] == 3
    said = (tmp_path / "said0").read_text()
    assert "Another process of this run is gone" in said
    assert "torchrun has restarts left" in said


@pytest.mark.hostile("killed")
def test_ranks_go_on_in_the_middle_of_an_epoch_as_if_none_had_been_killed_and_others_are_refused(tmp_path, together):
    class Killed(Task):
        def training_step(self, batch, batch_idx):
            if rank_zero_only.rank == 1 and (self.current_epoch, batch_idx) == (1, 3):
                os.kill(os.getpid(), signal.SIGKILL)
            return super().training_step(batch, batch_idx)

    fitted = partial(fit, batch_size=1, save_every="2steps")
    assert together(lambda rank: fitted(tmp_path / "whole")) == [0, 0]
    assert together(lambda rank: fitted(tmp_path / "broken", kind=Killed))[0] == 3
    with pytest.raises(MaskfoldError, match="shared by 2 processes with batches of 1; now it is 1 process with"):
        fitted(tmp_path / "broken")
    assert together(lambda rank: fitted(tmp_path / "broken")) == [0, 0]

    whole, broken = (load_checkpoint(tmp_path / name / "checkpoints/last.ckpt") for name in ("whole", "broken"))
    assert all(torch.equal(broken["state_dict"][name], value) for name, value in whole["state_dict"].items())
    pd.testing.assert_frame_equal(epochs(tmp_path / "broken"), epochs(tmp_path / "whole"), check_exact=True)


def test_a_step_keeps_its_images_when_ranks_come_and_go(tmp_path):
    folder = RunFolder(tmp_path)
    files.write_json(folder.run, {})
    step = partial(ranks.batches_to_a_step, folder, batch_size=4, accumulate=1, effective=None)
    assert step(ranks=6) == 1  # 24 images
    assert json.loads(folder.run.read_text()) == {"images_per_step": 24}
    folder.checkpoints.mkdir()
    folder.last.touch()
    assert [step(ranks=number) for number in (6, 3, 2, 1)] == [1, 2, 3, 6]
    for number in (4, 5, 12):
        with pytest.raises(MaskfoldError, match=r"takes 24 images, which .* Start 1, 2, 3, 6 processes\.$"):
            step(ranks=number)


def test_a_step_of_so_many_images_sets_the_batches(tmp_path):
    step = partial(ranks.batches_to_a_step, RunFolder(tmp_path), batch_size=4, accumulate=7)
    assert step(effective=24, ranks=2) == 3
    assert step(effective=None, ranks=2) == 7
    with pytest.raises(MaskfoldError, match="a multiple of the batch size"):
        step(effective=6, ranks=1)


def test_a_run_of_an_earlier_version_goes_on_with_the_step_that_it_had(tmp_path):
    folder = RunFolder(tmp_path)
    folder.checkpoints.mkdir()
    folder.last.touch()
    step = partial(ranks.batches_to_a_step, folder, batch_size=4, accumulate=2, effective=24, ranks=2)
    files.write_json(folder.run, {"seed": 0})  # the effective batch did nothing beside a size that was given
    assert step() == 2
    assert json.loads(folder.run.read_text())["images_per_step"] == 16
    files.write_json(folder.run, {"seed": 0, "batch_size": 4})  # found by trial: it was that of each rank
    assert step() == 6


def test_more_ranks_than_photos_to_validate_are_refused(tmp_path):
    with pytest.raises(MaskfoldError, match=r"6 processes, and 5 photos to validate"):
        fit(tmp_path, batch_size=1, devices=6)


def test_under_torchrun_its_numbers_count(monkeypatch):
    assert ranks.devices_and_machines("auto", 3) == ("auto", 3)
    ranks.refuse_anew("mine")
    for key, value in {"TORCHELASTIC_RUN_ID": "a", "LOCAL_WORLD_SIZE": "4", "GROUP_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(key, value)
    assert ranks.devices_and_machines(1, 1) == (4, 2)
    with pytest.raises(MaskfoldError, match="maskfold runs remove mine"):
        ranks.refuse_anew("mine")


def test_other_errors_are_not_taken_for_a_lost_rank():
    assert ranks.describe_lost_rank(RuntimeError("gloo is a word")) is None  # nobody else is there
    assert "Timed out after 9 s" in ranks.describe_lost_rank(torch.distributed.DistNetworkError("Timed out after 9 s."))
