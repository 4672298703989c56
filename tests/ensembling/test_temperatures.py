"""Temperatures of members whose maps are sure by a known factor too much."""

from fractions import Fraction

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.ensembling.temperatures import fit_temperatures
from maskfold.ensembling.tree import Leaf, MemberMaps
from maskfold.masks.metrics import METRICS_BY_NAME
from maskfold.prediction.store import ProbabilityStore

DICE = METRICS_BY_NAME["dice"]


def probability(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> tuple[list[MemberMaps], pd.DataFrame]:
    """Pixels whose chances two members know half each: one says what it knows, the other 2.5 times as much."""
    folder = tmp_path_factory.mktemp("temperatures")
    rng, rows = np.random.default_rng(0), []
    for number in range(12):
        knows = rng.normal(0, 1.5, (2, 50, 60))
        truth = rng.random((50, 60)) < probability(knows.sum(axis=0))
        for name, logit in (("says", knows[0]), ("shouts", 2.5 * knows[1])):
            ProbabilityStore(folder / name).write(f"p{number}", (256 * probability(logit)).astype(np.uint8))
        cv2.imwrite(str(folder / f"p{number}.png"), 255 * truth.astype(np.uint8))
        rows.append({"image_id": f"p{number}", "mask": str(folder / f"p{number}.png"), "group": f"g{number // 2}"})
    members = [MemberMaps(Leaf(name, Fraction(1, 2), (folder / name,)), None) for name in ("says", "shouts")]
    return members, pd.DataFrame(rows).assign(height=50, width=60)


def test_a_member_that_is_too_sure_is_cooled_by_the_factor_that_it_is(photos):
    members, rows = photos

    fitted = fit_temperatures(members, rows, metric=DICE, k=3, seed=0, jobs=1)

    says, shouts = fitted.temperatures
    # What one member knows is not all there is: alone, each is a little too sure by the same factor.
    assert 1 < says < 1.6
    assert shouts / says == pytest.approx(2.5, rel=0.08)
    assert (fitted.after < fitted.before).all()
    assert fitted.before[1] - fitted.after[1] > 0.1
    assert fitted.accepted  # for the loud one drowned out the other, who knows as much
    assert fitted.gain[0] > 0.003


def test_temperatures_that_are_set_already_are_fitted_anew_and_gain_nothing_twice(photos):
    members, rows = photos
    first = fit_temperatures(members, rows, metric=DICE, k=3, seed=0, jobs=1)
    cooled = [
        MemberMaps(Leaf(one.leaf.name, one.leaf.weight, one.leaf.stores, temperature=float(temperature)), None)
        for one, temperature in zip(members, first.temperatures, strict=True)
    ]

    again = fit_temperatures(cooled, rows, metric=DICE, k=3, seed=0, jobs=1)

    assert again.temperatures.tolist() == first.temperatures.tolist()
    assert not again.accepted


def test_a_member_that_is_never_wrong_has_nothing_to_tell(tmp_path, photos):
    _, rows = photos
    for row in rows.itertuples():
        mask = cv2.imread(row.mask, cv2.IMREAD_GRAYSCALE)
        ProbabilityStore(tmp_path).write(row.image_id, np.where(mask > 0, np.uint8(200), np.uint8(50)))
    members = [MemberMaps(Leaf("right", Fraction(1), (tmp_path,)), None)]

    assert fit_temperatures(members, rows, metric=DICE, k=3, seed=0, jobs=1).temperatures.tolist() == [1.0]
