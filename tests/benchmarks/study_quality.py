"""What scores without truth are worth, and whether promises hold: from `measures.parquet` of `make quality`.

    .venv/bin/python tests/benchmarks/study_quality.py ccp=<measures.parquet> studio=<measures.parquet> ...

Writes docs/measured/quality.csv, a row a data set and predictor, and docs/measured/quality_promises.csv, a row a data
set and promise: 200 times a threshold is certified on one half of the groups, drawn by chance, and looked at on the
other; and 1,000 times on photos drawn with replacement, where the truth about the threshold is known, since all photos
together are what was drawn from.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold.quality.certificate import Terms, certify, one_of_each
from maskfold.quality.choice import candidate_scores, choose, comparison_table, fit_predictor
from maskfold.quality.judging import measured_of
from maskfold.quality.measuring import TRUTH

MEASURED = Path(__file__).parents[2] / "docs" / "measured"
PROMISES = [(level, alpha) for level in (0.9, 0.8, 0.7) for alpha in (0.02, 0.05, 0.1)]
SPLITS, DRAWS, SEED = 200, 1000, 0


def predictors(name: str, photos: pd.DataFrame) -> pd.DataFrame:
    """Return a row a predictor, with what it gains over the mean rank."""
    measured, ious = measured_of(photos), photos[TRUTH].to_numpy()
    scores = candidate_scores(measured, ious, photos["group"], k=5, seed=SEED)
    choice = choose(scores, ious, photos["group"], seed=SEED)
    table = comparison_table(choice, scores, ious)
    gains = [choice.intervals.difference(one, "mean_rank") for one in table["predictor"]]
    table[["gain", "gain_low", "gain_high"]] = gains
    facts = {"data": name, "photos": len(photos), "groups": photos["group"].nunique(), "mean_iou": ious.mean()}
    return pd.DataFrame([facts]).merge(table, how="cross")


def promise(photos: pd.DataFrame, terms: Terms) -> dict[str, float]:
    """Return how often a promise was granted and broken."""
    kept = photos.iloc[one_of_each(photos["group"], seed=SEED)]
    ious = kept[TRUTH].to_numpy()
    scores = fit_predictor("mean_rank", measured_of(kept), ious).score(measured_of(kept))
    rng, bad = np.random.default_rng(SEED), ious < terms.level

    def share(threshold: float, which: np.ndarray) -> float:
        ships = scores[which] >= threshold
        return bad[which][ships].mean() if ships.any() else 0.0

    halves = []
    for _ in range(SPLITS):
        order = rng.permutation(len(kept))
        first, second = np.array_split(order, 2)
        threshold = certify(scores[first], ious[first], terms).threshold
        if threshold is not None:
            halves.append((share(threshold, second), (scores[second] >= threshold).mean()))
    drawn, whole = [], np.arange(len(kept))
    for _ in range(DRAWS):
        some = rng.integers(0, len(kept), len(kept))
        threshold = certify(scores[some], ious[some], terms).threshold
        if threshold is not None:
            drawn.append(share(threshold, whole) > terms.alpha)
    aside = np.array(halves).reshape(-1, 2)
    broken = np.sum(drawn) / DRAWS
    return {
        "granted_on_all": certify(scores, ious, terms).granted,
        "splits_granted": len(aside) / SPLITS,
        "shipped_aside": aside[:, 1].mean() if len(aside) else np.nan,
        "bad_aside": aside[:, 0].mean() if len(aside) else np.nan,
        "splits_bad_aside_above_alpha": (aside[:, 0] > terms.alpha).sum() / SPLITS,
        "draws_granted": len(drawn) / DRAWS,
        "draws_broken": broken,
        "draws_broken_margin": 1.96 * np.sqrt(max(broken * (1 - broken), 1 / DRAWS) / DRAWS),
    }


def main(arguments: list[str]) -> None:
    """Measure each data set of the command line."""
    sets = {name: pd.read_parquet(path) for name, path in (one.split("=", 1) for one in arguments)}
    table = pd.concat([predictors(name, photos) for name, photos in sets.items()], ignore_index=True)
    table.to_csv(MEASURED / "quality.csv", index=False, float_format="%.4f")
    print(table.round(3).to_string())
    rows = [
        {"data": name, "level": level, "alpha": alpha}
        | promise(photos, Terms(level=level, alpha=alpha, confidence=0.95))
        for name, photos in sets.items()
        for level, alpha in PROMISES
    ]
    promises = pd.DataFrame(rows)
    promises.to_csv(MEASURED / "quality_promises.csv", index=False, float_format="%.4f")
    print(promises.round(3).to_string())


if __name__ == "__main__":
    main(sys.argv[1:])
