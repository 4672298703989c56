"""Arrays on disk that are written and read by bands: the same files as those written in one go."""

import gc

import blosc2
import numpy as np
import pytest

from maskfold import arrays
from maskfold.errors import MaskfoldError


@pytest.fixture
def small_chunks(monkeypatch) -> None:
    monkeypatch.setattr(arrays, "CHUNK", 16)
    monkeypatch.setattr(arrays, "_BLOCK_ROWS", 8)
    monkeypatch.setattr(arrays, "_PIECE", 100)


@pytest.mark.parametrize("shape", [(50, 70), (3, 50, 70), (5, 7)])
def test_what_is_written_by_bands_is_read_whole_and_in_parts(tmp_path, small_chunks, shape):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path / "a.b2nd"

    with arrays.written_by_bands(path, shape) as file:
        assert not path.exists()
        for top in range(0, shape[-2], 16):
            file[..., top : top + 16, :] = np.ascontiguousarray(array[..., top : top + 16, :])

    np.testing.assert_array_equal(arrays.decode(path.read_bytes()), array)
    read = arrays.opened(path)
    assert read.shape == shape
    np.testing.assert_array_equal(read[..., 3:21, :], array[..., 3:21, :])
    np.testing.assert_array_equal(read[..., :, 2:5], array[..., :, 2:5])
    assert [file.name for file in tmp_path.iterdir()] == ["a.b2nd"]


def test_what_is_written_in_one_go_is_read_in_parts(tmp_path):
    array = np.arange(600, dtype=np.uint8).reshape(20, 30)
    (tmp_path / "a.b2nd").write_bytes(arrays.encode(array))

    np.testing.assert_array_equal(arrays.opened(tmp_path / "a.b2nd")[4:9, 1:30], array[4:9, 1:30])


@pytest.mark.parametrize("shape", [(1, 1), (130, 1918), (2, 1279, 200), (300, 8, 9), (5,)])
def test_a_file_is_what_blosc2_writes_by_itself_and_files_of_before_are_read(shape):
    array = (np.random.default_rng(0).integers(0, 256, shape) // 7 * 7).astype(np.uint8)
    before = blosc2.CParams(codec=blosc2.Codec.LZ4HC, clevel=5, typesize=1, filters=[blosc2.Filter.NOFILTER])

    content = arrays.encode(array)

    assert content == arrays.with_checksum(blosc2.asarray(array, cparams=arrays.COMPRESSION).to_cframe())
    np.testing.assert_array_equal(arrays.decode(content), array)
    old = arrays.with_checksum(blosc2.asarray(array, cparams=before).to_cframe())
    np.testing.assert_array_equal(arrays.decode(old), array)


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize(("damage", "words"), [("flipped", "checksum"), ("cut", "."), ("text", "."), ("empty", ".")])
def test_a_damaged_file_is_not_opened(tmp_path, small_chunks, damage, words):
    path = tmp_path / "a.b2nd"
    path.write_bytes(arrays.encode(np.random.default_rng(0).integers(0, 256, (50, 70), dtype=np.uint8)))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes({"flipped": bytes(content), "cut": bytes(content[:200]), "text": b"no" * 99, "empty": b""}[damage])

    with pytest.raises(ValueError, match=words):
        arrays.opened(path)


@pytest.mark.hostile("killed")
def test_a_write_that_fails_leaves_nothing(tmp_path, small_chunks):
    def fail() -> None:
        with arrays.written_by_bands(tmp_path / "a.b2nd", (50, 70)) as file:
            file[:16] = np.zeros((16, 70), np.uint8)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not [*tmp_path.iterdir()]


@pytest.mark.hostile("full or read-only disk")
def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(MaskfoldError, match="cannot be written"),
        arrays.written_by_bands(tmp_path / "file" / "a.b2nd", (5, 7)),
    ):
        pass


@pytest.mark.parametrize(
    "shape", [(1280, 1918), (1281, 1918), (3, 40, 50), (2, 1281, 1900), (300, 1), (5000, 4000), (0, 4)]
)
def test_every_layout_is_decoded_to_what_was_encoded(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    pixels[..., : shape[-1] // 2] = 255

    assert np.array_equal(arrays.decode(arrays.encode(pixels)), pixels)


@pytest.mark.parametrize(
    ("shape", "flat"),
    [
        ((1280, 1918), True),
        ((1281, 1918), True),
        ((3, 40, 50), True),
        ((2, 1280, 1900), True),
        ((2, 1281, 1900), False),  # its planes lie apart, with padding between them
        ((5000, 4000), False),  # of several chunks
        ((0, 4), False),
    ],
)
def test_a_packed_array_is_decoded_in_parts_where_it_lies_in_its_file_as_it_is(shape, flat):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    pixels[..., : shape[-1] // 2] = 255

    array = arrays.packed(arrays.encode(pixels))

    assert isinstance(array, arrays.Packed) == flat
    if not flat:
        assert np.array_equal(array, pixels)
        return
    assert (array.shape, array.dtype) == (pixels.shape, np.uint8)
    assert np.array_equal(array.decode(), pixels)
    for start, stop in ((0, array.block), (array.block - 7, array.block + 7), (pixels.size - 11, pixels.size)):
        assert np.array_equal(array.flat(start, min(stop, pixels.size)), pixels.reshape(-1)[start:stop])


def test_an_array_without_a_checksum_is_decoded_at_once():
    pixels = np.arange(600, dtype=np.uint8).reshape(20, 30)

    np.testing.assert_array_equal(arrays.packed(bytes(arrays.checked(arrays.encode(pixels)))), pixels)


def test_a_packed_array_keeps_the_memory_that_it_reads():
    pixels = np.random.default_rng(0).integers(0, 256, (256, 300), np.uint8)
    several = [arrays.packed(arrays.encode(pixels + np.uint8(number))) for number in range(9)]
    gc.collect()

    for number, array in enumerate(several):
        assert (array.flat(0, pixels.size) == (pixels + np.uint8(number)).reshape(-1)).all()


def test_a_picture_of_whole_rows_is_not_copied_once_more(monkeypatch):
    content = arrays.encode(np.full((1280, 1918), 7, np.uint8))
    monkeypatch.setattr(blosc2.NDArray, "__getitem__", None)  # which decodes, and copies block by block

    assert (arrays.decode(content) == 7).all()
