"""How well one network refuses photos of products that it has not learned, measured on photos it has not learned from.

Known photos are those that the network was validated on; unknown ones are test photos whose label has no number.
"""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from maskfold.data.hold_out import unknown_kinds
from maskfold.data.table import CLASS_INDEX
from maskfold.recognition.answers import Answers, AnswerStore
from maskfold.recognition.prototypes import in_portions, nearest_of_others
from maskfold.recognition.unknown import energy, joint, maximum_logit, rejection_table
from maskfold.runs.layout import fold_of
from maskfold.runs.run_folder import RunFolder

LOGIT, ENERGY, COSINE, EITHER = "largest logit", "energy", "cosine to the nearest prototype", "logit and cosine"
_MEASURES = ["auroc", "false_accepts", "oscr", "accuracy_at_1"]

_log = logging.getLogger(__name__)


def scores_of(known: Answers, class_index: np.ndarray, unknown: Answers) -> tuple[dict, dict]:
    """Return all scores of known and of unknown photos, each by name.

    Args:
        known: To N photos that the network has not learned from.
        class_index: `(N,)` their classes.
        unknown: To M photos of products that it has not learned.
    """
    members = np.concatenate([class_index, np.full(len(unknown), -1)])  # unknown photos are in no prototype
    cosines = nearest_of_others(lambda: in_portions(known.embeddings, unknown.embeddings), members)
    own, others = np.split(cosines, [len(known)])
    both = [
        {LOGIT: maximum_logit(answers), ENERGY: energy(answers), COSINE: cosine}
        for answers, cosine in ((known, own), (unknown, others))
    ]
    for scores in both:
        scores[EITHER] = joint(scores[LOGIT], scores[COSINE], both[0][LOGIT], both[0][COSINE])
    return both[0], both[1]


def measured(known: Answers, class_index: np.ndarray, unknown: Answers, kinds: Sequence[str]) -> pd.DataFrame:
    """Measure a network's rejection.

    Args:
        known: See `scores_of`, as the next two.
        class_index: Likewise.
        unknown: Likewise.
        kinds: `(M,)`, `near` or `far`.

    Returns:
        A row a kind and score, as `rejection_table` returns them, with `kind` in front.
    """
    right = known.classes[:, 0] == class_index
    own, others = scores_of(known, class_index, unknown)
    tables = []
    for kind in sorted({*kinds}, reverse=True):
        rows = np.asarray(kinds) == kind
        theirs = {name: scores[rows] for name, scores in others.items()}
        tables.append(rejection_table(own, right, theirs).assign(kind=kind))
    whole = pd.concat(tables, ignore_index=True)
    return whole[["kind", *whole.columns.drop("kind")]]


def over_folds(tables: Mapping[int, pd.DataFrame]) -> pd.DataFrame:
    """Return the tables of several folds as one, with the mean of each measure in front as fold `all`.

    Each fold's network has logits of its own size, so that photos of two are not put into one ranking.
    """
    parts = pd.concat([table.assign(fold=str(fold)) for fold, table in tables.items()], ignore_index=True)
    how = {"known": "sum", "unknown": "max"} | dict.fromkeys(_MEASURES, "mean")
    means = parts.groupby(["kind", "score"], sort=False, as_index=False).agg(how).assign(fold="all")
    whole = pd.concat([means, parts], ignore_index=True)
    return whole[["fold", *whole.columns.drop("fold")]]


def member_rejection(runs: Sequence[RunFolder], table: pd.DataFrame) -> pd.DataFrame | None:
    """Measure how a member's folds refuse photos of unknown products.

    Args:
        runs: Its folds, with answers out of fold.
        table: The loaded image table.

    Returns:
        As `over_folds`; None where the data has no such photos, or no fold has answered them, which is logged.

    Raises:
        MaskfoldError: If answers cannot be read.
    """
    kinds = unknown_kinds(table).set_axis(table["image_id"]).dropna()
    if kinds.empty:
        return None
    numbers = table.set_index("image_id")[CLASS_INDEX]
    tables = {}
    for run in runs:
        answered = AnswerStore(run.store("test"))
        if answered.missing(kinds.index):
            continue
        known = AnswerStore(run.store("oof")).read()
        class_index = numbers.reindex(known.image_ids, fill_value=-1).to_numpy()
        there = class_index >= 0
        unknown = answered.read([*kinds.index])
        tables[fold_of(run)] = measured(known.taken(there), class_index[there], unknown, kinds.to_numpy())
    if tables:
        return over_folds(tables)
    _log.warning(
        "%d photos are of unknown products, and no fold has answered them: how they are refused is not measured. "
        "`make predict EXP=%s FOLD=all SPLIT=test` answers them.",
        len(kinds),
        runs[0].path.parent.name,
    )
    return None
