"""Chunks as LitData packs them: what one side writes the other one reads."""

import json
import struct

import pytest

from maskfold.errors import MaskfoldError
from maskfold.storage import chunks

SAMPLES = [(b"first", "a"), (b"", "naïve"), (bytes(range(256)) * 3, "c")]


def test_a_chunk_is_laid_out_as_litdata_lays_it_out():
    # Count, three bounds, then each sample: two sizes and the two parts. 16 bytes come before the first.
    head = struct.pack("<4I", 2, 16, 16 + 8 + 5 + 1, 16 + 14 + 8 + 2 + 2)
    packed = chunks.pack([(b"first", "a"), (b"xy", "bc")])
    assert packed == head + struct.pack("<2I", 5, 1) + b"firsta" + struct.pack("<2I", 2, 2) + b"xybc"


def test_a_file_is_read_by_its_number_from_a_path_that_says_so(tmp_path):
    (tmp_path / "c.bin").write_bytes(chunks.pack(SAMPLES))
    where = [chunks.place(str(tmp_path), "c.bin", number) for number in range(3)]

    assert [chunks.read_file(text) for text in where] == [content for content, _ in SAMPLES]
    chunk = chunks.Chunk(tmp_path / "c.bin", name="c.bin")
    assert [chunk.read(number) for number in range(len(chunk))] == SAMPLES
    assert sum(chunks.size_in_chunk(len(content), name) for content, name in SAMPLES) + 8 == len(chunks.pack(SAMPLES))
    assert [chunks.is_place(text) for text in (where[0], "a/b.bin", "a/b.jpg#1", "b.bin#1", "a/b.bin#x")] == [
        True, False, False, False, False,
    ]  # fmt: skip


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data[:6], lambda data: b"", lambda data: b"JPEG" * 99]
)
def test_a_chunk_that_is_cut_short_or_none_is_named(tmp_path, damage):
    path = tmp_path / "c.bin"
    path.write_bytes(damage(chunks.pack(SAMPLES)))
    with pytest.raises(MaskfoldError, match=r"c\.bin: damaged, or no chunk of photos .* make shards again"):
        chunks.read_file(f"{path}#0")
    path.write_bytes(chunks.pack(SAMPLES))
    assert chunks.read_file(f"{path}#0") == b"first"
    with pytest.raises(MaskfoldError, match=r"c\.bin#3: there are 3 photos in it"):
        chunks.read_file(f"{path}#3")


@pytest.mark.slow
def test_litdata_reads_what_was_packed(tmp_path):
    litdata = pytest.importorskip("litdata")
    packed = [chunks.pack(SAMPLES), chunks.pack(SAMPLES[:1])]
    listed = []
    for number, content in enumerate(packed):
        (tmp_path / f"chunk-0-{number}.bin").write_bytes(content)
        count = 3 - 2 * number
        listed.append({"filename": f"chunk-0-{number}.bin", "chunk_bytes": len(content), "chunk_size": count})
    (tmp_path / "index.json").write_text(json.dumps(chunks.index(listed, chunk_bytes=2**20)))

    samples = litdata.StreamingDataset(str(tmp_path))

    assert [(bytes(content), name) for content, name in (samples[number] for number in range(len(samples)))] == [
        *SAMPLES,
        SAMPLES[0],
    ]
