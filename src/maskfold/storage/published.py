"""Published models as they are read: of a version there is what its manifest lists, byte for byte, and nothing else.

A version is a folder `<name>/<version>/` at any address, whose `manifest.json` was written after all else. A version
without one was not published to its end, and is not read.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from maskfold import files
from maskfold.errors import MaskfoldError, listing
from maskfold.storage import Storage, StoredFile, is_address, open_storage

MANIFEST = "manifest.json"
CLAIM = ".claim"  # what a publisher writes first: the sum of what is to lie here
LATEST = "latest"
_SHA256 = re.compile("[0-9a-f]{64}")
_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True)
class ListedFile:
    """A file as a manifest lists it.

    Attributes:
        sha256: Of its bytes, 64 hexadecimal digits.
        size: Bytes.
    """

    sha256: str
    size: int


@dataclass(frozen=True)
class VersionManifest:
    """What a published version consists of.

    Attributes:
        name: The model's.
        version: The version's.
        made: When the model was made, as its card has it.
        files: By name.
    """

    name: str
    version: str
    made: str
    files: Mapping[str, ListedFile]

    def content(self) -> bytes:
        """Return it as it is written: the same for the same files."""
        listed = {name: {"sha256": one.sha256, "size": one.size} for name, one in sorted(self.files.items())}
        content = {"name": self.name, "version": self.version, "made": self.made, "files": listed}
        return (json.dumps(content, indent=2) + "\n").encode()


def read_manifest(storage: Storage) -> VersionManifest:
    """Read the manifest of a version.

    Raises:
        MaskfoldError: If there is none, or it is damaged.
    """
    where = f"{storage.text.rstrip('/')}/{MANIFEST}"
    if not storage.exists(MANIFEST):
        raise MaskfoldError(
            f"{where}: missing, so this version was not published to its end, and nothing of it is used. Run the same "
            "make publish again, or take another version."
        )
    try:
        content = json.loads(storage.read(MANIFEST))
        listed = {
            files.check_inside(str(name), what=where): ListedFile(_sum(one["sha256"]), int(one["size"]))
            for name, one in content["files"].items()
        }
        return VersionManifest(str(content["name"]), str(content["version"]), str(content["made"]), listed)
    except (AttributeError, KeyError, TypeError, ValueError, MaskfoldError) as error:
        raise MaskfoldError(f"{where}: damaged ({error}). Take another version, or publish this one anew.") from error


def _sum(text: str) -> str:
    if not _SHA256.fullmatch(text):
        raise ValueError(f"{text!r} is no SHA-256")
    return text


class Published:
    """A published version as a `Storage` to read from: the files of its manifest, each checked by its hash.

    Attributes:
        text: Where it lies.
        manifest: What is in it.
    """

    def __init__(self, storage: Storage) -> None:
        """Take the version's folder.

        Raises:
            MaskfoldError: If it has no manifest, or a damaged one.
        """
        self.text = storage.text
        self.manifest = read_manifest(storage)
        self._storage = storage

    def items(self, suffixes: Iterable[str] = ()) -> Iterator[StoredFile]:
        """See `Storage`."""
        wanted = {*suffixes}
        for name, one in sorted(self.manifest.files.items()):
            if not wanted or PurePosixPath(name).suffix.lower() in wanted:
                yield StoredFile(name, one.size, one.sha256)

    def exists(self, name: str) -> bool:
        """See `Storage`."""
        return name in self.manifest.files

    def read(self, name: str) -> bytes:
        """See `Storage`."""
        listed = self._listed(name)
        content = self._storage.read(name)
        self._refuse_other(name, listed.sha256, hashlib.sha256(content).hexdigest())
        return content

    def local(self, name: str) -> Path:
        """See `Storage`."""
        listed = self._listed(name)
        path = self._storage.local(name)
        self._refuse_other(name, listed.sha256, files.sha256(path))
        return path

    def write(self, name: str, content: bytes) -> None:
        """Refuse it: a version does not change."""
        raise MaskfoldError(f"{self.text}/{name}: a published version does not change. Publish another one.")

    def create(self, name: str, content: bytes) -> bool:
        """Refuse it likewise."""
        self.write(name, content)
        return False

    def remove(self, name: str) -> None:
        """Refuse it likewise."""
        self.write(name, b"")

    def holds(self, name: str, content: bytes) -> bool:
        """See `Storage`: as its manifest says."""
        listed = self.manifest.files.get(name)
        return listed is not None and listed.sha256 == hashlib.sha256(content).hexdigest()

    def _listed(self, name: str) -> ListedFile:
        if name not in self.manifest.files:
            raise MaskfoldError(f"{self.text}/{name}: not in this version's {MANIFEST}, so it is not used.")
        return self.manifest.files[name]

    def _refuse_other(self, name: str, expected: str, digest: str) -> None:
        if digest != expected:
            raise MaskfoldError(
                f"{self.text}/{name}: not the file that {MANIFEST} lists (SHA-256 {digest[:12]} instead of "
                f"{expected[:12]}): damaged, or somebody has written over it. Take another version, or publish the "
                "model once more under a new one."
            )


def open_published(address: str, version: str = LATEST) -> Published:
    """Open a published version.

    Args:
        address: A model's folder or address, in which its versions lie, or a version's own.
        version: Of a model; the latest is the greatest name, numbers in it compared as numbers.

    Raises:
        MaskfoldError: If there is no such version, or it was not published to its end.
    """
    address = address.rstrip("/")
    storage = open_storage(address)
    if version != LATEST:
        return Published(open_storage(f"{address}/{files.check_inside(version, what='version')}"))
    if storage.exists(MANIFEST) or storage.exists(CLAIM):
        return Published(storage)
    names = [PurePosixPath(item.name).parts for item in storage.items((".json",))]
    versions = sorted((parts[0] for parts in names if parts[1:] == (MANIFEST,)), key=_order)
    if not versions:
        raise MaskfoldError(
            f"{address}: no published model: neither a {MANIFEST} is there nor a version with one. `make publish "
            "MODEL=exports/<name> TO=<folder or address>` makes <name>/<version>/ there; give <name>'s address. A "
            f"version without its {MANIFEST} was not published to its end." + _folders(names)
        )
    return Published(open_storage(f"{address}/{versions[-1]}"))


def _folders(names: list[tuple[str, ...]]) -> str:
    """Return what else lies there, for who has named the folder above."""
    models = sorted({parts[0] for parts in names if parts[2:] == (MANIFEST,)})
    return f" Published here are:\n{listing(models)}" if models else ""


def _order(version: str) -> list[tuple[int, int, str]]:
    """Return what versions are sorted by: `v10` comes behind `v9`."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in _NUMBER.split(version) if part]


def open_model(text: str, *, file: str) -> tuple[Storage, str]:
    """Return the storage that a model's file lies in, and its name there.

    Args:
        text: The file, its folder, its address, or the folder or address of a published model or version.
        file: What the file is called where a folder is named.

    Raises:
        MaskfoldError: If what is named is a version that was not published to its end, or nothing is published there.
    """
    folder, name = _folder_and_name(text, file)
    if name is None and is_address(folder) and open_storage(folder).exists(file):
        name = file  # an export, or one version of it
    if name is not None:
        storage = open_storage(folder)
        begun = storage.exists(MANIFEST) or storage.exists(CLAIM)
        return (Published(storage) if begun else storage), name
    return open_published(folder), file


def _folder_and_name(text: str, file: str) -> tuple[str, str | None]:
    """Return a folder and a file's name in it; None where only its manifests can say."""
    if is_address(text):
        folder, _, name = text.rstrip("/").rpartition("/")
        return (folder, name) if PurePosixPath(name).suffix == PurePosixPath(file).suffix else (text, None)
    path = Path(text)
    if not path.is_dir():
        return str(path.parent), path.name
    return str(path), file if (path / file).exists() else None
