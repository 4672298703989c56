"""What members share, counted on three tiny images."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from maskfold.analysis.agreement import contributions, pixel_overlap, score_correlation
from maskfold.ensembling.contested import contest, joined

NAMES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def maps() -> tuple[np.ndarray, np.ndarray]:
    """Five images of 8x9 by three members, `(5, 3, 8, 9) uint8`, and their masks, `(5, 8, 9) uint8`."""
    rng = np.random.default_rng(0)
    truth = (rng.random((5, 8, 9)) < 0.5).astype(np.uint8)
    noise = rng.normal(scale=60, size=(5, 1, 8, 9)) + rng.normal(scale=90, size=(5, 3, 8, 9))
    return (truth[:, None] * 100 + 78 + noise).clip(0, 255).astype(np.uint8), truth


@pytest.fixture(scope="module")
def contested(maps):
    return joined([contest(*pair, threshold=128, seed=0) for pair in zip(*maps, strict=True)])


def dice(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Of each image, `(5,)`."""
    return 2 * (predicted & truth).sum(axis=(1, 2)) / (predicted.sum(axis=(1, 2)) + truth.sum(axis=(1, 2)))


def test_the_correlation_of_errors_is_spearmans(maps, contested):
    probability, truth = maps
    scores = [dice((probability[:, member] >= 128).astype(int), truth) for member in range(3)]

    found = score_correlation(contested, NAMES)

    assert found.index.tolist() == found.columns.tolist() == NAMES
    for one in range(3):
        for other in range(3):
            assert found.iloc[one, other] == pytest.approx(stats.spearmanr(scores[one], scores[other]).statistic)


def test_the_overlap_is_the_iou_of_all_wrong_pixels_those_wrong_in_all_members_included(maps, contested):
    probability, truth = maps
    wrong = (probability >= 128) != truth[:, None]
    assert wrong.all(axis=1).any()  # which no blend can mend

    found = pixel_overlap(contested, NAMES)

    for one in range(3):
        for other in range(3):
            pair = wrong[:, one], wrong[:, other]
            assert found.iloc[one, other] == pytest.approx((pair[0] & pair[1]).sum() / (pair[0] | pair[1]).sum())


def test_members_without_errors_have_no_overlap():
    truth = np.eye(3, dtype=np.uint8)

    found = pixel_overlap(contest(np.stack([truth * 255] * 2), truth, threshold=128, seed=0), ["a", "b"])

    assert found.isna().all(axis=None)


def test_what_a_member_adds_is_the_mean_less_the_mean_of_the_others(maps, contested):
    probability, truth = maps
    weights = np.array([0.5, 0.25, 0.25])
    groups = pd.Series(["x", "x", "y", "y", "z"])

    table = contributions(contested, NAMES, weights, groups)

    assert table["adds"].is_monotonic_decreasing
    by_name = table.set_index("name")
    whole = dice((np.tensordot(weights, probability, (0, 1)) >= 127.5).astype(int), truth)
    for member, others in (("a", [0, 0.5, 0.5]), ("b", [2 / 3, 0, 1 / 3]), ("c", [2 / 3, 1 / 3, 0])):
        without = dice((np.tensordot(others, probability, (0, 1)) >= 127.5).astype(int), truth)
        row = by_name.loc[member]
        assert row["without"] == pytest.approx(without.mean())
        assert row["adds"] == pytest.approx((whole - without).mean())
        assert row["low"] <= row["adds"] <= row["high"]
    alone = dice((probability[:, 1] >= 128).astype(int), truth).mean()
    assert by_name.loc["b", ["weight", "score"]].tolist() == pytest.approx([0.25, alone])


def test_equal_scores_everywhere_have_no_correlation():
    truth = np.eye(3, dtype=np.uint8)
    twice = joined([contest(np.stack([truth * 255] * 2), truth, threshold=128, seed=0)] * 2)

    assert math.isnan(score_correlation(twice, ["a", "b"]).iloc[0, 1])
