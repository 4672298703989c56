"""What trackers receive of a run, and what they are."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from maskfold import files
from maskfold.runs.layout import fold_name
from maskfold.runs.run_folder import RunFolder


@dataclass(frozen=True)
class Run:
    """One fold of one member, as its run folder describes it."""

    folder: RunFolder

    @cached_property
    def config(self) -> dict[str, Any]:
        """The resolved configuration."""
        return self.folder.read_config()

    @cached_property
    def facts(self) -> dict[str, Any]:
        """Fingerprints of data and folds, commit, device, versions and seed."""
        return files.read_json(self.folder.run)

    @property
    def member(self) -> str:
        """The name that the runs of its folds share."""
        return self.config["name"]

    @property
    def fold(self) -> str:
        """`fold0`, `fold1` and so on."""
        return fold_name(self.config["fold"])

    def known_as(self, tracker: str) -> str | None:
        """Return the id that a tracker has given this run before it was broken off, or None."""
        return self._ids().get(tracker)

    def keep(self, tracker: str, run_id: str) -> None:
        """Remember the id that a tracker has given this run; it goes when the run folder does."""
        files.write_json(self.folder.trackers, self._ids() | {tracker: run_id})

    def _ids(self) -> dict[str, str]:
        kept = self.folder.trackers
        return files.read_json(kept) if kept.exists() else {}


def plain_name(name: str) -> str:
    """Return a name without what registries of artifacts and models refuse, such as the `/` of a path."""
    return re.sub(r"[^\w.-]", "-", name, flags=re.ASCII)[:128]


class Tracker(Protocol):
    """Where runs can be looked at and compared: one object, one run.

    Attributes:
        name: What users call it.
        errors: What its library raises when something outside this process is not as it should be.
        advice: What users can do about it.
    """

    name: ClassVar[str]
    errors: ClassVar[tuple[type[Exception], ...]]
    advice: str

    def begin(self, run: Run) -> None:
        """Open the run, or go on with it where it was broken off."""

    def log_epoch(self, row: dict[str, float]) -> None:
        """Add a row of `metrics.csv`."""

    def log_samples(self, pictures: dict[str, np.ndarray], *, epoch: int) -> None:
        """Add pictures, `image_id -> (H, W, 3) uint8` RGB."""

    def log_checkpoint(self, path: Path) -> None:
        """Add the checkpoint that the run leaves behind."""

    def end(self, *, finished: bool) -> None:
        """Close the run; one that is not finished may go on another time."""
