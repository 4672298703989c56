from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from maskfold.config import CONF
from maskfold.data.geometry import Resize
from maskfold.engine import loaders
from maskfold.engine.loaders import EpochLoader, EpochSampler
from maskfold.segmentation.dataset import LabelledDataset


def order(length=10, *, epoch=0, **arguments):
    sampler = EpochSampler(length, **{"seed": 0, "shuffle": True} | arguments)
    sampler.set_epoch(epoch)
    keys = list(sampler)
    assert len(sampler) == len(keys)
    assert {key[0] for key in keys} <= {epoch}
    return [key[1] for key in keys]


def test_order_follows_from_seed_and_epoch_and_from_nothing_else():
    torch.manual_seed(1)
    first = order(epoch=3, seed=7)
    torch.manual_seed(2)
    assert order(epoch=3, seed=7) == first
    assert sorted(first) == list(range(10))
    assert order(epoch=4, seed=7) != first
    assert order(epoch=3, seed=8) != first


def test_without_shuffling_every_epoch_has_the_datasets_order():
    assert order(4, shuffle=False) == order(4, shuffle=False, epoch=5) == [0, 1, 2, 3]


def test_ranks_share_a_shuffled_epoch_evenly_by_seeing_a_few_samples_twice():
    shares = [order(10, epoch=2, rank=rank, ranks=4) for rank in range(4)]
    assert [len(share) for share in shares] == [3, 3, 3, 3]
    taken_in_turn = [index for step in zip(*shares, strict=True) for index in step]
    whole = order(10, epoch=2)
    assert taken_in_turn == whole + whole[:2]


def test_ranks_share_validation_without_doubles():
    shares = [order(10, shuffle=False, rank=rank, ranks=4) for rank in range(4)]
    assert shares == [[0, 4, 8], [1, 5, 9], [2, 6], [3, 7]]


def test_fewer_samples_than_ranks_leave_none_without_one():
    shares = [order(2, rank=rank, ranks=5) for rank in range(5)]
    assert [len(share) for share in shares] == [1] * 5
    assert {index for share in shares for index in share} == {0, 1}


UNEVEN = [0.75 / 900] * 900 + [0.25 / 100] * 100  # of a thousand draws 750 and 250


def test_an_epoch_of_uneven_draws_has_as_many_and_each_sample_as_often_as_it_should_have():
    epochs = np.stack([np.bincount(order(1000, epoch=epoch, draws=UNEVEN), minlength=1000) for epoch in range(200)])

    assert epochs[:, :900].sum(axis=1).mean() == pytest.approx(750, abs=1)
    assert {*np.unique(epochs[:, :900])} == {0, 1}  # 0.83 times an epoch
    assert {*np.unique(epochs[:, 900:])} == {2, 3}  # 2.5 times
    assert epochs[:, :900].mean(axis=0) == pytest.approx(5 / 6, abs=0.13)  # four standard errors, and more
    assert epochs[:, 900:].mean(axis=0) == pytest.approx(5 / 2, abs=0.18)
    assert sorted(order(10, draws=[3.0] * 10)) == list(range(10))  # even ones are each sample once


def test_uneven_draws_are_shuffled_and_follow_from_seed_and_epoch():
    first = order(1000, epoch=3, draws=UNEVEN)
    torch.manual_seed(9)
    assert order(1000, epoch=3, draws=UNEVEN) == first != order(1000, epoch=4, draws=UNEVEN)
    rare = np.flatnonzero(np.array(first) >= 900)
    assert rare.mean() == pytest.approx(500, abs=80)
    assert sum(one == other for one, other in pairwise(first)) < 10


def test_ranks_share_uneven_draws_exactly():
    shares = [order(1000, epoch=2, draws=UNEVEN, rank=rank, ranks=4) for rank in range(4)]
    taken_in_turn = [index for step in zip(*shares, strict=True) for index in step]
    assert taken_in_turn == order(1000, epoch=2, draws=UNEVEN)


def test_a_sample_that_comes_again_has_another_key_and_is_augmented_anew(augmented):
    sampler = EpochSampler(4, seed=0, shuffle=True, draws=[9.0, 1.0, 1.0, 1.0])
    keys = list(sampler)
    assert {(0, 0), (0, 0, 1), (0, 0, 2)} <= {*keys}
    assert len({*keys}) == 4
    assert not torch.equal(augmented[1, 3]["image"], augmented[1, 3, 1]["image"])
    assert torch.equal(augmented[1, 3, 1]["image"], augmented[1, 3, 1]["image"])


@pytest.fixture(scope="module")
def augmented(tiny_photos):
    names = sorted(path.stem for path in (tiny_photos / "images").iterdir())
    table = pd.DataFrame(
        {
            "image": [str(tiny_photos / "images" / f"{name}.jpg") for name in names],
            "mask": [str(tiny_photos / "masks" / f"{name}.png") for name in names],
        }
    )
    augment = instantiate(OmegaConf.load(f"{CONF}/augment/soft.yaml"))
    return LabelledDataset(table, geometry=Resize(height=32, width=48), seed=5, augment=augment)


def epochs(loader, numbers):
    batches = []
    for number in numbers:
        loader.set_epoch(number)
        batches.append(torch.cat([batch["image"] for batch in loader]))
    return batches


def test_workers_and_the_epoch_begun_at_change_no_bit(augmented):
    def make(workers):
        return EpochLoader(augmented, batch_size=4, seed=5, shuffle=True, num_workers=workers)

    alone = epochs(make(0), [0, 1, 2])
    with_workers = epochs(make(2), [1, 2])  # as a run that was resumed at epoch 1
    assert torch.equal(alone[1], with_workers[0])
    assert torch.equal(alone[2], with_workers[1])


def test_a_sample_is_augmented_anew_in_every_epoch(augmented):
    assert not torch.equal(augmented[0, 3]["image"], augmented[1, 3]["image"])
    assert torch.equal(augmented[1, 3]["image"], augmented[1, 3]["image"])


class Numbers(torch.utils.data.Dataset):
    def __init__(self, length):
        self.length = length

    def __len__(self):
        return self.length

    def __getitem__(self, key):
        return key[1]


@pytest.mark.parametrize(
    ("length", "shuffle", "sizes"),
    [(9, True, [4, 4]), (3, True, [3]), (9, False, [4, 4, 1])],
)
def test_a_last_small_batch_is_left_out_of_training_only(length, shuffle, sizes):
    loader = EpochLoader(Numbers(length), batch_size=4, shuffle=shuffle, num_workers=0)
    assert [len(batch) for batch in loader] == sizes
    assert len(loader) == len(sizes)


def test_iterator_asks_for_its_epoch_only_with_the_first_batch():
    loader = EpochLoader(Numbers(50), batch_size=50, shuffle=True, num_workers=0)
    early = iter(loader)  # Lightning makes it before it tells the epoch
    loader.set_epoch(4)
    np.testing.assert_array_equal(next(early), order(50, epoch=4))


def test_loading_processes_are_as_many_as_said_and_the_default_where_nothing_is(monkeypatch):
    monkeypatch.setattr(loaders, "default_workers", lambda: 7)
    numbers = [EpochLoader(Numbers(9), batch_size=4, num_workers=number).num_workers for number in (0, 2, None)]
    assert numbers == [0, 2, 7]
