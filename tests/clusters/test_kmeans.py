"""k-means: what is fixed stays, what is free is found, and stability tells clouds from a line."""

import numpy as np
import pytest

from maskfold.clusters import stability
from maskfold.clusters.kmeans import group
from maskfold.clusters.reduction import reduce
from maskfold.clusters.stability import stability_curve

CORNERS = np.array([[0, 0], [10, 0], [0, 10], [10, 10]])


def clouds(*sizes: int) -> np.ndarray:
    """Return points around the first corners, so many around each."""
    rng = np.random.default_rng(1)
    return np.concatenate(
        [corner + rng.normal(0, 0.3, (size, 2)) for corner, size in zip(CORNERS, sizes, strict=False)]
    )


def found(points, **options):
    whole = {"shaping": np.ones(len(points), bool), "examples": {}, "seed": 0}
    return group(points, **whole | options)


def test_free_clusters_are_numbered_from_the_largest():
    grouping = found(clouds(4, 9, 6), k=3)

    assert grouping.names == ["cluster 1", "cluster 2", "cluster 3"]
    assert [*np.bincount(grouping.labels)] == [9, 6, 4]
    assert grouping.centres == pytest.approx(CORNERS[[1, 2, 0]], abs=0.5)


def test_a_centre_by_examples_does_not_move_and_examples_keep_their_names():
    points = clouds(20, 20, 20)
    examples = {"shorts": [0, 1, 25]}  # the last one lies in the next cloud

    grouping = found(points, k=3, examples=examples)

    assert grouping.names == ["shorts", "cluster 1", "cluster 2"]
    assert np.array_equal(grouping.centres[0], points[[0, 1, 25]].mean(axis=0))
    assert [*grouping.labels[[0, 1, 25]]] == [0, 0, 0]
    assert {*grouping.labels[:20]} == {0}
    assert len({*grouping.labels[20:40]} - {0}) == 1
    assert grouping.margins()[25] < 0 < grouping.margins()[0]


def test_clusters_with_examples_may_be_more_than_k():
    examples = {"a": [0, 1, 2], "b": [10, 11, 12], "cluster 1": [20, 21, 22]}

    assert found(clouds(10, 10, 10), k=2, examples=examples).names == ["a", "b", "cluster 1"]
    names = found(clouds(10, 10, 10, 10), k=4, examples=examples).names
    assert names == ["a", "b", "cluster 1", "cluster 2"]


@pytest.mark.parametrize("examples", [{}, {"a": [0, 1, 2]}])
def test_the_same_seed_gives_the_same_clusters(examples):
    points = np.random.default_rng(0).normal(size=(60, 5))
    one, other = (found(points, k=5, examples=examples, seed=3) for _ in range(2))

    assert np.array_equal(one.labels, other.labels)
    assert np.array_equal(one.centres, other.centres)


def test_photos_that_do_not_shape_go_to_the_nearest():
    points = clouds(9, 8, 7)
    shaping = np.arange(24) < 17  # not the third cloud

    grouping = found(points, k=2, shaping=shaping)

    assert grouping.centres == pytest.approx(CORNERS[:2], abs=0.5)
    assert {*grouping.labels[17:]} == {0}  # the first corner is nearer to the third than the second is


def test_second_and_margin_are_of_the_next_nearest_centre():
    points = np.array([[0.0], [0.0], [1.0], [4.0], [4.0]])

    grouping = found(points, k=2)  # centres at 1/3 and 4

    assert [*grouping.second()] == [1, 1, 1, 0, 0]
    assert grouping.margins()[2] == pytest.approx(3 - 2 / 3)


@pytest.fixture
def quick(monkeypatch):
    for name, value in {"STARTS": 2, "DRAWS": 3, "MOST": 6}.items():
        monkeypatch.setattr(stability, name, value)


@pytest.mark.usefixtures("quick")
def test_stability_is_1_where_clouds_lie_apart_and_says_nothing_of_a_ball():
    curve = stability_curve(clouds(12, 12, 12), seed=0).set_index("k")
    assert curve["stability"][3] == 1
    assert curve["silhouette"].idxmax() == 3
    assert [*curve.index] == [*range(2, 7)]

    ball = stability_curve(np.random.default_rng(0).normal(size=(40, 20)), seed=0).set_index("k")
    assert ball["stability"][6] < 0.5


@pytest.mark.usefixtures("quick")
def test_few_photos_have_a_short_curve():
    assert stability_curve(np.repeat(CORNERS[:3] * 1.0, 2, axis=0), seed=0)["k"].max() <= 3


def test_components_have_length_1():
    features = np.random.default_rng(0).normal(size=(10, 300)).astype(np.float32)

    reduced = reduce(features, np.arange(10) < 8)

    assert reduced.shape == (10, 7)
    assert np.linalg.norm(reduced, axis=1) == pytest.approx(1)
