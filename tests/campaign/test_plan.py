"""What a plan adds up, worked out by hand, and what the disk cannot hold."""

from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from maskfold.campaign.members import Member
from maskfold.campaign.plan import (
    CostSum,
    OnePass,
    cost_of_fold,
    draw,
    duration,
    left_to_do,
    readable,
    refuse_full_disk,
)
from maskfold.campaign.probe import Cost
from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ProbabilityStore

COST = Cost(start=10, epoch=60, photo=0.5, device=3 * 2**30, ram=2**30, checkpoints=5000, map=100, map_from="told")


def member(epochs: int | None = 18) -> Member:
    oof = {0: ["a", "b"], 1: ["c"]}
    return Member("unet", (0, 1), {}, (), epochs, oof, ["x", "y", "z"], pd.DataFrame())


def test_a_fold_is_its_epochs_its_photos_and_a_start_for_every_stage():
    # 10 + 18 x 60; 10 + 2 x 0.5; 10 + 3 x 0.5; five maps of 100 bytes
    assert cost_of_fold(member(), COST, 0) == CostSum(1090, 11, 11.5, 5000, 500)
    assert cost_of_fold(member(), COST, 1) == CostSum(1090, 10.5, 11.5, 5000, 400)


def test_what_is_finished_is_not_left_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    costs = {"unet": (member(), COST)}
    assert left_to_do(costs) == CostSum(2180, 21.5, 23, 10000, 900)

    run = Path("experiments/unet/fold0")
    run.mkdir(parents=True)
    (run / "finished").touch()
    store = ProbabilityStore(run / "predictions/oof")
    store.folder.mkdir(parents=True)
    for image_id in ("a", "b"):
        (store.folder / f"{image_id}.b2nd").touch()

    assert left_to_do(costs) == CostSum(1090, 10.5, 23, 5000, 700)


def test_all_networks_in_one_pass_keep_one_map_a_test_photo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    costs = {"unet": (member(), COST)}
    both = OnePass(frozenset(["unet"]), (Path("fused"),))
    assert both.networks(costs) == 2
    # Two networks of 10 + 3 x 0.5, and three maps; the members keep their three maps out of fold.
    assert both.cost(costs) == CostSum(test=23, maps=300)
    assert left_to_do(costs, both) == CostSum(2180, 21.5, 23, 10000, 600)
    assert cost_of_fold(member(), COST, 0, own_maps=False) == CostSum(1090, 11, 0, 5000, 200)

    Path("fused").mkdir()
    for image_id in ("x", "y"):
        Path(f"fused/{image_id}.b2nd").touch()
    assert both.cost(costs, left=True) == CostSum(test=21, maps=100)
    console = Console(width=120, record=True)
    console.print(draw(costs, left=left_to_do(costs, both), free=2**40, one_pass=both))
    text = " ".join(console.export_text().split())
    assert "unet 18.2 min 11 s 2 36.7 min 3.0 GiB 1.0 GiB 10 KiB 300 B" in text
    assert "test, one pass 23 s 23 s 0 B 300 B" in text
    assert "decoded once for all 2 networks" in text
    assert "keep one mean map each" in text

    several = OnePass(both.members, (*both.stores, Path("fused_12345678")))
    # Of the second mean there is none yet: one map and three, of the three photos.
    assert several.cost(costs, left=True) == CostSum(test=23, maps=400)


def test_a_disk_that_is_too_small_is_refused():
    left = CostSum(checkpoints=3 * 2**30, maps=2 * 2**30)
    refuse_full_disk(left, 5 * 2**30)
    with pytest.raises(MaskfoldError, match=r"The disk has 4\.9 GiB free, and what is left to do needs 5\.0 GiB"):
        refuse_full_disk(left, round(4.9 * 2**30))


def test_a_schedule_without_an_end_asks_for_one():
    with pytest.raises(MaskfoldError, match=r"unet: its schedule has no length of its own\. Set trainer\.max_epochs"):
        cost_of_fold(member(epochs=None), COST, 0)


def test_the_table_has_a_row_a_member_and_the_sums(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    costs = {"unet": (member(), COST), "twin": (member(), COST)}
    console = Console(width=120, record=True)
    console.print(draw(costs, left=left_to_do(costs), free=2**40))
    rows = [" ".join(line.split()) for line in console.export_text().splitlines()]
    assert "unet 18.2 min 11 s 12 s 2 37.1 min 3.0 GiB 1.0 GiB 10 KiB 900 B" in rows
    assert "together 74.2 min 20 KiB 2 KiB" in rows


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (119, "119 s"), (120, "2.0 min"), (5400, "90.0 min"), (86400 * 90, "90.0 d")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1023, "1023 B"), (2**21, "2 MiB"), (5e12, "4,656.6 GiB")])
def test_sizes(count, text):
    assert readable(count) == text
