"""Splits: their properties for any groups, their file, and what is said when it does not fit."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from maskfold.data.folds import (
    GroupFolds,
    GroupStratifiedFolds,
    fold_members,
    fold_numbers,
    group_folds,
    group_stratified_folds,
    read_folds,
    split_path,
    write_folds,
)
from maskfold.errors import MaskfoldError

CONF = Path(__file__).parents[2] / "conf/folds"
AREAS = Path(__file__).parents[2].parent / "shared/data/carvana/car_areas.csv"

names = st.lists(st.text("abc01", min_size=1, max_size=4), min_size=5, max_size=60, unique=True)


def make_table(groups: dict[str, list[float]], test: tuple[str, ...] = ()) -> pd.DataFrame:
    """A checked table with one train photo for each area, views 1, 2 and so on, and test photos."""
    rows = [
        (f"{group}_{view}", group, str(view), "train", area)
        for group, areas in groups.items()
        for view, area in enumerate(areas, 1)
    ]
    rows += [(image_id, image_id, "", "test", np.nan) for image_id in test]
    return pd.DataFrame(rows, columns=["image_id", "group", "view", "split", "mask_area"])


@pytest.fixture
def table() -> pd.DataFrame:
    return make_table({"a": [0.1, 0.2], "b": [0.3], "c": [0.4], "007": [0.5], "NA": [0.6]}, test=("t",))


@settings(deadline=None)  # a busy machine takes its time
@given(names, st.integers(2, 5), st.integers(0, 3))
def test_folds_differ_by_at_most_one_group_whatever_the_order(groups, k, seed):
    folds = group_folds(pd.Series(groups), k=k, seed=seed)
    sizes = folds.value_counts()
    assert sorted(folds.index) == sorted(groups)
    assert sorted(sizes.index) == list(range(k))
    assert sizes.max() - sizes.min() <= 1
    pd.testing.assert_series_equal(group_folds(pd.Series(groups[::-1] * 2), k=k, seed=seed), folds)


@settings(deadline=None)  # a busy machine takes its time
@given(names, st.integers(2, 5), st.integers(1, 12), st.data())
def test_stratified_folds_are_balanced_overall_and_in_every_bin(groups, k, bins, data):
    areas = pd.Series(data.draw(st.lists(st.floats(0, 16), min_size=len(groups), max_size=len(groups))), index=groups)
    folds = group_stratified_folds(areas, k=k, seed=0, bins=bins)
    sizes = folds.value_counts()
    assert sorted(folds.index) == sorted(groups)
    assert len(sizes) == k
    assert sizes.max() - sizes.min() <= 1
    by_area = sorted(groups, key=lambda group: (areas[group], group))
    for part in np.array_split(by_area, bins):
        in_bin = folds[list(part)].value_counts().reindex(range(k), fill_value=0)
        assert in_bin.max() - in_bin.min() <= 1
    shuffled = areas.sample(frac=1, random_state=1)
    pd.testing.assert_series_equal(group_stratified_folds(shuffled, k=k, seed=0, bins=bins), folds)


def test_seeds_give_other_folds():
    groups = pd.Series([f"car{i}" for i in range(40)])
    areas = pd.Series(np.linspace(0, 1, 40), index=groups)
    assert not group_folds(groups, k=4, seed=0).equals(group_folds(groups, k=4, seed=1))
    first, second = (group_stratified_folds(areas, k=4, seed=seed, bins=5) for seed in (0, 1))
    assert not first.equals(second)


def test_as_many_bins_as_rounds_put_one_of_each_rank_in_every_fold():
    # 12 groups of area 3..14 in 4 bins of 3: each fold gets one of 3-5, one of 6-8, one of 9-11, one of 12-14.
    areas = pd.Series(np.arange(3.0, 15.0), index=list("abcdefghijkl"))
    folds = group_stratified_folds(areas, k=3, seed=5, bins=4)
    assert [sorted(areas[folds == fold] // 3) for fold in range(3)] == [[1, 2, 3, 4]] * 3


@pytest.mark.skipif(not AREAS.exists(), reason="the real areas are not here")
def test_stratifying_more_than_halves_the_spread_of_the_real_cars_areas():
    areas = pd.read_csv(AREAS, dtype={"id": str}).set_index("id")["coverage_sum"]

    def spread(folds: pd.Series) -> float:
        return np.ptp(areas.groupby(folds).mean())

    by_chance = np.mean([spread(group_folds(areas.index.to_series(), k=5, seed=seed)) for seed in range(10)])
    by_area = np.mean([spread(group_stratified_folds(areas, k=5, seed=seed, bins=10)) for seed in range(10)])
    assert by_area < by_chance / 2


@pytest.mark.parametrize(("k", "told"), [(1, r"folds\.k=1: at least two"), (6, r"folds\.k=6: there are only 5 groups")])
@pytest.mark.parametrize("make", [GroupFolds, GroupStratifiedFolds])
def test_impossible_k_is_refused(table, make, k, told):
    with pytest.raises(MaskfoldError, match=told):
        make(k=k, seed=0)(table)


def test_impossible_bins_are_refused(table):
    with pytest.raises(MaskfoldError, match=r"folds\.bins=0"):
        GroupStratifiedFolds(k=2, bins=0)(table)


def test_data_without_train_images_is_refused(table):
    with pytest.raises(MaskfoldError, match="only 0 groups"):
        GroupFolds(k=2)(table[table["split"] == "test"])


@pytest.mark.parametrize("method", [GroupFolds(k=2), GroupStratifiedFolds(k=2, bins=2)])
def test_a_split_has_every_train_image_and_groups_stay_together(table, method):
    folds = method(table)
    assert folds.columns.tolist() == ["image_id", "group", "fold"]
    assert folds["image_id"].tolist() == ["007_1", "NA_1", "a_1", "a_2", "b_1", "c_1"]
    assert folds.groupby("group")["fold"].nunique().eq(1).all()
    pd.testing.assert_frame_equal(method(table.sample(frac=1, random_state=0)), folds)


def test_areas_are_summed_over_the_views_or_taken_from_one():
    # By the sum a and b are the small ones, by view 2 a and c are; small ones never share a fold.
    table = make_table({"a": [0.1, 0.1], "b": [0.0, 0.5], "c": [0.9, 0.2], "d": [0.9, 0.9]})
    for seed in range(8):
        summed = GroupStratifiedFolds(k=2, seed=seed, bins=2)(table).set_index("image_id")["fold"]
        one_view = GroupStratifiedFolds(k=2, seed=seed, bins=2, view="2")(table).set_index("image_id")["fold"]
        assert summed["a_1"] != summed["b_1"]
        assert one_view["a_1"] != one_view["c_1"]


def test_a_view_that_groups_lack_is_refused(table):
    with pytest.raises(MaskfoldError, match=r"folds\.view=2: 4 groups have no such view:\n  007"):
        GroupStratifiedFolds(k=2, view="2")(table)


def test_config_builds_both_methods(table):
    for option in ("group", "group_stratified"):
        folds = instantiate(OmegaConf.load(CONF / f"{option}.yaml"))(table)
        assert sorted(folds["fold"].unique()) == [0, 1, 2, 3, 4]


@pytest.fixture
def split(table, tmp_path) -> Path:
    path = tmp_path / "human/folds.csv"
    write_folds(path, GroupFolds(k=2)(table))
    return path


def test_what_is_written_is_read(table, split):
    pd.testing.assert_frame_equal(read_folds(split, table), GroupFolds(k=2)(table), check_dtype=False)
    assert fold_numbers(split) == [0, 1]


def test_the_same_split_may_be_written_again_and_another_only_on_demand(table, split):
    same, other = GroupFolds(k=2)(table), GroupFolds(k=3)(table)
    write_folds(split, same)
    with pytest.raises(MaskfoldError, match=r"human/folds\.csv: there is another split already.*overwrite=true"):
        write_folds(split, other)
    assert fold_numbers(split) == [0, 1]
    write_folds(split, other, overwrite=True)
    assert fold_numbers(split) == [0, 1, 2]


def test_a_missing_split_says_how_to_make_it(table, tmp_path):
    with pytest.raises(MaskfoldError, match=r"human/folds\.csv: the data has no split yet.*make folds DATA=human`"):
        read_folds(tmp_path / "human/folds.csv", table)


def test_a_split_of_other_images_is_refused_with_counts_and_names(table, split):
    fewer = table[table["group"] != "a"]
    with pytest.raises(MaskfoldError, match=r"2 of its images are not in the data:\n  a_1\n  a_2\n"):
        read_folds(split, fewer)
    more = pd.concat([table, make_table({"new": [0.1]})])
    with pytest.raises(MaskfoldError, match=r"1 train images are not in it:\n  new_1\n"):
        read_folds(split, more)


def test_a_split_of_other_groups_is_refused(table, split):
    regrouped = table.assign(group=table["group"].replace({"b": "c"}))
    with pytest.raises(MaskfoldError, match=r"1 images have another group.*: b_1 is in b here, in c there"):
        read_folds(split, regrouped)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("image_id,group,fold\na,g,0\nb,g,1\n", r"1 groups cross folds:\n  g\n"),
        ("image_id,group,fold\na,g,0\na,g,0\n", r"1 images are there twice:\n  a\n"),
        ("image_id,group,fold\na,g,0\nb,h,2\n", "without a gap"),
        ("image_id,group,fold\na,g,-1\nb,h,0\n", "without a gap"),
        ("image_id,group,fold\n", "without a gap"),
        ("image_id,group,fold\na,g,first\n", "not a split"),
        ("image_id,group,fold\na,g,\n", "not a split"),
        ("image_id,fold\na,0\n", "not a split"),
        ("", "not a split"),
    ],
)
def test_a_damaged_split_is_refused(table, tmp_path, content, told):
    path = tmp_path / "folds.csv"
    path.write_text(content)
    with pytest.raises(MaskfoldError, match=rf"folds\.csv: .*{told}"):
        read_folds(path, table)
    with pytest.raises(MaskfoldError, match=told):
        fold_numbers(path)


def test_members_of_a_fold(table, tmp_path):
    path = tmp_path / "folds.csv"
    path.write_text("image_id,group,fold\na_1,a,1\na_2,a,1\nb_1,b,0\nc_1,c,0\n007_1,007,0\nNA_1,NA,1\n")
    folds = read_folds(path, table)
    assert fold_members(folds, 1) == ["a_1", "a_2", "NA_1"]
    assert fold_members(folds, 0) == ["b_1", "c_1", "007_1"]


@pytest.mark.parametrize("fold", [2, 7, -1])
def test_a_fold_beyond_the_file_is_refused(table, split, fold):
    with pytest.raises(MaskfoldError, match=rf"fold {fold} is beyond .*human/folds\.csv, which has folds 0\.\.1"):
        fold_members(read_folds(split, table), fold)


def test_the_split_is_the_data_sets_own_unless_another_is_named():
    class Source:
        folder = Path("data/human")

    assert split_path(Source()) == Path("data/human/folds.csv")
    assert split_path(Source(), "conf/folds/seven.csv") == Path("conf/folds/seven.csv")


@pytest.mark.hostile("names and paths")
def test_names_with_commas_and_quotes_come_back_as_they_were(tmp_path):
    table = make_table({"a, b": [0.1], 'the "c"': [0.2], " d'": [0.3]})
    write_folds(tmp_path / "folds.csv", GroupFolds(k=2)(table))
    assert set(read_folds(tmp_path / "folds.csv", table)["image_id"]) == {"a, b_1", 'the "c"_1', " d'_1"}


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(("key", "value"), [("seed", -1), ("seed", 1.5), ("k", 2.5), ("k", "3"), ("bins", 2.5)])
def test_numbers_that_are_not_whole_are_refused(key, value):
    with pytest.raises(MaskfoldError, match=rf"^folds\.{key}={value}: give a whole number of 0 or more"):
        GroupStratifiedFolds(**{"k": 2} | {key: value})
    if key != "bins":
        with pytest.raises(MaskfoldError, match=rf"^folds\.{key}={value}"):
            GroupFolds(**{"k": 2} | {key: value})


@pytest.mark.hostile("wrong input")
def test_one_group_and_one_fold_are_refused_with_what_to_do(tmp_path):
    with pytest.raises(
        MaskfoldError, match=r"folds\.k=2: there are only 1 groups.* Add photos of other objects, or see"
    ):
        GroupFolds(k=2)(make_table({"a": [0.1, 0.2]}))
    (tmp_path / "folds.csv").write_text("image_id,group,fold\na_1,a,0\nb_1,b,0\n")
    with pytest.raises(MaskfoldError, match=r"folds\.csv: it has one fold, so nothing would be left to learn from"):
        read_folds(tmp_path / "folds.csv", make_table({"a": [0.1], "b": [0.2]}))


@settings(deadline=None)  # a busy machine takes its time
@given(st.integers(0, 30), st.integers(1, 40), st.integers(2, 5), st.integers(1, 12), st.integers(0, 3))
def test_every_fold_has_its_share_of_empty_masks(empty, others, k, bins, seed):
    areas = pd.Series({f"e{n}": 0.0 for n in range(empty)} | {f"o{n}": n + 1.0 for n in range(others)})
    if len(areas) < k:
        return
    folds = group_stratified_folds(areas, k=k, seed=seed, bins=bins)
    for part in (folds, folds[areas[folds.index] == 0], folds[areas[folds.index] > 0]):
        sizes = part.value_counts().reindex(range(k), fill_value=0)
        assert sizes.max() - sizes.min() <= 1


def test_every_fold_has_its_share_of_a_rare_class():
    # Of 60 photos four have the second class, and every fold gets one of them, whatever the seed.
    table = make_table({f"g{number:02}": [0.01 * (number % 7 + 1)] for number in range(60)})
    table["meta.classes"] = ["1, 2" if number % 15 == 0 else "1" for number in range(60)]
    for seed in range(20):
        folds = GroupStratifiedFolds(k=4, seed=seed, by="classes")(table).set_index("image_id")["fold"]
        assert sorted(folds[[f"g{number:02}_1" for number in (0, 15, 30, 45)]]) == [0, 1, 2, 3]
        assert folds.value_counts().tolist() == [15] * 4
    with pytest.raises(MaskfoldError, match=r"folds\.by=site: no such metadata of these photos; there is classes\."):
        GroupStratifiedFolds(k=4, by="site")(table)
