"""Probabilities of several recognisers averaged, photo by photo, over members and folds."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from maskfold.data.class_table import ClassTable
from maskfold.ensembling.recipe import Recipe
from maskfold.ensembling.tree import MemberMaps
from maskfold.errors import MaskfoldError
from maskfold.recognition.answers import Answers, AnswerStore

_AT_ONCE = 2**24  # probabilities in memory at once


def dense(answers: Answers, active: np.ndarray) -> np.ndarray:
    """Return the probability of every class, exact where all were kept.

    Args:
        answers: To N photos, by a network of the first `len(active)` classes or fewer.
        active: `(C,) bool`: the classes of the network that may be answered.

    Returns:
        `(N, C) float64`; what is not kept is spread over the classes that were not kept, but for retired ones.
    """
    kept = answers.probabilities()
    free = np.broadcast_to(active, (len(answers), len(active))).copy()
    rows = np.arange(len(answers))[:, None]
    free[rows, answers.classes] = False
    left = np.where(np.isfinite(answers.rest), 1 - kept.sum(axis=1), 0.0).clip(0)
    whole = free * (left / np.maximum(free.sum(axis=1), 1))[:, None]
    whole[rows, answers.classes] = kept
    return whole


def merged_answers(
    members: Sequence[MemberMaps], image_ids: Sequence[str], classes: ClassTable, *, known: Mapping[Path, int]
) -> Iterator[Answers]:
    """Yield the mean answers to some photos, in their order and a portion at a time.

    Args:
        members: Whose answers, see `open_members`.
        image_ids: The photos.
        classes: The data's.
        known: By store how many of the classes its network has; the others have no part of its probability.

    Yields:
        Answers whose logits are logarithms of probabilities; without embeddings, which networks do not share.

    Raises:
        MaskfoldError: If answers cannot be read.
    """
    opened = {store: AnswerStore(store) for member in members for store in member.leaf.stores}
    size = max(1, _AT_ONCE // len(classes))
    for start in range(0, len(image_ids), size):
        some = list(image_ids[start : start + size])
        mean = np.zeros((len(some), len(classes)))
        for member in members:
            for store, rows, weight in _shares(member, some):
                active = classes.active()[: known[store]]
                answers = opened[store].read([some[row] for row in rows])
                mean[rows, : len(active)] += weight * dense(answers, active)
        mean /= mean.sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore"):
            yield Answers.of(some, np.log(mean), np.zeros((len(some), 0), np.float32))


def _shares(member: MemberMaps, image_ids: Sequence[str]) -> Iterator[tuple[Path, np.ndarray, float]]:
    """Yield the stores of a member with the photos, by number, that they answer, and the share of each."""
    stores, weight = member.leaf.stores, float(member.leaf.weight)
    every = np.arange(len(image_ids))
    if member.fold_of is None:
        yield from ((store, every, weight / len(stores)) for store in stores)
        return
    folds = np.array([member.fold_of[image_id] for image_id in image_ids])
    for number, store in enumerate(stores):
        if (folds == number).any():
            yield store, every[folds == number], weight


def dense_portions(store: AnswerStore, image_ids: Sequence[str], classes: ClassTable) -> Iterator[np.ndarray]:
    """Yield the probabilities of all classes of some photos, `(n, C) float64` at a time, in their order."""
    size = max(1, _AT_ONCE // len(classes))
    for start in range(0, len(image_ids), size):
        yield dense(store.read(image_ids[start : start + size]), classes.active())


def refuse_pixels(recipe: Recipe, *, fused: bool) -> None:
    """Refuse a recipe that would do something with maps, of which answers are none.

    Args:
        recipe: The ensemble.
        fused: Whether it is to take maps that were predicted in one pass.

    Raises:
        MaskfoldError: If it would.
    """
    if recipe.postprocess or recipe.repair.worst:
        raise MaskfoldError(
            f"ensemble {recipe.name}: empty, postprocess and repair are for masks; recognisers' probabilities are "
            "averaged and no more. Set empty: null, postprocess: [] and repair: null."
        )
    if recipe.unusual_mean:
        raise MaskfoldError(
            f"ensemble {recipe.name}: {recipe.unusual_mean} is of masks' maps; recognisers' probabilities are averaged "
            "as they are. Take ensemble.mean=probability and no temperatures."
        )
    if fused:
        raise MaskfoldError(
            f"ensemble {recipe.name}: fused=true takes maps that were predicted in one pass, and recognisers leave "
            "none. Leave it out: their members are predicted one by one."
        )
