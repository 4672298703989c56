"""The faults the winners met in the real set, planted on purpose: which images get one, and how a mask is spoilt."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from maskfold.studio.camera import VIEWS

SIDE_VIEWS = (5, 13)  # where one looks straight through the wheels
WHITE_VAN_SHARE, GAPS_SHARE, WRONG_SHARE = 0.1, 0.1, 0.008  # of the cars, of the cars, of the images
FEWEST_FOR_A_VAN = 4  # cars in a split
SHIFTED, PIECE_MISSING, OTHER_CAR = "shifted", "piece missing", "mask of another car"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is planted in one split.

    Attributes:
        white_vans: Indices of the cars that are white vans; their masks are true.
        wheel_gaps: (car index, view) whose mask calls the gaps of the wheels car.
        wrong_masks: (car index, view) with a grossly wrong mask, and how it is wrong.
    """

    white_vans: frozenset[int] = frozenset()
    wheel_gaps: frozenset[tuple[int, int]] = frozenset()
    wrong_masks: dict[tuple[int, int], str] = field(default_factory=dict)


def plan_faults(rng: np.random.Generator, *, open_wheels: list[bool], labelled: bool) -> Plan:
    """Choose what to plant in a split.

    Args:
        rng: Where the chances come from.
        open_wheels: Per car, whether one can see through its wheels.
        labelled: Whether this is the training split: only its masks are spoilt.
    """
    cars = len(open_wheels)
    vans = max(1, round(WHITE_VAN_SHARE * cars)) if cars >= FEWEST_FOR_A_VAN else 0
    white_vans = frozenset(rng.permutation(cars)[:vans].tolist())
    if not labelled:
        return Plan(white_vans=white_vans)
    others = [car for car in range(cars) if car not in white_vans]
    see_through = rng.permutation([car for car in others if open_wheels[car]]).astype(int).tolist()
    gaps = {(car, view) for car in see_through[: max(1, round(GAPS_SHARE * cars))] for view in SIDE_VIEWS}
    free = [(car, view) for car in others for view in range(1, VIEWS + 1) if (car, view) not in gaps]
    chosen = rng.permutation(len(free))[: max(1, round(WRONG_SHARE * cars * VIEWS))]
    kinds = (SHIFTED, PIECE_MISSING, OTHER_CAR) if cars > 1 else (SHIFTED, PIECE_MISSING)
    wrong = {free[where]: kinds[turn % len(kinds)] for turn, where in enumerate(chosen)}
    return Plan(white_vans=white_vans, wheel_gaps=frozenset(gaps), wrong_masks=wrong)


def spoil(mask: np.ndarray, kind: str, rng: np.random.Generator, other: Callable[[], np.ndarray]) -> np.ndarray:
    """Return a grossly wrong version of a mask.

    Args:
        mask: (H, W) uint8 0/1, not empty.
        kind: "shifted", "piece missing" or "mask of another car".
        rng: Where the chances come from.
        other: Gives the other car's mask, (H, W) uint8 0/1, which is laid a little aside.

    Returns:
        (H, W) uint8 0/1.
    """
    columns = np.flatnonzero(mask.any(axis=0))
    step = max(2, round(rng.uniform(0.18, 0.28) * (columns[-1] - columns[0])))
    leftwards = rng.random() < 0.5
    if kind == PIECE_MISSING:
        wrong = mask.copy()
        lost = columns[: 2 * step] if leftwards else columns[-2 * step :]
        wrong[:, lost] = 0
        return wrong
    if kind == SHIFTED:
        return _moved(mask, step, leftwards)
    return _moved(other(), step // 2, leftwards)


def _moved(mask: np.ndarray, step: int, leftwards: bool) -> np.ndarray:
    """Shift a mask sideways by `step` columns, at least 1; what leaves the picture is lost."""
    moved = np.zeros_like(mask)
    if leftwards:
        moved[:, :-step] = mask[:, step:]
    else:
        moved[:, step:] = mask[:, :-step]
    return moved
