"""How much a photo counts by its cluster."""

import pandas as pd
import pytest

from maskfold.data.balance import (
    clusters_fingerprint,
    describe_draws,
    draws_by_cluster,
    refuse_weights,
    weights_by_cluster,
)
from maskfold.errors import MaskfoldError

COMMON_AND_RARE = pd.Series(["common"] * 900 + ["rare"] * 100)


@pytest.mark.parametrize(("balance", "common", "rare"), [(0, 900, 100), (0.5, 750, 250), (1, 500, 500)])
def test_shares_of_an_epoch_by_hand(balance, common, rare):
    draws = draws_by_cluster(COMMON_AND_RARE, balance)

    assert draws[:900].sum() == pytest.approx(common)
    assert draws[900:].sum() == pytest.approx(rare)
    assert draws[:900].nunique() == draws[900:].nunique() == 1


def test_photos_without_a_cluster_are_one_of_their_own():
    clusters = pd.Series(["a", None, "b", None, None, "a"], dtype="str")

    assert draws_by_cluster(clusters, 1).tolist() == pytest.approx([1, 2 / 3, 2, 2 / 3, 2 / 3, 1])
    assert weights_by_cluster(clusters, {"a": 3.0}).tolist() == [3, 1, 1, 1, 1, 3]


def test_what_is_drawn_is_said_in_words():
    rows = pd.DataFrame({"cluster": COMMON_AND_RARE, "draws": draws_by_cluster(COMMON_AND_RARE, 0.5)})

    assert describe_draws(rows).splitlines() == [
        "  common: 900 photos, 75.0% of an epoch",
        "  rare: 100 photos, 25.0% of an epoch",
    ]


def test_the_fingerprint_is_of_which_photo_is_of_which_cluster_in_any_order():
    rows = pd.DataFrame({"image_id": ["1", "2", "3"], "cluster": pd.Series(["a", None, "b"], dtype="str")})

    assert clusters_fingerprint(rows[::-1]) == clusters_fingerprint(rows)
    assert clusters_fingerprint(rows).startswith("2 clusters of 3 photos (")
    assert clusters_fingerprint(rows.assign(cluster=["b", None, "a"])) != clusters_fingerprint(rows)


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ({"sorts": 2.0}, r"of these names:\n  sorts\nThere are a, shorts"),
        ({"a": 0.0}, r"above 0.*\n  a: 0.0\n.*decisions\.csv"),
        ({"a": float("nan")}, "a: nan"),
        ({"a": float("inf")}, "a: inf"),
    ],
)
def test_wrong_weights_are_refused_by_name(weights, says):
    with pytest.raises(MaskfoldError, match=says):
        refuse_weights(weights, ["shorts", "a", "a"])
