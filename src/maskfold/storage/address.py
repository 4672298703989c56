"""An address as a storage: what is read is checked, what is written is looked at again, what fails is worded."""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from maskfold import files
from maskfold.credentials import HIDDEN, has_password
from maskfold.errors import MaskfoldError
from maskfold.storage.cache import open_cache
from maskfold.storage.faults import is_final, sentence
from maskfold.storage.interface import StoredFile
from maskfold.storage.remote import Connection, FsspecFiles, Remote
from maskfold.storage.s3 import S3Files

MOST = 16 * 2**20  # bytes that are asked for at once
TRIES = 5  # in a row, without a byte coming
PAUSE_S = 0.1  # before the second; twice as long before each of the others

_S3 = "'maskfold[s3]'"
_PACKAGES = {"s3": _S3, "s3a": _S3, "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
_log = logging.getLogger(__name__)


def open_address(text: str) -> "AddressStorage":
    """Open an address; nothing is asked of its server yet.

    Raises:
        MaskfoldError: If it is of a kind that is not known or not installed, a folder of this machine, has a password
            in it, or names nothing.
    """
    protocol, _, rest = text.partition("://")
    refuse_password(text)
    refuse_folder(text)
    if protocol in ("http", "https") or "::" in text:
        raise MaskfoldError(f"{text}: no storage. Download what is there, or give s3://bucket/folder or the like.")
    if not rest.strip("/"):
        raise MaskfoldError(f"{text}: names no bucket. Give s3://bucket/folder.")
    return AddressStorage(text.rstrip("/"), _remote(protocol, text.rstrip("/")))


def refuse_password(text: str) -> None:
    """Refuse an address that has a key or a password in it, without a word of that.

    Raises:
        MaskfoldError: If it has.
    """
    if has_password(text):
        raise MaskfoldError(
            f"{text.partition('://')[0]}://{HIDDEN}: has a key or a password in it, which logs and run folders would "
            "keep. Give the address without it, and the keys by the environment: AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
        )


def refuse_folder(text: str) -> None:
    """Refuse an address that is a path of this machine.

    Raises:
        MaskfoldError: If it is; the message has the path.
    """
    protocol, _, rest = text.partition("://")
    if protocol in ("file", "local"):
        raise MaskfoldError(f"{text}: a folder of this machine: give the path itself, {rest or '/'}")


def _remote(protocol: str, text: str) -> Remote:
    try:
        import fsspec

        kind = fsspec.get_filesystem_class(protocol)
    except ImportError as error:
        package = _S3 if error.name == "fsspec" else _PACKAGES.get(protocol)
        how = f"pip install {package}" if package else f"{error}"
        raise MaskfoldError(f"{text}: needs a package that is not installed: {how}") from error
    except ValueError as error:
        raise MaskfoldError(
            f"{text}: {protocol}:// is not understood. Give a folder, or s3://bucket/folder."
        ) from error
    if protocol in ("s3", "s3a"):
        bucket, _, folder = text.partition("://")[2].partition("/")
        return S3Files(Connection("s3", {}), bucket, folder)
    return FsspecFiles(Connection(protocol, kind._get_kwargs_from_urls(text)), kind._strip_protocol(text))


class AddressStorage:
    """Files at an address, see `Storage`."""

    def __init__(self, text: str, remote: Remote) -> None:
        self.text = text
        self._remote = remote

    def items(self, suffixes: Iterable[str] = ()) -> Iterator[StoredFile]:
        """See `Storage`."""
        wanted = {*suffixes}
        with self._worded(""):
            listed = sorted(self._remote.files(), key=lambda stored: stored.name)
        for stored in listed:
            path = PurePosixPath(stored.name)
            hidden = any(part.startswith(".") for part in stored.name.split("/"))
            if not hidden and (not wanted or path.suffix.lower() in wanted):
                yield stored

    def exists(self, name: str) -> bool:
        """See `Storage`."""
        return self._look(name) is not None

    def read(self, name: str) -> bytes:
        """See `Storage`."""
        content = bytearray()
        self._whole(self._there(name), content.clear, content.extend)
        return bytes(content)

    def write(self, name: str, content: bytes) -> None:
        """See `Storage`."""
        sums = {"md5": _md5(content).hexdigest(), "sha256": hashlib.sha256(content).hexdigest()}
        files.check_inside(name, what=self.text)
        with self._worded(name):
            self._remote.put(name, content, sums["sha256"])
            stored = self._remote.look(name)
            if stored is None or stored.size != len(content) or not self._remote.has(stored, **sums):
                raise MaskfoldError(f"{self.text}/{name}: {self._taken_back(name, sums['sha256'])}")

    def _taken_back(self, name: str, sha256: str) -> str:
        """Remove what arrived wrong, unless another writer's file may be there by now; return what is to be said."""
        if self._remote.was_sent_with(name, sha256):
            self._remote.remove(name)
            return (
                "what arrived is not what was sent, and is removed again. Run the same command again; if it stays so, "
                "the network or the server changes bytes."
            )
        return (
            "what is there is not what was sent, nor known to be of this upload: somebody else has written it "
            "meanwhile, or bytes were changed. It is left as it is. See that nobody else writes there, then run the "
            "same command again."
        )

    def create(self, name: str, content: bytes) -> bool:
        """See `Storage`."""
        files.check_inside(name, what=self.text)
        with self._worded(name):
            return self._remote.create(name, content)

    def remove(self, name: str) -> None:
        """See `Storage`."""
        if self.exists(name):
            with self._worded(name):
                self._remote.remove(name)

    def holds(self, name: str, content: bytes) -> bool:
        """See `Storage`: by the sum that the server keeps, else by the bytes."""
        stored = self._look(name)
        if stored is None or stored.size != len(content):
            return False
        with self._worded(name):
            sent = self._remote.was_sent_with(name, hashlib.sha256(content).hexdigest())
        return sent or self.read(name) == content

    def local(self, name: str, *, again: bool = True) -> Path:
        """See `Storage`: a copy in the cache of this machine, made anew when the file there has another version.

        Args:
            name: The file's.
            again: Hash a copy again that is there, as all are when they come; false only looks at its size.
        """
        stored = self._there(name)
        key = hashlib.sha256(f"{self.text}/{name}\n{stored.version}\n{stored.size}".encode()).hexdigest()[:32]
        suffix, fetch = PurePosixPath(name).suffix, lambda path: self._download(stored, path)
        return open_cache().copy(key, suffix, size=stored.size, fetch=fetch, again=again)

    def _download(self, stored: StoredFile, path: Path) -> str:
        """Write a file's bytes to a path, and return their SHA-256."""
        with path.open("wb") as file:
            return self._whole(stored, lambda: file.truncate(file.seek(0)), file.write)

    def _whole(self, stored: StoredFile, begin: Callable[[], object], take: Callable[[bytes], object]) -> str:
        """Hand on a file's bytes, which are checked when all have come, and return their SHA-256.

        Where they are not those of the file, since it was replaced meanwhile for example, they come once more.
        """
        for _ in range(2):
            begin()
            md5, sha256 = _md5(), hashlib.sha256()
            for part in self._parts(stored):
                for receive in (take, md5.update, sha256.update):
                    receive(part)
            with self._worded(stored.name):
                if self._remote.has(stored, md5=md5.hexdigest(), sha256=sha256.hexdigest()):
                    return sha256.hexdigest()
            stored = self._there(stored.name)
        raise MaskfoldError(
            f"{self.text}/{stored.name}: its bytes do not have the checksum that is kept there: damaged, or replaced "
            "while it was read. Put it there anew if it stays so."
        )

    def _parts(self, stored: StoredFile) -> Iterator[bytes]:
        """Yield a file's bytes; where the connection is cut, it is taken up again where it was."""
        come, failures = 0, 0
        while come < stored.size:
            part, error = self._part(stored.name, come, min(come + MOST, stored.size))
            if part:
                yield part
                come, failures = come + len(part), 0
                continue
            failures += 1
            if failures == TRIES:
                raise MaskfoldError(
                    f"{self.text}/{stored.name}: the connection was cut: {come:,} of {stored.size:,} bytes have come, "
                    f"and no more in {TRIES} attempts. Nothing of it is used. Check the network, then run the same "
                    "command again."
                ) from error
            time.sleep(PAUSE_S * 2 ** (failures - 1))

    def _part(self, name: str, start: int, stop: int) -> tuple[bytes, Exception | None]:
        """Return what comes of a range of a file's bytes; where nothing does and one can ask again, why."""
        with self._worded(name):
            try:
                return self._remote.fetch(name, start, stop), None
            except Exception as error:  # of whatever kind the libraries have
                if is_final(error):
                    raise
                _log.debug("%s/%s: %s, asked again", self.text, name, type(error).__name__)
                return b"", error

    def _there(self, name: str) -> StoredFile:
        """Return what is known of a file that has to be there."""
        stored = self._look(name)
        if stored is None:
            with self._worded(name):
                raise FileNotFoundError(name)
        return stored

    def _look(self, name: str) -> StoredFile | None:
        files.check_inside(name, what=self.text)
        with self._worded(name):
            return self._remote.look(name)

    @contextmanager
    def _worded(self, name: str) -> Iterator[None]:
        """Turn the errors of the libraries, of any kind, into one that names the address and what to do."""
        try:
            yield
        except MaskfoldError:
            raise
        except Exception as error:
            where = f"{self.text}/{name}" if name else self.text
            raise MaskfoldError(f"{where}: {sentence(error, self._remote.code(error))}") from error


def _md5(content: bytes = b"") -> "hashlib._Hash":
    return hashlib.md5(content, usedforsecurity=False)
