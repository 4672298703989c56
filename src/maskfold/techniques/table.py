"""The table: a row for the base and each technique, with gain, interval, verdict and costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from maskfold.masks.scoring import Marks
from maskfold.techniques.gains import mean_score, paired_gain
from maskfold.techniques.technique import BASE, Technique

STEP = 1e-4  # of a score: what a gain's costs are said for


@dataclass(frozen=True)
class Costs:
    """What one seed of a technique takes.

    Attributes:
        training: Seconds, all of its folds.
        a_photo: Seconds of a prediction; NaN where nobody measured it.
        device: That it was trained on.
    """

    training: float
    a_photo: float
    device: str = "cpu"

    @property
    def gpu_hours(self) -> float:
        """Hours of a GPU in training; none on a CPU."""
        return 0.0 if self.device == "cpu" else self.training / 3600

    def of_members(self, count: int) -> "Costs":
        """Return what an ensemble of so many takes."""
        return Costs(count * self.training, count * self.a_photo, self.device)


def technique_table(
    techniques: Sequence[Technique],
    marks: Mapping[str, Sequence[Marks]],
    costs: Mapping[str, Costs],
    groups: pd.Series,
    *,
    metric: str,
) -> pd.DataFrame:
    """Return the table, the best gain first below the base.

    Args:
        techniques: Those that have marks; others, and what is compared with them, are left out.
        marks: By the name of a technique, and of `BASE`: what each photo comes to, by each seed.
        costs: By the same names.
        groups: Of the photos.
        metric: The name of the score, which its column has.
    """
    there = [one for one in techniques if {one.name, one.over} <= {*marks}]
    base = {"technique": BASE, "kind": "", "over": "", metric: mean_score(marks[BASE])}
    rows = [base | {"seeds": len(marks[BASE])} | _costs(costs[BASE])]
    gains = {one.name: paired_gain(marks[one.name], marks[one.over], groups) for one in there}
    for one in sorted(there, key=lambda one: -gains[one.name].mean):
        gain = gains[one.name]
        rows.append(
            {"technique": one.name, "kind": one.kind, "over": one.over, metric: mean_score(marks[one.name])}
            | {"gain": gain.mean, "low": gain.low, "high": gain.high, "verdict": gain.verdict}
            | {"seeds": len(gain.by_seed), "seeds_sd": gain.spread}
            | {"seeds_low": min(gain.by_seed), "seeds_high": max(gain.by_seed)}
            | _costs(costs[one.name])
            | {"seconds_per_0.0001": _price(costs[one.name], costs[one.over], gain.mean, photos=len(groups))}
        )
    columns = ["technique", "kind", "over", metric, "gain", "low", "high", "verdict", "seeds", "seeds_sd", "seeds_low"]
    columns += ["seeds_high", "training_seconds", "seconds_a_photo", "gpu_hours", "device", "seconds_per_0.0001"]
    return pd.DataFrame(rows, columns=columns)


def _costs(costs: Costs) -> dict[str, float | str]:
    named = {"training_seconds": costs.training, "seconds_a_photo": costs.a_photo}
    return named | {"gpu_hours": costs.gpu_hours, "device": costs.device}


def _price(costs: Costs, over: Costs, gain: float, *, photos: int) -> float | None:
    """Return the seconds more, of a training and a prediction of all photos, for each 0.0001; None without a gain."""
    predicting = 0.0 if pd.isna(costs.a_photo - over.a_photo) else costs.a_photo - over.a_photo
    more = max(costs.training - over.training + photos * predicting, 0.0)
    return more / (gain / STEP) if gain > 0 else None
