import numpy as np
import pytest

from maskfold.studio.planted import plan_faults, spoil


@pytest.mark.parametrize("kind", ["shifted", "piece missing", "mask of another car"])
@pytest.mark.parametrize("seed", range(6))
def test_every_kind_of_wrong_mask_is_far_from_the_truth(kind, seed):
    mask = np.zeros((30, 100), np.uint8)
    mask[8:22, 20:81] = 1
    # The other car is as like as can be: even its own mask, laid aside, must be wrong.
    wrong = spoil(mask, kind, np.random.default_rng(seed), lambda: mask)
    assert wrong.dtype == np.uint8
    assert wrong.shape == mask.shape
    assert 0 < (wrong & mask).sum() / (wrong | mask).sum() < 0.9


def test_faults_do_not_meet_in_one_image_and_test_labels_stay_true():
    plan = plan_faults(np.random.default_rng(0), open_wheels=[True] * 40, labelled=True)
    assert len(plan.white_vans) == 4  # a tenth of 40
    assert len(plan.wheel_gaps) == 8
    assert len(plan.wrong_masks) == 5
    assert set(plan.wrong_masks.values()) == {"shifted", "piece missing", "mask of another car"}
    assert not plan.wheel_gaps & set(plan.wrong_masks)
    assert not plan.white_vans & {car for car, _ in [*plan.wheel_gaps, *plan.wrong_masks]}
    hidden = plan_faults(np.random.default_rng(0), open_wheels=[True] * 40, labelled=False)
    assert hidden.white_vans
    assert not hidden.wheel_gaps
    assert not hidden.wrong_masks


def test_a_lone_car_gets_no_mask_of_another_and_closed_wheels_no_gaps():
    plan = plan_faults(np.random.default_rng(0), open_wheels=[False], labelled=True)
    assert not plan.white_vans
    assert not plan.wheel_gaps
    assert set(plan.wrong_masks.values()) <= {"shifted", "piece missing"}
