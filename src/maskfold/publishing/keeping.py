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
_SENT_BEHIND = {_RUN.last.name: 1, _RUN.middle.name: 1, _RUN.finished.name: 2}  # what speaks of other files


class Keeper:
    """Brings what the trainings of a working folder go on from to a storage, and from there into an empty folder.

    A last checkpoint knows which epoch was the best, whose weights lie in another file: it is sent only where nothing
    else has changed since that was, so what is kept is of one moment.

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
        for name in self._sent.keys() - self._versions().keys():
            self._storage.remove(name)
            del self._sent[name]
        sent = 0
        while changed := self._changed():
            stage = min(map(_stage, changed))
            for name in changed:
                if _stage(name) != stage or not self._here.exists(name):
                    continue
                content = self._here.read(name)
                if stage and any(_stage(other) < stage for other in self._changed()):
                    break  # what it speaks of is newer by now
                self._storage.write(name, content)
                self._sent[name] = changed[name]
                sent += 1
        return sent

    def _changed(self) -> dict[str, str]:
        """Return the version of each file here that was not sent as it is now."""
        return {name: version for name, version in self._versions().items() if self._sent.get(name) != version}

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
