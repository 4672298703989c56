import pandas as pd
import pytest
import torch

from maskfold.engine import callbacks


def rate_per_epoch(task):
    rates = {}
    for (epoch, _), rate in zip(task.seen, task.rates, strict=True):
        rates.setdefault(epoch, set()).add(rate)
    return [rates[epoch].pop() for epoch in sorted(rates) if len(rates[epoch]) == 1]


def test_rate_follows_the_table_and_is_logged(toy):
    task = toy(phases=[{"epochs": 1, "rate": 0.1}, {"epochs": 2, "rate": 0.01}])
    assert rate_per_epoch(task) == [0.1, 0.01, 0.01]
    assert pd.read_csv(task.folder.metrics)["rate"].tolist() == [0.1, 0.01, 0.01]


def test_rate_of_a_torch_scheduler_is_logged_with_the_epoch_that_trained_with_it(toy):
    def optimizer(parameters, lr):
        optimizer = torch.optim.SGD(parameters, lr=0.08)
        return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)}

    task = toy(optimizer=optimizer, schedule="the optimizer brings it", max_epochs=3)
    assert rate_per_epoch(task) == [0.08, 0.04, 0.02]
    assert pd.read_csv(task.folder.metrics)["rate"].tolist() == [0.08, 0.04, 0.02]


def test_plateau_lowers_the_rate_of_its_own_phase_only(toy):
    rule = {"factor": 0.5, "patience": 1}
    phases = [{"epochs": 4, "rate": 0.8, "plateau": rule}, {"epochs": 3, "rate": 0.1, "plateau": rule}]
    task = toy(phases=phases, losses=[3.0, 3.0, 2.0, 2.5, 9.0, 9.0, 9.0])
    assert rate_per_epoch(task) == pytest.approx([0.8, 0.8, 0.4, 0.4, 0.1, 0.1, 0.05])


@pytest.mark.parametrize("restart", [False, True])
def test_restart_empties_the_optimizers_state(toy, restart):
    steps = []

    class Spy(torch.optim.Adam):
        def step(self, closure=None):
            result = super().step(closure)
            steps.append(int(next(iter(self.state.values()))["step"]))
            return result

    toy(phases=[{"epochs": 1, "rate": 0.1}, {"epochs": 1, "rate": 0.1, "restart": restart}], optimizer=Spy)
    assert steps == [1, 2, 3, 4, 5] + ([1, 2, 3, 4, 5] if restart else [6, 7, 8, 9, 10])


def test_every_epoch_starts_from_its_own_random_state(toy):
    # Without shuffling by chance or dropout's memory of earlier epochs, the second epoch of both runs is one and the
    # same; the first run's generators were disturbed in between.
    task = toy("one", max_epochs=2)
    torch.rand(1000)
    again = toy("two", max_epochs=2)
    assert task.best == pytest.approx(again.best | {k: task.best[k] for k in ("seconds", "images_per_second")})


def test_peak_memory_is_logged_in_mebibytes(toy, monkeypatch):
    monkeypatch.setattr(callbacks, "peak_memory", lambda: 5 * 1024 * 1024)
    task = toy(max_epochs=1)
    assert pd.read_csv(task.folder.metrics)["peak_memory_mb"].tolist() == [5]
