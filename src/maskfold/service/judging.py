"""How good a photo's mask is, as a quality model says it, if the service was given one."""

import math
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel, Field

from maskfold.quality.measures import HALF, measure
from maskfold.service.looks import ModelAnswer, Wanted

NO_MODEL = "This service was started without quality=<quality.json>, so its measures are not made a score of."


class Assessed(Protocol):
    """What a quality model says of a photo; see `maskfold.quality.model.Assessment`."""

    score: float
    iou: float
    route: str
    reason: str


class Quality(Protocol):
    """See `maskfold.quality.model.QualityModel`."""

    wants_members: bool
    wants_mirrored: bool
    cut: int

    def assess(self, measures: dict[str, float]) -> Assessed:
        """Return where a photo of some measures goes."""
        ...


class PhotoQuality(BaseModel):
    """The answer of `POST /quality`."""

    score: float | None = Field(description="Larger is better; null without a quality model.", examples=[0.93])
    iou: float | None = Field(description="The IoU that is expected of the mask.", examples=[0.955])
    route: str | None = Field(description="`ship`, `review` or `reject`.", examples=["ship"])
    reason: str = Field(description="Why it goes there.", examples=["score 0.93 is above 0.88"])
    measures: dict[str, float | None] = Field(
        description="What was measured; null where it could not be.", examples=[{"soft_dice": 0.94, "area": 0.24}]
    )
    model: str = Field(description="The identity of the model that made the mask.", examples=["8f0c62f41b9d7e35"])


@dataclass(frozen=True)
class Opinion:
    """What was measured of a mask, and where it goes; None without a quality model."""

    measures: dict[str, float]
    assessed: Assessed | None

    def judgement(self, model: str) -> PhotoQuality:
        """Return it as an answer has it."""
        return PhotoQuality(
            score=_number(self.assessed.score) if self.assessed else None,
            iou=_number(self.assessed.iou) if self.assessed else None,
            route=self.assessed.route if self.assessed else None,
            reason=self.assessed.reason if self.assessed else NO_MODEL,
            measures={name: _number(value) for name, value in self.measures.items()},
            model=model,
        )


class Judge:
    """Measures masks.

    Args:
        quality: What scores them; None to measure alone.
        keeps_members: Each member's map is wanted for the inbox.
    """

    def __init__(self, quality: Quality | None, *, keeps_members: bool) -> None:
        self.quality, self.keeps_members = quality, keeps_members

    def wanted(self, *, asked: bool) -> Wanted:
        """Return what the model is asked about a photo.

        Args:
            asked: Its quality is what was asked for.
        """
        if self.quality is None:
            return Wanted(members=asked)
        return Wanted(members=self.quality.wants_members or self.keeps_members, mirrored=self.quality.wants_mirrored)

    def judge(self, look: ModelAnswer) -> Opinion:
        """Return what is measured of a mask, and where it goes."""
        cut = HALF if self.quality is None else self.quality.cut
        measures = measure(look.answer.mean, members=look.answer.members, mirrored=look.mirrored, threshold=cut)
        return Opinion(measures, self.quality.assess(measures) if self.quality else None)


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
