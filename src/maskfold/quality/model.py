"""`quality.json`: all that it takes to score one more photo's map and to say where it goes. Needs NumPy alone."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from maskfold import files
from maskfold.errors import MaskfoldError
from maskfold.quality.names import DIRECTIONS, HALF, OF_MEMBERS, OF_MIRROR, REJECT, REVIEW, SHIP
from maskfold.quality.predictor import RankScore, Term

QUALITY = "quality.json"
VERSION = 1
_MOST_POINTS = 10_000  # of a table in a file


class Assessment(NamedTuple):
    """What is thought of one mask.

    Attributes:
        score: Higher is better; NaN where a measure is not known.
        iou: The IoU that masks of this score had on average; NaN likewise.
        route: `ship`, `review` or `reject`.
        reason: Why, in words.
    """

    score: float
    iou: float
    route: str
    reason: str


@dataclass(frozen=True)
class QualityModel:
    """How masks of one ensemble are judged.

    Attributes:
        ensemble: Whose masks.
        predictor: What makes the score.
        calibration: `(scores, ious)`, both rising: the IoU that goes with a score, straight lines between the points.
        threshold: The least score that ships; None where nothing may.
        reject_below: Estimated IoU below which a mask is not worth a correction.
        cut: Of 255; at or above is object. One half since cut-outs are cut there; files of before may have others.
        promise: What the threshold stands for; see `maskfold.quality.certificate`.
        reference: How scores and clusters were distributed, for `make drift`; see `maskfold.quality.reference`.
        masker: The `identity` of the ensemble's networks, None where maps alone were seen.
        made_of: What the maps came from.
    """

    ensemble: str
    predictor: RankScore
    calibration: tuple[tuple[float, ...], tuple[float, ...]]
    threshold: float | None
    reject_below: float = 0.0
    cut: int = HALF
    promise: Mapping[str, Any] = field(default_factory=dict)
    reference: Mapping[str, Any] = field(default_factory=dict)
    masker: str | None = None
    made_of: Sequence[Any] = ()

    @property
    def wants_members(self) -> bool:
        """Whether `assess` needs measures of each member's map."""
        return not {*self.predictor.measures}.isdisjoint(OF_MEMBERS)

    @property
    def wants_mirrored(self) -> bool:
        """Whether `assess` needs the measure of the mirror image's map."""
        return not {*self.predictor.measures}.isdisjoint(OF_MIRROR)

    def assess(self, measures: Mapping[str, float]) -> Assessment:
        """Return what is thought of a mask.

        Args:
            measures: As `maskfold.quality.measures.measure` returns them, with `threshold=model.cut`.

        Raises:
            MaskfoldError: If a measure is missing altogether.
        """
        missing = sorted({*self.predictor.measures, "area"} - measures.keys())
        if missing:
            raise MaskfoldError(f"measures of a mask without {', '.join(missing)}: hand on all that measure() returns.")
        score = float(self.predictor.score(measures))
        iou = float(np.interp(score, *self.calibration))
        return Assessment(score, iou, *self._route(measures, score, iou))

    def _route(self, measures: Mapping[str, float], score: float, iou: float) -> tuple[str, str]:
        if measures["area"] == 0:
            return REJECT, "no object"
        if math.isnan(score):
            unknown = [name for name in self.predictor.measures if math.isnan(measures[name])]
            return REVIEW, f"not known: {', '.join(unknown)}"
        if iou < self.reject_below:
            return REJECT, f"estimated IoU {iou:.3f} below {self.reject_below:g}"
        if self.threshold is None:
            return REVIEW, "no threshold holds what was asked for"
        if score < self.threshold:
            return REVIEW, f"score {score:.4f} below {self.threshold:.4f}"
        return SHIP, f"score {score:.4f} at or above {self.threshold:.4f}"

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        content = asdict(self)
        scores, ious = self.calibration
        files.write_json(path, {"version": VERSION} | content | {"calibration": {"scores": scores, "ious": ious}})

    @classmethod
    def read(cls, path: Path | str) -> "QualityModel":
        """Read the file.

        Raises:
            MaskfoldError: If it is missing, damaged, of a later version, or holds something else; the message names it.
        """
        path = Path(path)
        if not path.is_file():
            raise MaskfoldError(f"{path}: no such file. Run make quality first: it learns how masks are judged.")
        content = files.read_json(path)
        if content.get("version") != VERSION:
            raise MaskfoldError(
                f"{path}: version {content.get('version')!r}, and this program reads {VERSION}. Run make quality again."
            )
        try:
            return _model(content)
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            raise MaskfoldError(f"{path}: no such model of quality: {what}. Run make quality again.") from error


def _model(content: Mapping[str, Any]) -> QualityModel:
    """Return the model of a file's content, every part of which is looked at."""
    predictor, calibration = content["predictor"], content["calibration"]
    terms = tuple(_term(term) for term in _list(predictor["terms"], 1))
    threshold, cut = content["threshold"], content["cut"]
    if isinstance(cut, bool) or not isinstance(cut, int) or not 1 <= cut <= 255:
        raise ValueError(f"cut is {cut!r}, no whole number from 1 to 255")
    return QualityModel(
        ensemble=_text(content["ensemble"]),
        predictor=RankScore(_text(predictor["name"]), terms, _number(predictor["intercept"])),
        calibration=(_rising(calibration["scores"]), _paired(calibration["ious"], calibration["scores"])),
        threshold=None if threshold is None else _number(threshold),
        reject_below=_number(content["reject_below"]),
        cut=cut,
        promise=_kind(dict, content["promise"]),
        reference=_kind(dict, content["reference"]),
        masker=None if content["masker"] is None else _text(content["masker"]),
        made_of=_kind(list, content["made_of"]),
    )


def _term(term: Mapping[str, Any]) -> Term:
    if term["measure"] not in DIRECTIONS:
        raise ValueError(f"measure {term['measure']!r} is not known")
    values = _rising(term["values"])
    return Term(term["measure"], _number(term["weight"]), values, _paired(term["ranks"], values))


def _rising(values: object) -> tuple[float, ...]:
    numbers = tuple(_number(value) for value in _list(values, 1))
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        raise ValueError("values that do not rise")
    return numbers


def _paired(values: object, beside: Sequence[float]) -> tuple[float, ...]:
    numbers = tuple(_number(value) for value in _list(values, 1))
    if len(numbers) != len(beside) or any(later < earlier for earlier, later in pairwise(numbers)):
        raise ValueError("two lists that do not belong together")
    return numbers


def _list(values: object, least: int) -> list:
    if not isinstance(values, list) or not least <= len(values) <= _MOST_POINTS:
        raise ValueError(f"no list of {least} to {_MOST_POINTS:,} entries")
    return values


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _text(value: object) -> str:
    return _kind(str, value)


def _kind(kind: type, value: object) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{value!r} is no {kind.__name__}")
    return value
