"""Files elsewhere, as fsspec reaches them: what an address needs of a server or an object store."""

import os
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Protocol

from maskfold.storage.interface import StoredFile

# Where filesystems of fsspec say that a file has changed; the first that one of them knows.
_VERSIONS = ("ETag", "etag", "md5Hash", "generation", "mtime", "last_modified", "LastModified", "modified", "created")


class Remote(Protocol):
    """Files below an address, whose errors are those of the libraries: `AddressStorage` words them."""

    def files(self) -> Iterator[StoredFile]:
        """Yield every file below.

        Raises:
            FileNotFoundError: If nothing lies there.
        """
        ...

    def look(self, name: str) -> StoredFile | None:
        """Return what the server says of a file; None where it has none of that name."""
        ...

    def fetch(self, name: str, start: int, stop: int) -> bytes:
        """Return the bytes `[start, stop)` of a file, or what came of them."""
        ...

    def put(self, name: str, content: bytes, sha256: str) -> None:
        """Write a file so that whoever reads it meanwhile has the old one, or none, and never a part."""
        ...

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless there is one; return whether it was written."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file."""
        ...

    def has(self, stored: StoredFile, *, md5: str, sha256: str) -> bool:
        """Return whether bytes of these sums are, as far as the server can tell, the file as it is now."""
        ...

    def was_sent_with(self, name: str, sha256: str) -> bool:
        """Return whether the server says that a file, as it is now, was `put` with this sum."""
        ...

    def code(self, error: BaseException) -> str:
        """Return what the server calls an error, "" where it says nothing."""
        ...


class Connection:
    """A filesystem of fsspec, made anew in each process: its threads do not outlive a fork, nor can it be pickled."""

    def __init__(self, protocol: str, options: dict[str, Any]) -> None:
        self._making = protocol, options
        self._made: tuple[int, Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_making": self._making, "_made": None}

    def __call__(self) -> Any:
        """Return the filesystem, which remembers no listings."""
        import fsspec

        if self._made is None or self._made[0] != os.getpid():
            protocol, options = self._making
            made = fsspec.filesystem(protocol, skip_instance_cache=True, use_listings_cache=False, **options)
            made.retries = 1  # of s3fs: who reads asks again, and counts what has come
            self._made = os.getpid(), made
        return self._made[1]


class FsspecFiles:
    """Any filesystem of fsspec as a `Remote`. Of sums only S3 is asked: here a file has its size and its version."""

    def __init__(self, connection: Connection, root: str) -> None:
        """Take a filesystem and a folder of it, as the filesystem writes it."""
        self._connection = connection
        self._root = root.rstrip("/")

    def files(self) -> Iterator[StoredFile]:
        """See `Remote`."""
        return self._below(self._root)

    def _below(self, folder: str) -> Iterator[StoredFile]:
        """Yield the files of a folder and of those in it. fsspec's own `find` leaves out what it cannot read."""
        for entry in self._connection().ls(folder, detail=True):
            path = entry["name"].rstrip("/")
            if path != folder and entry["type"] == "directory":
                yield from self._below(path)
            elif path != folder:
                yield _stored(path.removeprefix(self._root).removeprefix("/"), entry)

    def look(self, name: str) -> StoredFile | None:
        """See `Remote`."""
        try:
            entry = self._connection().info(self._path(name))
        except FileNotFoundError:
            return None
        return None if entry["type"] == "directory" else _stored(name, entry)

    def fetch(self, name: str, start: int, stop: int) -> bytes:
        """See `Remote`."""
        return self._connection().cat_file(self._path(name), start=start, end=stop)

    def put(self, name: str, content: bytes, sha256: str) -> None:
        """See `Remote`: under a temporary name, then moved."""
        filesystem, path = self._connection(), self._path(name)
        folder, slash, last = path.rpartition("/")
        part = f"{folder}{slash}.{last}.part"
        if _has_folders(filesystem):
            filesystem.makedirs(folder, exist_ok=True)
            filesystem.pipe_file(part, content)
            filesystem.mv(part, path)
        else:  # an object store's mv would take [ and * for patterns
            filesystem.pipe_file(part, content)
            filesystem.cp_file(part, path)
            filesystem.rm_file(part)

    def create(self, name: str, content: bytes) -> bool:
        """See `Remote`: as far as the filesystem can; some look first and write then."""
        filesystem, path = self._connection(), self._path(name)
        if _has_folders(filesystem):
            filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
        try:
            filesystem.pipe_file(path, content, mode="create")
        except FileExistsError:
            return False
        return True

    def remove(self, name: str) -> None:
        """See `Remote`."""
        self._connection().rm_file(self._path(name))

    def has(self, stored: StoredFile, *, md5: str, sha256: str) -> bool:
        """See `Remote`."""
        return self.look(stored.name) == stored

    def was_sent_with(self, name: str, sha256: str) -> bool:
        """See `Remote`: sums are kept nowhere."""
        return False

    def code(self, error: BaseException) -> str:
        """See `Remote`."""
        return ""

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def _has_folders(filesystem: Any) -> bool:
    """Return whether a filesystem has folders, which object stores do not."""
    from fsspec.spec import AbstractFileSystem

    return type(filesystem).mv is not AbstractFileSystem.mv


def _stored(name: str, entry: dict[str, Any]) -> StoredFile:
    marks = (entry[key] for key in _VERSIONS if entry.get(key) is not None)
    mark = next(marks, "")
    mark = mark.timestamp() if isinstance(mark, datetime) else mark
    return StoredFile(name, int(entry["size"] or 0), f"{mark}-{entry['size']}")
