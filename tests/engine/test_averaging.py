import pytest
import torch

from maskfold.engine.averaging import ema, swa
from maskfold.engine.checkpoints import load_checkpoint
from maskfold.errors import MaskfoldError

_FLOATS = ("weight", "bias", "running_mean", "running_var")


@pytest.fixture
def spied(toy):
    """Fit a toy with an average; return its task and the last layer's weights after each step."""

    def run(averaging, **trainer):
        trained = []

        class Spy(torch.optim.SGD):
            def step(self, closure=None):
                result = super().step(closure)
                trained.append(self.param_groups[0]["params"][2].detach().clone())
                return result

        return toy(averaging=averaging, optimizer=Spy, **trainer), trained

    return run


def test_ema_by_hand(spied):
    task, trained = spied(ema(decay=0.5), max_epochs=2)
    assert len(trained) == 10
    average = trained[0]
    for n, weights in enumerate(trained[1:], start=1):
        decay = min(0.5, (1 + n) / (10 + n))
        average = decay * average + (1 - decay) * weights
        if n == 4:
            torch.testing.assert_close(task.validated[0], average)
    torch.testing.assert_close(task.validated[1], average)
    torch.testing.assert_close(load_checkpoint(task.folder.last)["state_dict"]["network.3.weight"], average)
    assert not torch.allclose(average, trained[-1])


def test_the_middle_of_an_epoch_holds_the_weights_that_are_trained_on_and_beside_them_the_average(spied):
    task, trained = spied(swa(first_epoch=0), max_epochs=2, save_every="1step", stop_at=(1, 3))
    middle = load_checkpoint(task.folder.middle)
    kept = middle["state_dict"]["network.3.weight"]
    assert any(torch.equal(kept, weights) for weights in trained[5:])
    average = middle["callbacks"]["WeightAverage"]["other"]["network.3.weight"]
    torch.testing.assert_close(average, trained[4])  # that of the only epoch that has ended


def test_an_average_is_moved_by_one_call_and_counts_are_copied(monkeypatch):
    calls = []
    lerp = torch._foreach_lerp_
    monkeypatch.setattr(torch, "_foreach_lerp_", lambda *given: calls.append(len(given[0])) or lerp(*given))
    torch.manual_seed(0)
    module = torch.nn.BatchNorm1d(3)  # two weights, two statistics, and a count
    averaging, expected = ema(decay=0.5), None
    for count in range(4):
        for tensor in module.state_dict().values():
            tensor.copy_(torch.rand(3) if tensor.is_floating_point() else torch.tensor(count))
        now = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        averaging._average(module)
        share = max(0.5, 9 / (10 + count))
        expected = now if expected is None else {name: torch.lerp(expected[name], now[name], share) for name in _FLOATS}
    assert calls == [4, 4, 4]
    assert all(torch.equal(averaging.other[name], expected[name]) for name in _FLOATS)
    assert averaging.other["num_batches_tracked"] == 3

    averaging._swap(module)
    assert all(torch.equal(module.state_dict()[name], expected[name]) for name in _FLOATS)
    assert all(torch.equal(averaging.other[name], now[name]) for name in _FLOATS)


def test_swa_is_the_mean_of_the_epochs_from_its_first(spied):
    task, trained = spied(swa(first_epoch=1), max_epochs=4)
    ends = trained[4::5]
    torch.testing.assert_close(task.validated[0], ends[0])
    torch.testing.assert_close(task.validated[1], ends[1])
    torch.testing.assert_close(task.validated[2], (ends[1] + ends[2]) / 2)
    torch.testing.assert_close(task.validated[3], (ends[1] + ends[2] + ends[3]) / 3)


def test_swa_at_the_ends_of_cycles(spied):
    task, trained = spied(swa(first_epoch=1, every=2), max_epochs=4)
    ends = trained[4::5]
    torch.testing.assert_close(task.validated[2], ends[1])
    torch.testing.assert_close(task.validated[3], (ends[1] + ends[3]) / 2)


@pytest.mark.parametrize("averaging", [lambda: ema(decay=0.9), lambda: swa(first_epoch=0)], ids=["ema", "swa"])
def test_best_checkpoint_holds_what_was_validated(spied, averaging):
    task, _ = spied(averaging(), losses=[3.0, 2.0, 1.0, 4.0])
    best = load_checkpoint(task.folder.best)
    assert best["epoch"] == 2
    assert torch.equal(best["state_dict"]["network.3.weight"], task.validated[2])


def test_training_itself_is_not_changed_by_averaging(spied):
    _, plain = spied(None, run="plain")
    _, averaged = spied(ema(decay=0.9), run="averaged")
    assert len(plain) == 20
    assert all(torch.equal(one, other) for one, other in zip(plain, averaged, strict=True))


def test_ema_counts_steps_not_batches(spied):
    average = ema(decay=0.9)
    spied(average, max_epochs=2, accumulate=2)
    assert average.averaged == 6  # three steps an epoch: five batches, two a step, the last alone


@pytest.mark.parametrize(
    "make",
    [lambda: ema(decay=1.0), lambda: ema(decay=0.0), lambda: swa(first_epoch=-1), lambda: swa(first_epoch=1, every=0)],
)
def test_bad_numbers_are_refused(make):
    with pytest.raises(MaskfoldError, match="averaging"):
        make()
