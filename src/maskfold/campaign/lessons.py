"""What the key `distill` names: a recogniser for labels, an ensemble of maps for masks."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from maskfold.config import EXPERIMENTS, build, compose
from maskfold.data.source import Source
from maskfold.ensembling.recipe import Recipe
from maskfold.ensembling.tree import trained_leaves
from maskfold.pseudo.lesson import FOLDER, Lesson, find_lesson
from maskfold.pseudo.rows import FoldRows
from maskfold.runs.start import Start, find_start


def find_teacher(distill: str | Mapping[str, Any] | None, *, fold: int) -> Start | None:
    """Return the recogniser that `distill` names; None if it names none, see `find_start`."""
    return find_start(distill, fold=fold, key="distill") if isinstance(distill, str) else None


def with_lesson(
    rows: FoldRows, source: Source, distill: str | Mapping[str, Any] | None, *, fold: int
) -> tuple[FoldRows, Lesson | None]:
    """Return rows with what the ensemble that `distill` names teaches about them; as they are if it names none.

    Args:
        rows: What the fold learns from by itself.
        source: What they are of.
        distill: With masks `ensemble`, its name, and `share`.
        fold: The fold's number.

    Raises:
        MaskfoldError: If the ensemble may not teach the fold, or its maps are missing; see `find_lesson`.
    """
    if not isinstance(distill, Mapping) or distill["ensemble"] is None:
        return rows, None
    recipe: Recipe = build(compose("ensemble", [f"ensemble={distill['ensemble']}"]).ensemble)
    members = trained_leaves(recipe.members, experiments=EXPERIMENTS)
    lesson = find_lesson(
        [replace(leaf, mean=recipe.mean) for leaf in members],
        rows.with_truth,
        student=rows.lineage,
        fold=fold,
        folder=source.folder / FOLDER / distill["ensemble"],
        classes=source.classes,
    )
    return rows.distilled(lesson, share=distill["share"]), lesson
