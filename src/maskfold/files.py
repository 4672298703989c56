"""Files that are either whole or absent, and folders that one process at a time writes to."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Any

from maskfold.errors import MaskfoldError

if TYPE_CHECKING:
    import pandas as pd

LOCK = ".lock"
CONTROL = r"[\x00-\x1f\x7f-\x9f]"  # characters that end a line or have no shape
LOCK_WAIT = "MASKFOLD_LOCK_WAIT"  # environment: seconds that a run waits for a folder which another one holds


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, remove it on any failure.

    The temporary name is always the same (`.<name>.part`), so what a killed run left is overwritten by the next.

    Raises:
        MaskfoldError: If the file cannot be written (full disk, read-only folder); `path` is then untouched.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise MaskfoldError(
            f"{path}: cannot be written: {error.strerror or error}. What was finished before is kept; "
            "make room or choose a folder that can be written to, then run the same command again."
        ) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically."""
    with atomic_path(path) as part:
        part.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write `content` to `path` atomically as UTF-8."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: object) -> None:
    """Write `content` to `path` atomically as indented JSON with a final newline."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def read_json(path: Path) -> dict:
    """Read a JSON object, or raise a `MaskfoldError` that names the file."""
    try:
        content = json.loads(path.read_text())
        if not isinstance(content, dict):
            raise ValueError(f"a {type(content).__name__}, not an object")
        return content
    except (OSError, ValueError) as error:
        raise MaskfoldError(f"{path}: not a readable JSON file ({error}). Delete it and run again.") from error


def read_table(path: Path, *, again: str, **options: Any) -> "pd.DataFrame":
    """Read a table that a stage has written, a Parquet or a CSV file.

    Args:
        path: The file.
        again: What makes it anew, a sentence for the message.
        options: Those of pandas.

    Raises:
        MaskfoldError: If it cannot be read, since it is cut short for example, or lacks columns that are asked for.
    """
    import pandas as pd  # which whoever only completes a command has no time for

    read = pd.read_parquet if path.suffix == ".parquet" else pd.read_csv
    try:
        return read(path, **options)
    except (OSError, ValueError) as error:  # pyarrow's errors are of both kinds
        reason = " ".join(f"{error}".split())
        raise MaskfoldError(f"{path}: damaged, or no such table ({reason}). {again}") from error


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_inside(name: str, *, what: str) -> str:
    """Return a name, or a path, of something inside the folder that it is about to be joined to.

    Args:
        name: As somebody has typed it, or as it stands in a file.
        what: The key or file that it comes from, for the message.

    Raises:
        MaskfoldError: If it is empty, leads out of the folder, or no file can be called so.
    """
    path = PurePath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise MaskfoldError(f"{what}={name}: give the name of something inside its folder, without .. and / in front.")
    if not is_file_name(name):
        raise MaskfoldError(f"{what}={name!r}: no line breaks or the like, and nothing that is not UTF-8. Rename it.")
    return name


def is_file_name(name: str) -> bool:
    """Tell whether a name can stand in a table, a log and a configuration: UTF-8 without control characters."""
    return is_utf8(name) and re.search(CONTROL, name) is None


def is_utf8(text: str) -> bool:
    """Tell whether text can be written as UTF-8, which names of files in other encodings cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def clear(folder: Path) -> None:
    """Remove everything in a folder but the lock that this process holds on it."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != LOCK:
            entry.unlink()


@contextmanager
def locked(folder: Path, *, anew: bool = False, wait: float = 0) -> Iterator[None]:
    """Hold `folder` for this process; the kernel lets go of it when the process ends, however it ends.

    Args:
        folder: Made if it is not there.
        anew: Begin with an empty folder. What is in it is moved away whole, in one rename, and removed then: a kill
            leaves all of it or nothing of it here. What a killed removal left beside the folder goes at the next start.
        wait: Seconds to wait for another process that holds it, where the environment (`LOCK_WAIT`) gives none.

    Raises:
        MaskfoldError: If another process holds the folder, or it cannot be written to or moved away.
    """
    with _held_here(folder, wait):
        removed = _beside(folder)
        shutil.rmtree(removed, ignore_errors=True)
        if not anew:
            yield
            return
        _move(folder, removed)
        with _held_here(folder):  # the lock of before has gone with the old folder
            shutil.rmtree(removed, ignore_errors=True)
            yield


def _beside(folder: Path) -> Path:
    """Return where a folder waits for its removal; on its own disk, also where it is a link to another."""
    real = folder.resolve()
    return real.with_name(f".{real.name}.removed")


def _move(folder: Path, target: Path) -> None:
    """Move all of a folder away, and leave an empty one in its place."""
    real = folder.resolve()
    try:
        os.rename(real, target)
        real.mkdir(exist_ok=True)
    except OSError as error:
        raise MaskfoldError(
            f"{folder}: cannot be moved to {target}, to be removed: {error.strerror}. Remove it by hand, then run the "
            "same command without overwrite=true."
        ) from error


def is_held(folder: Path) -> bool:
    """Return whether a process holds a folder; it is looked at and not held."""
    try:
        with (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # nobody has ever held it, or nobody may look
        return False
    return False


@contextmanager
def _held_here(folder: Path, wait: float = 0) -> Iterator[None]:
    """Hold a folder as `locked` does, as it is."""
    try:
        lock = _take(folder / LOCK, float(os.environ.get(LOCK_WAIT, wait)))
    except BlockingIOError as error:
        raise MaskfoldError(f"{folder}: another run is writing here. Wait for it, or stop it, first.") from error
    except OSError as error:
        raise MaskfoldError(f"{folder}: cannot be written to: {error.strerror}. Choose another folder.") from error
    with lock:
        _held.add(lock)
        try:
            yield
        finally:
            _held.discard(lock)


def _take(path: Path, seconds: float) -> IO:
    """Open and lock a file; where another process holds it, wait so long for it, and raise `BlockingIOError` then."""
    deadline = time.monotonic() + seconds
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(path, lock):
                return lock
        except BlockingIOError:
            if time.monotonic() >= deadline:
                lock.close()
                raise
        lock.close()
        time.sleep(0.1)


def _is_still(path: Path, lock: IO) -> bool:
    """Return whether a file has not been moved away with its folder since it was opened."""
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except FileNotFoundError:
        return False


_held: set[IO] = set()


def _let_go() -> None:
    """Close the locks in a process that was forked: a loading process would hold them beyond its parent's death."""
    for lock in _held:
        lock.close()
    _held.clear()


os.register_at_fork(after_in_child=_let_go)
