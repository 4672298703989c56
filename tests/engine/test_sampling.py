"""The order of samples that lie in chunks: shared evenly, each once, a few chunks at a time, gone on with exactly."""

import random
import threading
from itertools import chain

import pytest

from maskfold.engine.chunked import Chunks, fetched_ahead
from maskfold.engine.sampling import EpochBatches, EpochSampler

CHUNKS = Chunks([number // 9 for number in range(211)], window=3)  # 24 chunks of 9, the last of 4


def batches(*, epoch=0, done=0, size=8, length=211, chunks=CHUNKS, **how):
    sampler = EpochSampler(length, **{"seed": 5, "shuffle": True, "chunks": chunks} | how)
    sampler.set_epoch(epoch)
    grouped = EpochBatches(sampler, size)
    grouped.done = done
    keys = list(grouped)
    assert len(grouped) == len(keys) + done
    assert {key[0] for key in chain(*keys)} <= {epoch}
    return [[key[1] for key in batch] for batch in keys]


@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_ranks_take_equal_steps_and_see_every_sample_once_but_for_one_pad_a_rank(ranks):
    shares = [batches(rank=rank, ranks=ranks) for rank in range(ranks)]
    assert len({len(share) for share in shares}) == 1
    assert len({tuple(map(len, share)) for share in shares}) == 1
    seen = [[*chain(*share)] for share in shares]
    assert {*chain(*seen)} == {*range(211)}
    assert [len({*one}) for one in seen] == [len(one) for one in seen]
    assert sum(map(len, seen)) - 211 <= ranks - 1 if 211 % ranks else sum(map(len, seen)) == 211
    assert max(map(len, seen)) == -(-211 // ranks)


def test_a_last_batch_of_one_sample_gets_company():
    assert [len(batch) for batch in batches(length=17, chunks=Chunks([0] * 17))] == [8, 7, 2]
    assert [len(batch) for batch in batches(length=18, chunks=Chunks([0] * 18))] == [8, 8, 2]
    assert [len(batch) for batch in batches(length=1, chunks=Chunks([0]))] == [1]


def test_files_of_their_own_leave_out_what_does_not_fill_a_batch():
    assert [len(batch) for batch in batches(length=19, chunks=None)] == [8, 8]
    assert [len(batch) for batch in batches(length=5, chunks=None)] == [5]
    assert [len(batch) for batch in batches(length=19, chunks=None, shuffle=False)] == [8, 8, 3]


def test_an_epoch_goes_through_a_few_chunks_at_a_time_in_another_order_each_time():
    orders = [[*chain(*batches(epoch=epoch))] for epoch in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    of = [CHUNKS.of[index] for index in orders[0]]
    windows, start = [], 0
    while start < len(of):  # each window is three whole chunks, mixed
        end = max(place for place, chunk in enumerate(of) if chunk in {*of[start : start + 12]}) + 1
        windows.append({*of[start:end]})
        start = end
    assert all(len(window) == 3 for window in windows)
    assert len(windows) == 8
    assert of[:27] != sorted(of[:27])
    assert [*range(24)] != [chunk for window in windows for chunk in sorted(window)]


def test_ranks_read_chunks_of_their_own():
    shares = [{CHUNKS.of[index] for index in chain(*batches(rank=rank, ranks=2))} for rank in range(2)]
    assert len(shares[0] & shares[1]) <= CHUNKS.window  # of the window that the middle falls into


def test_validation_is_shared_in_one_piece_each_and_without_doubles():
    shares = [[*chain(*batches(shuffle=False, rank=rank, ranks=3))] for rank in range(3)]
    assert [*chain(*shares)] == [*range(211)]


def test_uneven_draws_stay_within_a_few_chunks_as_well():
    draws = [3.0 if number % 2 else 1.0 for number in range(211)]
    order = [*chain(*batches(draws=draws))]
    assert len(order) == 211
    of = [CHUNKS.of[index] for index in order]
    assert max(len({*of[start : start + 9]}) for start in range(200)) <= 2 * CHUNKS.window


@pytest.mark.hostile("killed")
@pytest.mark.parametrize("ranks", [1, 2])
def test_behind_any_number_of_batches_come_exactly_those_that_are_left_twice_in_a_row(ranks):
    for rank in range(ranks):
        whole = batches(epoch=3, rank=rank, ranks=ranks, size=5)  # 211 = 42 * 5 + 1: the last two are evened
        first = random.Random(rank).randrange(len(whole))
        second = random.Random(rank + 9).randrange(first, len(whole) + 1)
        for done in (first, second, len(whole) - 1, len(whole)):
            assert batches(epoch=3, rank=rank, ranks=ranks, size=5, done=done) == whole[done:]


def test_chunks_are_fetched_a_window_ahead_and_no_further():
    fetched, changed = [], threading.Condition()

    def fetch(chunk):
        with changed:
            fetched.append(chunk)
            changed.notify()
        if chunk == 1:
            raise OSError("gone")  # whoever reads it will say so

    with fetched_ahead(fetch, [2, 2, 1, 1, 0, 0, 4, 4, 3, 3], 2) as reached:
        with changed:
            assert changed.wait_for(lambda: len(fetched) == 2, timeout=5)
            assert not changed.wait_for(lambda: len(fetched) > 2, timeout=0.05)
        reached(0)
        with changed:
            assert changed.wait_for(lambda: len(fetched) == 3, timeout=5)
        reached(4)
        with changed:
            assert changed.wait_for(lambda: len(fetched) == 5, timeout=5)
    assert fetched == [2, 1, 0, 4, 3]
