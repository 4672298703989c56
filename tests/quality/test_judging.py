"""What is promised is what ships, and by photos that had no say in it."""

import numpy as np
import pandas as pd
import pytest

from maskfold.quality.certificate import Terms
from maskfold.quality.judging import Wishes, in_words, judge
from maskfold.quality.names import DIRECTIONS

TERMS = Terms(level=0.9, alpha=0.05, confidence=0.95)


def measured(ious: np.ndarray, areas: np.ndarray) -> pd.DataFrame:
    """Photos each of its own group, the first with the best scores; only soft_dice, certainty and area are known."""
    count = len(ious)
    scores = np.linspace(1, 0.5, count)
    table = pd.DataFrame({f"measure.{name}": np.full(count, np.nan) for name in DIRECTIONS})
    known = {"measure.soft_dice": scores, "measure.certainty": scores, "measure.area": areas}
    return table.assign(**known, group=[f"g{k}" for k in range(count)], true_iou=ious)


def wishes(**some) -> Wishes:
    usual = {"predictor": "mean_rank", "terms": TERMS, "costs": None, "reject_below": 0.0, "k": 5, "seed": 0}
    return Wishes(**usual | some)


def learned(photos: pd.DataFrame, **some):
    return judge(photos, wishes(**some), ensemble="mates", cut=128, made_of=[])


def test_empty_masks_never_ship_and_no_promise_counts_them():
    # Best of all score 60 photos without object, rightly so: their masks are empty, and their IoU is 1.
    bare = np.arange(160) < 60
    photos = measured(np.where(bare, 1.0, np.where(np.arange(160) % 10 == 0, 0.5, 0.95)), np.where(bare, 0.0, 0.3))

    judgement = learned(photos)

    # Of the 100 that could ship 10 are bad: no such promise, though of all 160 at most 5 % of the best 60 were.
    assert not judgement.certificate.granted
    assert judgement.certificate.photos == 100
    assert not judgement.shipped.any()
    assert "60 of 160 masks are empty: these are rejected" in "\n".join(in_words(judgement, photos))


def test_money_goes_by_masks_that_can_ship():
    bare = np.arange(100) >= 50  # the lower half is empty, and right
    photos = measured(np.where(bare, 1.0, np.where(np.arange(100) < 40, 0.95, 0.5)), np.where(bare, 0.0, 0.3))

    judgement = learned(photos, costs=(1.0, 4.0))

    assert judgement.shipped.tolist() == [True] * 40 + [False] * 60


def test_the_promise_counts_what_ships_and_not_what_is_rejected():
    # Of 200 the last 5 are very bad: the walk would go on to some of these, which are rejected anyway.
    ious = np.where(np.arange(200) < 195, 0.95, 0.1)
    judgement = learned(measured(ious, np.full(200, 0.3)), reject_below=0.3)

    assert judgement.certificate.granted
    assert judgement.certificate.shipped == np.count_nonzero(judgement.shipped) <= 195
    assert judgement.certificate.bad == 0
    none = learned(measured(np.full(200, 0.95), np.full(200, 0.3)), reject_below=0.99)
    assert str(none.certificate).endswith("too many masks are rejected for their estimated IoU.")


@pytest.mark.parametrize(
    ("predictor", "photos"), [("mean_rank", 200), ("soft_dice", 200), ("auto", 100), ("ridge", 100)]
)
def test_what_has_looked_at_a_truth_promises_nothing_about_its_photo(predictor, photos):
    ious = np.random.default_rng(0).uniform(0.8, 1, 200)

    judgement = learned(measured(ious, np.full(200, 0.3)), predictor=predictor)

    assert judgement.certificate.photos == photos
    assert judgement.halved == (photos == 100)


def test_a_score_that_is_surely_better_is_named_with_the_way_to_ask_for_it():
    # The mean rank knows soft_dice alone, which says nothing here; certainty has the order of the truth.
    ious = np.linspace(1, 0.5, 200)
    photos = measured(ious, np.full(200, 0.3))
    photos["measure.soft_dice"] = np.random.default_rng(0).random(200)

    judgement = learned(photos)

    assert judgement.model.predictor.name == "mean_rank"
    assert "certainty" in judgement.surely_better
    (words,) = [line for line in in_words(judgement, photos) if line.startswith("Surely better than the mean rank: ")]
    assert "certainty" in words
    assert "predictor=auto" in words
