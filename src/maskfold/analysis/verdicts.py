"""The sentences that stages end with: what a member or an ensemble is worth, how sure that is, what it has gained."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from maskfold.analysis.evidence import read_member
from maskfold.analysis.formats import gain, interval, score
from maskfold.analysis.tables import Gain, gain_over_best, interval_over_groups
from maskfold.ensembling.manifest import content_of
from maskfold.ensembling.recipe import Recipe
from maskfold.ensembling.tree import leaves
from maskfold.errors import MaskfoldError
from maskfold.masks.scoring import DICE, Judged, of_class, title_of
from maskfold.runs.results import COSTS, of_folds
from maskfold.terminal import counted, duration, readable


def worth(scores: pd.DataFrame, judged: Judged = DICE) -> str:
    """Return what scored images come to, with its interval over groups.

    Args:
        scores: A row an image: `group` and what is judged.
        judged: By what.
    """
    marks = judged.marks(scores)
    if not marks.weights.any():
        return f"no photo counts for {judged.title}"
    low, high = interval_over_groups(marks, scores["group"])
    groups = counted(scores["group"].nunique(), "group")
    over = f"no interval, it is {groups}" if pd.isna(low) else f"95 % interval {interval(low, high)} over {groups}"
    mean = round(marks.total, 6)  # as `results.csv` has it, so that both are cut to the same five digits
    return f"{judged.title} {score(mean)}, {over}"


def ensemble_worth(recipe: Recipe, scores: pd.DataFrame, *, experiments: Path, judged: Judged = DICE) -> str:
    """Return what an ensemble is worth out of fold, and what that is more than its best member.

    Args:
        recipe: The ensemble.
        scores: Its own, out of fold: `image_id`, `group` and what is judged.
        experiments: The folder of all members.
        judged: By what.
    """
    start = f"{recipe.name} out of fold: {worth(scores, judged)}"
    try:
        members = member_scores(recipe, scores["image_id"], experiments=experiments, judged=judged)
        return f"{start}; {gained(gain_over_best(scores, members, judged))}" if len(members) > 1 else start
    except MaskfoldError as error:
        return f"{start}; the gain over its best member is not known: {error}"


def gained(over: Gain) -> str:
    """Return what has been gained over the best member, with its interval."""
    ends = "" if pd.isna(over.low) else f" ({interval(over.low, over.high, gain)})"
    return f"{gain(over.mean)}{ends} over its best member, {over.member}"


def member_scores(
    recipe: Recipe, image_ids: Sequence[str], *, experiments: Path, judged: Judged = DICE
) -> dict[str, pd.DataFrame]:
    """Return the out-of-fold scores of every member of an ensemble, by its name.

    Args:
        recipe: The ensemble.
        image_ids: Of its images.
        experiments: The folder of all members.
        judged: By what.

    Raises:
        MaskfoldError: If a member has no scores, or they are of other images or maps, or by another metric.
    """
    by_name = {leaf.name: leaf for leaf in leaves(recipe.members, split="oof", experiments=experiments)}
    scores = {
        name: read_member(leaf, image_ids, experiments=experiments, judged=judged)[0] for name, leaf in by_name.items()
    }
    for name, leaf in by_name.items():
        if scores[name].attrs.get("maps") != [content_of(store) for store in leaf.stores]:
            raise MaskfoldError(f"the scores of {name} are of other maps; `make evaluate EXP={name}` scores these.")
    return scores


def results_table(results: pd.DataFrame, classes: Sequence[str] = ()) -> tuple[list[str], list[list[str]]]:
    """Return the headings and the cells of a member's scores, in the words of people: a row a fold, and one for all.

    Its costs are left out, and what is of one of several classes, see `class_table`.

    Args:
        results: As `results.csv` has them.
        classes: The names of several classes.
    """
    of_classes = [column for name in classes for column in _columns_of(results, name)]
    scores = results.drop(columns=[*of_classes, *(column for column in COSTS if column in results)])
    return [heading(name, classes) for name in scores], [[*map(_cell, row)] for row in scores.itertuples(index=False)]


def class_table(results: pd.DataFrame, classes: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Return the headings and the cells of a member's scores by class: a row a class, of all its folds.

    Args:
        results: As `results.csv` has them.
        classes: The names of several classes.
    """
    pooled = results.iloc[-1]
    titles = [heading(column) for column in _columns_of(results, classes[0]).values()]
    return ["class", *titles], [
        [name, *(_cell(pooled[column]) for column in _columns_of(results, name))] for name in classes
    ]


def _columns_of(results: pd.DataFrame, name: str) -> dict[str, str]:
    """Return the columns of one class, each with what it is called without the class."""
    end = of_class("", name)
    return {column: column.removesuffix(end) for column in results if column.endswith(end)}


def heading(column: str, classes: Sequence[str] = ()) -> str:
    """Return what a column of `results.csv` is called."""
    words = {"images": "photos", "fold": "fold", "groups": "groups"}
    if column in words:
        return words[column]
    name, _, label = column.partition(".")
    if name == "best_threshold":
        return f"best cut, {label}" if label else "best cut"
    if name.startswith("best_"):
        return f"{title_of(column.removeprefix('best_'), classes)} there"
    return title_of(column, classes)


def _cell(value: object) -> str:
    return score(value) if isinstance(value, float) else str(value)


def costs_sentence(results: pd.DataFrame) -> str:
    """Return what the trainings of a member's folds took, to be put behind the name of its file.

    Args:
        results: As `results.csv` has them.
    """
    folds = of_folds(results)
    memory = folds["peak_memory_mb"].max()
    parts = [
        f": trained in {duration(folds['seconds'].sum())}",
        f"{folds['images_per_second'].median():.3g} photos/s on {' and '.join(folds['device'].unique())}",
        *([f"device memory {readable(memory * 2**20)}"] if memory > 0 else []),
    ]
    return ", ".join(parts)
