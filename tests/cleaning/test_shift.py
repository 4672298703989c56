"""Test photos that were taken otherwise are told from train photos, and it is said by what."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from maskfold.cleaning import shift
from maskfold.cleaning.fingerprints import MEASURES
from maskfold.cleaning.shift import auc, measure_shift


@pytest.fixture
def seen(monkeypatch):
    """A table of 60 train and 30 test photos in groups of two, and what is seen of them: noise."""
    rng = np.random.default_rng(0)
    ids = [f"p{number:02}" for number in range(90)]
    table = pd.DataFrame({"image_id": ids, "group": [f"g{number // 2}" for number in range(90)], "image_hash": ids})
    table = table.assign(split=["train"] * 60 + ["test"] * 30, height=100, width=150)
    looks = pd.DataFrame(rng.random((90, len(MEASURES))), index=ids, columns=MEASURES).assign(bytes=3000)
    monkeypatch.setattr(shift, "fingerprints", lambda *_, **__: looks)
    return table, looks


def test_the_auc_is_the_share_of_pairs_that_are_in_order():
    rng = np.random.default_rng(3)
    scores, is_test, often = rng.integers(0, 6, 40), rng.random(40) < 0.4, rng.integers(0, 3, 40)
    won = total = 0.0
    for one, other in product(np.flatnonzero(is_test), np.flatnonzero(~is_test)):
        pairs = float(often[one] * often[other])
        won += pairs * ((scores[one] > scores[other]) + 0.5 * (scores[one] == scores[other]))
        total += pairs

    assert auc(scores, is_test, often.astype(float)) == pytest.approx(won / total)


def test_photos_of_one_kind_are_not_told_apart(seen):
    found = measure_shift(seen[0])

    assert found.low < 0.5 < found.high
    assert not found.is_far
    assert found.photos == (60, 30)


def test_darker_test_photos_are_told_and_so_is_why(seen):
    table, looks = seen
    looks.loc[table["split"].to_numpy() == "test", "brightness"] -= 0.9

    found = measure_shift(table)

    assert found.is_far
    assert found.low > 0.9
    assert found.measures["brightness"] < 0.03  # 0.005 is expected: two of them in the tenth that both have
    assert f"{found}".endswith("by single measures, test photos are mostly darker (brightness, AUC 1.00)")


def test_too_few_photos_or_groups_say_nothing(seen):
    table, _ = seen

    assert measure_shift(table[:60]) is None
    assert measure_shift(table[:69]) is None  # 9 test photos
    assert measure_shift(table.assign(group=table["group"].where(table["split"] == "train", "one"))) is None


def test_photos_that_cannot_be_decoded_are_left_out(seen):
    table, looks = seen
    looks.iloc[:5] = np.nan

    assert measure_shift(table).photos == (55, 30)
