import pytest
import torch

from maskfold.engine.mining import HardNegativeLoader
from maskfold.errors import MaskfoldError


class Batches(list):
    """A loader of named batches."""

    def set_epoch(self, epoch, *, done=0):
        self.epoch = epoch


def replay(losses, every):
    """Train on batches 0, 1, 2, ... with the given losses; return the batches in the order they came."""
    loader = HardNegativeLoader(Batches(range(len(losses))), every=every)
    seen = []
    for batch in loader:
        seen.append(batch)
        loader.report(losses[batch] if seen.count(batch) == 1 else 1000.0)
    assert len(seen) == len(loader)
    return seen


def test_hardest_of_every_ten_is_repeated_once():
    losses = [1.0] * 25
    losses[3], losses[7], losses[10], losses[24] = 5.0, 9.0, 2.0, 50.0
    fresh = list(range(25))
    assert replay(losses, 10) == [*fresh[:10], 7, *fresh[10:20], 10, *fresh[20:]]


def test_loss_of_a_repeated_batch_does_not_count():
    assert replay([3.0, 1.0, 2.0, 2.5], 2) == [0, 1, 0, 2, 3, 3]


def test_of_equal_losses_the_first_is_repeated_and_nan_leaves_none_without_one():
    nan = float("nan")
    assert replay([1.0, 1.0, 1.0], 3) == [0, 1, 2, 0]
    assert replay([1.0, nan, 2.0], 3) == [0, 1, 2, 2]
    assert replay([nan, nan], 2) == [0, 1, 0]


def test_a_new_epoch_remembers_nothing_of_one_that_was_broken_off():
    loader = HardNegativeLoader(Batches("abcd"), every=2)
    epoch = iter(loader)
    next(epoch)
    loader.report(1000.0)
    seen = []
    for batch in loader:
        seen.append(batch)
        loader.report(float(ord(batch)))
    assert "".join(seen) == "abbcdd"


def test_the_epoch_is_handed_on():
    batches = Batches("ab")
    HardNegativeLoader(batches, every=2).set_epoch(7)
    assert batches.epoch == 7


def test_at_least_one():
    with pytest.raises(MaskfoldError, match="hard_negatives_every=0"):
        HardNegativeLoader(Batches("ab"), every=0)


def test_training_repeats_the_batch_with_the_largest_loss(toy):
    task = toy(hard_negatives_every=5, max_epochs=3)
    for epoch in range(3):
        batches = [indices for number, indices in task.seen if number == epoch]
        assert len(batches) == 6
        assert batches[5] in batches[:5]
        assert sorted(index for batch in batches[:5] for index in batch) == list(range(10))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_repeated_batches_count_like_others_in_accumulation(toy, accumulate):
    steps = []

    class Spy(torch.optim.SGD):
        def step(self, closure=None):
            steps.append(1)
            return super().step(closure)

    toy(hard_negatives_every=2, max_epochs=1, accumulate=accumulate, gradient_clip=1.0, optimizer=Spy)
    assert len(steps) == -(-7 // accumulate)  # five fresh batches, two repeated
