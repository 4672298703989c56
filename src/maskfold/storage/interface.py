"""What every storage understands: files by name, whole or absent."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


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

    def create(self, name: str, content: bytes) -> bool:
        """Write a small file where there is none of that name; return whether this call has written it.

        Of several who try at once one succeeds: in folders, in S3, and wherever else the server can tell.

        Raises:
            MaskfoldError: As `write`.
        """
        ...

    def remove(self, name: str) -> None:
        """Remove a file, if it is there.

        Raises:
            MaskfoldError: If it may not be removed.
        """
        ...

    def holds(self, name: str, content: bytes) -> bool:
        """Return whether a file with these bytes is there already.

        Raises:
            MaskfoldError: As `read`, but for a file that is missing.
        """
        ...

    def local(self, name: str) -> Path:
        """Return a file of this machine with its bytes: itself, or a checked copy.

        Raises:
            MaskfoldError: As `read`.
        """
        ...
