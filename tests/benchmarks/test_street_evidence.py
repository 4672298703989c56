"""What speaks for masks without true ones: figures that can be counted by hand."""

import numpy as np
import pandas as pd
import pytest
import street_evidence


def box(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    mask = np.zeros((40, 60), np.uint8)
    mask[top:bottom, left:right] = 1
    return mask


def test_an_outline_on_an_edge_is_steep_and_one_beside_it_is_not():
    photo = 200 * box(10, 30, 10, 50) + 20

    assert street_evidence.edges(photo, box(10, 30, 10, 50)) > 0.9
    assert street_evidence.edges(photo, box(15, 25, 20, 40)) < 0.6
    assert np.isnan(street_evidence.edges(photo, np.zeros((40, 60), np.uint8)))
    # Without any edge each pixel is as steep as all others.
    assert street_evidence.edges(np.full((40, 60), 9, np.uint8), box(10, 30, 10, 50)) == 0.5


def test_views_two_and_sixteen_mirror_one_another():
    areas = np.full(16, 100.0)
    areas[[2 - 1, 16 - 1]] = 130
    assert street_evidence.asymmetry(areas) == 0
    areas[16 - 1] = 90
    # 130 and 90 differ by 40, in two of sixteen views, whose mean is (14 * 100 + 220) / 16 = 101.25.
    assert street_evidence.asymmetry(areas) == pytest.approx(2 * 40 / 16 / 101.25)


def test_roughness_is_what_a_view_differs_from_its_neighbours():
    areas = np.full(16, 100.0)
    areas[4] = 140
    # The view itself by 40, each neighbour by 20.
    assert street_evidence.roughness(areas) == pytest.approx(80 / 16 / 102.5)


def test_oneness_counts_what_lies_apart_and_what_is_enclosed():
    mask = box(10, 20, 10, 20) | box(30, 35, 30, 35)
    mask[14:16, 14:16] = 0
    # 96 pixels with a hole of 4, and 25 apart.
    assert street_evidence.oneness(mask) == pytest.approx({"stray": 25 / 121, "holes": 4 / 121, "border": 0})
    assert street_evidence.oneness(box(10, 20, 0, 20))["border"] == 1
    assert street_evidence.oneness(np.zeros((40, 60), np.uint8))["stray"] == 1


def test_evidence_is_of_photos_and_of_whole_rings():
    photo = 200 * box(10, 30, 10, 50) + 20
    masks = {f"a_{view:02d}": box(10, 30, 10, 50) for view in range(1, 17)} | {"b_01": box(10, 30, 0, 50)}

    measured = street_evidence.evidence(masks, dict.fromkeys(masks, photo))

    assert measured["border"] == pytest.approx(1 / 17)
    assert (measured["asymmetry"], measured["roughness"]) == (0, 0)
    assert measured.keys() | {"agreement"} == street_evidence.MORE_IS_BETTER.keys()


def test_agreement_is_the_mean_dice_of_pairs():
    one = [box(0, 10, 0, 10), box(0, 10, 0, 10)]
    other = [box(0, 10, 0, 10), box(0, 10, 5, 15)]

    assert street_evidence.agreement(one, other) == 0.75


def test_evidence_is_asked_about_networks_that_learned_otherwise():
    rows = [("a", 0.9, 0.8, 0.2), ("a", 0.8, 0.7, 0.3), ("b", 0.7, 0.75, 0.4)]
    networks = pd.DataFrame(rows, columns=["learned", "dice", "edges", "stray"])
    networks = networks.assign(test_cars="x").reindex(columns=[*networks, "test_cars", *street_evidence.MORE_IS_BETTER])
    networks = networks.loc[:, ~networks.columns.duplicated()]

    asked = street_evidence.pairs_in_order(networks).set_index("evidence")

    # Of the two pairs, edges has the first in order (0.8 over 0.75) and not the second; less stray is better, in both.
    assert asked.loc["edges"].tolist() == [2, 1]
    assert asked.loc["stray"].tolist() == [2, 2]
    networks["holes"] = 0.0
    assert street_evidence.pairs_in_order(networks).set_index("evidence").loc["holes"].tolist() == [2, 0]
