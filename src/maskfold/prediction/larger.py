"""Another geometry at prediction than in training: larger windows, more overlap, a higher resolution."""

from collections.abc import Mapping
from typing import Any

from maskfold.errors import MaskfoldError

GEOMETRY = "geometry"  # a key of what a store's maps come from: the numbers that were not as in training


def changed_numbers(geometry: Mapping[str, Any], asked: Mapping[str, int | None]) -> dict[str, int]:
    """Return what is asked for of a run's geometry and is not as in training.

    Args:
        geometry: The run's own, with `_target_` and its numbers.
        asked: Numbers by key; None where it is to be as in training.

    Raises:
        MaskfoldError: If the geometry has no such number.
    """
    wanted = {key: number for key, number in asked.items() if number is not None}
    numbers = [key for key in geometry if key in asked]
    if unknown := sorted(wanted.keys() - {*numbers}):
        name = str(geometry.get("_target_", "its geometry")).rpartition(".")[2]
        raise MaskfoldError(
            f"geometry.{unknown[0]}={wanted[unknown[0]]}: the run was trained with {name}, which has "
            f"{', '.join(numbers) or 'no such numbers'}. Leave geometry.{unknown[0]} out."
        )
    return {key: number for key, number in wanted.items() if number != geometry[key]}
