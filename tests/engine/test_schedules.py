"""The rate, and the preset of augmentation, of every epoch of every member; written down from the winners' recipes."""

import pytest
from omegaconf import OmegaConf

from maskfold.config import build, compose
from maskfold.data.augmentation import ByEpoch
from maskfold.engine.schedules import Plateau, PlateauWatch, Schedule
from maskfold.errors import MaskfoldError

FIRST = 12 * [1e-4] + 6 * [1e-5]
# 40 epochs: a tenth every 12; from epoch 23 (counted from 0) cycles of five, of which the last is cut short.
CYCLE = [1e-4, 1e-4, 1e-5, 1e-5, 1e-6]
CYCLIC = 12 * [1e-4] + 11 * [1e-5] + 3 * CYCLE + [1e-4, 1e-4]
# 1e-4 halved once or twice: by the number of whole pairs that epoch 1 to 52 has in its cycle of five.
TERNAUS = [1e-4 * 0.5 ** (number % 5 // 2) for number in range(1, 53)]
UP_AND_DOWN = [1e-6, 1e-6, 1e-5, 1e-5, 1e-4, 1e-4, 1e-5, 1e-5, 1e-6, 1e-6]

# Member: rates, epochs at which the optimizer begins afresh, epochs whose weights are kept.
MEMBERS = {
    "linknet34": (FIRST, [], []),
    "linknet34_concat": (FIRST, [], []),
    "linknet34_seed44": (CYCLIC, [23], [27, 32, 37]),
    "linknet34_seed88": (CYCLIC, [23], [27, 32, 37]),
    "linknet34_noseed": (CYCLIC, [23], [27, 32, 37]),
    "linknet34_area05": (CYCLIC, [23], [27, 32, 37]),
    "linknet34_clahe": (CYCLIC, [23], [27, 32, 37]),
    "linknet34_clahe_rmsprop": (CYCLIC, [23], [27, 32, 37]),
    "ternausnet11": (TERNAUS, [*range(1, 52)], []),
    "unet_scratch": (100 * [2e-2] + 100 * [1e-2] + 50 * [5e-3], [], []),
    "unet_vgg11": (3 * (10 * [1e-4] + 5 * [1e-5] + 5 * [1e-6]), [], [19, 39, 59]),
}


@pytest.mark.parametrize("member", MEMBERS)
def test_members_rate_per_epoch(member):
    rates, restarts, snapshots = MEMBERS[member]
    schedule = build(compose("train", [f"experiment={member}"]).schedule)
    epochs = [schedule.epoch(number) for number in range(len(schedule))]
    assert [epoch.rate for epoch in epochs] == pytest.approx(rates, rel=1e-12)
    assert [number for number, epoch in enumerate(epochs) if epoch.restart] == restarts
    assert [number for number, epoch in enumerate(epochs) if epoch.snapshot] == snapshots
    assert {epoch.plateau for epoch in epochs} == {None}


def test_the_interviews_schedule_of_ternausnet():
    schedule = build(compose("train", ["schedule=ternausnet11_interview"]).schedule)
    epochs = [schedule.epoch(number) for number in range(len(schedule))]
    assert [epoch.rate for epoch in epochs] == pytest.approx(30 * [1e-4] + 2 * UP_AND_DOWN, rel=1e-12)
    assert [number for number, epoch in enumerate(epochs) if epoch.snapshot] == [39, 49]
    assert {epoch.plateau for epoch in epochs[:30]} == {Plateau(factor=0.5, patience=2)}
    assert {epoch.plateau for epoch in epochs[30:]} == {None}


PRESETS = {member: len(rates) * ["soft"] for member, (rates, _, _) in MEMBERS.items()} | {
    "ternausnet11": 52 * ["ternaus"],
    "unet_scratch": 250 * ["heavy_scratch"],
    "unet_vgg11": 15 * ["heavy"] + 45 * ["light"],
}


@pytest.mark.parametrize("member", MEMBERS)
def test_members_augmentation_per_epoch(member):
    config = compose("train", [f"experiment={member}"])
    augment = build(config.augment)
    presets = {name: build(compose("train", [f"augment={name}"]).augment) for name in set(PRESETS[member])}
    for epoch, name in enumerate(PRESETS[member]):
        used = augment.at(epoch) if isinstance(augment, ByEpoch) else augment
        assert used.pipeline.to_dict() == presets[name].pipeline.to_dict(), epoch


def test_beyond_its_end_a_schedule_keeps_its_rate_but_not_its_marks():
    schedule = Schedule(phases=[{"epochs": 1, "rate": 1, "restart": True, "snapshot": True}])
    assert (schedule.epoch(0).restart, schedule.epoch(0).snapshot, schedule.epoch(0).begins) == (True, True, True)
    assert (schedule.epoch(1).restart, schedule.epoch(1).snapshot, schedule.epoch(1).begins) == (False, False, False)
    assert schedule.epoch(9).rate == 1.0
    assert [schedule.snapshots_before(number) for number in (0, 1, 9)] == [0, 1, 1]


@pytest.mark.parametrize(
    ("phase", "told"),
    [
        ({"rate": 0}, "rate 0 is not"),
        ({"rate": -1e-4}, "rate -0.0001 is not"),
        ({"rate": "1e-4"}, "YAML wants"),
        ({"rate": 1e-4, "plateau": {"factor": 0.5}}, "plateau is"),
        ({"rate": 1e-4, "plateau": {"factor": 2, "patience": 2}}, "plateau is"),
        ({"rate": 1e-4, "plateau": {"factor": 0.5, "patience": 0}}, "plateau is"),
        ({"rate": 1e-4, "momentum": 1}, r"schedule.phases\[0\]"),
    ],
)
def test_bad_phases_are_refused(phase, told):
    with pytest.raises(MaskfoldError, match=told):
        Schedule(phases=[{"epochs": 2} | phase])


def test_plateau_watch_by_hand():
    watch, rule = PlateauWatch(), Plateau(factor=0.5, patience=2)
    scales = []
    for loss in [5, 4, 4, 4.5, 3, 3.5, 2, 2, 2, float("nan"), 2]:
        watch.see(loss, rule)
        scales.append(watch.scale)
    assert scales == [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.125]
    assert PlateauWatch(**watch.state()) == watch


def test_phase_keys_survive_yaml():
    node = OmegaConf.create("{_target_: maskfold.engine.schedules.Schedule, phases: [{epochs: 1, rate: 1.0e-4}]}")
    assert build(node).epoch(0).rate == 1e-4


def test_the_imgaug_member_is_the_winners_linknet_but_for_the_engine():
    theirs, ours = (compose("train", [f"experiment=linknet34_{name}"]) for name in ("seed44", "imgaug"))
    assert ours.augment._target_ == "maskfold.data.imgaug_compat.Imgaug"
    differing = [key for key in theirs if key != "task" and theirs[key] != ours[key]]
    assert sorted(differing) == ["augment", "name"]
