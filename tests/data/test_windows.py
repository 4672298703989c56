"""Windows of pictures on disk hold what the whole picture has there, whatever the file's layout."""

import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import tifffile

from maskfold import arrays
from maskfold.data import checks, segments
from maskfold.data.checks import verdicts
from maskfold.data.headers import image_size
from maskfold.data.loading import content_hash, read_image, read_mask
from maskfold.data.windows import bands, open_mask, open_photo
from maskfold.errors import MaskfoldError

HEIGHT, WIDTH = 70, 90
WINDOWS = [(0, 70, 0, 90), (5, 40, 17, 63), (60, 70, 80, 90), (32, 33, 32, 33), (69, 99, 0, 1)]


def picture(channels: int, dtype: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(0)
    pixels = cv2.GaussianBlur(rng.integers(0, np.iinfo(dtype).max, (HEIGHT, WIDTH, 4)).astype(dtype), (9, 9), 3)
    return np.ascontiguousarray(pixels[..., 0] if channels == 1 else pixels[..., :channels])


TILES = {"tile": (32, 16)}
FILES = {
    "tiles": (picture(3), TILES),
    "deflated tiles": (picture(3), TILES | {"compression": "deflate", "predictor": True}),
    "jpeg tiles": (picture(3), TILES | {"compression": "jpeg"}),
    "strips": (picture(3), {"rowsperstrip": 7, "compression": "lzw"}),
    "in one piece": (picture(3), {}),
    "in one piece, big-endian": (picture(3, np.uint16), {"byteorder": ">"}),
    "grey": (picture(1), TILES),
    "grey of 16 bits": (picture(1, np.uint16), TILES | {"compression": "deflate"}),
    "16 bits": (picture(3, np.uint16), TILES | {"compression": "deflate"}),
    "alpha": (picture(4), TILES | {"extrasamples": ["unassalpha"]}),
    "a fourth sample": (picture(4), TILES | {"extrasamples": ["unspecified"]}),
    "planes": (picture(3).transpose(2, 0, 1), {"planarconfig": "separate"}),
    "planes of tiles": (picture(3).transpose(2, 0, 1), TILES | {"planarconfig": "separate", "compression": "deflate"}),
    "large file": (picture(3), TILES | {"bigtiff": True}),
}


def save(path, pixels: np.ndarray, options: dict) -> None:
    options = dict(options)
    big, order = options.pop("bigtiff", False), options.pop("byteorder", None)
    with tifffile.TiffWriter(path, bigtiff=big, byteorder=order) as tiff:
        tiff.write(pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack", **options)


@pytest.mark.parametrize("kind", FILES)
def test_a_window_of_a_tiff_is_what_the_whole_photo_has_there(tmp_path, kind, monkeypatch):
    path = tmp_path / "a.tif"
    save(path, *FILES[kind])
    whole = read_image(path)
    monkeypatch.setattr("maskfold.data.windows.read_image", None)  # nothing is decoded whole

    photo = open_photo(path)

    assert photo.shape == (HEIGHT, WIDTH, 3)
    for top, bottom, left, right in WINDOWS:
        window = photo[top:bottom, left:right]
        assert (window.dtype, window.flags.c_contiguous) == (np.uint8, True)
        np.testing.assert_array_equal(window, whole[top:bottom, left:right])


def test_of_a_pyramid_the_full_resolution_counts(tmp_path):
    whole = picture(3)
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(whole, photometric="rgb", subifds=1, **TILES)
        tiff.write(whole[::2, ::2], photometric="rgb", subfiletype=1, **TILES)
    with tifffile.TiffWriter(tmp_path / "b.tif") as tiff:
        tiff.write(whole, photometric="rgb", **TILES)
        tiff.write(whole[::2, ::2], photometric="rgb", subfiletype=1, **TILES)

    for name in ("a.tif", "b.tif"):
        np.testing.assert_array_equal(open_photo(tmp_path / name)[3:60, 5:80], whole[3:60, 5:80])


@pytest.mark.parametrize("options", [TILES, {}, TILES | {"planarconfig": "separate"}])
def test_channels_are_read_as_stored(tmp_path, options):
    pixels = np.random.default_rng(0).normal(size=(HEIGHT, WIDTH, 5)).astype(np.float32)
    stored = pixels.transpose(2, 0, 1) if "planarconfig" in options else pixels
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="minisblack", **{"planarconfig": "contig"} | options)

    photo = open_photo(tmp_path / "a.tif", channels=5)

    assert photo.shape == (HEIGHT, WIDTH, 5)
    np.testing.assert_array_equal(photo[3:50, 7:77], pixels[3:50, 7:77])


def test_the_pages_of_a_stack_are_channels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 60_000, (5, HEIGHT, WIDTH)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, **TILES)
    np.save(tmp_path / "a.npy", pixels.transpose(1, 2, 0))
    np.save(tmp_path / "b.npy", pixels)

    for name in ("a.tif", "a.npy", "b.npy"):
        window = open_photo(tmp_path / name, channels=5)[3:50, 7:77]
        assert window.dtype == np.float32
        np.testing.assert_array_equal(window, pixels.transpose(1, 2, 0)[3:50, 7:77])
        np.testing.assert_array_equal(window, read_image(tmp_path / name, channels=5)[3:50, 7:77])


def test_what_has_no_parts_is_decoded_whole_and_says_so(tmp_path, caplog, monkeypatch):
    cv2.imwrite(str(tmp_path / "a.png"), picture(3))
    tifffile.imwrite(tmp_path / "a.tif", picture(3), photometric="rgb", compression="deflate")
    monkeypatch.setattr(segments, "_LARGEST", 1000)  # fewer than the pixels of the file's one strip

    for name in ("a.png", "a.tif"):
        np.testing.assert_array_equal(open_photo(tmp_path / name)[3:9, 7:77], read_image(tmp_path / name)[3:9, 7:77])
        assert f"{name}: cannot be read by windows" in caplog.text


def test_a_mask_is_read_by_windows_whatever_holds_it(tmp_path):
    mask = (picture(1) > 127).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", mask * np.uint8(255), photometric="minisblack", **TILES)
    tifffile.imwrite(tmp_path / "b.tif", mask.astype(bool), photometric="minisblack", compression="deflate")
    cv2.imwrite(str(tmp_path / "c.png"), mask * 255)
    (tmp_path / "d.b2nd").write_bytes(arrays.encode(mask))

    for name in ("a.tif", "b.tif", "c.png", "d.b2nd"):
        window = open_mask(tmp_path / name, (HEIGHT, WIDTH))[3:50, 7:77]
        assert window.dtype == np.uint8
        np.testing.assert_array_equal(window, mask[3:50, 7:77])
        np.testing.assert_array_equal(window, read_mask(tmp_path / name)[3:50, 7:77])
    with pytest.raises(MaskfoldError, match=r"a\.tif: 90x70, its photo 90x71"):
        open_mask(tmp_path / "a.tif", (71, 90))


def test_classes_are_the_last_axis_of_a_window(tmp_path):
    mask = np.random.default_rng(0).integers(0, 2, (3, 20, 30), dtype=np.uint8)
    (tmp_path / "a.b2nd").write_bytes(arrays.encode(mask))

    window = open_mask(tmp_path / "a.b2nd", (20, 30))[2:9, 4:30]

    np.testing.assert_array_equal(window, mask.transpose(1, 2, 0)[2:9, 4:30])


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize("compression", [None, "deflate", "jpeg"])
def test_a_damaged_tile_is_named_and_a_cut_file_is_seen(tmp_path, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, picture(3), photometric="rgb", tile=(32, 16), compression=compression)
    assert segments.is_whole(path)
    with tifffile.TiffFile(path) as tiff:
        offset, length = tiff.pages.first.dataoffsets[-1], tiff.pages.first.databytecounts[-1]
    content = path.read_bytes()
    path.write_bytes(content[: offset + length // 2])  # tifffile writes the directory in front

    assert not segments.is_whole(path)
    photo = open_photo(path)
    assert photo[:32, :16].shape == (32, 16, 3)
    with pytest.raises(MaskfoldError, match=r"a\.tif: cannot be read: tile or strip 17 .* is damaged"):
        photo[64:70, 80:90]


@pytest.mark.hostile("foreign files")
def test_what_is_no_tiff_behind_its_first_letters_is_named(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\0" + b"\xff" * 99)

    with pytest.raises(MaskfoldError, match=r"a\.tif: cannot be read"):
        open_photo(tmp_path / "a.tif")


def test_bands_cover_a_picture_once(monkeypatch):
    monkeypatch.setattr("maskfold.data.windows.BAND", 8)

    assert [*bands(20, 5)] == [(slice(top, end), slice(0, 5)) for top, end in [(0, 8), (8, 16), (16, 20)]]


@pytest.fixture
def large_files(tmp_path, monkeypatch) -> pd.DataFrame:
    """A photo, a test photo and a mask that count as very large."""
    monkeypatch.setattr("maskfold.data.windows.LARGE", 1000)
    monkeypatch.setattr("maskfold.data.windows.BAND", 16)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[10:45, 20:80] = 255
    for name, pixels in (("photo.tif", picture(3)), ("test.tif", picture(3)), ("mask.tif", mask)):
        save(tmp_path / name, pixels, TILES | {"compression": "deflate"})
    paths = [str(tmp_path / name) for name in ("photo.tif", "test.tif", "mask.tif")]
    return pd.DataFrame({"path": paths, "kind": ["photo", "header", "mask"]})


def test_large_files_are_looked_at_by_parts(large_files, monkeypatch):
    monkeypatch.setattr(checks, "read_image", None)
    monkeypatch.setattr(checks, "read_mask", None)

    found = verdicts(large_files, jobs=1)

    assert found["error"].tolist() == ["", "", ""]
    assert found[["height", "width"]].drop_duplicates().to_numpy().tolist() == [[HEIGHT, WIDTH]]
    assert found["area"].tolist()[2] == pytest.approx(35 * 60 / (70 * 90))
    assert found["area"].isna().tolist() == [True, True, False]


@pytest.mark.hostile("damaged files")
def test_large_files_that_were_cut_or_have_other_values_are_told(large_files, tmp_path):
    for path in large_files["path"][:2]:
        Path(path).write_bytes(Path(path).read_bytes()[:-300])
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[2:9], mask[60:] = 255, 7  # each in a band of its own
    save(tmp_path / "mask.tif", mask, TILES)

    errors = verdicts(large_files, jobs=1)["error"].tolist()

    assert "photo.tif: cannot be read: tile or strip" in errors[0]
    assert "test.tif: cannot be read: tile or strip" in errors[1]
    assert "mask.tif: it has the values 255 and 7; a mask has two" in errors[2]


@pytest.mark.hostile("memory")
def test_a_tiff_is_hashed_and_its_size_read_without_its_pixels_in_memory(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.memmap(path, shape=(4000, 4000, 3), dtype=np.uint8, photometric="rgb").flush()

    tracemalloc.start()
    assert image_size(path) == (4000, 4000)
    assert len(content_hash(path)) == 32
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert most < 4_000_000  # of 48,000,000 bytes


def test_a_pyramid_is_one_picture_and_two_pages_are_not(tmp_path):
    for name, kind in (("pyramid.tif", 1), ("pages.tif", 0)):
        with tifffile.TiffWriter(tmp_path / name) as tiff:
            tiff.write(picture(3), photometric="rgb")
            tiff.write(picture(3)[::2, ::2], photometric="rgb", subfiletype=kind)

    assert image_size(tmp_path / "pyramid.tif") == (HEIGHT, WIDTH)
    with pytest.raises(MaskfoldError, match=r"pages\.tif: several frames or pages"):
        image_size(tmp_path / "pages.tif")
