"""Who has a say in a photo's cut-out beside the network: a judge of its mask, and the persons who have looked at it."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from maskfold.prediction.masker import Answer

REJECTED = "rejected in its review"  # why there is no picture of what a person has rejected


@dataclass(frozen=True)
class Outcome:
    """What is to become of a photo.

    Attributes:
        mask: What stands for the mask of a person, which is cut instead of the network's; empty for the network's.
        held: Why there is to be no picture; empty where there is to be one.
    """

    mask: str = ""
    held: str = ""


class MaskJudge(Protocol):
    """Who says how good a mask is.

    Attributes:
        identity: Changes with what it goes by.
        wants_members: Whether it looks at each member's map.
        wants_mirrored: Whether it looks at the map of the photo's mirror image.
    """

    identity: str
    wants_members: bool
    wants_mirrored: bool

    def assess(self, name: str, photo_hash: str, answer: Answer, turned: np.ndarray | None) -> dict[str, Any]:
        """Return what is to be said of a photo's maps: text and numbers. Whatever it raises is that photo's failure.

        Args:
            name: The photo's, in its storage.
            photo_hash: As `maskfold.cutout.record.Entry` has it.
            answer: Its maps.
            turned: The map of its mirror image, turned back; None where that is not wanted.
        """
        ...

    def keep(self, name: str, answer: Answer) -> None:
        """Write a photo's maps; where they cannot be written, the run ends."""
        ...

    def held(self, quality: dict[str, Any]) -> str:
        """Return why a photo of which `assess` has said this is to have no picture yet; empty if it is to have one."""
        ...


class MaskReviews(Protocol):
    """What persons have decided about masks."""

    def of(self, name: str, photo_hash: str) -> Outcome | None:
        """Return what was decided about a photo, None where nothing was; arguments as `MaskJudge.assess`."""
        ...

    def mask(self, name: str) -> np.ndarray:
        """Return the mask of a photo of which `of` has one, `(H, W) uint8`, 0 or 1.

        Raises:
            MaskfoldError: If it cannot be read.
        """
        ...


def decide(
    name: str, photo_hash: str, quality: dict[str, Any] | None, judge: MaskJudge | None, reviews: MaskReviews | None
) -> Outcome:
    """Return what is to become of a photo: what a person has decided, or else what its judge says.

    Args:
        name: The photo's, in its storage.
        photo_hash: As `maskfold.cutout.record.Entry` has it.
        quality: What the judge has said of it; None where none was asked.
        judge: Who says whether it is held.
        reviews: What persons have decided.
    """
    decided = None if reviews is None else reviews.of(name, photo_hash)
    if decided is not None:
        return decided
    return Outcome(held="" if judge is None or quality is None else judge.held(quality))
