"""Tables of phases, written out epoch by epoch: what rates and augmentations that change in training have in common."""

from collections.abc import Sequence
from typing import Any

from maskfold.errors import MaskfoldError


def expand(
    phases: Sequence[dict[str, Any]],
    *,
    name: str,
    needed: Sequence[str],
    optional: Sequence[str] = (),
    at_start: Sequence[str] = (),
    at_end: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Write a table of phases out.

    A phase is `{epochs: n, <needed and optional keys>}`, or `{repeat: n, phases: [...]}` for cycles. Either may carry
    marks: those `at_start` are seen at the phase's first epoch only, those `at_end` at its last one, and at the last
    one of each cycle.

    Args:
        phases: The table.
        name: What messages call it, such as `schedule.phases`.
        needed: Keys that every phase with `epochs` has.
        optional: Keys that it may have.
        at_start: Marks of the first epoch, true or false.
        at_end: Marks of the last epoch, true or false.

    Returns:
        One dictionary an epoch: the keys of its phase, the marks that hold, and `begins` where its phase does.

    Raises:
        MaskfoldError: If the table is empty, or a phase has other keys or a count that is no whole number above 0.
    """
    if not phases:
        raise MaskfoldError(f"{name} is empty: give at least one phase, such as {{epochs: 12, {needed[0]}: ...}}.")
    keys = {"needed": needed, "optional": optional, "at_start": at_start, "at_end": at_end}
    epochs: list[dict[str, Any]] = []
    for row, phase in enumerate(phases):
        here = f"{name}[{row}]"
        _check(phase, here, **keys)
        if "repeat" in phase:
            block = expand(phase["phases"], name=f"{here}.phases", **keys)
        else:
            block = [{key: phase[key] for key in (*needed, *optional) if key in phase}] * phase["epochs"]
            block[0] = block[0] | {"begins": True}
        block[-1] = block[-1] | {mark: True for mark in at_end if phase.get(mark)}
        block = block * phase.get("repeat", 1)
        block[0] = block[0] | {mark: True for mark in at_start if phase.get(mark)}
        epochs += block
    return epochs


def _check(
    phase: dict[str, Any],
    here: str,
    *,
    needed: Sequence[str],
    optional: Sequence[str],
    at_start: Sequence[str],
    at_end: Sequence[str],
) -> None:
    """Refuse a phase that is not understood."""
    if not isinstance(phase, dict):
        raise MaskfoldError(
            f"{here} is {phase!r}, not {{epochs: n, ...}}: on a command line put quotes around the whole key=value, or "
            "the shell takes the braces apart."
        )
    must = {"repeat", "phases"} if "repeat" in phase else {"epochs", *needed}
    may = {*at_start, *at_end} | (set() if "repeat" in phase else set(optional))
    count = phase.get("repeat", phase.get("epochs"))
    if not must <= set(phase) <= must | may or type(count) is not int or count < 1:
        others = f", and may have {', '.join(sorted(may))}" if may else ""
        raise MaskfoldError(
            f"{here} is {phase}: a phase is {{epochs: n, {': ..., '.join(needed)}: ...}} or "
            f"{{repeat: n, phases: [...]}} with n a whole number above 0{others}."
        )
