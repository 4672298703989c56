"""What headers tell of photos, written by the libraries that everybody writes them with."""

import cv2
import numpy as np
import pytest
import tifffile

from maskfold.errors import MaskfoldError
from maskfold.joining.guesses import Unclear
from maskfold.joining.looks import Header, channels_of, list_photos, look_at, read_photo, sizes_in_words

GREY8, RGB8, GREY16 = np.zeros((4, 6), np.uint8), np.zeros((4, 6, 3), np.uint8), np.zeros((4, 6), np.uint16)


@pytest.mark.parametrize(
    ("name", "pixels", "look"),
    [
        ("a.png", GREY8, Header(4, 6, 1, 8)),
        ("a.png", RGB8, Header(4, 6, 3, 8)),
        ("a.png", GREY16, Header(4, 6, 1, 16)),
        ("a.jpg", RGB8, Header(4, 6, 3, 8)),
        ("a.tif", np.zeros((9, 4, 6), np.float32), Header(4, 6, 9, 32)),
        ("a.tiff", GREY16, Header(4, 6, 1, 16)),
        ("a.npy", np.zeros((40, 60, 8), np.float32), Header(40, 60, 8, 32)),
        ("a.npy", np.zeros((8, 40, 60), np.float16), Header(40, 60, 8, 16)),
    ],
)
def test_looks(tmp_path, name, pixels, look):
    path = tmp_path / name
    if path.suffix == ".npy":
        np.save(path, pixels)
    elif path.suffix.startswith(".tif"):
        tifffile.imwrite(path, pixels, photometric="minisblack")
    else:
        cv2.imwrite(str(path), pixels)

    assert look_at(path).bits == look.bits
    if look.channels < 9:
        assert look_at(path) == look


@pytest.mark.parametrize("pixels", [np.zeros((50, 60), np.uint16), np.zeros((50, 60, 3), np.uint8)])
def test_a_turned_tiff_is_upright_as_in_the_data(tmp_path, pixels):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, extratags=[(274, "H", 1, 6, True)])  # EXIF: to be turned by a quarter
    look = look_at(path)

    assert (look.height, look.width) == (60, 50)
    assert read_photo(path, look).shape == (60, 50, 1 if pixels.ndim == 2 else 3)


def test_a_given_number_of_channels_tells_which_axis_they_are(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((5, 40, 3), np.float32))

    assert look_at(path) == Header(5, 40, 3, 32)
    assert look_at(path, channels=5) == Header(40, 3, 5, 32)
    with pytest.raises(MaskfoldError, match=r"a\.npy: an array of 5x40x3, and data\.channels=7"):
        look_at(path, channels=7)


def test_arrays_of_8_bits_are_read_as_stored(tmp_path):
    assert channels_of([Header(4, 6, 3, 8)], None, [tmp_path / "a.npy"]).value == 3


@pytest.mark.parametrize(
    ("looks", "channels"),
    [
        ([Header(4, 6, 1, 8), Header(4, 6, 3, 8)], None),
        ([Header(4, 6, 1, 16)], 1),
        ([Header(4, 6, 8, 32)], 8),
        ([Header(4, 6, 4, 8)], 4),
    ],
)
def test_channels(tmp_path, looks, channels):
    assert channels_of(looks, None, [tmp_path / "a.tif"]).value == channels


def test_photos_that_differ_are_asked_about(tmp_path):
    with pytest.raises(Unclear, match="1 of 3 channels and 8 bits, 1 of 1 channels and 16 bits"):
        channels_of([Header(4, 6, 3, 8), Header(4, 6, 1, 16)], None, [tmp_path / "a.png"])
    assert channels_of([Header(4, 6, 3, 8), Header(4, 6, 1, 16)], 1, [tmp_path / "a.png"]).value == 1


def test_sizes_in_words():
    assert sizes_in_words([Header(4, 6, 1, 8)] * 2) == "all 6x4"
    assert sizes_in_words([Header(4, 6, 1, 8), Header(4, 6, 1, 8), Header(5, 6, 1, 8)]) == "2 sizes, most often 6x4"


@pytest.mark.hostile("names and paths")
def test_folders_without_photos_and_names_twice_are_refused(tmp_path):
    (tmp_path / "images").mkdir()
    with pytest.raises(MaskfoldError, match=r"no photos .*It has the folders images"):
        list_photos(tmp_path)
    with pytest.raises(MaskfoldError, match="no such folder"):
        list_photos(tmp_path / "elsewhere")
    for name in ("a.png", "a.jpg", ".hidden.png"):
        (tmp_path / name).touch()
    with pytest.raises(MaskfoldError, match="a is the first"):
        list_photos(tmp_path)


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.npy"])
def test_damaged_photos_are_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x93NUMPY nothing" * 9)

    with pytest.raises(MaskfoldError, match=f"{name}"):
        look_at(tmp_path / name)
