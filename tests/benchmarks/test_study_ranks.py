"""Efficiency is of pairs: each way beside the lone rank of its own repeat."""

import pandas as pd
import study_ranks


def test_efficiency_is_of_the_same_repeat_and_its_median_is_told_with_the_extremes():
    timed = pd.DataFrame(
        [("r", repeat, way, images) for repeat, pair in enumerate([(10, 18), (20, 40), (10, 19)])
         for way, images in zip(("one", "two"), pair, strict=True)],
        columns=["network", "repeat", "way", "images_per_second"],
    )  # fmt: skip

    one, two = study_ranks.summary(timed).to_dict("records")

    assert (one["way"], one["images_per_second"], one["repeats"]) == ("one", 10, 3)
    # 18 / 20, 40 / 40 and 19 / 20.
    assert (two["efficiency_low"], two["efficiency"], two["efficiency_high"]) == (0.9, 0.95, 1.0)
    drawn = study_ranks.chart(study_ranks.summary(timed)).axes[0]
    assert [text.get_text() for text in drawn.get_yticklabels()] == ["r: two"]
