"""The Carvana challenge's splits under `conf/folds/`: three as the winners had them, the fourth drawn anew.

`python -m maskfold.data.carvana_splits winners_folds.csv car_areas.csv conf/folds` writes them again, byte for byte.
`winners_folds.csv` has a row for each of the 318 training cars: `car`, and its fold in `five_area` (by the car's area),
`five_area_view05` (by that in view 05 alone) and `seven` (by chance; seed 1993, cars in the order of their names).

The winners' seven folds by area cannot be had again: an older scikit-learn shuffled otherwise. In their place are seven
folds of our own, from `car_areas.csv`: `id` and `coverage_sum`, the share of the picture that is car, summed over the
16 views.
"""

import sys
from pathlib import Path

import pandas as pd

from maskfold.data.folds import assign_folds, group_stratified_folds, write_folds

VIEWS = 16


def carvana_splits(winners: pd.DataFrame, areas: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return each split, `image_id, group, fold` for every photo, by its file's name.

    Args:
        winners: `car`, `five_area`, `five_area_view05` and `seven` of every car.
        areas: `id` and `coverage_sum` of every car.
    """
    cars = winners.sort_values("car").set_index("car")
    names = [(f"{car}_{view:02d}", car) for car in cars.index for view in range(1, VIEWS + 1)]
    photos = pd.DataFrame(names, columns=["image_id", "group"])
    folds = {
        "carvana_5_area.csv": cars["five_area"],
        "carvana_5_area05.csv": cars["five_area_view05"],
        "carvana_7.csv": cars["seven"],
        "carvana_7_area.csv": group_stratified_folds(areas.set_index("id")["coverage_sum"], k=7, seed=0, bins=10),
    }
    return {name: assign_folds(photos, fold_by_car) for name, fold_by_car in folds.items()}


def main(winners: str, areas: str, folder: str) -> None:
    """Write the splits into a folder, over those that are there."""
    tables = pd.read_csv(winners, dtype={"car": str}), pd.read_csv(areas, dtype={"id": str})
    for name, split in carvana_splits(*tables).items():
        write_folds(Path(folder) / name, split, overwrite=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
