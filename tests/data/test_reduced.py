"""A JPEG that is decoded at a part of its size shows a network what the whole photo does."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from maskfold.data.geometry import Pad, Placement, Resize
from maskfold.data.loading import read_image
from maskfold.data.preprocessing import ClaheLuma, Unchanged
from maskfold.data.reduced import Reduced, decode_reduced, factor_of
from maskfold.data.shown import PhotoFile, prepared
from maskfold.errors import MaskfoldError

SHOWN = (64, 96)
SCALED = Resize(height=SHOWN[0], width=SHOWN[1], decode="scaled")
FULL = Resize(height=SHOWN[0], width=SHOWN[1])


def scene(height: int = 510, width: int = 766) -> np.ndarray:
    """Return a photo of smooth shades with a dark bar near its right end, where a wrong scale shows most."""
    rows, columns = np.mgrid[0:height, 0:width]
    image = np.stack([columns * 200 / width, rows * 200 / height, 90 + 50 * np.sin(columns / 40)], axis=2)
    image[:, width * 9 // 10 : width * 19 // 20] = 10
    return image.astype(np.uint8)


def jpeg(image: np.ndarray, **options: object) -> bytes:
    content = io.BytesIO()
    Image.fromarray(image).save(content, "JPEG", quality=85, **options)
    return content.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("size", [(510, 766), (512, 768), (509, 763)])
def test_a_network_is_shown_the_same_within_a_level_and_the_way_back_is_the_photos_own(tmp_path, size):
    (tmp_path / "a.jpg").write_bytes(jpeg(scene(*size)))

    photo = PhotoFile(tmp_path / "a.jpg").prepared(SCALED, None)

    assert isinstance(photo, Reduced)
    assert photo.factor == 4
    assert photo.pixels.shape == (-(-size[0] // 4), -(-size[1] // 4), 3)
    assert photo.shape == (*size, 3)
    shown, placement = SCALED.forward(photo)
    whole, same = FULL.forward(read_image(tmp_path / "a.jpg"))
    assert placement == same == Placement(height=size[0], width=size[1])
    assert shown.shape == whole.shape == (1, *SHOWN, 3)
    assert shown.dtype == np.uint8
    difference = np.abs(shown.astype(int) - whole)
    assert 0 < difference.mean() <= 0.5
    # Taken for 4 x 192 columns, a photo of 766 has the bar's ends at another place.
    stretched = cv2.resize(photo.pixels, SHOWN[::-1], interpolation=cv2.INTER_AREA)
    off = np.abs(stretched.astype(int) - whole[0])[:, 80:].mean()
    assert difference[0, :, 80:].mean() <= (off if size == (512, 768) else off / 2)


def test_a_photo_on_its_side_comes_upright_or_in_full_where_an_edge_would_be_cut_short(tmp_path):
    cases = ((6, (512, 768), True), (6, (510, 766), False), (3, (512, 768), True), (1, (510, 766), True))
    for orientation, size, is_reduced in cases:
        path = tmp_path / f"{orientation}_{size[0]}.jpg"
        path.write_bytes(jpeg(scene(*size), exif=turned(orientation)))
        whole = read_image(path)
        photo = PhotoFile(path).prepared(SCALED, Unchanged())
        assert isinstance(photo, Reduced) is is_reduced
        assert photo.shape == whole.shape
        difference = np.abs(SCALED.forward(photo)[0].astype(int) - FULL.forward(whole)[0])
        assert difference.mean() <= 0.5


def test_what_cannot_be_reduced_is_shown_as_it_always_was(tmp_path):
    image = scene()
    Image.fromarray(image).save(tmp_path / "a.png")
    Image.fromarray(image).convert("CMYK").save(tmp_path / "inks.jpg", quality=85)
    Image.fromarray(image).save(tmp_path / "a.jpg", quality=85)
    ways = [
        ("a.png", SCALED, None, None),
        ("inks.jpg", SCALED, None, None),
        ("a.jpg", FULL, None, None),
        ("a.jpg", Resize(height=500, width=96, decode="scaled"), None, None),  # of height nothing would be left
        ("a.jpg", Pad(), None, None),
        ("a.jpg", SCALED, None, 3),  # as it is stored
        ("a.jpg", SCALED, ClaheLuma(), None),  # which sees every pixel
    ]
    for name, geometry, preprocess, channels in ways:
        photo = PhotoFile(tmp_path / name, channels=channels).prepared(geometry, preprocess)
        expected = read_image(tmp_path / name)
        np.testing.assert_array_equal(photo, expected if preprocess is None else preprocess(expected))
    np.testing.assert_array_equal(prepared(image, SCALED, None), image)  # pixels in memory are what they are


def test_a_grey_photo_is_reduced_too():
    photo = decode_reduced(jpeg(scene()[..., 0]), SHOWN, name="grey")
    assert photo is not None
    assert photo.shape == (510, 766, 3)
    np.testing.assert_array_equal(photo.pixels[..., 0], photo.pixels[..., 2])


def test_the_factor_leaves_the_networks_size_and_the_detail():
    carvana, phone = (1280, 1918), (3024, 4032)
    assert factor_of(carvana, (192, 256), 97_000) == 4  # 8 would leave 160 rows
    assert factor_of(carvana, (512, 512), 97_000) == 2
    assert factor_of(carvana, (640, 960), 97_000) == 1  # half of 1918 columns are 959
    assert factor_of(carvana, (640, 959), 97_000) == 2
    assert factor_of(carvana, (192, 256), 815_000) == 1  # more detail: 6 * 0.33 * 2 / 3.3 are 1.2 levels
    assert factor_of(phone, (512, 512), 3_000_000) == 2  # 6 * 0.246 * 2 / 2.95 is one
    assert factor_of((10, 10), (10, 10), 1) == 1


@pytest.mark.hostile("damaged files")
def test_a_damaged_jpeg_is_refused_by_its_name(tmp_path):
    content = jpeg(scene())
    for number, damaged in enumerate((content[: len(content) // 2], content[:20], content[:2] + b"\xff\xd9")):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(damaged)
        with pytest.raises(MaskfoldError, match=f"{number}.jpg: cannot be read"):
            PhotoFile(path).prepared(SCALED, None)
    with pytest.raises(MaskfoldError, match=r"none\.jpg: cannot be read: No such file"):
        PhotoFile(tmp_path / "none.jpg").prepared(SCALED, None)


def test_a_way_of_decoding_that_there_is_not_is_refused():
    with pytest.raises(MaskfoldError, match=r"geometry\.decode=half: there are two ways, full and scaled"):
        Resize(height=64, width=96, decode="half")


def test_a_file_is_decoded_once_for_networks_of_one_way(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes(jpeg(scene()))
    photo = PhotoFile(tmp_path / "a.jpg")
    first = photo.prepared(SCALED, None)
    whole = photo.prepared(FULL, None)
    (tmp_path / "a.jpg").unlink()
    assert photo.prepared(SCALED, Unchanged()) is first
    assert photo.prepared(Pad(), None) is whole
