"""The rule of light products stands above k-means, and examples are those that there are enough of."""

import numpy as np
import pandas as pd
import pytest

from maskfold.clusters.kmeans import Grouping
from maskfold.clusters.objects import MASK, Whereabouts
from maskfold.clusters.table import cluster_table, examples_of

NAN = np.nan
PLACES = [Whereabouts(name, "", None, MASK) for name in "abcd"]
DISTANCES = np.array([[1.0, 3.0], [2.0, 4.0], [5.0, 4.5], [1.0, 1.0]])
GROUPING = Grouping(["shorts", "cluster 1"], np.zeros((2, 1)), np.array([0, 0, 1, 0]), DISTANCES)
SEEN = np.array([[0.36, 9], [0.35, 9], [0.9, 9], [NAN, NAN]], np.float32)


@pytest.mark.parametrize(
    ("light", "clusters"),
    [(0.35, ["light", "shorts", "light", "shorts"]), (None, ["shorts", "shorts", "cluster 1", "shorts"])],
)
def test_above_the_bound_a_product_is_light(light, clusters):
    table = cluster_table(PLACES, GROUPING, np.round(SEEN.astype(float), 2), light=light, features="appearance")

    assert [*table["cluster"]] == clusters
    assert [*table["found"]] == ["shorts", "shorts", "cluster 1", "shorts"]
    assert [*table["second"]] == ["cluster 1", "cluster 1", "shorts", "cluster 1"]
    assert [*table["margin"]] == [2, 2, 0.5, 0]
    assert [*table["distance"]] == [1, 2, 4.5, 1]


def test_three_make_an_example_and_light_is_none():
    said = {"a": "shorts", "b": "dress", "c": "shorts", "x": "dress", "y": "dress", "d": "shorts"}
    light = {"e": "light", "f": "light", "g": "light"}

    # x and y are photos of other data: one dress alone is left.
    assert examples_of(pd.Series(said | light), [*"dabcefg"]) == {"shorts": [0, 1, 3]}
