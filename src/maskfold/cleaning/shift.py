"""How well a small classifier tells train photos from test photos, and by what (adversarial validation).

Where it does so well, the test photos were taken otherwise, and scores out of fold say little of them.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold.cleaning.fingerprints import MEASURES, fingerprints

FAR = 0.7  # an AUC: warned is where the whole interval is above

_MOST = 2_000  # photos of each split that are looked at
_FEWEST = 10  # photos of each split, and
_FEWEST_GROUPS = 5  # groups of each: fewer say nothing
_PARTS = 5  # of cross-validation
_DRAWS = 500  # of the bootstrap
_NAMED = 3  # measures that are named, of those
_TELLING = 0.1  # whose AUC is so far from 0.5

# What test photos are where a measure of theirs is higher, and where it is lower.
WORDS = {
    "height": ("higher", "less high"),
    "width": ("wider", "less wide"),
    "aspect": ("wider for their height", "narrower for their height"),
    "bytes_per_pixel": ("compressed less", "compressed more"),
    "brightness": ("lighter", "darker"),
    "contrast": ("of more contrast", "of less contrast"),
    "saturation": ("more colourful", "less colourful"),
    "sharpness": ("sharper", "less sharp"),
    "green_to_red": ("redder", "greener"),
    "blue_to_yellow": ("yellower", "bluer"),
}


@dataclass(frozen=True)
class Shift:
    """How far test photos are from train photos.

    Attributes:
        auc: Of the classifier, out of its own folds: 0.5 where it cannot tell them apart, 1 where it always can.
        low: The lower end of the AUC's 95 % interval, over draws of groups.
        high: The upper end.
        measures: The single measures that tell most, best first: name, and the AUC of a test photo having more of it.
        photos: How many were looked at, train and test.
    """

    auc: float
    low: float
    high: float
    measures: dict[str, float]
    photos: tuple[int, int]

    @property
    def is_far(self) -> bool:
        """Whether the test photos differ beyond doubt."""
        return self.low > FAR

    def __str__(self) -> str:
        by = ", ".join(
            f"{WORDS[name][0 if auc >= 0.5 else 1]} ({name}, AUC {max(auc, 1 - auc):.2f})"
            for name, auc in self.measures.items()
        )
        interval = f"[{self.low:.2f}, {self.high:.2f}]"
        return (
            f"a small classifier tells test from train photos with AUC {self.auc:.2f} {interval} (0.5: not at all)"
            f"{'; by single measures, test photos are mostly ' if by else ''}{by}"
        )


def measure_shift(
    table: pd.DataFrame, *, channels: int | None = None, cache: Path | None = None, jobs: int = -1, seed: int = 0
) -> Shift | None:
    """Learn to tell train from test photos, at most 2,000 of each, by ten plain measures.

    Args:
        table: The image table.
        channels: As for `maskfold.cleaning.fingerprints.fingerprints`, as the next two.
        cache: Likewise.
        jobs: Likewise.
        seed: Of the photos that are looked at, and of the bootstrap.

    Returns:
        None where there are fewer than 10 photos, or 5 groups, of either.
    """
    parts = [part for _, part in table[table["split"].isin(["train", "test"])].groupby("split")]
    if len(parts) < 2 or not all(_are_enough(part) for part in parts):
        return None
    drawn = pd.concat([part.sample(min(len(part), _MOST), random_state=seed) for part in parts])
    looks = fingerprints(drawn, channels=channels, cache=cache, jobs=jobs)
    named = named_measures(drawn, looks)
    sound = named.notna().all(axis=1)
    drawn, named = drawn[sound], named[sound]
    if not all(_are_enough(drawn[drawn["split"] == split]) for split in ("train", "test")):
        return None
    is_test = (drawn["split"] == "test").to_numpy()
    # Each column by its ranks: one photo of a strange size must not decide.
    ranks = named.rank(pct=True).to_numpy()
    scores = _scores(ranks, is_test, drawn["group"].to_numpy(dtype=object))
    low, high = _interval(scores, is_test, drawn["group"].astype("str") + drawn["split"], seed)
    single = {name: auc(column, is_test) for name, column in zip(named, ranks.T, strict=True)}
    telling = sorted(single, key=lambda name: -abs(single[name] - 0.5))[:_NAMED]
    telling = [name for name in telling if abs(single[name] - 0.5) >= _TELLING]
    return Shift(
        auc=round(auc(scores, is_test), 4),
        low=round(low, 4),
        high=round(high, 4),
        measures={name: round(single[name], 4) for name in telling},
        photos=(int((~is_test).sum()), int(is_test.sum())),
    )


def named_measures(table: pd.DataFrame, looks: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of `WORDS` for each row of an image table.

    Args:
        table: Some of it.
        looks: The fingerprints of its photos.
    """
    seen = looks.reindex(table["image_hash"]).set_axis(table.index)
    height, width = table["height"].astype(np.float64), table["width"].astype(np.float64)
    sizes = {"height": height, "width": width, "aspect": width / height}
    return pd.DataFrame(sizes | {"bytes_per_pixel": seen["bytes"] / (height * width)}).join(seen[MEASURES])


def auc(scores: np.ndarray, is_test: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return how often a test photo has a higher score than a train photo, ties counting half.

    Args:
        scores: (N,) of any range.
        is_test: (N,) bool.
        weights: (N,) how often each photo counts.
    """
    weights = np.ones(len(scores)) if weights is None else weights
    _, places = np.unique(scores, return_inverse=True)
    train = np.bincount(places, weights * ~is_test)
    test = np.bincount(places, weights * is_test)
    wins = (test * (np.cumsum(train) - train / 2)).sum()
    return float(wins / (train.sum() * test.sum()))


def _are_enough(part: pd.DataFrame) -> bool:
    return len(part) >= _FEWEST and part["group"].nunique() >= _FEWEST_GROUPS


def _scores(measures: np.ndarray, is_test: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return for each photo what a classifier says that has learned from other groups: (N,) float64."""
    from sklearn.linear_model import LogisticRegression  # seconds to import
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer

    # Splines: test photos may be those of middle size, of which a straight line could say nothing.
    model = make_pipeline(SplineTransformer(n_knots=4, degree=2), LogisticRegression(max_iter=300))
    parts = StratifiedGroupKFold(_PARTS, shuffle=True, random_state=0)
    return cross_val_predict(model, measures, is_test, groups=groups, cv=parts, method="decision_function")


def _interval(scores: np.ndarray, is_test: np.ndarray, groups: pd.Series, seed: int) -> tuple[float, float]:
    """Return the 95 % interval of the AUC over draws of as many groups of each split with replacement."""
    codes, names = pd.factorize(groups)
    test_groups = np.bincount(codes, is_test, minlength=len(names)) > 0
    sides = np.flatnonzero(test_groups), np.flatnonzero(~test_groups)
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(_DRAWS):
        often = sum(np.bincount(rng.choice(side, len(side)), minlength=len(names)) for side in sides)
        drawn.append(auc(scores, is_test, often[codes].astype(np.float64)))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)
