"""Masks as folders have them: drawn by OpenCV, in files of a few pixels."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image

from maskfold.errors import MaskfoldError
from maskfold.joining.guesses import Unclear
from maskfold.joining.mask_forms import masks_in
from maskfold.joining.naming import Photos

PHOTOS = Photos(["p1.jpg", "p2.jpg"])


def save(path, *values):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.array([values], np.uint8))


@pytest.mark.parametrize("end", ["", "_mask"])
def test_two_valued_pictures(tmp_path, end):
    for photo in ("p1", "p2"):
        save(tmp_path / f"{photo}{end}.png", 0, 255)
    masks = masks_in(tmp_path, PHOTOS, ())

    assert masks.node == {"kind": "pictures", "folder": tmp_path}
    assert masks.files == {photo: tmp_path / f"{photo}{end}.png" for photo in ("p1", "p2")}


def test_label_pictures_whose_values_are_the_classes_of_the_sample(tmp_path):
    save(tmp_path / "p1.png", 0, 1, 2)
    save(tmp_path / "p2.png", 0, 3, 255)
    masks = masks_in(tmp_path, PHOTOS, ("1", "2", "3"))

    assert masks.node == {
        "kind": "labels",
        "folder": tmp_path,
        "values": {1: "1", 2: "2", 3: "3"},
        "background": [255],
    }
    assert masks.sure == "assumed"  # that 255 is no class
    assert masks.classes == ("1", "2", "3")
    assert masks.exclusive.value is True


def test_large_label_pictures_are_no_bombs(tmp_path, monkeypatch):
    save(tmp_path / "p1.png", *[0, 1, 2] * 9)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 8)  # Pillow's own limit, which photos do not have either

    assert masks_in(tmp_path, PHOTOS, ("1", "2")).node["values"] == {1: "1", 2: "2"}


def test_which_value_is_which_class_is_asked(tmp_path):
    save(tmp_path / "p1.png", 0, 1, 2)
    with pytest.raises(Unclear, match="the values 1, 2 are the classes dog, cat in some order"):
        masks_in(tmp_path, PHOTOS, ("dog", "cat"))
    assert masks_in(tmp_path, PHOTOS, ("dog", "cat"), ordered=True).node["values"] == {1: "dog", 2: "cat"}
    with pytest.raises(Unclear, match="2 values besides the background"):
        masks_in(tmp_path, PHOTOS, ("1", "2", "3"))


def test_colours_and_palettes(tmp_path):
    colours = np.zeros((1, 3, 3), np.uint8)
    colours[0, 1], colours[0, 2] = (255, 0, 0), (0, 0, 16)
    Image.fromarray(colours).save(tmp_path / "p1.png")
    assert masks_in(tmp_path, PHOTOS, ()).node["values"] == {"#000010": "class000010", "#ff0000": "classff0000"}

    picture = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    picture.putpalette([0, 0, 0, 9, 9, 9, 200, 0, 0])
    picture.save(tmp_path / "p1.png")
    assert masks_in(tmp_path, PHOTOS, ("1", "2")).node["values"] == {1: "1", 2: "2"}


def test_one_class_and_a_value_that_is_none(tmp_path):
    save(tmp_path / "p1.png", 0, 1, 255)
    masks = masks_in(tmp_path, PHOTOS, ())

    assert masks.node == {"kind": "labels", "folder": tmp_path, "values": {1: "object"}, "background": [255]}
    assert masks.classes == ()


@pytest.mark.parametrize(
    ("files", "pattern"),
    [
        (["cat/p1.png", "dog/p1.png", "dog/p2.png"], "{class}/{image_id}"),
        (["p1/cat.png", "p1/dog.png", "p2/cat.png"], "{image_id}/{class}"),
        (["p1_cat.png", "p1_dog.png", "p2_cat.png"], "{image_id}_{class}"),
    ],
)
def test_a_file_a_class(tmp_path, files, pattern):
    for name in files:
        save(tmp_path / name, 0, 255)
    masks = masks_in(tmp_path, PHOTOS, ("dog", "cat"))

    assert masks.node == {"kind": "files", "file": tmp_path / pattern}
    assert masks.classes == ("dog", "cat")
    with pytest.raises(Unclear, match="its files have the classes cat, dog, the sample has a, b"):
        masks_in(tmp_path, PHOTOS, ("a", "b"))


def test_polygons(tmp_path):
    path = tmp_path / "coco.json"
    categories = [{"id": 7, "name": "dog"}, {"id": 2, "name": "cat"}]
    path.write_text(json.dumps({"images": [], "annotations": [{}], "categories": categories}))

    masks = masks_in(path, PHOTOS, ())
    assert masks.node == {"kind": "polygons", "file": path}
    assert masks.classes == ("cat", "dog")
    path.write_text("{}")
    with pytest.raises(MaskfoldError, match=r"coco\.json: no COCO file"):
        masks_in(path, PHOTOS, ())


@pytest.mark.hostile("foreign files")
def test_what_holds_no_masks_of_these_photos_is_refused(tmp_path):
    with pytest.raises(MaskfoldError, match="no pictures here"):
        masks_in(tmp_path, PHOTOS, ())
    with pytest.raises(MaskfoldError, match="no such folder"):
        masks_in(tmp_path / "masks", PHOTOS, ())
    save(tmp_path / "other.png", 0, 255)
    with pytest.raises(MaskfoldError, match=r"other\.png and the others are not called as the photos are"):
        masks_in(tmp_path, PHOTOS, ())
