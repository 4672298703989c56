"""The committed splits of the Carvana challenge."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import KFold

from maskfold.data.carvana_splits import carvana_splits
from maskfold.data.folds import COLUMNS

FOLDS = Path(__file__).parents[2] / "conf/folds"
CARVANA = Path(__file__).parents[2].parent / "shared/data/carvana"
SPLITS = {"carvana_5_area.csv": 5, "carvana_5_area05.csv": 5, "carvana_7.csv": 7, "carvana_7_area.csv": 7}
WINNERS = {"carvana_5_area.csv": "five_area", "carvana_5_area05.csv": "five_area_view05", "carvana_7.csv": "seven"}
real = pytest.mark.skipif(not CARVANA.exists(), reason="needs the list of Carvana's cars beside the repository")


def read(name):
    return pd.read_csv(FOLDS / name, dtype={"image_id": str, "group": str})


def test_these_are_all_of_them():
    assert sorted(path.name for path in FOLDS.glob("*.csv")) == sorted(SPLITS)


@pytest.mark.parametrize("name", SPLITS)
def test_every_photo_once_and_no_car_crosses(name):
    split = read(name)
    assert split.columns.tolist() == COLUMNS
    assert len(split) == split["image_id"].nunique() == 5088
    assert (split["image_id"].str.slice(0, 12) == split["group"]).all()
    assert (split.groupby("group").size() == 16).all()
    assert (split.groupby("group")["fold"].nunique() == 1).all()
    cars = split.drop_duplicates("group")["fold"].value_counts()
    assert sorted(cars.index) == list(range(SPLITS[name]))
    assert cars.max() - cars.min() <= 1


@real
@pytest.mark.parametrize("name", SPLITS)
def test_photos_are_the_challenges(name):
    names = (CARVANA / "train_names.txt").read_text().split()
    assert sorted(read(name)["image_id"] + ".jpg") == sorted(names)


@pytest.mark.parametrize(
    ("name", "cars"),
    [
        # The folds of the first eight cars by name, as the winners' own files have them.
        ("carvana_5_area.csv", [3, 4, 3, 0, 0, 4, 4, 2]),
        ("carvana_5_area05.csv", [3, 1, 4, 3, 2, 1, 4, 2]),
    ],
)
def test_folds_are_the_winners_own(name, cars):
    assert read(name).drop_duplicates("group")["fold"].head(8).tolist() == cars


def test_the_seven_by_chance_are_what_their_seed_gives():
    cars = read("carvana_7.csv").drop_duplicates("group")["fold"].to_numpy()
    split = KFold(7, shuffle=True, random_state=np.random.RandomState(1993)).split(cars)
    for fold, (_, validated) in enumerate(split):
        assert np.flatnonzero(cars == fold).tolist() == validated.tolist()


@real
@pytest.mark.parametrize("name", WINNERS)
def test_every_car_is_in_the_winners_fold(name):
    theirs = pd.read_csv(CARVANA / "winners_folds.csv", dtype={"car": str}).set_index("car")[WINNERS[name]]
    ours = read(name).drop_duplicates("group").set_index("group")["fold"]
    assert ours.to_dict() == theirs.to_dict()


@real
def test_our_seven_are_balanced_by_area():
    areas = pd.read_csv(CARVANA / "car_areas.csv", dtype={"id": str}).set_index("id")["coverage_sum"]
    fold = read("carvana_7_area.csv").drop_duplicates("group").set_index("group")["fold"]
    means = areas.groupby(fold).mean()
    # Folds drawn by chance differ by about 0.4 deviations: the mean of some 50 cars scatters by 0.14 of one.
    assert means.max() - means.min() < 0.12 * areas.std()
    middle = areas.groupby(fold).median()
    assert middle.max() - middle.min() < 0.15 * areas.std()


@real
def test_made_again_they_are_the_same_bytes():
    winners = pd.read_csv(CARVANA / "winners_folds.csv", dtype={"car": str})
    areas = pd.read_csv(CARVANA / "car_areas.csv", dtype={"id": str})
    made = carvana_splits(winners.sample(frac=1, random_state=2), areas.sample(frac=1, random_state=1))
    assert set(made) == set(SPLITS)
    for name, split in made.items():
        assert split.to_csv(index=False, lineterminator="\n") == (FOLDS / name).read_text()
