"""The Carvana challenge's splits under `conf/folds/`, made from the area of every training car.

`python -m maskfold.data.carvana_splits car_areas.csv conf/folds` writes them again, byte for byte. `car_areas.csv` has
a row for each of the 318 cars: `id`, `coverage_sum` (the share of the picture that is car, summed over the 16 views)
and `coverage_view05` (the share in view 05).
"""

import sys
from pathlib import Path

import pandas as pd

from maskfold.data.folds import assign_folds, group_folds, group_stratified_folds, write_folds

VIEWS = 16


def carvana_splits(areas: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return each split, `image_id, group, fold` for every photo, by its file's name.

    Args:
        areas: `id`, `coverage_sum` and `coverage_view05` of every car.
    """
    cars = areas.set_index("id")
    names = [(f"{car}_{view:02d}", car) for car in cars.index for view in range(1, VIEWS + 1)]
    photos = pd.DataFrame(names, columns=["image_id", "group"])
    total, view05 = cars["coverage_sum"], cars["coverage_view05"]
    folds = {
        "carvana_5_area.csv": group_stratified_folds(total, k=5, seed=0, bins=10),
        "carvana_5_area05.csv": group_stratified_folds(view05, k=5, seed=0, bins=10),
        "carvana_7.csv": group_folds(photos["group"], k=7, seed=0),
        "carvana_7_area.csv": group_stratified_folds(total, k=7, seed=0, bins=10),
    }
    return {name: assign_folds(photos, fold_by_car) for name, fold_by_car in folds.items()}


def main(areas: str, folder: str) -> None:
    """Write the splits into a folder."""
    for name, split in carvana_splits(pd.read_csv(areas, dtype={"id": str})).items():
        write_folds(Path(folder) / name, split)


if __name__ == "__main__":
    main(*sys.argv[1:])
