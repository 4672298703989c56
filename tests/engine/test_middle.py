"""A run that is broken off in the middle of an epoch goes on with the samples that were left, and with nothing else."""

import pandas as pd
import pytest
import torch

from maskfold.engine.averaging import ema, swa
from maskfold.engine.checkpoints import load_checkpoint
from maskfold.engine.middle import Every, Share, parse_every
from maskfold.engine.step_schedule import StepSchedule
from maskfold.errors import MaskfoldError


def log_of(task):
    return pd.read_csv(task.folder.metrics).drop(columns=["seconds", "images_per_second"])


def weights(task, name):
    return load_checkpoint(task.folder.checkpoints / f"{name}.ckpt")["state_dict"]


SETTINGS = {"max_epochs": 2, "save_every": "1step"}
CYCLES = [{"repeat": 2, "restart": True, "phases": [{"epochs": 1, "rate": 0.1}]}]


@pytest.mark.hostile("killed")
@pytest.mark.parametrize(
    ("stop_at", "make"),
    [
        ((0, 3), dict),
        ((1, 4), lambda: {"accumulate": 2, "averaging": ema(decay=0.9), "schedule": StepSchedule(warmup=0.3)}),
        ((1, 3), lambda: {"draws": [4.0] * 2 + [1.0] * 8}),
        ((1, 2), lambda: {"averaging": swa(first_epoch=0), "phases": CYCLES, "save_every": "0.0000001min"}),
    ],
    ids=["plain", "accumulated", "uneven draws", "cycles"],
)
def test_a_run_broken_off_goes_on_with_the_rest_of_the_epoch_and_ends_like_one_that_was_not(toy, stop_at, make):
    whole = toy("whole", **SETTINGS | make())
    broken = toy("broken", stop_at=stop_at, **SETTINGS | make())
    resumed = toy("broken", **SETTINGS | make())

    done = stop_at[1] - stop_at[1] % make().get("accumulate", 1)
    before = [seen for seen in broken.seen if seen[0] < stop_at[0]] + broken.seen[-stop_at[1] :][:done]
    assert before + resumed.seen == whole.seen
    pd.testing.assert_frame_equal(log_of(resumed), log_of(whole), check_exact=True)
    names = sorted(path.stem for path in whole.folder.checkpoints.iterdir())
    assert "middle" not in names
    assert sorted(path.stem for path in resumed.folder.checkpoints.iterdir()) == names
    for name in names:
        one, other = weights(resumed, name), weights(whole, name)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.hostile("killed")
def test_a_run_broken_off_twice_in_an_epoch_sees_each_sample_once(toy):
    settings = {"max_epochs": 2, "save_every": "2steps"}
    parts = [toy(stop_at=(1, 2), **settings), toy(stop_at=(1, 4), **settings), toy(**settings)]
    first, second, rest = ([index for epoch, ids in part.seen if epoch == 1 for index in ids] for part in parts)
    # Of 5 batches the first and the third are saved, steps 6 and 8 of the run; what came behind them comes again.
    assert sorted(first[:2] + second[:4] + rest) == list(range(10))
    assert (first[2:], second[4:]) == (second[:2], rest[:2])
    assert log_of(parts[2])["epoch"].tolist() == [0, 1]
    clocks = pd.read_csv(parts[2].folder.metrics)
    assert (clocks["images_per_second"] >= 10 / (clocks["seconds"] + 0.001)).all()


@pytest.mark.hostile("killed")
def test_the_middle_of_an_epoch_whose_end_is_saved_is_not_gone_on_from(toy):
    broken = toy(stop_at=(0, 3), **SETTINGS)
    middle = broken.folder.middle.read_bytes()
    toy(stop_at=(1, 0), **SETTINGS)
    broken.folder.middle.write_bytes(middle)

    resumed = toy(**SETTINGS)

    assert [epoch for epoch, _ in resumed.seen] == [1] * 5
    assert log_of(resumed)["epoch"].tolist() == [0, 1]


@pytest.mark.hostile("wrong input")
def test_an_epoch_begun_with_other_batches_is_refused_or_begins_again_where_that_is_asked_for(toy):
    broken = toy(stop_at=(1, 3), **SETTINGS)
    middle = broken.folder.middle.read_bytes()
    with pytest.raises(MaskfoldError) as refused:
        toy(batch_size=5, **SETTINGS)
    message = f"{refused.value}"
    assert "middle.ckpt: epoch 2 was broken off behind 3 batches, shared by 1 process with batches of 2;" in message
    assert "now it is 1 process with batches of 5" in message
    assert "trainer.restart_epoch=true" in message

    # Who has not asked for it, has what SIGTERM has left.
    for way in ({"save_every": None}, {"restart_epoch": True}):
        broken.folder.middle.write_bytes(middle)
        again = toy(batch_size=5, stop_at=(1, 1), **SETTINGS | way)
        assert [epoch for epoch, _ in again.seen] == [1]


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize("text", ["10", "0min", "1.5steps", "often", "-1min", "min"])
def test_an_interval_is_minutes_or_steps(text):
    with pytest.raises(MaskfoldError, match="give minutes or steps, such as 10min or 500steps"):
        parse_every(text)


def test_intervals_are_read():
    assert parse_every("500steps") == parse_every(" 500 steps ") == Every(500, None)
    assert parse_every("1step") == Every(1, None)
    assert parse_every("0.5min") == Every(None, 30)
    assert parse_every("2 minutes") == Every(None, 120)


def test_hard_negatives_and_saves_in_an_epoch_exclude_one_another(toy):
    with pytest.raises(MaskfoldError, match=r"trainer\.save_every and trainer\.hard_negatives_every"):
        toy(save_every="1step", hard_negatives_every=2)


def test_a_share_is_said_in_words():
    assert f"{Share(2, 8, 1)}" == "2 processes with batches of 8"
