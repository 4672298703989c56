"""Labels that look wrong: photos that a recogniser which has not learned from them takes for something else.

Three voices speak for another label or for the given one, each from 1 to -1: the probabilities out of fold (as in
Northcutt et al., "Confident Learning", JAIR 2021), the labels of the nearest photos, and the other members' answers.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

NEIGHBOURS = 10  # nearest photos that are asked
_AT_ONCE = 2**24  # cosines held at a time, 64 MiB
COLUMNS = ["image_id", "label", "suggested", "suspicion", "certain", "margin", "neighbours", "members"]


def suspect_labels(
    scores: pd.DataFrame, *, votes: pd.Series | None = None, members: Mapping[str, pd.DataFrame] | None = None
) -> pd.DataFrame:
    """Rank the photos whose first answer is not their label.

    Args:
        scores: A row a photo, answered by a network that has not learned from it: `image_id`, `label`, `predicted`,
            `probability` of that and `true_probability` of the label.
        votes: By `image_id`, as `neighbour_votes` returns them.
        members: The same table of others that have not learned from it, by name, to be asked as well.

    Returns:
        A row a photo, the most suspicious first: `COLUMNS`. `suggested` is the first answer; `margin`, `neighbours` and
        `members` are the three voices, NaN where one is silent, and `suspicion` is their mean. `certain` tells whether
        the suggested label has more than half of the probability, and no less than it has, in the mean, for photos that
        bear it.
    """
    usual = scores.groupby("label")["true_probability"].mean()
    wrong = scores[scores["predicted"] != scores["label"]]
    rows = pd.DataFrame(
        {
            "image_id": wrong["image_id"],
            "label": wrong["label"],
            "suggested": wrong["predicted"],
            "certain": (wrong["probability"] > 0.5) & (wrong["probability"] >= wrong["predicted"].map(usual).fillna(1)),
            "margin": wrong["probability"] - wrong["true_probability"],
        }
    )
    rows["neighbours"] = np.nan if votes is None else rows["image_id"].map(votes).astype(float)
    rows["members"] = _agreement(rows, (members or {}).values())
    rows["suspicion"] = rows[["margin", "neighbours", "members"]].mean(axis=1)
    ranked = rows.sort_values(["suspicion", "image_id"], ascending=[False, True], kind="stable", ignore_index=True)
    return ranked[COLUMNS]


def _agreement(rows: pd.DataFrame, members: Sequence[pd.DataFrame]) -> pd.Series:
    """Return the share of members that suggest the same label, less the share that answer with the given one."""
    voices = []
    for scores in members:
        answered = rows["image_id"].map(scores.set_index("image_id")["predicted"])
        voice = (answered == rows["suggested"]).astype(float) - (answered == rows["label"])
        voices.append(voice.where(answered.notna()))
    return pd.concat(voices, axis=1).mean(axis=1) if voices else pd.Series(np.nan, index=rows.index)


def neighbour_votes(
    embeddings: np.ndarray, photos: pd.DataFrame, *, asked: np.ndarray, count: int = NEIGHBOURS
) -> pd.Series:
    """Ask the nearest photos of other groups whether they bear the label that is suggested or the one that is given.

    Args:
        embeddings: `(N, D) float32` of photos that one network has not learned from: those of two cannot be compared.
        photos: The N rows: `image_id`, `label`, `predicted`, `group`.
        asked: `(N,) bool`, which photos are in question.
        count: How many are asked.

    Returns:
        By `image_id` of those in question, the share of its nearest photos with the predicted label less the share with
        its own, -1..1; nothing where there are no photos of other groups.
    """
    directions = embeddings - embeddings.mean(axis=0)
    directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-12)
    groups, labels = (pd.factorize(photos[column])[0] for column in ("group", "label"))
    predicted = pd.Index(pd.unique(photos["label"])).get_indexer(photos["predicted"])
    rows = np.flatnonzero(asked)
    votes = np.full(len(rows), np.nan)
    size = max(1, _AT_ONCE // max(len(photos), 1))
    for begin in range(0, len(rows), size):
        some = rows[begin : begin + size]
        cosines = directions[some] @ directions.T
        cosines[groups[some, None] == groups] = -np.inf
        nearest = np.argpartition(-cosines, min(count, len(photos) - 1), axis=1)[:, :count]
        other = np.isfinite(np.take_along_axis(cosines, nearest, 1))
        votes[begin : begin + size] = _vote(labels[nearest], other, predicted[some], labels[some])
    return pd.Series(votes, index=photos["image_id"].to_numpy()[rows]).dropna()


def _vote(near: np.ndarray, other: np.ndarray, suggested: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Return the share of `near` labels, `(n, k)`, that are the suggested one less that of the given one."""
    voices = ((near == suggested[:, None]).astype(float) - (near == given[:, None])) * other
    with np.errstate(invalid="ignore"):
        return voices.sum(axis=1) / other.sum(axis=1)
