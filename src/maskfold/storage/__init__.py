"""Where files are read and written: a folder, or an address such as `s3://bucket/photos`, through one interface."""

from pathlib import Path

from maskfold.errors import MaskfoldError
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


def file_here(text: str, *, key: str) -> Path:
    """Return the path of a file that is read from a folder of this machine, for what lies beside it.

    Args:
        text: The file.
        key: Of the configuration, for the message.

    Raises:
        MaskfoldError: If it is an address.
    """
    if not is_address(text):
        return Path(text).expanduser()
    from maskfold.storage.address import refuse_folder, refuse_password

    refuse_password(text)
    refuse_folder(text)
    folder, _, file = text.rpartition("/")
    name = folder.rpartition("/")[2]
    how = f" (`aws s3 sync {folder} {name}`)" if text.startswith("s3://") else ""
    raise MaskfoldError(
        f"{key}={text}: is read from a folder of this machine, with what lies beside it. Copy {folder} here "
        f"first{how}, then give {key}={name}/{file}."
    )
