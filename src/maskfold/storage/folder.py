"""A folder of this machine as a storage."""

import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from maskfold import files
from maskfold.errors import MaskfoldError
from maskfold.storage.interface import StoredFile


class FolderStorage:
    """A folder as a storage, see `Storage`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.text = str(folder)

    def items(self, suffixes: Iterable[str] = ()) -> Iterator[StoredFile]:
        """See `Storage`."""
        if not self.folder.is_dir():
            raise MaskfoldError(f"{self.folder}: no such folder.")
        wanted = {*suffixes}
        for path in sorted(self.folder.rglob("*"), key=lambda path: path.as_posix()):  # as in a bucket
            name = path.relative_to(self.folder)
            hidden = any(part.startswith(".") for part in name.parts)
            if not hidden and path.is_file() and (not wanted or path.suffix.lower() in wanted):
                status = path.stat()
                yield StoredFile(name.as_posix(), status.st_size, f"{status.st_mtime_ns}-{status.st_size}")

    def exists(self, name: str) -> bool:
        """See `Storage`."""
        return self._path(name).is_file()

    def read(self, name: str) -> bytes:
        """See `Storage`."""
        try:
            return self._path(name).read_bytes()
        except OSError as error:
            raise MaskfoldError(f"{self.folder / name}: cannot be read: {error.strerror or error}.") from error

    def write(self, name: str, content: bytes) -> None:
        """See `Storage`."""
        files.write_bytes(self._path(name), content)

    def create(self, name: str, content: bytes) -> bool:
        """See `Storage`."""
        path = self._path(name)
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                part.write_bytes(content)
                os.link(part, path)
            finally:
                part.unlink(missing_ok=True)
        except FileExistsError:
            return False
        except OSError as error:
            raise MaskfoldError(
                f"{path}: cannot be written: {error.strerror or error}. Choose a folder that can be written to, on a "
                "file system that has hard links."
            ) from error
        return True

    def holds(self, name: str, content: bytes) -> bool:
        """See `Storage`."""
        path = self._path(name)
        return path.is_file() and path.stat().st_size == len(content) and self.read(name) == content

    def remove(self, name: str) -> None:
        """See `Storage`."""
        try:
            self._path(name).unlink(missing_ok=True)
        except OSError as error:
            raise MaskfoldError(f"{self.folder / name}: cannot be removed: {error.strerror or error}.") from error

    def local(self, name: str) -> Path:
        """See `Storage`."""
        path = self._path(name)
        if not path.is_file():
            raise MaskfoldError(f"{path}: no such file.")
        return path

    def _path(self, name: str) -> Path:
        return self.folder / files.check_inside(name, what=self.text)
