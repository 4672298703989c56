"""Where files are read and written: a folder, or an address such as `s3://bucket/photos`, through one interface."""

from pathlib import Path

from maskfold.storage.folder import FolderStorage as FolderStorage
from maskfold.storage.interface import Storage as Storage
from maskfold.storage.interface import StoredFile as StoredFile


def is_address(text: str) -> bool:
    """Return whether a text names something elsewhere, as `s3://bucket/photos` does, and not a path."""
    return "://" in text


def open_storage(text: str) -> Storage:
    """Open a folder, which need not be there to be written to, or an address; nothing is asked of its server yet.

    Raises:
        MaskfoldError: If the address is of a kind that is not known or not installed, has a password in it, or is a
            `file://`, in whose place the path is given.
    """
    if is_address(text):
        from maskfold.storage.address import open_address

        return open_address(text)
    return FolderStorage(Path(text))
