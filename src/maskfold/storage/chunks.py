"""Many files in one: chunks as LitData packs them, of which any file is read by its number.

A chunk is the number of its samples, where each begins and the last ends (uint32 each), and the samples: the sizes of a
sample's parts (uint32 each), and the parts, the first of which is the file. Where a file is, is said by a text,
`<folder or address>/<chunk>.bin#<number>`, which stands wherever a path may stand that is read from alone.
"""

import functools
import json
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maskfold.errors import MaskfoldError
from maskfold.storage import Storage, open_storage
from maskfold.storage.address import AddressStorage

MOST_OPEN = 16  # chunks of a process: those of a window that is shuffled, and as many of the next one
PARTS = 2  # of a sample: the file's bytes, and the image's id
_UINT32 = 4
_PLACE = re.compile(r"(?s)(.+)/([^/]+\.bin)#(\d+)")


def place(folder: str, chunk: str, number: int) -> str:
    """Return the text that says where a file is."""
    return f"{folder}/{chunk}#{number}"


def is_place(text: Path | str) -> bool:
    """Return whether a text says that a file is in a chunk."""
    return isinstance(text, str) and _PLACE.fullmatch(text) is not None


def chunk_of(text: str) -> str:
    """Return the chunk of a place, with its folder."""
    return text.rpartition("#")[0]


def size_in_chunk(file_bytes: int, image_id: str) -> int:
    """Return the bytes that a file takes in a chunk."""
    return file_bytes + len(image_id.encode()) + _UINT32 * (PARTS + 1)


def pack(samples: Sequence[tuple[bytes, str]]) -> bytes:
    """Return the chunk of some files, each with what its image is called; `Chunk.read` is the way back."""
    parts = [(content, image_id.encode()) for content, image_id in samples]
    sizes = np.array([[len(part) for part in sample] for sample in parts], np.uint32)
    start = _UINT32 * (len(parts) + 2)
    bounds = np.cumsum([start, *(sizes.sum(axis=1) + _UINT32 * PARTS)], dtype=np.uint32)
    bodies = (part for own, sample in zip(sizes, parts, strict=True) for part in (own.tobytes(), *sample))
    return b"".join([np.uint32(len(parts)).tobytes(), bounds.tobytes(), *bodies])


def index(chunks: Sequence[Mapping[str, Any]], *, chunk_bytes: int) -> dict[str, Any]:
    """Return what LitData's `index.json` says of a folder of chunks.

    Args:
        chunks: The `filename` of each, its `chunk_bytes`, and how many samples it has, `chunk_size`; in their order.
        chunk_bytes: The most bytes that one was to have.
    """
    leaf = {"type": None, "context": None, "children_spec": []}
    spec = [1, {"type": "builtins.tuple", "context": "null", "children_spec": [leaf] * PARTS}]
    form = {"data_format": ["bytes", "str"], "data_spec": json.dumps(spec), "types": "json"}
    unused = dict.fromkeys(["compression", "compression_level", "compression_batch_size", "encryption", "chunk_size"])
    config = {"chunk_bytes": chunk_bytes, "item_loader": "PyTreeLoader", "ipc_compression": None, **form, **unused}
    return {"chunks": [{**chunk, "dim": None} for chunk in chunks], "config": config}


class Chunk:
    """A chunk on this machine, open; it stays readable when its file is removed, until it is closed."""

    def __init__(self, path: Path, *, name: str) -> None:
        """Open it.

        Args:
            path: The file.
            name: What messages call it.

        Raises:
            MaskfoldError: If it cannot be read, or is cut short.
        """
        self.name = name
        try:
            self._file = path.open("rb")
            size = os.fstat(self._file.fileno()).st_size
            (count,) = np.frombuffer(self._file.read(_UINT32), np.uint32)
            self._bounds = np.frombuffer(self._file.read(_UINT32 * (int(count) + 1)), np.uint32)
            if len(self._bounds) != count + 1 or self._bounds[-1] != size:
                raise ValueError(f"{size:,} bytes")
        except (OSError, ValueError) as error:
            raise MaskfoldError(
                f"{name}: damaged, or no chunk of photos ({error}). Write its month anew: remove the month's folder, "
                "then run the same make shards again."
            ) from error

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def read(self, number: int) -> tuple[bytes, str]:
        """Return a file's bytes, and what its image is called; threads and forked processes may read at once.

        Raises:
            MaskfoldError: If there is no sample of this number.
        """
        if not 0 <= number < len(self):
            raise MaskfoldError(f"{self.name}#{number}: there are {len(self)} photos in it. Write its month anew.")
        start, end = (int(bound) for bound in self._bounds[number : number + 2])
        content = os.pread(self._file.fileno(), end - start, start)
        sizes = np.frombuffer(content, np.uint32, PARTS)
        middle = _UINT32 * PARTS + int(sizes[0])
        return content[_UINT32 * PARTS : middle], content[middle:].decode()


_open: OrderedDict[str, Chunk] = OrderedDict()  # of this process, those read from last at the end
_lock = threading.Lock()
os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def read_file(text: str) -> bytes:
    """Return the bytes of a file in a chunk.

    Raises:
        MaskfoldError: If the chunk cannot be had, or is damaged.
    """
    where, number = chunk_of(text), int(text.rpartition("#")[2])
    with _lock:
        chunk = _open.get(where)
        if chunk is None:
            chunk = _open[where] = Chunk(fetch(where), name=where)
            while len(_open) > MOST_OPEN:
                _open.popitem(last=False)
        _open.move_to_end(where)
    return chunk.read(number)[0]


def fetch(where: str) -> Path:
    """Return a chunk's file on this machine; of an address a copy, whose bytes are checked when they come.

    Args:
        where: The chunk with its folder or address.

    Raises:
        MaskfoldError: If it cannot be had.
    """
    folder, _, name = where.rpartition("/")
    storage = _storage(folder)
    # Whoever opens it next need not hash all of it again, in each of its processes.
    return storage.local(name, again=False) if isinstance(storage, AddressStorage) else storage.local(name)


@functools.lru_cache(maxsize=256)
def _storage(folder: str) -> Storage:
    """Return a folder's storage, whose connection is kept."""
    return open_storage(folder)


def forget() -> None:
    """Close all chunks of this process, and the connections through which they came."""
    with _lock:
        _open.clear()
    _storage.cache_clear()
