"""TensorBoard: event files on disk, a folder for each member and in it one for each fold."""

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import yaml
from torch.utils.tensorboard import SummaryWriter

from maskfold.tracking.run import Run

_KEY = "tensorboard"


class TensorBoardTracker:
    """Writes `<folder>/<member>/fold<k>/`; `tensorboard --logdir <folder>` shows all runs.

    Args:
        folder: The root of the runs of all members.
    """

    name: ClassVar[str] = "TensorBoard"
    errors: ClassVar[tuple[type[Exception], ...]] = (OSError,)
    advice: ClassVar[str] = "Name a folder that can be written to: tracker.tensorboard.folder=..."

    def __init__(self, *, folder: str) -> None:
        self.folder = Path(folder)

    def begin(self, run: Run) -> None:
        """See `Tracker`; a run that begins anew removes the event files of the one before it."""
        folder = self.folder / run.member / run.fold
        if run.known_as(_KEY) is None:
            for events in folder.glob("events.out.tfevents.*"):
                events.unlink()
        self.writer = SummaryWriter(str(folder))
        run.keep(_KEY, str(folder))
        self.writer.add_text("config", _code(yaml.safe_dump(run.config, sort_keys=False)))
        self.writer.add_text("run", _code(json.dumps(run.facts, indent=2)))
        self.writer.flush()

    def log_epoch(self, row: dict[str, float]) -> None:
        """See `Tracker`."""
        for name in row.keys() - {"epoch"}:
            self.writer.add_scalar(name, row[name], row["epoch"])
        self.writer.flush()

    def log_samples(self, pictures: dict[str, np.ndarray], *, epoch: int) -> None:
        """See `Tracker`."""
        for image_id, picture in pictures.items():
            self.writer.add_image(f"samples/{image_id}", picture, epoch, dataformats="HWC")

    def log_checkpoint(self, path: Path) -> None:
        """See `Tracker`; TensorBoard keeps no files, so it gets the path of this one."""
        self.writer.add_text("checkpoint", str(path.resolve()))

    def end(self, *, finished: bool) -> None:
        """See `Tracker`."""
        self.writer.close()


def _code(text: str) -> str:
    """Return Markdown that shows a text as it is: four spaces before every line."""
    return "".join(f"    {line}\n" for line in text.splitlines())
