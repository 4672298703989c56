"""Runs of a machine that may be taken away, kept elsewhere so that another one goes on with them."""

import logging
from pathlib import Path, PurePosixPath

from maskfold import files
from maskfold.runs.layout import EXPERIMENTS
from maskfold.runs.run_folder import RunFolder
from maskfold.storage import FolderStorage, Storage
from maskfold.terminal import counted

log = logging.getLogger(__name__)

_DATA, _NOTES = "data", (".csv", ".parquet", ".json")  # data/<name>/folds.csv and the like, but no photos
_RUN = RunFolder(Path())
_MARK = "kept.txt"
_TRIES = 2  # where checkpoints change while they are sent; then the next sending may have more luck
_SENT_BEHIND = {_RUN.last.name: 1, _RUN.middle.name: 1, _RUN.finished.name: 2}  # what speaks of other files


class Keeper:
    """Brings what the trainings of a working folder go on from to a storage, and from there into an empty folder.

    A last checkpoint knows which epoch was the best, whose weights lie in another file: it is sent only where no other
    checkpoint of its run has changed since that was, so what is kept of a run is of one moment. Any other file may be
    written all the time.

    Args:
        folder: The working folder.
        storage: Where things are kept, under the same names.
    """

    def __init__(self, folder: Path, storage: Storage) -> None:
        self._here = FolderStorage(folder)
        self._storage = storage
        self._sent: dict[str, str] = {}

    def fetch(self) -> int:
        """Bring here what is kept there and missing here; return how many files that were.

        Raises:
            MaskfoldError: If it cannot be read or written.
        """
        if not self._storage.exists(_MARK):  # which says at once whether one may write there
            self._storage.write(_MARK, b"Runs that a training goes on from.\n")
        missing = [name for name in self._names_there() if not self._here.exists(name)]
        for name in sorted(missing, key=_stage):
            self._here.write(name, self._storage.read(name))
        self._sent |= {name: version for name, version in self._versions().items() if name in missing}
        if missing:
            log.info("%s: %s of an earlier start are here again", self._storage.text, counted(len(missing), "file"))
        return len(missing)

    def send(self) -> int:
        """Bring there what has changed here, and remove what was removed; return how many files were sent.

        Raises:
            MaskfoldError: If it cannot be read or written.
        """
        sent = 0
        for _ in range(_TRIES):
            versions, held = self._versions(), False
            for name in self._sent.keys() - versions.keys():
                self._storage.remove(name)
                del self._sent[name]
            for name in sorted(versions, key=_stage):
                if self._sent.get(name) == versions[name] or not self._here.exists(name):
                    continue
                content = self._here.read(name)
                now = self._versions() if _stage(name) else {}
                if self._is_ahead(name, now):
                    held = True  # what it speaks of is newer by now
                    continue
                metrics = str(_run_of(name) / _RUN.metrics.name)
                if now.get(metrics, self._sent.get(metrics)) != self._sent.get(metrics):
                    self._write(metrics, now[metrics], self._here.read(metrics))  # with the row of the epoch
                self._write(name, versions[name], content)
                sent += 1
            if not held:
                break
        return sent

    def _write(self, name: str, version: str, content: bytes) -> None:
        self._storage.write(name, content)
        self._sent[name] = version

    def _is_ahead(self, name: str, now: dict[str, str]) -> bool:
        """Return whether a file speaks of checkpoints of its run that are not there yet as they are now."""
        folder = _run_of(name) / _RUN.checkpoints.name
        return any(
            _stage(other) < _stage(name) and self._sent.get(other) != version
            for other, version in now.items()
            if PurePosixPath(other).parent == folder
        )

    def _versions(self) -> dict[str, str]:
        return {item.name: item.version for item in self._here.items() if _is_kept(item.name)}

    def _names_there(self) -> list[str]:
        names = [item.name for item in self._storage.items()]
        return [files.check_inside(name, what=self._storage.text) for name in names if _is_kept(name)]


def _is_kept(name: str) -> bool:
    path = PurePosixPath(name)
    of_data = path.parts[0] == _DATA and len(path.parts) == 3 and path.suffix in _NOTES
    return of_data or path.parts[0] == EXPERIMENTS.name


def _stage(name: str) -> int:
    """Return when a file is sent: 0 before those that speak of it."""
    return _SENT_BEHIND.get(PurePosixPath(name).name, 0)


def _run_of(name: str) -> PurePosixPath:
    """Return the run folder of a checkpoint, or of a file that lies in it."""
    folder = PurePosixPath(name).parent
    return folder.parent if folder.name == _RUN.checkpoints.name else folder
