"""Which masks of a submission the order of pixels is judged by."""

import numpy as np

from maskfold.submission.orientation import Chosen


def test_no_mask_of_a_very_large_photo_is_kept_or_drawn():
    runs = np.array([[1, 2]])
    chosen = Chosen(most=2, sizes={"large": (20_000, 20_000), "small": (20, 20)})
    for image_id in ("large", "small", "unknown"):
        chosen(image_id, "", runs)

    assert sorted(image_id for image_id, _, _ in chosen) == ["small", "unknown"]
