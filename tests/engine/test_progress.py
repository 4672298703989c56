"""What a training says of itself."""

import logging
from types import SimpleNamespace

import pytest
import torch

from maskfold.engine import progress
from maskfold.engine.progress import Announce, epoch_line, parameters, step_line
from maskfold.runs.monitor import Monitor
from maskfold.runs.run_folder import RunFolder

MONITOR = Monitor("val/dice", "max", "validation Dice")


def row(epoch: int, dice: float) -> dict[str, float]:
    return {
        "epoch": epoch, "val/dice": dice, "train/loss": 1.1, "val/loss": 1.2, "seconds": 60.0 + epoch,
        "peak_memory_mb": 0,
    }  # fmt: skip


def test_an_epoch_is_one_line_that_counts_from_one_and_names_nothing_of_the_file():
    rows = [row(0, 0.5), row(1, 0.9), row(2, 0.7)]

    # Nine epochs are left, and the median of 60, 61 and 62 seconds is 61.
    line = epoch_line(rows, epochs=12, monitor=MONITOR)
    assert line == "epoch  3/12: Dice 0.70000, loss 1.1000 (validation 1.2000), 9.2 min to go"
    assert len(line) <= 80
    assert epoch_line(rows[:2], epochs=2, monitor=MONITOR).startswith("epoch 2/2: Dice 0.90000 (best), loss")
    assert "to go" not in epoch_line(rows[:2], epochs=2, monitor=MONITOR)


def test_a_run_says_at_the_start_what_it_is_and_after_some_steps_how_long_it_takes(toy, caplog, monkeypatch):
    clock = iter(range(1000))  # a second passes with every look
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    with caplog.at_level(logging.INFO):
        task = toy(max_epochs=12)

    messages = [record.message for record in caplog.records if record.name.startswith("maskfold")]
    first, step, second, third, *_ = messages
    size = 2 * 1 + 16 + 1  # batch normalisation of one channel, and a layer of 16 pixels
    assert first == f"{task.folder.path}: 12 epochs on cpu, 10 photos to train on and 10 to validate, {size} parameters"
    assert step == "a step takes 2 images (batch 2), at rate 0.01"
    # Of five steps, each a second and two photos, the first is not timed; five of validation count a third each.
    assert second == "about 80 s to go, by 4 steps: 2 photos/s"
    assert third.startswith("epoch  1/12: score ")
    assert sum(message.startswith("about ") for message in messages) == 1


def test_a_step_is_said_with_its_machines_devices_batches_and_rates():
    groups = [{"lr": 0.004}, {"lr": 0.0004}, {"lr": 0.004}]
    trainer = SimpleNamespace(
        accumulate_grad_batches=2, world_size=8, num_nodes=2, optimizers=[SimpleNamespace(param_groups=groups)]
    )

    assert step_line(trainer, images=64, factor=4.0) == (
        "a step takes 1,024 images (2 machines x 4 devices x batch 64 x 2 batches), "
        "at rate 0.004, 0.0004, 4 times what was given"
    )


def test_the_estimate_counts_all_epochs_and_validation_at_a_third():
    announce = Announce(RunFolder.__new__(RunFolder), (100, 30), 4)
    announce.timed, announce.images = 10, 40
    trainer = SimpleNamespace(
        num_training_batches=30, num_val_batches=[30], max_epochs=12, current_epoch=2, world_size=1
    )

    # Ten steps in 5 s; 10 epochs of 30 + 30 / 3 steps are 400 steps, 200 s.
    assert announce._estimate(trainer, 5.0) == "about 3.3 min to go, by 10 steps: 8 photos/s"


@pytest.mark.parametrize(
    ("steps", "device", "precision", "native", "said"),
    [
        (7000, "cpu", "32-true", True, True),  # 700 s
        (5000, "cpu", "32-true", True, False),
        (7000, "cuda", "32-true", True, False),
        (7000, "cpu", "bf16-mixed", True, False),
        (7000, "cpu", "32-true", False, False),
    ],
)
def test_a_long_training_is_told_what_its_processor_is_quicker_in(
    caplog, monkeypatch, steps, device, precision, native, said
):
    monkeypatch.setattr(progress.time, "perf_counter", iter([0.0, 0.1]).__next__)
    monkeypatch.setattr(progress, "cpu_has_bf16", lambda: native)
    announce = Announce(RunFolder.__new__(RunFolder), (100, 30), 4)
    trainer = SimpleNamespace(
        num_training_batches=steps, num_val_batches=[0], max_epochs=1, current_epoch=0, world_size=1,
        is_last_batch=True, is_global_zero=True, precision=precision,
    )  # fmt: skip
    module = SimpleNamespace(device=SimpleNamespace(type=device))
    with caplog.at_level(logging.INFO):
        for number in range(2):  # the first, which warms up, is not timed
            announce.on_train_batch_end(trainer, module, None, {"image": [0]}, number)

    assert ("trainer.precision=bf16-mixed" in caplog.text) is said


def test_parameters_say_how_many_train_where_not_all_do():
    network = torch.nn.Sequential(torch.nn.Linear(1000, 2), torch.nn.Linear(2, 1))
    assert parameters(network) == "2,005 parameters"
    network[0].requires_grad_(False)
    assert parameters(network) == "2,005 parameters, of which 3 train"


def test_the_estimate_is_made_of_twenty_steps_where_they_are_quick(caplog, monkeypatch):
    monkeypatch.setattr(progress.time, "perf_counter", lambda: 0.1 * len(batches))
    announce, batches = Announce(RunFolder.__new__(RunFolder), (100, 30), 4), []
    trainer = SimpleNamespace(
        num_training_batches=100, num_val_batches=[0], max_epochs=1, current_epoch=0, world_size=1, is_last_batch=False,
        is_global_zero=True,
    )  # fmt: skip
    with caplog.at_level(logging.INFO):
        while not announce.estimated:
            batches.append({"image": [0]})
            announce.on_train_batch_end(trainer, None, None, batches[-1], len(batches) - 1)

    assert len(batches) == 1 + 20  # the first, which warms up, is not timed
    assert caplog.messages == ["about 10 s to go, by 20 steps: 10 photos/s"]


@pytest.mark.parametrize(("peak", "shown"), [(0, False), (1.2 * 2**30, True)])
def test_device_memory_is_told_where_the_device_has_any(monkeypatch, peak, shown):
    monkeypatch.setattr(progress, "peak_memory", lambda: peak)
    announce = Announce(RunFolder.__new__(RunFolder), (100, 30), 4)
    announce.timed, announce.images = 1, 4
    trainer = SimpleNamespace(num_training_batches=1, num_val_batches=[0], max_epochs=1, current_epoch=0, world_size=1)
    assert announce._estimate(trainer, 1.0).endswith(", device memory 1.2 GiB") is shown
