"""The picker: the best out of fold, and of its equals the one that is most different."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskfold import files
from maskfold.errors import MaskfoldError
from maskfold.leaderboard.picker import choose, compare, difference, mask_iou
from maskfold.masks.rle import encode, runs
from maskfold.masks.rules import Rules
from maskfold.masks.scoring import Judged
from maskfold.submission.shape import Shape
from maskfold.submission.writer import write_submission

GROUPS = 20


def scores(dice: np.ndarray) -> pd.DataFrame:
    """Scores of 20 groups of two images."""
    ids = [f"car{number:02}_{view}" for number in range(GROUPS) for view in (1, 2)]
    return pd.DataFrame({"image_id": ids, "group": [name[:5] for name in ids], "dice": dice})


@pytest.fixture
def candidates() -> dict[str, pd.DataFrame]:
    """`best`; `twin`, as much better as worse on single groups; `behind`, a little worse on each."""
    by_group = np.linspace(0.9, 0.99, GROUPS)
    swing = np.where(np.arange(GROUPS) % 2, 0.01, -0.0105)
    each = [by_group, by_group + swing, by_group - 0.0005]
    return dict(zip(["best", "twin", "behind"], (scores(np.repeat(dice, 2)) for dice in each), strict=True))


def test_what_swings_is_level_and_what_is_steadily_worse_is_not(candidates):
    table = compare(candidates).set_index("name")

    assert table.index.tolist() == ["best", "twin", "behind"]
    np.testing.assert_allclose(table["cv"], [0.945, 0.94475, 0.9445])
    np.testing.assert_allclose(table["behind"], [0, 0.00025, 0.0005], atol=1e-12)
    assert table["level"].tolist() == [True, True, False]
    # How many of 20 drawn groups swing up is binomial: 2.5 % lie below 6, and 2.5 % above 14.
    low, high = ((20 - up) / 20 * 0.0105 - up / 20 * 0.01 for up in (14, 6))
    np.testing.assert_allclose(table.loc["twin", ["low", "high"]].astype(float), [low, high], atol=1e-12)
    np.testing.assert_allclose(table.loc["behind", ["low", "high"]].astype(float), 0.0005, atol=1e-12)


def test_images_are_matched_by_name_not_by_place(candidates):
    shuffled = candidates | {"behind": candidates["behind"].sample(frac=1, random_state=0)}

    pd.testing.assert_frame_equal(compare(shuffled), compare(candidates))


def test_images_of_one_group_are_drawn_together():
    one = scores(np.repeat(np.linspace(0.9, 0.99, GROUPS), 2))
    swing = np.tile([0.01, -0.0105], GROUPS)  # within each group, so that every group's mean is behind by 0.00025

    table = compare({"one": one, "other": one.assign(dice=one["dice"] + swing)})

    assert table["level"].tolist() == [True, False]


def test_the_datas_metric_and_its_weights_order_them():
    ids, groups = list("abcd"), list("aabb")
    weights = {"pooled_dice.weight": [10.0, 10.0, 10.0, 970.0]}
    small = pd.DataFrame({"image_id": ids, "group": groups, "pooled_dice": [1.0, 1.0, 1.0, 0.5], **weights})
    large = pd.DataFrame({"image_id": ids, "group": groups, "pooled_dice": [0.0, 0.0, 0.0, 0.9], **weights})

    table = compare({"small": small, "large": large}, Judged("pooled_dice"))

    assert table["name"].tolist() == ["large", "small"]
    assert table["cv"].tolist() == pytest.approx([0.9 * 0.97, 0.03 + 0.5 * 0.97])
    assert table["behind"].tolist() == pytest.approx([0, 0.9 * 0.97 - 0.03 - 0.5 * 0.97])


def table_of(**rows: tuple[bool, float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "name": list(rows),
            "level": [level for level, _ in rows.values()],
            "difference": [different for _, different in rows.values()],
        }
    )


def test_the_second_is_the_most_different_of_the_best_s_equals():
    table = table_of(best=(True, 0.0), near=(True, 0.01), far=(True, 0.03), worse=(False, 0.9))

    (first, _), (second, reason) = choose(table)

    assert (first, second) == ("best", "far")
    assert "masks differ most" in reason


def test_of_equally_different_ones_the_better_is_taken():
    assert choose(table_of(best=(True, 0.0), good=(True, 0.02), less=(True, 0.02)))[1][0] == "good"


def test_without_equals_it_is_the_second_best_and_that_is_said():
    (_, (second, reason)) = choose(table_of(best=(True, 0.0), near=(False, 0.01), far=(False, 0.9)))

    assert second == "near"
    assert "second best out of fold" in reason


def test_one_alone_is_picked_alone():
    assert [name for name, _ in choose(table_of(best=(True, 0.0)))] == ["best"]


def test_iou_of_runs_is_that_of_the_masks_drawn():
    rng = np.random.default_rng(0)
    for density in (0, 0.02, 0.5, 0.98, 1):
        for other in (0, 0.3, 1):
            one, two = rng.random((7, 11)) < density, rng.random((7, 11)) < other
            union = np.count_nonzero(one | two)
            expected = np.count_nonzero(one & two) / union if union else 1

            assert mask_iou(runs(one), runs(two)) == pytest.approx(expected, abs=1e-15)


def test_runs_that_touch_are_one():
    assert mask_iou(np.array([[3, 2], [5, 2]]), np.array([[4, 4]])) == 3 / 5


def write(name: str, *masks: tuple[str, str]) -> Path:
    path = Path(name) / "submission.csv.gz"
    write_submission(path, [(name, "", runs) for name, runs in masks])
    return path


def test_the_difference_is_the_mean_over_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    square = np.zeros((4, 4), np.uint8)
    square[:2] = 1
    one = write("one", ("a.jpg", encode(square)), ("b.jpg", "1 4"), ("c.jpg", ""))
    other = write("other", ("a.jpg", "5 8"), ("b.jpg", "1 4"), ("c.jpg", ""))

    assert difference(one, other) == pytest.approx((2 / 3 + 0 + 0) / 3)
    assert difference(one, one) == 0


def test_other_images_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one = write("one", ("a.jpg", "1 4"), ("b.jpg", "1 4"))

    with pytest.raises(MaskfoldError, match=r"one/.* and two/.*not of the same images: b\.jpg in one, c\.jpg in the"):
        difference(one, write("two", ("a.jpg", "1 4"), ("c.jpg", "1 4")))
    with pytest.raises(MaskfoldError, match=r"not of the same images"):
        difference(one, write("three", ("a.jpg", "1 4")))


def test_submissions_by_the_rules_of_their_data_are_compared_by_image_and_class(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shape = Shape(Rules(columns={"id": "{image_id}_{class}", "rle": "{runs}"}, start=0, empty="-"), ("1", "2"))
    for name, text in (("one", "0 2"), ("other", "0 4")):
        path = Path(name) / "submission.csv.gz"
        write_submission(path, [("a.png", "1", text), ("a.png", "2", "-")], shape.rules)
        files.write_json(path.with_name("manifest.json"), shape.facts)

    assert difference(Path("one/submission.csv.gz"), Path("other/submission.csv.gz")) == 0.25

    other = Shape(Rules(columns=shape.rules.columns, start=0, empty="-", order="columns"), shape.classes)
    files.write_json(Path("other/manifest.json"), other.facts)
    with pytest.raises(MaskfoldError, match="pixels numbered by rows in one, by columns in the other"):
        difference(Path("one/submission.csv.gz"), Path("other/submission.csv.gz"))
