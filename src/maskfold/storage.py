"""Where files are read and written: a folder, or an address such as `s3://bucket/photos`, through one interface."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from maskfold import files
from maskfold.errors import MaskfoldError


@dataclass(frozen=True)
class StoredFile:
    """A file of a storage.

    Attributes:
        name: Its path below the storage, parts joined by `/`.
        size: Bytes.
        version: What changes when its content does: time of change and size here, an entity tag elsewhere.
    """

    name: str
    size: int
    version: str


class Storage(Protocol):
    """Files by name, each whole or absent. Names are as `StoredFile` has them.

    Attributes:
        text: The folder or address, as messages name it.
    """

    text: str

    def items(self, suffixes: Iterable[str] = ()) -> Iterator[StoredFile]:
        """Yield the files below, those of some suffixes (lower case, with the dot) alone, in the order of their names.

        Hidden files and folders, whose name begins with a dot, are left out.

        Raises:
            MaskfoldError: If there is no such folder or bucket, or it may not be read.
        """
        ...

    def exists(self, name: str) -> bool:
        """Return whether a file is there."""
        ...

    def read(self, name: str) -> bytes:
        """Return a file's bytes.

        Raises:
            MaskfoldError: If it is missing, may not be read, or comes cut short; the message names it.
        """
        ...

    def write(self, name: str, content: bytes) -> None:
        """Write a file; who reads sees all of it or nothing.

        Raises:
            MaskfoldError: If it cannot be written, or the name leads out of the storage.
        """
        ...

    def local(self, name: str) -> Path:
        """Return a file of this machine with its bytes: itself, or a checked copy.

        Raises:
            MaskfoldError: As `read`.
        """
        ...


def is_address(text: str) -> bool:
    """Return whether a text names something elsewhere, as `s3://bucket/photos` does, and not a path."""
    return "://" in text


def open_storage(text: str) -> Storage:
    """Open a folder, which need not be there to be written to, or an address.

    Raises:
        MaskfoldError: If the address is of a kind that is not known.
    """
    if is_address(text):
        raise MaskfoldError(f"{text}: addresses are not understood. Give a folder.")
    return FolderStorage(Path(text))


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
        for path in sorted(self.folder.rglob("*")):
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

    def local(self, name: str) -> Path:
        """See `Storage`."""
        path = self._path(name)
        if not path.is_file():
            raise MaskfoldError(f"{path}: no such file.")
        return path

    def _path(self, name: str) -> Path:
        return self.folder / files.check_inside(name, what=self.text)
