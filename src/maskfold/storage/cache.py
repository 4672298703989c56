"""Copies of files that lie elsewhere: bounded, checked whenever they are asked for, shared by processes."""

import fcntl
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from maskfold import files
from maskfold.errors import MaskfoldError

FOLDER = "MASKFOLD_CACHE"  # environment: the folder of copies
BOUND = "MASKFOLD_CACHE_GB"  # environment: how many GB (1e9 bytes) of them are kept
_HELD = 16  # files of this process that no process may remove, the last it has asked for
_LEFT_S = 24 * 3600  # how old what a killed process has left of a download is when it goes
_SLACK = 50  # what is there is counted anew when a fiftieth of the bound has been added


def open_cache() -> "Cache":
    """Return the cache that the environment names: 20 GB in the user's own folder for such things unless it does.

    Raises:
        MaskfoldError: If the bound is no number above 0.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "maskfold"
    text = os.environ.get(BOUND) or "20"
    try:
        most = float(text) * 1e9
    except ValueError:
        most = 0
    if not 0 < most < float("inf"):
        raise MaskfoldError(f"{BOUND}={text}: give a number of GB above 0.")
    return Cache(Path(os.environ.get(FOLDER) or home), int(most))


class Cache:
    """Copies of files, each under a key that stands for its address and version.

    The name of a copy has the SHA-256 of its bytes, so that a damaged one is known. What has not been asked for the
    longest goes first. The copies that a process has asked for last stay while it lives, by a lock on each.
    """

    def __init__(self, folder: Path, most: int) -> None:
        """Take a folder, made when it is needed, and the most bytes of copies in it."""
        self._folder = folder
        self._most = most

    def copy(self, key: str, suffix: str, *, size: int, fetch: Callable[[Path], str], again: bool = True) -> Path:
        """Return the copy of a key, fetched if it is not there or damaged; by one process, for which others wait.

        Args:
            key: Hexadecimal digits, at least two.
            suffix: What the copy's name ends with.
            size: Bytes that it will have.
            fetch: Writes the file to a path and returns the SHA-256 of its bytes.
            again: Hash a copy that is there; false looks at its size alone.

        Raises:
            MaskfoldError: If there is no room for it, or the folder cannot be written to.
        """
        shelf = self._folder / key[:2]
        try:
            while True:
                if (kept := _kept(shelf, key, None if again else size)) is not None:
                    return kept
                with _alone(shelf / f".{key}.lock") as at_once:
                    if not at_once:  # somebody else has fetched it meanwhile
                        continue
                    self._make_room(size)
                    if (added := self._add(shelf, key, suffix, fetch)) is not None:
                        return added
        except OSError as error:
            raise MaskfoldError(
                f"{error.filename or shelf}: the cache cannot be written: {error.strerror or error}. "
                f"Make room, or name another folder: {FOLDER}=<folder>."
            ) from error

    def _add(self, shelf: Path, key: str, suffix: str, fetch: Callable[[Path], str]) -> Path | None:
        """Return a new copy; None where another process was quicker: its copy, which it holds, is never replaced."""
        shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = shelf / f".{uuid.uuid4().hex}.part"
        try:
            path = shelf / f"{key}-{fetch(part)}{suffix}"
            _hold(part, path)
            os.link(part, path)
        except FileExistsError:
            return None
        finally:
            part.unlink(missing_ok=True)
        return path

    def _make_room(self, size: int) -> None:
        """Remove copies, those not asked for the longest first, until so many bytes more are within the bound."""
        if size > self._most:
            raise MaskfoldError(
                f"{self._folder}: a file of {size / 1e9:.3g} GB does not fit into the cache of {self._most / 1e9:.3g} "
                f"GB. Allow it more: {BOUND}=<GB>."
            )
        added = _added.get(self._folder, self._most) + size
        if added < self._most / _SLACK:
            _added[self._folder] = added
            return
        copies = sorted(self._copies())
        total = sum(bytes_ for _, bytes_, _ in copies) + size
        for _, bytes_, path in copies:
            if total + self._most // _SLACK <= self._most:
                break
            if _remove_unused(path):
                total -= bytes_
        if total > self._most:
            raise MaskfoldError(
                f"{self._folder}: the cache of {self._most / 1e9:.3g} GB is full of copies that are in use. "
                f"Allow it more: {BOUND}=<GB>."
            )
        _added[self._folder] = 0

    def _copies(self) -> list[tuple[float, int, Path]]:
        """Return when each copy was asked for last, its bytes and where it is; remove what killed downloads left."""
        copies = []
        for path in self._folder.glob("??/*"):
            try:
                status = path.stat()
            except FileNotFoundError:  # another process has removed it
                continue
            if path.name.startswith(".") and time.time() - status.st_mtime > _LEFT_S:
                path.unlink(missing_ok=True)
            else:
                copies.append((status.st_mtime, status.st_size, path))
        return copies


_added: dict[Path, int] = {}  # by folder: bytes that this process has added since it counted what is there
_held: dict[Path, int] = {}  # descriptors whose lock keeps a copy from being removed, those asked for last at the end


def _kept(shelf: Path, key: str, size: int | None) -> Path | None:
    """Return the copy of a key that is there and whole; a damaged one is removed."""
    for path in shelf.glob(f"{key}-*"):
        match _is_whole(path, size):
            case True:
                return path
            case False:
                path.unlink(missing_ok=True)
    return None


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Hold a lock, and yield whether nobody else had it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield False
            return
        try:
            yield True
        finally:
            path.unlink(missing_ok=True)


def _is_whole(path: Path, size: int | None = None) -> bool | None:
    """Hold a copy and return whether its bytes are those that its name says; it counts as asked for now.

    With a size, the number of its bytes says it. None where another process has removed it, or another file has its
    name by now.
    """
    try:
        _hold(path, path)
        if os.fstat(_held[path]).st_ino != path.stat().st_ino:
            return None
        if size is not None:
            if path.stat().st_size != size:
                return False
        elif files.sha256(path) != path.name.partition("-")[2].partition(".")[0]:
            return False
        os.utime(path)
    except FileNotFoundError:
        return None
    return True


def _hold(path: Path, name: Path) -> None:
    """Keep a file from being removed from the cache while this process lives, or has not asked for many others."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    _let_go(name)
    _held[name] = descriptor
    while len(_held) > _HELD:
        _let_go(next(iter(_held)))


def _let_go(name: Path) -> None:
    if (descriptor := _held.pop(name, None)) is not None:
        os.close(descriptor)


def _remove_unused(path: Path) -> bool:
    """Remove a copy that no process holds, and return whether it is gone; what is still being fetched is left."""
    if path.name.startswith("."):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
