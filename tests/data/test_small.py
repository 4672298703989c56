"""Photos at a small size are what the whole ones are, made smaller."""

import cv2
import numpy as np
import pytest
import simplejpeg
from PIL import Image

from maskfold.data import small
from maskfold.data.headers import image_size
from maskfold.data.loading import read_image
from maskfold.data.small import read_small
from maskfold.errors import MaskfoldError


def gradient(height: int, width: int) -> np.ndarray:
    """Return a photo that is red to the right and green to the bottom."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([columns * 255 // width, rows * 255 // height, np.full_like(rows, 90)], axis=2).astype(np.uint8)


def test_a_jpeg_that_lies_on_its_side_is_read_small_and_upright(tmp_path):
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(gradient(400, 640)).save(path, quality=95, exif=exif)

    seen = read_small(path, edge=64, size=image_size(path))

    assert seen.shape == (64, 40, 3)
    expected = cv2.resize(read_image(path), (40, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(seen.astype(int) - expected).max() <= 6


def test_a_photo_is_never_made_larger_and_a_narrow_one_keeps_some_width(tmp_path):
    for name, size, expected in (("a.png", (30, 50), (30, 50)), ("b.png", (20, 1000), (20, 1000))):
        Image.fromarray(gradient(*size)).save(tmp_path / name)
        assert read_small(tmp_path / name, edge=320, size=size).shape[:2] == expected
    Image.fromarray(gradient(100, 2000)).save(tmp_path / "c.png")
    assert read_small(tmp_path / "c.png", edge=320, size=(100, 2000)).shape[:2] == (64, 1280)


def test_channels_of_any_range_are_stretched_to_be_seen(tmp_path):
    stack = np.zeros((80, 100, 5), np.float32)
    stack[:, 50:, 0] = 3000.0
    stack[0, 0] = np.nan
    np.save(tmp_path / "stack.npy", stack)

    seen = read_small(tmp_path / "stack.npy", edge=320, size=(80, 100), channels=5)

    assert seen.shape == (80, 100, 3)
    assert seen[:, 60:, 0].min() == 255
    assert seen[..., 1:].max() == 0


@pytest.mark.hostile("memory")
def test_a_very_large_photo_is_decoded_only_where_a_jpeg_lets_one_skip_most_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(small, "LARGE", 10_000)
    photo = gradient(128, 128)
    Image.fromarray(photo).save(tmp_path / "large.png")
    (tmp_path / "large.jpg").write_bytes(simplejpeg.encode_jpeg(photo))

    with pytest.raises(MaskfoldError, match=r"large\.png: 128x128 pixels are too many"):
        read_small(tmp_path / "large.png", edge=64, size=(128, 128))
    assert read_small(tmp_path / "large.jpg", edge=64, size=(128, 128)).shape == (64, 64, 3)
