"""Which photos a split's maps belong to."""

import pandas as pd
import pytest

from maskfold.errors import MaskfoldError
from maskfold.prediction.splits import photos_of

TABLE = pd.DataFrame({"image_id": ["a", "b", "c"], "split": ["test", "train", "test"]})


def test_out_of_fold_maps_are_of_train_photos_and_test_maps_of_test_photos():
    assert photos_of(TABLE, "oof")["image_id"].tolist() == ["b"]
    assert photos_of(TABLE, "test")["image_id"].tolist() == ["a", "c"]
    assert photos_of(TABLE, "test").index.tolist() == [0, 1]


def test_other_splits_and_splits_without_photos_are_refused():
    with pytest.raises(MaskfoldError, match="split=train: there are two, oof and test"):
        photos_of(TABLE, "train")
    with pytest.raises(MaskfoldError, match="split=test: the data has no test photos"):
        photos_of(TABLE[1:2], "test")
