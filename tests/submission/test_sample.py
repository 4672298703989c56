"""The sample submission: what is wanted, in which order."""

import pandas as pd
import pytest

from maskfold.errors import MaskfoldError
from maskfold.masks.rules import Rules
from maskfold.submission.sample import Sample
from maskfold.submission.shape import Shape

SHAPE = Shape(Rules(columns={"id": "{image_id}_{class}", "rle": "{runs}"}), ("cat", "dog"))


@pytest.fixture
def sample(tmp_path) -> Sample:
    path = tmp_path / "sample_submission.csv"
    path.write_text("id,rle\nb_dog,\nb_cat,\na_dog,\na_cat,\n")
    return Sample(path, SHAPE)


def test_photos_and_classes_are_put_in_its_order_and_others_behind(sample):
    photos = pd.DataFrame({"image": ["test/a.png", "test/c.png", "test/b.png"]})

    assert sample.in_order(photos, SHAPE.rules)["image"].tolist() == ["test/b.png", "test/a.png", "test/c.png"]
    assert sample.labels == ("dog", "cat")
    assert sample.lines["a", "dog"] == 4


def test_a_sample_of_another_shape_is_refused_with_its_line(tmp_path):
    path = tmp_path / "sample_submission.csv"
    path.write_text("id,rle\na_cow,\n")
    with pytest.raises(MaskfoldError, match=r"csv, line 2: column id: 'a_cow' is not of the form .* cat, dog"):
        Sample(path, SHAPE)
