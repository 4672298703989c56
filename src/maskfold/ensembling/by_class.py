"""What an ensemble does with each of several classes: thresholds of their own, and steps for some of them alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from maskfold.errors import MaskfoldError

Step = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""`(probability (H, W) uint8, mask (H, W) uint8 in {0, 1}) -> mask`; of several classes it is run on each plane."""

Thresholds = int | Sequence[int] | Mapping[str, int]
"""Of 255: one for all classes, one for each in their order, or by their names."""

NO_STEP = "post-processing step {}: begin it with _target_: and a class of maskfold.ensembling.postprocess."


@dataclass(frozen=True, kw_only=True)
class ByClass:
    """A step for some of several classes, where others are run on each of them.

    Args:
        classes: Their names.
        step: What is done with the map and the mask of each.
        what: What errors call it.

    Raises:
        MaskfoldError: If the step is not one.
    """

    classes: Sequence[str]
    step: Step
    what: str = field(default="ensemble.postprocess: a step", compare=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be called."""
        if not callable(self.step):
            raise MaskfoldError(NO_STEP.format(self.step))


@dataclass(frozen=True)
class OnPlanes:
    """A step as it is run on a map and a mask of several classes, `(C, H, W)`: on some planes, one by one."""

    step: Step
    planes: tuple[int, ...]

    def __call__(self, probability: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Return a mask `(C, H, W)`."""
        mended = mask.copy()
        for plane in self.planes:
            mended[plane] = self.step(probability[plane], mask[plane])
        return mended


def on_planes(step: Step | ByClass, classes: Sequence[str]) -> Step:
    """Return a step as it is run on a whole map of some classes; of one class, `classes` being empty, as it is.

    Raises:
        MaskfoldError: If it is for a class that there is not.
    """
    if not isinstance(step, ByClass):
        return OnPlanes(step, tuple(range(len(classes)))) if classes else step
    wanted = tuple(map(str, step.classes))  # YAML reads `1` as a number
    unknown = [name for name in wanted if name not in classes]
    if unknown:
        known = f"the classes are {', '.join(classes)}" if classes else "the data has one class, without a name"
        raise MaskfoldError(f"{step.what} is for the class {unknown[0]}, and {known}.")
    return OnPlanes(step.step, tuple(map(classes.index, wanted))) if classes else step.step


def step_name(step: Any) -> str:
    """Return what readers call a step: its function's name or its class's, whatever it is wrapped in."""
    while hasattr(step, "step"):  # for some classes, members or clusters
        step = step.step
    return getattr(step, "__name__", type(step).__name__)


def check_threshold(threshold: int) -> int:
    """Return a threshold that is a whole number from 1 to 255.

    Raises:
        MaskfoldError: If it is not; a share of 1 is the usual mistake.
    """
    if threshold != int(threshold) or not 1 <= threshold <= 255:
        raise MaskfoldError(f"threshold={threshold}: give a whole number from 1 to 255; half is 128.")
    return int(threshold)


def check_thresholds(threshold: Thresholds) -> Thresholds:
    """Return one threshold or those of several classes, each a whole number from 1 to 255.

    Raises:
        MaskfoldError: If one is not.
    """
    if isinstance(threshold, Mapping):
        return {str(name): check_threshold(one) for name, one in threshold.items()}
    return tuple(map(check_threshold, threshold)) if isinstance(threshold, Sequence) else check_threshold(threshold)


def threshold_of(threshold: Thresholds, classes: Sequence[str]) -> int | tuple[int, ...]:
    """Return the threshold of the data: a number for one class, `classes` being empty, or one for each of several.

    Raises:
        MaskfoldError: If there are thresholds for other classes.
    """
    if isinstance(threshold, int):
        return (threshold,) * len(classes) if classes else threshold
    if not classes:
        raise MaskfoldError(f"threshold={threshold}: the data has one class; give one whole number.")
    named = threshold if isinstance(threshold, Mapping) else dict(zip(classes, threshold, strict=False))
    if named.keys() != {*classes} or len(threshold) != len(classes):
        raise MaskfoldError(f"threshold={threshold}: give one for all classes, or one for each: {', '.join(classes)}.")
    return tuple(named[name] for name in classes)
