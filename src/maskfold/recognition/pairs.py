"""Which products are taken for one another."""

import numpy as np
import pandas as pd

_NAMED = 3  # partners of a product in a sentence


def confused_pairs(photos: pd.DataFrame) -> pd.DataFrame:
    """Count how often two products are taken for one another, by the challenger and by the champion.

    Args:
        photos: `label`, `champion` and `challenger`, a row a test photo, as `maskfold.recognition.gate.judge` has them.

    Returns:
        A row a pair that one of them confuses, the most confused by the challenger first: `label` and `other`, the
        `photos` of both, how many the `challenger` and the `champion` confuse, and `rate` and `champion_rate`, which
        is that `(n_ij + n_ji) / (n_i + n_j)`.
    """
    counts = [_confusions(photos, side) for side in ("challenger", "champion")]
    table = pd.concat(counts, axis=1).fillna(0).astype(int).reset_index()
    of = photos["label"].value_counts()
    both = sum(table[column].map(of).fillna(0).astype(int) for column in ("label", "other"))
    table.insert(2, "photos", both)
    table = table.assign(rate=table["challenger"] / both, champion_rate=table["champion"] / both)
    return table.sort_values(
        ["rate", "challenger", "label", "other"], ascending=[False, False, True, True]
    ).reset_index(drop=True)


def partners(pairs: pd.DataFrame, label: str) -> str:
    """Return whom a product is confused with by the challenger, as the end of a sentence; "" if with none."""
    own = pairs[((pairs["label"] == label) | (pairs["other"] == label)) & (pairs["challenger"] > 0)].head(_NAMED)
    names = np.where(own["label"] == label, own["other"], own["label"])
    described = (
        f"{name} ({row.challenger} of {row.photos} photos of the two, {100 * row.rate:.1f} %)"
        for name, row in zip(names, own.itertuples(), strict=True)
    )
    return f". Confused with {', '.join(described)}" if len(own) else ""


def _confusions(photos: pd.DataFrame, side: str) -> pd.Series:
    """Return how often each pair of labels, in the order of the alphabet, is confused."""
    wrong = photos.loc[photos[side] != photos["label"], ["label", side]].astype(str).to_numpy()
    ordered = pd.DataFrame(np.sort(wrong, axis=1), columns=["label", "other"])
    return ordered.value_counts().rename(side)
