import pytest

from maskfold.errors import MaskfoldError
from maskfold.phases import expand

NAMES = {"name": "schedule.phases", "needed": ["rate"], "optional": ["extra"]}
MARKS = {"at_start": ["restart"], "at_end": ["snapshot"]}


def test_phases_are_written_out_with_repeats_inside_repeats():
    inner = {"repeat": 2, "phases": [{"epochs": 1, "rate": 2}, {"epochs": 2, "rate": 3}]}
    table = expand([{"epochs": 2, "rate": 1}, {"repeat": 2, "phases": [inner, {"epochs": 1, "rate": 4}]}], **NAMES)
    assert [row["rate"] for row in table] == [1, 1, *(2 * [2, 3, 3, 2, 3, 3, 4])]
    assert [row.get("begins", False) for row in table[:6]] == [True, False, True, True, False, True]


def test_marks_hold_at_the_beginning_of_a_phase_and_at_the_end_of_each_cycle():
    cycle = [{"epochs": 2, "rate": 1}, {"epochs": 1, "rate": 2, "restart": True}]
    phases = [
        {"epochs": 2, "rate": 9, "snapshot": True},
        {"repeat": 2, "snapshot": True, "restart": True, "phases": cycle},
    ]
    table = expand(phases, **NAMES, **MARKS)
    assert [row.get("snapshot", False) for row in table] == [False, True, False, False, True, False, False, True]
    assert [row.get("restart", False) for row in table] == [False, False, True, False, True, False, False, True]


def test_optional_keys_go_with_every_epoch_and_a_false_mark_is_none():
    table = expand([{"epochs": 2, "rate": 1, "extra": 5, "snapshot": False}], **NAMES, **MARKS)
    assert table == [{"rate": 1, "extra": 5, "begins": True}, {"rate": 1, "extra": 5}]


@pytest.mark.parametrize(
    "phases",
    [
        [],
        [{"epochs": 2}],
        [{"rate": 2}],
        [{"epochs": 0, "rate": 2}],
        [{"epochs": 1.5, "rate": 2}],
        [{"epochs": True, "rate": 2}],
        [{"epochs": 1, "rate": 2, "unknown": 3}],
        [{"repeat": 2, "rate": 2}],
        [{"repeat": 0, "phases": [{"epochs": 1, "rate": 2}]}],
        [{"repeat": 2, "phases": [{"epochs": 1, "rate": 2}], "extra": 1}],
    ],
)
def test_what_is_no_table_is_refused(phases):
    with pytest.raises(MaskfoldError, match=r"schedule\.phases"):
        expand(phases, **NAMES, **MARKS)


def test_message_names_the_row_inside_a_cycle():
    with pytest.raises(MaskfoldError, match=r"schedule\.phases\[1\]\.phases\[0\] is \{'epochs': 0"):
        expand([{"epochs": 1, "rate": 1}, {"repeat": 2, "phases": [{"epochs": 0, "rate": 1}]}], **NAMES)


def test_braces_that_the_shell_took_apart_are_told():
    with pytest.raises(MaskfoldError, match=r"phases\[0\] is 'epochs:9', not .*quotes"):
        expand(["epochs:9"], name="phases", needed=["rate"], optional=[], at_start=[], at_end=[])
