"""Out-of-fold answers of a recogniser, scored: per photo, per fold and pooled."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold import files
from maskfold.data.class_table import ClassTable
from maskfold.data.table import CLASS_INDEX, COARSE, LABEL, MONTH
from maskfold.ensembling.tree import Leaf, MemberMaps
from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ORIGIN
from maskfold.recognition.answers import Answers, AnswerStore, joined
from maskfold.recognition.calibration import fit_temperature, fitted_rows
from maskfold.recognition.prototypes import nearest_of_others
from maskfold.recognition.scoring import score_answers, summary, with_macro_recall
from maskfold.recognition.trained import CLASS_TABLE, classes_digest, trained_classes
from maskfold.runs.layout import fold_of
from maskfold.runs.results import POOLED
from maskfold.runs.run_folder import run_of

_ABOUT = ("image_id", "group", "fold", LABEL, MONTH, COARSE)


def score_member(member: MemberMaps, rows: pd.DataFrame, classes: ClassTable) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score a member's out-of-fold answers.

    Args:
        member: Where its answers are.
        rows: Rows of the image table, with their `fold`.
        classes: The data's.

    Returns:
        A row a photo, as `scored` has it; and a row a fold and one of all, as `results.csv` has it but for the costs.

    Raises:
        MaskfoldError: If answers cannot be read, or are of other classes.
    """
    parts, fitted, facts = [], [], []
    for store in member.leaf.stores:
        fold = fold_of(run_of(store))
        of_fold = rows[rows["fold"] == fold].reset_index(drop=True)
        if of_fold.empty:
            continue
        part, answers, index = _score_fold(store, of_fold, classes)
        parts.append(part)
        fitted.append((answers, index))
        facts.append({"fold": str(fold)} | _facts(part, answers, index, classes))
    scores = pd.concat(parts, ignore_index=True)
    answers, indices = zip(*fitted, strict=True)
    facts.append({"fold": POOLED} | _facts(scores, joined(answers), np.concatenate(indices), classes))
    return with_macro_recall(scores), pd.DataFrame(facts)


def _score_fold(store: Path, rows: pd.DataFrame, classes: ClassTable) -> tuple[pd.DataFrame, Answers, np.ndarray]:
    """Score the answers to the photos of a fold, a portion in memory at a time.

    Returns:
        As `scored`, with `cosine`; and of the photos that a temperature is fitted on the answers, without embeddings,
        and the classes.
    """
    ids, index = rows["image_id"].tolist(), rows[CLASS_INDEX].to_numpy()
    answers, known = AnswerStore(store), network_classes(store, classes)
    among = np.zeros(len(rows), bool)
    among[fitted_rows(ids, index)] = True
    parts, fitted, fitted_index = [], [], []
    for places, part in answers.portions(ids):
        parts.append(scored(part, rows.iloc[places], classes, known=known).set_axis(places))
        fitted.append(replace(part, embeddings=part.embeddings[:, :0]).taken(among[places]))
        fitted_index.append(index[places][among[places]])

    def embeddings() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return ((places, part.embeddings) for places, part in answers.portions(ids))

    scores = pd.concat(parts).sort_index().assign(cosine=nearest_of_others(embeddings, index))
    return scores, joined(fitted), np.concatenate(fitted_index)


def scored(answers: Answers, rows: pd.DataFrame, classes: ClassTable, *, known: int) -> pd.DataFrame:
    """Score answers, and say what they are about.

    Args:
        answers: To the photos of `rows`, in their order.
        rows: Rows of the image table.
        classes: The data's.
        known: How many of them the network has.

    Returns:
        A row a photo: those of `image_id`, `group`, `fold`, `label`, `month` and `coarse` that are known; `predicted`
        and `predicted_coarse`; and the columns of `score_answers`.
    """
    marks = score_answers(answers, rows[CLASS_INDEX].to_numpy(), classes=known)
    predicted = classes.rows.iloc[marks.pop("predicted_index")].reset_index(drop=True)
    about = rows.reindex(columns=[one for one in _ABOUT if one in rows or one == COARSE]).reset_index(drop=True)
    coarse = about[LABEL].map(classes.rows.set_index("label")["coarse"]).fillna(about[COARSE])
    about = about.assign(coarse=coarse.astype("str"), predicted=predicted["label"])
    return about.assign(predicted_coarse=predicted["coarse"]).join(marks.drop(columns="image_id"))


def score_store(store: AnswerStore, photos: pd.DataFrame, classes: ClassTable) -> pd.DataFrame:
    """Score an ensemble's answers, as `scored` does; with each photo's part in macro recall.

    Args:
        store: To all of the photos, of all classes.
        photos: Rows of the image table, with labels or without.
        classes: The data's.
    """
    rows = photos.set_index("image_id", drop=False)
    parts = [scored(part, rows.loc[part.image_ids], classes, known=len(classes)) for part in store.iterate()]
    return with_macro_recall(pd.concat(parts, ignore_index=True))


def network_classes(store: Path, classes: ClassTable) -> int:
    """Return how many of the data's classes the answers of a store are of.

    Raises:
        MaskfoldError: If their network was trained on other classes, or some were retired since.
    """
    run = run_of(store)
    if not run.config.exists():
        return len(classes)
    theirs = trained_classes(run, classes)
    origin = files.read_json(store / ORIGIN) if (store / ORIGIN).exists() else {}
    if origin.get(CLASS_TABLE, classes_digest(theirs)) != classes_digest(theirs):
        raise MaskfoldError(
            f"{store}: its answers are of other classes than the data has now: products were retired, or brought back. "
            "Delete the folder and predict again."
        )
    return len(theirs)


def refuse_other_products(leaves: Sequence[Leaf], classes: ClassTable) -> dict[Path, int]:
    """Return by store how many of the data's classes its answers are of; errors as `network_classes`."""
    return {store: network_classes(store, classes) for leaf in leaves for store in leaf.stores}


def _facts(scores: pd.DataFrame, answers: Answers, class_index: np.ndarray, classes: ClassTable) -> dict[str, object]:
    """Return the cells of a row of `results.csv`."""
    marks = {name: round(value, 6) for name, value in summary(scores, classes).items()}
    counts = {"images": len(scores), "groups": scores["group"].nunique()}
    return counts | marks | {"temperature": round(fit_temperature(answers, class_index), 6)}
