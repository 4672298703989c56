"""What a header tells: its limit is kept before anything is decoded, whatever the format and the split."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from maskfold.data import checks
from maskfold.data.checks import verdicts
from maskfold.data.headers import image_size, size_of_bytes
from maskfold.data.loading import decode_image
from maskfold.data.sources import Pairs
from maskfold.errors import MaskfoldError

KINDS = ("photo", "header", "mask")
PILLOW = {"jpg": "JPEG", "png": "PNG", "gif": "GIF", "bmp": "BMP", "tif": "TIFF", "webp": "WEBP"}


def enlarged(suffix: str) -> bytes:
    """An image of 8x6 pixels whose header says 16000x16000: 256 megapixels in less than a kilobyte."""
    buffer = io.BytesIO()
    Image.new("RGB" if suffix == "webp" else "L", (8, 6), 255).save(buffer, PILLOW[suffix])
    data = bytearray(buffer.getvalue())
    short, long = struct.pack("<HH", 16000, 16000), struct.pack("<II", 16000, 16000)
    if suffix == "jpg":  # ITU T.81, B.2.2: length, precision, lines, samples
        frame = data.index(b"\xff\xc0")
        data[frame + 5 : frame + 9] = struct.pack(">HH", 16000, 16000)
    elif suffix == "png":
        data[16:24] = struct.pack(">II", 16000, 16000)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif suffix == "tif":  # tags 256 and 257, of one short or long
        for tag in (256, 257):
            (entry,) = [at for kind in (3, 4) if (at := data.find(struct.pack("<HHI", tag, kind, 1))) >= 0]
            data[entry : entry + 12] = struct.pack("<HHII", tag, 4, 1, 16000)
    else:
        start, size = {"gif": (6, short), "bmp": (18, long), "webp": (26, short)}[suffix]
        data[start : start + len(size)] = size
    return bytes(data)


@pytest.mark.hostile("memory")
@pytest.mark.parametrize("suffix", PILLOW)
def test_a_header_beyond_the_limit_is_refused_before_anything_is_decoded(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"large.{suffix}"
    path.write_bytes(enlarged(suffix))
    for decode in ("read_image", "read_mask"):
        monkeypatch.setattr(checks, decode, lambda path, **options: pytest.fail("decoded"))

    errors = verdicts(pd.DataFrame({"path": str(path), "kind": KINDS}), max_pixels=100_000_000, jobs=1)["error"]

    assert len(errors) == 3
    assert errors.str.startswith(
        f"{path}: 16000x16000 are 256,000,000 pixels, and data.max_pixels is 100,000,000"
    ).all()


@pytest.mark.hostile("memory")
def test_the_limit_is_the_same_for_train_and_test_and_is_a_key(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("images/a.png", "images/b.gif", "masks/a.gif", "masks/b.png", "new/c.png", "new/d.gif"):
        path = Path("photos", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (12, 10), 255).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)  # twice this is where Pillow refuses

    def load(limit: int) -> int:
        return len(Pairs(root="photos", test="new", max_pixels=limit).load(jobs=1))

    assert load(120) == 4
    for _ in range(2):  # remembered or not
        with pytest.raises(MaskfoldError, match=r"4 of 4 images cannot be used") as error:
            load(119)
        assert str(error.value).count("12x10 are 120 pixels, and data.max_pixels is 119") == 4
    assert load(120) == 4


@pytest.mark.parametrize("limit", [0, -1, 2**30 + 1, 1.5, "many"])
def test_a_limit_that_is_none_is_refused(limit):
    with pytest.raises(MaskfoldError, match=rf"data\.max_pixels={limit}: give a whole number from 1 to 1073741824"):
        Pairs(root="photos", max_pixels=limit)


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_several_frames_are_refused_and_one_is_not(tmp_path, suffix):
    frames = [Image.fromarray(np.full((6, 8), value, np.uint8)) for value in (0, 255)]
    one, two = tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"
    frames[1].save(one)
    frames[0].save(two, save_all=True, append_images=frames[1:])

    errors = verdicts(pd.DataFrame({"path": [str(one), str(two)] * 3, "kind": np.repeat(KINDS, 2)}), jobs=1)["error"]

    assert (errors[::2] == "").all()
    assert errors[1::2].str.contains(r"two\.\w+: several frames or pages, of which only one could count").all()


@pytest.mark.parametrize(
    "content", [b"", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"\x89PNG\r\n\x1a\n12345"]
)
def test_what_is_no_image_is_named_without_an_address_in_memory(tmp_path, content):
    (tmp_path / "a.gif").write_bytes(content)
    with pytest.raises(MaskfoldError, match=r"a\.gif: cannot be read: (not an image of a known kind|the PNG has no)"):
        image_size(tmp_path / "a.gif")


@pytest.mark.parametrize("suffix", PILLOW)
def test_an_image_in_memory_has_the_size_and_the_limit_of_one_in_a_file(tmp_path, suffix):
    path = tmp_path / f"small.{suffix}"
    Image.new("L", (8, 6), 255).save(path)
    asked: list[tuple[int, int]] = []

    assert size_of_bytes(path.read_bytes(), name="the photo", refuse=asked.append) == image_size(path) == (6, 8)
    assert asked == [(6, 8)]


def test_what_is_no_image_in_memory_is_called_by_its_name():
    with pytest.raises(MaskfoldError, match=r"^the photo: cannot be read: not an image of a known kind"):
        size_of_bytes(b"GET / HTTP/1.1", name="the photo", refuse=lambda size: None)
    with pytest.raises(MaskfoldError, match=r"^the photo: cannot be read: "):
        decode_image(b"\xff\xd8\xff\xe0", name="the photo")
