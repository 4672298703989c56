import numpy as np
import pytest
import torch

from maskfold.errors import MaskfoldError
from maskfold.recognition.enrolled import with_rows
from maskfold.recognition.enrolment import DISCRIMINANT, PROTOTYPES, ROWS, Embedded, HeadRows, best_rows
from maskfold.recognition.prototypes import Prototypes

OLD, NEW, WIDTH = 12, 3, 24
IS_OLD = np.arange(OLD + NEW) < OLD


def photos(seed, each=20, *, spread=0.6):
    """Return embeddings of photos around 15 spots that all lie on one side, as those of a network do."""
    spots = 3 + np.random.default_rng(7).normal(0, 1, (OLD + NEW, WIDTH))
    random = np.random.default_rng(seed)
    classes = np.repeat(np.arange(OLD + NEW), each)
    noise = random.normal(0, spread, (len(classes), WIDTH)) * np.where(
        np.arange(WIDTH) < 6, 4, 1
    )  # most in six numbers
    return Embedded((spots[classes] + noise).astype(np.float32), classes)


def learned_rows(embedded):
    """Return the rows of the old products that logistic regression finds, of unit length."""
    old = embedded.classes < OLD
    every = Prototypes.of(embedded.embeddings[old], embedded.classes[old])
    directions, targets = every.directions(embedded.embeddings[old]), np.eye(OLD)[embedded.classes[old]]
    rows = np.zeros((OLD, WIDTH))
    for _ in range(300):
        logits = 10 * directions @ rows.T
        shares = np.exp(logits - logits.max(1, keepdims=True))
        rows -= 0.5 * (shares / shares.sum(1, keepdims=True) - targets).T @ directions / len(targets)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Prototypes(rows.astype(np.float32), every.classes, every.centre)


def test_new_products_join_at_little_cost_and_what_is_best_is_chosen_on_other_photos():
    learned, held_out = photos(0), photos(1)
    old_rows = learned_rows(learned)
    alone = (old_rows.nearest(held_out.embeddings)[0] == held_out.classes)[held_out.classes < OLD].mean()
    best, tried = best_rows(learned, held_out, old=IS_OLD, old_rows=old_rows, allowed=0.02)

    assert {rows.way for rows in tried} == {ROWS, PROTOTYPES, DISCRIMINANT}
    assert best.old_recall >= alone - 0.02 - 1e-9
    assert best.new_recall == max(rows.new_recall for rows in tried if rows.old_recall >= alone - 0.02 - 1e-9)
    assert best.new_recall > 0.5
    assert len(best.rows) == len(best.gain) == OLD + NEW


def test_rows_beside_learned_ones_leave_these_as_they_are_and_count_less():
    learned, held_out = photos(0), photos(1)
    old_rows = learned_rows(learned)
    best, tried = best_rows(learned, held_out, old=IS_OLD, old_rows=old_rows, allowed=1, ways=[ROWS])

    assert np.array_equal(best.rows.matrix[:OLD], old_rows.matrix)
    assert np.array_equal(best.gain[:OLD], np.ones(OLD))
    own = [
        np.sum(rows.directions(learned.embeddings) * rows.matrix[learned.classes], axis=1)[learned.classes < OLD].mean()
        for rows in (best.rows, Prototypes.of(learned.embeddings, learned.classes, centre=old_rows.centre))
    ]
    assert tried[0].gain[OLD:] == pytest.approx(own[0] / own[1])
    new = learned.embeddings[learned.classes == OLD] - old_rows.centre
    mean = (new / np.linalg.norm(new, axis=1, keepdims=True)).mean(0)
    assert best.rows.matrix[OLD] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_the_discriminant_looks_where_photos_of_one_product_do_not_differ():
    learned, held_out = photos(0), photos(1)
    every = [
        best_rows(learned, held_out, old=IS_OLD, old_rows=None, allowed=0, ways=[way])[0]
        for way in (PROTOTYPES, DISCRIMINANT)
    ]

    assert every[1].old_recall > every[0].old_recall + 0.02
    assert np.abs(every[1].rows.matrix[:, :6]).mean() < np.abs(every[1].rows.matrix[:, 6:]).mean() / 2


def test_a_product_without_photos_keeps_its_row():
    learned, held_out = photos(0), photos(1)
    old_rows = learned_rows(learned)
    there = learned.classes != 4
    best, _ = best_rows(
        Embedded(learned.embeddings[there], learned.classes[there]),
        held_out,
        old=IS_OLD,
        old_rows=old_rows,
        allowed=1,
        ways=[PROTOTYPES],
    )

    assert best.rows.classes.tolist() == list(range(OLD + NEW))
    assert np.array_equal(best.rows.matrix[4], old_rows.matrix[4])


@pytest.mark.parametrize("way", [ROWS, PROTOTYPES, DISCRIMINANT])
@pytest.mark.parametrize("bare", [4, OLD + 1, OLD + NEW - 1])
def test_rows_keep_their_numbers_where_a_product_has_no_photos(way, bare):
    learned, held_out = (
        Embedded(part.embeddings[part.classes != bare], part.classes[part.classes != bare])
        for part in (photos(0), photos(1))
    )
    old_rows = learned_rows(photos(0)) if way == ROWS else None  # of a linear head there are none
    best, _ = best_rows(learned, held_out, old=IS_OLD, old_rows=old_rows, allowed=1, ways=[way])

    assert best.rows.classes.tolist() == list(range(OLD + NEW))
    assert np.linalg.norm(best.rows.matrix, axis=1) == pytest.approx(1, abs=1e-4)
    assert best.old_recall > 0.5
    if bare >= OLD or way != ROWS:
        assert np.mean(best.rows.nearest(held_out.embeddings, gain=best.gain)[0] == bare) < 0.02


@pytest.mark.hostile("wrong input")
def test_rows_that_would_slide_are_refused():
    learned, _ = photos(0), photos(1)
    every = Prototypes.of(learned.embeddings, learned.classes)
    head = HeadRows(PROTOTYPES, every.of_classes(np.delete(np.arange(OLD + NEW), 4)), np.ones(OLD + NEW - 1))
    checkpoint = {"state_dict": {"network.model.head.weight": torch.ones(OLD, WIDTH)}, "construction": {}}
    with pytest.raises(MaskfoldError, match="14 rows for 15 classes, none for number 4"):
        with_rows(checkpoint, head, old=IS_OLD)


@pytest.mark.hostile("wrong input")
def test_what_cannot_be_done_is_refused():
    learned, held_out = photos(0), photos(1)
    with pytest.raises(MaskfoldError, match="only a cosine head"):
        best_rows(learned, held_out, old=IS_OLD, old_rows=None, allowed=0, ways=[ROWS])
    with pytest.raises(MaskfoldError, match="no photos of new products"):
        best_rows(learned, held_out, old=np.ones(OLD + NEW, bool), old_rows=None, allowed=0)
