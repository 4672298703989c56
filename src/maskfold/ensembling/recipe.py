"""What an ensemble does with an image: average, threshold, post-process; and which images it repairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from maskfold.ensembling.by_class import NO_STEP, ByClass, Step, Thresholds, check_thresholds
from maskfold.ensembling.empty import empty_steps
from maskfold.ensembling.means import PROBABILITY, check_mean
from maskfold.ensembling.tree import leaf_nodes
from maskfold.errors import MaskfoldError
from maskfold.files import check_inside


@dataclass(frozen=True, kw_only=True)
class ByMembers:
    """A step that looks at the mean of some of the ensemble's members, where others look at the mean of all.

    Args:
        members: Whose mean, a tree as in `Recipe`, of members of the ensemble.
        step: What is done with it.

    Raises:
        MaskfoldError: If the step is not one.
    """

    members: Sequence[dict[str, Any]]
    step: Step | ByClass

    def __post_init__(self) -> None:
        """Refuse what cannot be called."""
        if isinstance(self.step, ByCluster):
            raise MaskfoldError("ensemble.postprocess: ByMembers holds ByCluster; put ByMembers inside ByCluster.")
        if not callable(self.step) and not isinstance(self.step, ByClass):
            raise MaskfoldError(NO_STEP.format(self.step))


@dataclass(frozen=True, kw_only=True)
class ByCluster:
    """A step that is on for the photos of some clusters alone; where a photo's cluster is not known, it is off.

    Args:
        clusters: Their names.
        step: What is done with their maps and masks.

    Raises:
        MaskfoldError: If the step is not one, or no cluster is named.
    """

    clusters: Sequence[str]
    step: Step | ByMembers | ByClass

    def __post_init__(self) -> None:
        """Refuse what cannot be called, and clusters that are no list."""
        if isinstance(self.clusters, str) or not self.clusters:
            raise MaskfoldError(
                f"ensemble.postprocess: ByCluster has clusters={self.clusters!r}: give a list of names, or leave the "
                "step out."
            )
        if not callable(self.step) and not isinstance(self.step, ByMembers | ByClass):
            raise MaskfoldError(NO_STEP.format(self.step))
        object.__setattr__(self, "clusters", tuple(map(str, self.clusters)))  # YAML reads `1` as a number


AnyStep = Step | ByMembers | ByClass | ByCluster
"""What a recipe lists: a step as it is, or for some members, classes or clusters."""


class Repair:
    """What is done with the images that the ensemble is most unsure of, instead of what is done with the others.

    Args:
        worst: How many: a whole number of images, or a share below 1 of all of them. 0 turns repair off.
        members: Re-average these members only, a tree as in `Recipe`; None keeps the ensemble's own average.
        threshold: The threshold for these images, as the ensemble's; None is the ensemble's.
        steps: Post-processing steps for these images, before the ensemble's own.

    Raises:
        MaskfoldError: If a number is out of range.
    """

    def __init__(
        self,
        *,
        worst: float,
        members: Sequence[dict[str, Any]] | None = None,
        threshold: Thresholds | None = None,
        steps: Sequence[AnyStep] = (),
    ) -> None:
        if worst < 0 or (worst >= 1 and worst != int(worst)):
            raise MaskfoldError(f"ensemble.repair.worst={worst}: give a whole number of images, or a share below 1.")
        self.worst = worst
        self.members = members
        self.threshold = None if threshold is None else check_thresholds(threshold)
        self.steps = check_steps(steps)

    def count(self, images: int) -> int:
        """Return how many of `images` are repaired."""
        return min(images, int(self.worst) if self.worst >= 1 else round(self.worst * images))


@dataclass(frozen=True)
class Pass:
    """One way from maps to a mask.

    Attributes:
        members: Whose maps are averaged, a tree as in `Recipe`.
        threshold: Where the mean is cut, of 255; `threshold_of` has those of the data's classes.
        steps: Post-processing of what was cut, in order.
    """

    members: Sequence[dict[str, Any]]
    threshold: Thresholds
    steps: tuple[AnyStep, ...]


class Passes(NamedTuple):
    """What is done with most images, and what with those that are repaired."""

    usual: Pass
    repair: Pass


class Recipe:
    """An ensemble: `conf/ensemble/<name>.yaml`.

    Args:
        name: The ensemble's name, and its folder's under `submissions/`.
        members: A tree of members; see `maskfold.ensembling.tree.leaves`.
        mean: How their maps are averaged, `probability`, `logit` or `rank`; see `maskfold.ensembling.means`.
        threshold: Pixels whose probability is this or more, of 255, are object. Of several classes it is one for all,
            a list in their order, or one for each by name.
        empty: When a mask is taken away: `presence` and `least_area` as of `maskfold.ensembling.empty.EmptyRule`, or
            these for each of several classes by name; None never does. It comes before the other steps.
        postprocess: Steps for every image.
        repair: What is done with the worst images; None does nothing.

    Raises:
        MaskfoldError: If the name leads out of `submissions/`, there is no such mean, the threshold is out of range, a
            step or the repair is not one, or a step looks at members that the ensemble does not have.
    """

    def __init__(
        self,
        *,
        name: str,
        members: Sequence[dict[str, Any]],
        mean: str = PROBABILITY,
        threshold: Thresholds = 128,
        empty: Mapping[str, Any] | None = None,
        postprocess: Sequence[AnyStep] = (),
        repair: Repair | None = None,
    ) -> None:
        self.name = check_inside(name, what="ensemble.name")
        self.members = members
        self.mean = check_mean(mean)
        self.threshold = check_thresholds(threshold)
        self.empty = empty
        self.postprocess = (*empty_steps(empty), *check_steps(postprocess))
        if not isinstance(repair, Repair | None):
            raise MaskfoldError("ensemble.repair: begin it with _target_: maskfold.ensembling.recipe.Repair.")
        self.repair = repair or Repair(worst=0)
        self._check_members_of_steps()

    @property
    def unusual_mean(self) -> str | None:
        """What makes its mean another than that of probabilities, as words for a message; None for nothing."""
        if self.mean != PROBABILITY:
            return f"ensemble.mean={self.mean}"
        tempered = [node for tree in self.trees for node in leaf_nodes(tree) if node.get("temperature", 1) != 1]
        return f"the temperature of {tempered[0]}" if tempered else None

    @property
    def passes(self) -> Passes:
        """The ensemble's two passes; where the repair says nothing of its own it does as the usual one."""
        own = self.repair
        return Passes(
            usual=Pass(self.members, self.threshold, self.postprocess),
            repair=Pass(own.members or self.members, own.threshold or self.threshold, (*own.steps, *self.postprocess)),
        )

    @property
    def steps_by_members(self) -> tuple[ByMembers, ...]:
        """The steps that look at the mean of some members alone."""
        steps = (step.step if isinstance(step, ByCluster) else step for step in self.passes.repair.steps)
        return tuple(step for step in steps if isinstance(step, ByMembers))

    @property
    def trees(self) -> list[Sequence[dict[str, Any]]]:
        """The trees of members whose means are looked at: all, then those of the repair and the steps, if any."""
        repair = [self.repair.members] if self.repair.worst and self.repair.members else []
        return [self.members, *repair, *(step.members for step in self.steps_by_members)]

    @property
    def clusters(self) -> tuple[str, ...]:
        """The clusters that some steps are for alone, in their order; none where no step goes by clusters."""
        steps = [step for step in self.passes.repair.steps if isinstance(step, ByCluster)]
        return tuple(dict.fromkeys(name for step in steps for name in step.clusters))

    def _check_members_of_steps(self) -> None:
        for step in self.steps_by_members:
            own = leaf_nodes(self.members)
            foreign = [node for node in leaf_nodes(step.members) if node not in own]
            if foreign:
                raise MaskfoldError(
                    f"ensemble.postprocess: a step looks at {foreign[0]}, which is not among ensemble.members. Name "
                    "members of the ensemble in it, or take it away with ensemble.postprocess=[]."
                )


def check_steps(steps: Sequence[AnyStep]) -> tuple[AnyStep, ...]:
    """Return post-processing steps that can be called, or hold one.

    Raises:
        MaskfoldError: If one cannot; a forgotten `_target_` is the usual mistake.
    """
    for step in steps:
        if not callable(step) and not isinstance(step, ByMembers | ByClass | ByCluster):
            raise MaskfoldError(NO_STEP.format(step))
    return tuple(steps)


def to_mask(
    probability: np.ndarray,
    threshold: int | Sequence[int],
    steps: Sequence[Step] = (),
    *,
    exclusive: bool = False,
) -> np.ndarray:
    """Threshold a map and run the steps.

    Args:
        probability: `(H, W) uint8`; of several classes `(C, H, W)`.
        threshold: Of 255; at or above is object. Of several classes one for each.
        steps: Post-processing, in order, as `on_planes` returns it.
        exclusive: Whether a pixel belongs to one of several classes at most: the likeliest of those whose masks have
            it, after the threshold and once more after the steps; of equally likely ones the first.

    Returns:
        As the map, in {0, 1}.
    """
    mask = _cut(probability, threshold, exclusive=exclusive)
    for step in steps:
        mask = step(probability, mask)
    return _without_overlaps(probability, mask) if exclusive and steps and mask.ndim == 3 else mask


def _cut(probability: np.ndarray, threshold: int | Sequence[int], *, exclusive: bool) -> np.ndarray:
    if isinstance(threshold, int):
        return (probability >= threshold).astype(np.uint8)
    mask = np.empty(probability.shape, np.uint8)
    for cut, plane, least in zip(mask, probability, threshold, strict=True):
        np.greater_equal(plane, least, out=cut.view(np.bool_))
    return _without_overlaps(probability, mask) if exclusive else mask


def _without_overlaps(probability: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Leave each pixel of masks `(C, H, W)` to the likeliest of the classes that claim it."""
    contested = mask.sum(axis=0, dtype=np.uint16) > 1
    if not contested.any():
        return mask
    claims = np.where(mask[:, contested], probability[:, contested].astype(np.int16), -1)
    winners = claims.argmax(axis=0)
    mask[:, contested] = np.arange(len(mask))[:, None] == winners
    return mask
