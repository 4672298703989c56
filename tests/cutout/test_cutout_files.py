"""Photos from bytes, cut-outs to bytes, and the profiles between them."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from maskfold.cutout.files import encode, read_photo
from maskfold.errors import MaskfoldError

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


def jpeg(pixels: np.ndarray, mode: str | None = None, **options) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(buffer, "JPEG", quality=100, subsampling=0, **options)
    return buffer.getvalue()


def halves(height: int = 16, width: int = 24) -> np.ndarray:
    """Return a photo whose upper half is red."""
    pixels = np.full((height, width, 3), (0, 0, 200), np.uint8)
    pixels[: height // 2] = (200, 0, 0)
    return pixels


def test_a_photo_is_upright_and_keeps_its_profile():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right

    photo = read_photo(jpeg(halves(), exif=exif, icc_profile=SRGB), "a.jpg", max_pixels=1000)

    assert photo.pixels.shape == (24, 16, 3)
    assert photo.pixels[12, 15, 0] > 150  # what was above is on the right now
    assert photo.pixels[12, 0, 2] > 150
    assert photo.profile == SRGB


@pytest.mark.hostile("metadata")
def test_a_profile_that_is_not_of_rgb_is_not_kept():
    for profile in (b"no profile", b"x" * 200, LAB, SRGB[:16] + b"CMYK" + SRGB[20:]):
        assert read_photo(jpeg(halves(), icc_profile=profile), "a.jpg", max_pixels=1000).profile is None
    inks = read_photo(jpeg(halves(), "CMYK", icc_profile=SRGB[:16] + b"CMYK" + SRGB[20:]), "a.jpg", max_pixels=1000)
    assert inks.profile is None
    assert inks.pixels.shape == (16, 24, 3)


@pytest.mark.parametrize("kind", ["png", "webp", "jpg"])
def test_pixels_and_profile_come_back(kind):
    picture = np.dstack([halves(), np.full((16, 24), 255, np.uint8)])
    picture[:4, :4] = 0
    picture = picture[..., :3] if kind == "jpg" else picture

    with Image.open(io.BytesIO(encode(picture, kind=kind, profile=SRGB, lossy=95))) as image:
        assert image.info["icc_profile"] == SRGB
        back = np.asarray(image)
    assert back.shape == picture.shape
    assert np.array_equal(back, picture) or kind != "png"
    assert np.abs(back[12, 5:20, :3].astype(int) - picture[12, 5:20, :3]).max() < 12
    assert kind == "jpg" or np.array_equal(back[..., 3], picture[..., 3])


def test_a_format_without_such_long_sides_says_what_to_do():
    with pytest.raises(MaskfoldError, match=r"16,383 to a side at most\. Give max_side=16383, or format=png"):
        encode(np.zeros((1, 16384, 4), np.uint8), kind="webp")


@pytest.mark.hostile("damaged files")
def test_damaged_and_too_large_photos_are_refused_by_name():
    whole = jpeg(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    for data, message in (
        (whole[:900], "a.jpg: cannot be read"),
        (b"", "a.jpg: cannot be read: not an image"),
        (whole, "a.jpg: 64x64 pixels, and max_pixels is 1,000"),
    ):
        with pytest.raises(MaskfoldError, match=message):
            read_photo(data, "a.jpg", max_pixels=10**6 if data != whole else 1000)
