"""Single masks judged against the others, by measures made up here."""

import numpy as np
import pandas as pd

from maskfold.cleaning import suspicions
from maskfold.cleaning.suspicions import bounds

# Edge ratios 0.9 to 1.1: the median is 1, the median absolute deviation 0.05, so 0.85 is the least that is usual.
GOOD = np.linspace(0.9, 1.1, 21)


def measured(**of_first: object) -> pd.DataFrame:
    """Return 21 usual rows, and in the first one what is said."""
    table = pd.DataFrame({"image_id": [f"{number:02d}" for number in range(21)], "edge_ratio": GOOD})
    table = table.assign(plane=0, edge_gain=0.0, edge_right=0.0, edge_down=0.0, edge_weakest=GOOD - 1.5)
    table = table.assign(turn="mirrored left to right", turn_ratio=0.3, border=0.02, area=0.3, raggedness=1.1)
    table["class"] = ""
    for column, value in of_first.items():
        table.loc[0, column] = value
    return table


def kinds(**of_first: object) -> list[str]:
    found = suspicions.suspicions(measured(**of_first))
    assert set(found["image_id"]) <= {"00"}
    assert set(found["decision"]) <= {"00,drop"}
    return found["kind"].tolist()


def test_bounds_are_deviations_from_the_median_of_each_class():
    table = measured()
    table.loc[11:, "class"] = "other"
    of_first = bounds(table, "edge_ratio", -3)

    # 0.90 to 1.00: median 0.95, deviation 0.03; 1.01 to 1.10: 1.055 and 0.025.
    assert np.allclose(of_first[:11], 0.95 - 0.09)
    assert np.allclose(of_first[11:], 1.055 - 0.075)


def test_usual_masks_are_not_suspicious():
    assert kinds() == []


def test_a_mask_far_below_the_others_does_not_fit():
    assert kinds(edge_ratio=0.80) == ["mask does not fit"]
    assert kinds(edge_ratio=0.86) == []


def test_a_mask_that_fits_better_elsewhere_does_not_fit_where_it_is():
    moved = {"edge_ratio": 0.9, "edge_gain": 0.4, "edge_right": -0.0273, "edge_down": 0.01}
    assert kinds(**moved) == ["mask does not fit"]
    (said,) = suspicions.misfits(measured(**moved))["finding"]
    assert said == "edge ratio 0.90, 1.30 moved 2.7% left and 1.0% down"


def test_a_mask_that_a_turn_makes_fit_as_others_do_is_turned():
    assert kinds(edge_ratio=0.2, turn_ratio=1.0) == ["mask mirrored or turned"]
    # It gains as much, and fits worse than others all the same: no reason to believe that it was turned.
    assert kinds(edge_ratio=0.2, turn_ratio=0.6) == ["mask does not fit"]
    # A mask that fits is left alone, however well it would fit otherwise: nothing is gained.
    assert kinds(edge_ratio=1.0, turn_ratio=1.2) == []


def test_an_inverted_mask_is_told_by_the_border():
    assert kinds(border=0.98, area=0.7) == ["inverted"]
    assert kinds(border=0.6, area=0.8) == []  # a close-up, cut by the photo's border


def test_a_set_whose_masks_reach_the_border_has_no_inverted_ones():
    table = measured().assign(border=np.linspace(0, 1, 21), area=0.4)

    assert suspicions.inverted(table).empty


def test_an_empty_mask_has_no_object_of_any_class():
    of_two = pd.concat([measured(area=0.0), measured().assign(plane=1)])
    assert suspicions.empty(of_two).empty
    assert suspicions.empty(measured(area=0.0))["finding"].tolist() == ["no object, as 1 of 21 photos"]


def test_full_ragged_and_cut_masks_are_found():
    assert kinds(area=1.0, border=1.0) == ["full"]
    assert kinds(raggedness=1.7) == ["ragged"]
    assert kinds(edge_weakest=-2.0) == ["part of the mask does not fit"]


def test_a_set_of_ragged_objects_has_no_ragged_ones():
    assert suspicions.ragged(measured().assign(raggedness=np.linspace(1.5, 2.5, 21))).empty
