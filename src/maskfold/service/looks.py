"""What a masker is asked about a photo, and what it says."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskfold.prediction.masker import Answer, Masker, mirrored


@dataclass(frozen=True)
class ModelAnswer:
    """What the model says of a photo.

    Attributes:
        answer: Its maps.
        mirrored: The map of its mirror image, turned back, `(H, W) uint8`; None where it was not asked for.
    """

    answer: Answer
    mirrored: np.ndarray | None = None


@dataclass(frozen=True)
class Wanted:
    """What is to be looked at.

    Attributes:
        members: Each member's map too.
        mirrored: The mirror image too.
    """

    members: bool = False
    mirrored: bool = False


class MaskModel:
    """A masker as the queue asks it: the map of each photo, and what else is wanted of it.

    Args:
        masker: It.
    """

    def __init__(self, masker: Masker) -> None:
        self.masker = masker

    def look(self, photos: Sequence[np.ndarray], wanted: Sequence[Wanted | None]) -> list[ModelAnswer]:
        """See `maskfold.service.batching.Model`; None wants the map alone."""
        wants = [one or Wanted() for one in wanted]
        answers: dict[int, Answer] = {}
        for members in (False, True):
            alike = [number for number, one in enumerate(wants) if one.members is members]
            if alike:
                asked = [photos[number] for number in alike]
                answers |= zip(alike, self.masker.answer(asked, members=members), strict=True)
        turned = [number for number, one in enumerate(wants) if one.mirrored]
        mirrors = mirrored(self.masker, [photos[number] for number in turned]) if turned else []
        back = dict(zip(turned, mirrors, strict=True))
        return [ModelAnswer(answers[number], back.get(number)) for number in range(len(wants))]
