"""Files of every kind, sound and broken, against Pillow and values worked out by hand."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from maskfold.data.headers import ends_properly, image_size
from maskfold.data.loading import read_image, read_mask
from maskfold.errors import MaskfoldError

ORIENTATION = 0x0112
SHARED = Path(__file__).parents[2].parent / "shared/data"


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def blocks() -> np.ndarray:
    """A 32x48 photo of four flat quarters, which JPEG keeps apart: red, green / blue, white."""
    image = np.zeros((32, 48, 3), np.uint8)
    image[:16, :24], image[:16, 24:], image[16:, :24], image[16:, 24:] = (255, 0, 0), (0, 255, 0), (0, 0, 255), 255
    return image


def half_mask(height: int = 6, width: int = 8) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[:2, 1:5] = 1
    return mask


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_undone_as_pillow_undoes_it(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f"photo.{suffix}"
    lossless = {"lossless": True} if suffix == "webp" else {"quality": 95} if suffix == "jpg" else {}
    Image.fromarray(blocks()).save(path, exif=exif, **lossless)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB")).astype(int)
    found = read_image(path)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= (3 if suffix == "jpg" else 0)  # two decoders, one rounding apart
    assert image_size(path) == expected.shape[:2] == ((48, 32) if orientation >= 5 else (32, 48))


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
def test_tiff_is_turned_once(tmp_path, compression):
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # a quarter turn clockwise is needed
    Image.fromarray(blocks()).save(tmp_path / "photo.tif", exif=exif, compression=compression)
    assert np.array_equal(read_image(tmp_path / "photo.tif"), np.rot90(blocks(), -1))
    assert image_size(tmp_path / "photo.tif") == (48, 32)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_are_turned_like_photos(tmp_path, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = Image.fromarray(half_mask() * 255)
    stored.save(tmp_path / "mask.png", exif=exif)
    with Image.open(tmp_path / "mask.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image)) // 255
    assert np.array_equal(read_mask(tmp_path / "mask.png"), expected)


def test_damaged_exif_is_passed_over(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.fromarray(blocks()).save(path, exif=b"Exif\0\0XX\0*nonsense")
    assert read_image(path).shape == (32, 48, 3)
    assert image_size(path) == (32, 48)


def test_jpeg_is_what_pillow_decodes_within_one_level_of_rounding(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.fromarray(noise(37, 53)).save(path, quality=90, subsampling=0)
    assert np.abs(read_image(path).astype(int) - np.asarray(Image.open(path))).max() <= 1


def test_content_counts_and_the_suffix_does_not(tmp_path):
    Image.fromarray(noise(5, 7)).save(tmp_path / "photo.jpg", format="PNG")
    assert np.array_equal(read_image(tmp_path / "photo.jpg"), noise(5, 7))
    assert image_size(tmp_path / "photo.jpg") == (5, 7)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_grey_becomes_rgb(tmp_path, suffix):
    grey = noise(5, 7)[..., 0]
    Image.fromarray(grey).save(tmp_path / f"photo.{suffix}")
    assert np.array_equal(read_image(tmp_path / f"photo.{suffix}"), np.stack([grey] * 3, axis=-1))


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_palette_becomes_rgb(tmp_path, suffix):
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8), mode="P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.save(tmp_path / f"photo.{suffix}")
    expected = [[[10, 20, 30], [40, 50, 60]], [[70, 80, 90], [40, 50, 60]]]
    assert read_image(tmp_path / f"photo.{suffix}").tolist() == expected


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_are_rounded_to_8(tmp_path, suffix):
    # 255·v/65535: 128 -> 0.498, 129 -> 0.502, 385 -> 1.498, 386 -> 1.502, 32768 -> 127.502, 65407 -> 254.502
    stored = np.array([[0, 128, 129, 385], [386, 32768, 65407, 65535]], np.uint16)
    assert cv2.imwrite(str(tmp_path / f"photo.{suffix}"), stored)
    assert read_image(tmp_path / f"photo.{suffix}")[..., 1].tolist() == [[0, 0, 1, 1], [2, 128, 255, 255]]


def test_16_bit_colour_png_keeps_its_channels(tmp_path):
    assert cv2.imwrite(str(tmp_path / "photo.png"), np.array([[[257, 514, 65535]]], np.uint16))  # blue, green, red
    assert read_image(tmp_path / "photo.png").tolist() == [[[255, 2, 1]]]


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_transparency_is_laid_on_white(tmp_path, suffix):
    pixels = np.array([[[200, 100, 50, 255], [200, 100, 50, 0], [200, 100, 50, 51]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / f"photo.{suffix}", **({"lossless": True, "exact": True}))
    # a fifth of the colour, four fifths of white: 40 + 204, 20 + 204, 10 + 204
    assert read_image(tmp_path / f"photo.{suffix}").tolist() == [[[200, 100, 50], [255, 255, 255], [244, 224, 214]]]


def test_cmyk_jpeg_is_converted_as_pillow_converts_it(tmp_path):
    Image.fromarray(blocks()).convert("CMYK").save(tmp_path / "photo.jpg", quality=95)
    found = read_image(tmp_path / "photo.jpg").astype(int)
    assert np.abs(found - blocks()).max() <= 6


def test_32_bit_pixels_are_refused_by_name(tmp_path):
    Image.fromarray(np.ones((3, 4), np.float32)).save(tmp_path / "depth.tif")
    with pytest.raises(MaskfoldError, match=r"depth\.tif: .*32 bits"):
        read_image(tmp_path / "depth.tif")


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "tif", "bmp", "webp"])
@pytest.mark.parametrize("read", [read_image, read_mask])
@pytest.mark.parametrize("kept", [0.02, 0.6, 0.95])
def test_truncated_files_are_refused_by_name(tmp_path, suffix, read, kept):
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(noise(64, 96)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(MaskfoldError, match=rf"photo\.{suffix}: cannot be read: "):
        read(path)
    assert not ends_properly(path)


@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_truncated_at_60_percent_is_never_half_grey(tmp_path, progressive):
    path = tmp_path / "photo.jpg"
    Image.fromarray(noise(64, 96)).save(path, progressive=progressive)
    whole = path.read_bytes()
    assert ends_properly(path)
    path.write_bytes(whole[: int(len(whole) * 0.6)])
    with pytest.raises(MaskfoldError, match=r"photo\.jpg"):
        read_image(path)


def test_jpeg_with_bytes_after_its_end_is_read(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.fromarray(blocks()).save(path)
    path.write_bytes(path.read_bytes() + b"what some phones append")
    assert not ends_properly(path)  # so it is decoded, to know
    assert read_image(path).shape == (32, 48, 3)


@pytest.mark.parametrize("content", [b"", b"\xff", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\0\0\0\0", b"<html>404</html>"])
@pytest.mark.parametrize("read", [read_image, read_mask, image_size])
def test_what_is_no_image_is_refused_by_name(tmp_path, content, read):
    (tmp_path / "photo.jpg").write_bytes(content)
    with pytest.raises(MaskfoldError, match=r"photo\.jpg: cannot be read: "):
        read(tmp_path / "photo.jpg")


@pytest.mark.parametrize("read", [read_image, read_mask, image_size, ends_properly])
def test_missing_file_is_named(tmp_path, read):
    with pytest.raises(MaskfoldError, match=r"gone\.jpg: cannot be read: No such file"):
        read(tmp_path / "gone.jpg")


@pytest.mark.parametrize("value", [1, 3, 255])
@pytest.mark.parametrize("suffix", ["png", "gif", "bmp", "tif"])
def test_masks_of_black_and_one_other_value(tmp_path, suffix, value):
    Image.fromarray(half_mask() * np.uint8(value)).save(tmp_path / f"mask.{suffix}")
    mask = read_mask(tmp_path / f"mask.{suffix}")
    assert mask.dtype == np.uint8
    assert np.array_equal(mask, half_mask())


def test_masks_of_one_bit_and_of_sixteen(tmp_path):
    Image.fromarray(half_mask() > 0).save(tmp_path / "one.gif")
    Image.fromarray(half_mask() > 0).save(tmp_path / "one.png")
    assert cv2.imwrite(str(tmp_path / "sixteen.png"), half_mask().astype(np.uint16) * 65535)
    for name in ("one.gif", "one.png", "sixteen.png"):
        assert np.array_equal(read_mask(tmp_path / name), half_mask())


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (255, 1), (1, 1)])
def test_masks_of_a_single_value(tmp_path, value, expected):
    Image.fromarray(np.full((3, 4), value, np.uint8)).save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png").tolist() == [[expected] * 4] * 3


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_a_palette_mask_is_what_one_sees_not_its_indices(tmp_path, suffix):
    white_first = Image.fromarray(1 - half_mask(), mode="P")
    white_first.putpalette([255, 255, 255, 0, 0, 0])
    white_first.save(tmp_path / f"mask.{suffix}")
    assert np.array_equal(read_mask(tmp_path / f"mask.{suffix}"), half_mask())


def test_a_coloured_mask_on_black_is_accepted(tmp_path):
    Image.fromarray(half_mask()[..., None] * np.array([0, 128, 5], np.uint8)).save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png"), half_mask())


@pytest.mark.parametrize("colour", [0, 255])
def test_a_cut_out_is_its_own_mask(tmp_path, colour):
    pixels = np.full((6, 8, 4), colour, np.uint8)
    pixels[..., 3] = half_mask() * 255
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png"), half_mask())


def test_transparency_that_says_the_same_as_the_colour_is_accepted_and_otherwise_refused(tmp_path):
    white_object = np.repeat(half_mask()[..., None] * np.uint8(255), 4, axis=2)
    Image.fromarray(white_object).save(tmp_path / "same.png")
    assert np.array_equal(read_mask(tmp_path / "same.png"), half_mask())
    white_object[5, 5, 3] = 255
    Image.fromarray(white_object).save(tmp_path / "other.png")
    with pytest.raises(MaskfoldError, match=r"other\.png: colour and transparency disagree"):
        read_mask(tmp_path / "other.png")


def test_grey_values_are_counted_and_named(tmp_path):
    mask = np.array([[0, 3, 128], [200, 255, 0]], np.uint8)
    Image.fromarray(mask).save(tmp_path / "mask.png")
    with pytest.raises(MaskfoldError, match=r"mask\.png: 5 grey values: 0, 3, 128 \.\.\.; a mask has two.*Threshold"):
        read_mask(tmp_path / "mask.png")


def test_two_values_without_black_are_refused(tmp_path):
    Image.fromarray(np.array([[30, 200]], np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(MaskfoldError, match=r"mask\.png: 2 grey values: 30, 200, neither of them black"):
        read_mask(tmp_path / "mask.png")


def test_many_colours_are_counted(tmp_path):
    Image.fromarray(np.array([[[0, 0, 0], [255, 0, 0], [0, 255, 0]]], np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(MaskfoldError, match=r"mask\.png: 3 colours; a mask has two"):
        read_mask(tmp_path / "mask.png")


def test_jpeg_masks_are_refused_with_the_reason_unless_they_are_two_valued(tmp_path):
    Image.fromarray(half_mask(24, 24) * 255).save(tmp_path / "blurred.jpg", quality=60)
    with pytest.raises(MaskfoldError, match=r"blurred\.jpg: \d+ grey values: .*save masks as PNG"):
        read_mask(tmp_path / "blurred.jpg")
    Image.fromarray(np.full((16, 16), 255, np.uint8)).save(tmp_path / "white.jpg")
    assert read_mask(tmp_path / "white.jpg").all()


def test_a_mask_is_resized_by_its_nearest_pixel_centre(tmp_path):
    Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).save(tmp_path / "mask.png")
    assert read_mask(tmp_path / "mask.png", size=(2, 6)).tolist() == [[0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]]
    wide = np.zeros((1, 9), np.uint8)
    wide[0, [1, 4, 7]] = 1  # the centres of three thirds
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert read_mask(tmp_path / "wide.png", size=(1, 3)).tolist() == [[1, 1, 1]]


@pytest.mark.skipif(not SHARED.exists(), reason="the real photos are not here")
def test_real_photo_whole_and_cut_to_60_percent(tmp_path):
    photo = SHARED / "carvana/test/0004d4463b50_01.jpg"
    assert image_size(photo) == (1280, 1918)
    assert ends_properly(photo)
    with Image.open(photo) as image:
        assert np.abs(read_image(photo).astype(int) - np.asarray(image)).max() <= 3
    whole = photo.read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) * 6 // 10])
    with pytest.raises(MaskfoldError, match=r"cut\.jpg: cannot be read: Premature end of JPEG file"):
        read_image(tmp_path / "cut.jpg")
