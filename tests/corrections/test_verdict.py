"""Whether a challenger may pass: limits on means, clusters and good masks, by scores that can be worked out by hand."""

import pandas as pd
import pytest

from maskfold.corrections.verdict import Limits, decide, headings
from maskfold.errors import MaskfoldError

LIMITS = Limits(loss=0.0005, cluster_loss=0.005, level=0.97, share_loss=0.005)


def scores(*iou, clusters=None, groups=None):
    names = [f"p{number:04}" for number in range(len(iou))]
    table = pd.DataFrame({"image_id": names, "group": groups or names, "iou": iou})
    return table if clusters is None else table.assign(cluster=clusters)


def test_the_first_has_nobody_to_beat():
    verdict = decide(scores(0.5, 0.6), None, LIMITS)

    assert verdict.passed
    assert verdict.reasons == ("there is no champion to be compared with; IoU 0.55000 on 2 photos",)
    assert verdict.cells() == [["all", "2", "-", "0.55000", "-", "-", "-", "0.0 %"]]
    assert len(headings(0.97)) == 8


def test_a_gain_of_each_photo_passes_and_says_how_much():
    verdict = decide(scores(*[0.98] * 10), scores(*[0.96] * 10), LIMITS)

    assert verdict.passed
    assert verdict.reasons == (
        "IoU +0.02000 over the champion's 0.96000 on 10 photos, 95 % interval +0.02000 to +0.02000",
    )
    row = verdict.table.iloc[0]
    assert (row["champion_share"], row["challenger_share"]) == (0, 1)


def test_a_loss_within_the_limit_passes_and_one_on_it_does_not():
    champion = scores(*[0.96] * 10)

    assert decide(scores(*[0.9596] * 10), champion, LIMITS).passed
    refused = decide(scores(*[0.9594] * 10), champion, LIMITS)
    assert refused.reasons == (
        "all 10 photos: IoU -0.00060 on average, lower 95 % bound -0.00060; it has to be above -0.00050 (allowed_loss)",
    )


def test_the_bound_counts_and_not_the_mean():
    # One photo of twenty loses 0.2, the others gain 0.011: +0.00045 on average. Not once drawn, or once to four times:
    # what the interval's lower end has to be among, since three times or more are drawn in 7.5 % of all draws.
    champion, challenger = scores(*[0.9] * 20), scores(0.7, *[0.911] * 19)

    verdict = decide(challenger, champion, LIMITS)

    assert not verdict.passed
    assert verdict.table.loc[0, "gain"] == pytest.approx((19 * 0.011 - 0.2) / 20)
    assert verdict.table.loc[0, "low"] == pytest.approx((17 * 0.011 - 3 * 0.2) / 20)


def test_one_cluster_of_ten_per_cent_is_named_with_its_count_and_its_bound():
    clusters = ["light"] * 10 + ["dark"] * 90
    challenger = scores(*[0.92] * 10, *[0.96] * 90, clusters=clusters)

    verdict = decide(challenger, scores(*[0.94] * 100), LIMITS)

    assert verdict.table["cluster"].tolist() == ["all", "dark", "light"]
    assert verdict.reasons == (
        "cluster light, 10 photos: IoU -0.02000 on average, lower 95 % bound -0.02000; it must not be below -0.00500 "
        "(allowed_cluster_loss)",
    )
    assert decide(challenger, scores(*[0.94] * 100), Limits(0.0005, 0.02, 0.97, 0.005)).passed


def test_a_cluster_of_one_group_has_no_interval_and_is_held_to_its_mean():
    challenger = scores(0.9, 0.99, 0.99, clusters=["rare", "usual", "usual"])

    verdict = decide(challenger, scores(0.92, 0.9, 0.9), Limits(0.05, 0.005, 0.5, 0.005))

    assert verdict.reasons == (
        "cluster rare, 1 photo: IoU -0.02000 in a single group; it must not be below -0.00500 (allowed_cluster_loss)",
    )


def test_whole_groups_are_drawn():
    # Two groups, one gains 0.02 and one loses 0.01: a quarter of all draws has the one that loses twice.
    groups = ["a"] * 5 + ["b"] * 5
    challenger = scores(*[0.92] * 5, *[0.89] * 5, groups=groups)

    row = decide(challenger, scores(*[0.9] * 10), LIMITS).table.iloc[0]

    assert (row["gain"], row["low"], row["high"]) == pytest.approx((0.005, -0.01, 0.02))


def test_fewer_good_masks_are_refused_though_the_mean_gains():
    champion, challenger = scores(*[0.971] * 10, *[0.5] * 90), scores(*[0.969] * 10, *[0.6] * 90)

    verdict = decide(challenger, champion, LIMITS)

    assert verdict.reasons == (
        "IoU of 0.97 or more: 0.00 % of the photos, the champion 10.00 %; it may be 0.50 % fewer (allowed_share_loss)",
    )
    # Five of a thousand are the half per cent that may be lost.
    many = scores(*[0.97] * 1000)
    assert decide(scores(*[0.9699] * 5, *[0.98] * 995), many, LIMITS).passed
    assert not decide(scores(*[0.9699] * 6, *[0.98] * 994), many, LIMITS).passed


def test_the_same_masks_are_no_gain_unless_that_is_allowed():
    champion = scores(0.9, 0.8)

    assert decide(champion.iloc[::-1], champion, LIMITS).reasons[0].startswith("no gain: it masks every photo")
    assert decide(champion, champion, Limits(0.0005, 0.005, 0.97, 0.005, equal=True)).passed


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize("wrong", [{"level": 97}, {"level": 0}, {"share_loss": 50}, {"loss": float("nan")}])
def test_a_limit_that_would_let_everything_pass_is_refused(wrong):
    (name, value), usual = *wrong.items(), {"loss": 0.0005, "cluster_loss": 0.005, "level": 0.97, "share_loss": 0.005}
    with pytest.raises(MaskfoldError, match=f"{name}={value}"):
        Limits(**(usual | wrong))
