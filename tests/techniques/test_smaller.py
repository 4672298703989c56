"""Ensembles from all members down to one."""

import numpy as np
import pandas as pd
import pytest

from maskfold.ensembling.contested import contest, joined
from maskfold.techniques.smaller import smaller_ensembles


def test_whoever_is_missed_least_goes_first():
    mask = np.array([[1, 1, 0, 0]], np.uint8)
    good, other, bad = [200, 200, 50, 50], [210, 190, 50, 50], [0, 0, 250, 250]
    maps = np.array([[good], [other], [bad]], np.uint8)  # their mean is 137, 130, 117, 117: as good as each of the two
    images = joined([contest(maps, mask, threshold=128)] * 3)

    table = smaller_ensembles(images, pd.Series([*"abc"]), ["good", "other", "bad"])

    assert table["members"].tolist() == [3, 2, 1]
    assert table["score"].tolist() == [1, 1, 1]
    assert table["within"].all()
    assert table["which"].iloc[-1] in ("good", "other")


def test_what_costs_more_than_the_noise_is_not_within_it():
    mask = np.array([[1, 1, 1, 1]], np.uint8)
    maps = np.array([[[255, 255, 0, 0]], [[0, 0, 255, 255]]], np.uint8)  # each has a half, the mean, 128, has all
    images = joined([contest(maps, mask, threshold=127)] * 3)

    table = smaller_ensembles(images, pd.Series([*"abc"]), ["left", "right"])

    assert table["within"].tolist() == [True, False]
    assert table["gain"].iloc[1] == pytest.approx(2 * 2 / (2 + 4) - 1)
