"""Which photos belong together, where that is plain."""

from pathlib import Path

import pandas as pd

from maskfold.joining.grouping import group_of
from maskfold.joining.naming import Photos

TABLE = Path("train.csv")


def test_a_column_that_is_called_so():
    photos = Photos([f"p{number}.png" for number in range(6)])
    table = pd.DataFrame({"id": [*photos.stems], "patient_id": ["a", "a", "b", "b", "c", "c"]})

    assert group_of(photos, table, file=TABLE).value == {"file": TABLE, "id": "id", "column": "patient_id"}
    assert group_of(photos, table.rename(columns={"patient_id": "z"}), file=TABLE).value == "(.*)"
    alone = table.assign(patient_id=[*"abcdef"])
    assert group_of(photos, alone, file=TABLE).value == "(.*)"


def test_names_that_count_the_views_of_each_object():
    views = Photos([f"{car}_{view:02d}.jpg" for car in ("0cdf", "1d2a", "9e4b") for view in (1, 2)])
    counted = Photos([f"img_{number:03d}.jpg" for number in range(6)])
    uneven = Photos(["a_1.jpg", "a_2.jpg", "b_1.jpg", "c_1.jpg"])

    assert group_of(views, None, file=None).value == r"(.*)_\d+"
    assert [group_of(photos, None, file=None).value for photos in (counted, uneven)] == ["(.*)", "(.*)"]
    assert group_of(counted, None, file=None).sure == "assumed"
