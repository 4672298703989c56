"""Photos of any number of channels, from files of known numbers in every layout that a program writes them in."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from maskfold.data.checks import verdicts
from maskfold.data.headers import image_size
from maskfold.data.loading import read_image
from maskfold.data.sources import Pairs
from maskfold.errors import MaskfoldError


def numbered(channels: int, dtype: type, height: int = 6, width: int = 9) -> np.ndarray:
    """(H, W, C) with the value 100 row + 10 column + channel, each its own."""
    row, column, channel = np.ogrid[:height, :width, :channels]
    return (100 * row + 10 * column + channel).astype(dtype)


def pages_by_pillow(path: Path, image: np.ndarray) -> None:
    first, *others = [Image.fromarray(np.ascontiguousarray(image[..., channel])) for channel in range(image.shape[2])]
    first.save(path, save_all=True, append_images=others)


LAYOUTS = {
    "interleaved": lambda path, image: tifffile.imwrite(path, image, photometric="minisblack", planarconfig="contig"),
    "tiled": lambda path, image: tifffile.imwrite(
        path, image, photometric="minisblack", planarconfig="contig", tile=(16, 16), compression="zlib"
    ),
    "planar": lambda path, image: tifffile.imwrite(
        path, image.transpose(2, 0, 1), photometric="minisblack", planarconfig="separate"
    ),
    "pages": lambda path, image: tifffile.imwrite(path, image.transpose(2, 0, 1), metadata=None),
    "pages by Pillow": pages_by_pillow,
    "pages by OpenCV": lambda path, image: cv2.imwritemulti(str(path), [*image.transpose(2, 0, 1)]),
    "last axis": tifffile.imwrite,  # to tifffile rows of pages: only the number of channels tells
    "BigTIFF": lambda path, image: tifffile.imwrite(path, image.transpose(2, 0, 1), bigtiff=True),
    "OME": lambda path, image: tifffile.imwrite(path, image.transpose(2, 0, 1), ome=True, metadata={"axes": "CYX"}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_tiff_of_five_channels_is_read_in_every_layout(tmp_path, layout):
    path = tmp_path / "photo.tif"
    LAYOUTS[layout](path, numbered(5, np.uint16))
    photo = read_image(path, channels=5)
    assert photo.dtype == np.float32
    assert photo.flags.c_contiguous
    assert np.array_equal(photo, numbered(5, np.float32))
    assert image_size(path, channels=5) == (6, 9)


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64, np.uint32])
def test_other_numbers_become_float32_in_their_own_units(tmp_path, dtype):
    values = numbered(2, dtype) - (500 if np.dtype(dtype).kind != "u" else 0)
    if values.dtype.kind == "f":
        values[0, 0, 1] = np.nan
    tifffile.imwrite(tmp_path / "photo.tif", values.transpose(2, 0, 1))
    np.save(tmp_path / "photo.npy", values)
    for name in ("photo.tif", "photo.npy"):
        photo = read_image(tmp_path / name, channels=2)
        assert photo.dtype == np.float32
        np.testing.assert_array_equal(photo, values)


def test_arrays_have_their_channels_last_or_first(tmp_path):
    for name, stored in {
        "last": numbered(4, np.uint8),
        "first": numbered(4, np.uint8).transpose(2, 0, 1),
        "idle": numbered(4, np.uint8)[None],
    }.items():
        np.save(tmp_path / f"{name}.npy", stored)
        assert np.array_equal(read_image(tmp_path / f"{name}.npy", channels=4), numbered(4, np.uint8))
        assert image_size(tmp_path / f"{name}.npy", channels=4) == (6, 9)
    np.save(tmp_path / "grey.npy", numbered(1, np.float32)[..., 0])
    assert np.array_equal(read_image(tmp_path / "grey.npy", channels=1), numbered(1, np.float32))
    np.save(tmp_path / "both.npy", numbered(4, np.uint8, height=4))  # 4x9x4: both ends fit, the last is taken
    assert np.array_equal(read_image(tmp_path / "both.npy", channels=4), numbered(4, np.uint8, height=4))


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_pngs_of_8_bits_stay_bytes(tmp_path, channels, mode):
    stored = numbered(channels, np.uint8)
    Image.fromarray(stored if channels > 1 else stored[..., 0], mode).save(tmp_path / "photo.png")
    photo = read_image(tmp_path / "photo.png", channels=channels)
    assert photo.dtype == np.uint8
    assert np.array_equal(photo, stored)


def test_16_bits_keep_all_of_them(tmp_path):
    assert cv2.imwrite(str(tmp_path / "grey.png"), np.array([[0, 1, 4095, 65535]], np.uint16))
    assert read_image(tmp_path / "grey.png", channels=1).tolist() == [[[0.0], [1.0], [4095.0], [65535.0]]]
    assert cv2.imwrite(str(tmp_path / "colour.png"), np.array([[[1, 2, 40000]]], np.uint16))  # blue, green, red
    assert read_image(tmp_path / "colour.png", channels=3).tolist() == [[[40000.0, 2.0, 1.0]]]


def test_jpegs_are_grey_or_colour_as_they_are(tmp_path):
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    Image.fromarray(flat).save(tmp_path / "colour.jpg", quality=95)
    Image.fromarray(flat[..., 0]).save(tmp_path / "grey.jpg", quality=95)
    assert np.abs(read_image(tmp_path / "colour.jpg", channels=3).astype(int) - flat).max() <= 2
    assert np.array_equal(read_image(tmp_path / "colour.jpg", channels=3), read_image(tmp_path / "colour.jpg"))
    assert np.abs(read_image(tmp_path / "grey.jpg", channels=1).astype(int) - 200).max() <= 2


@pytest.mark.parametrize("suffix", ["bmp", "webp"])
def test_other_formats_are_read_by_pillow(tmp_path, suffix):
    Image.fromarray(numbered(3, np.uint8)).save(tmp_path / f"photo.{suffix}", lossless=True)
    assert np.array_equal(read_image(tmp_path / f"photo.{suffix}", channels=3), numbered(3, np.uint8))


def test_a_turned_tiff_is_upright(tmp_path):
    tifffile.imwrite(
        tmp_path / "photo.tif", numbered(2, np.float32).transpose(2, 0, 1), extratags=[(274, "H", 1, 6, True)]
    )
    assert np.array_equal(read_image(tmp_path / "photo.tif", channels=2), np.rot90(numbered(2, np.float32), -1))
    assert image_size(tmp_path / "photo.tif", channels=2) == (9, 6)


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("name", "channels", "found"),
    [
        ("grey.png", 3, "1 channel, "),  # nobody says that it may be repeated
        ("alpha.png", 3, "4 channels, "),
        ("grey.tif", 3, "1 channel, "),
        ("colour.tif", 5, "3 channels, "),
        ("five.npy", 3, "an array of 6x9x5, "),
    ],
)
def test_another_number_of_channels_is_said_with_file_and_key(tmp_path, name, channels, found):
    Image.fromarray(numbered(1, np.uint8)[..., 0]).save(tmp_path / "grey.png")
    Image.fromarray(numbered(4, np.uint8), "RGBA").save(tmp_path / "alpha.png")
    tifffile.imwrite(tmp_path / "grey.tif", numbered(1, np.uint16)[..., 0])
    tifffile.imwrite(tmp_path / "colour.tif", numbered(3, np.uint8), photometric="rgb")
    np.save(tmp_path / "five.npy", numbered(5, np.uint8))
    with pytest.raises(MaskfoldError) as refused:
        read_image(tmp_path / name, channels=channels)
    assert str(refused.value).startswith(f"{tmp_path / name}: {found}and data.channels={channels}. ")


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
def test_a_cut_or_changed_tiff_is_named(tmp_path, compression):
    path = tmp_path / "photo.tif"
    noise = np.random.default_rng(0).integers(0, 65536, (40, 30, 5), dtype=np.uint16)
    tifffile.imwrite(path, noise, photometric="minisblack", planarconfig="contig", compression=compression)
    whole = path.read_bytes()
    for size in (9, 60, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(MaskfoldError, match=r"photo\.tif: "):
            read_image(path, channels=5)


@pytest.mark.hostile("damaged files")
def test_arrays_that_are_cut_or_of_no_numbers_are_named(tmp_path):
    np.save(tmp_path / "cut.npy", numbered(5, np.float32))
    whole = (tmp_path / "cut.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-1])
    np.save(tmp_path / "words.npy", np.full((6, 9, 5), "word"))
    np.save(tmp_path / "code.npy", np.full((6, 9, 5), {}, object), allow_pickle=True)
    for name in ("cut", "words", "code"):
        with pytest.raises(MaskfoldError, match=rf"{name}\.npy: "):
            read_image(tmp_path / f"{name}.npy", channels=5)


@pytest.mark.hostile("endless and hanging")
def test_a_tiff_whose_pages_go_round_ends(tmp_path):
    path = tmp_path / "ring.tif"
    tifffile.imwrite(path, numbered(1, np.uint8)[..., 0], metadata=None)
    data = bytearray(path.read_bytes())
    (first,) = struct.unpack_from("<I", data, 4)
    (entries,) = struct.unpack_from("<H", data, first)
    struct.pack_into("<I", data, first + 2 + 12 * entries, first)  # the next page is this one
    path.write_bytes(data)
    assert read_image(path, channels=1).shape == (6, 9, 1)


@pytest.mark.hostile("memory")
def test_a_header_beyond_the_limit_is_refused_before_anything_is_decoded(tmp_path, monkeypatch):
    path = tmp_path / "large.tif"
    tifffile.imwrite(path, numbered(5, np.uint8), photometric="minisblack", planarconfig="contig", metadata=None)
    data = bytearray(path.read_bytes())
    for tag in (256, 257):
        (entry,) = [at for kind in (3, 4) if (at := data.find(struct.pack("<HHI", tag, kind, 1))) >= 0]
        data[entry : entry + 12] = struct.pack("<HHII", tag, 4, 1, 16000)
    path.write_bytes(data)
    with pytest.raises(MaskfoldError, match=r"16000x16000 are 256,000,000 pixels, and data\.max_pixels is 100,000,000"):
        image_size(path, max_pixels=100_000_000, channels=5)


def test_photos_checked_as_rgb_are_not_taken_for_checked_as_stored(tmp_path):
    """Sound as RGB of 8 bits, and of another number of channels: each number is asked about by itself."""
    photo, cache = tmp_path / "photo.png", tmp_path / "checked.parquet"
    Image.fromarray(numbered(3, np.uint8)).save(photo)
    files = pd.DataFrame({"path": [str(photo)], "kind": ["photo"]})
    for _ in range(2):
        for channels, said in ((None, ""), (3, ""), (5, f"{photo}: 3 channels, and data.channels=5.")):
            (error,) = verdicts(files, channels=channels, cache=cache, jobs=1)["error"]
            assert error.startswith(said)
            assert bool(error) == bool(said)


@pytest.mark.parametrize("kind", ["photo", "header"])
def test_a_stack_of_pages_passes_the_check_where_its_channels_are_counted(tmp_path, kind):
    pages_by_pillow(tmp_path / "photo.tif", numbered(5, np.uint8))
    files = pd.DataFrame({"path": [str(tmp_path / "photo.tif")], "kind": [kind]})
    assert verdicts(files, channels=5, jobs=1)[["height", "width", "error"]].values.tolist() == [[6, 9, ""]]
    assert "several frames or pages" in verdicts(files, jobs=1)["error"][0]


def test_arrays_are_photos_where_channels_are_counted_and_passed_over_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    np.save(tmp_path / "images/a.npy", numbered(5, np.float32))
    np.save(tmp_path / "masks/a.npy", numbered(1, np.uint8))  # no mask, and said to be none
    Image.fromarray(np.eye(6, 9, dtype=np.uint8) * 255).save(tmp_path / "masks/a.png")
    table = Pairs(root=str(tmp_path), channels=5).load(jobs=1)
    assert table[["image_id", "height", "width", "mask_area"]].values.tolist() == [["a", 6, 9, pytest.approx(6 / 54)]]
    with pytest.raises(MaskfoldError, match="no image files"):
        Pairs(root=str(tmp_path)).load(jobs=1)
