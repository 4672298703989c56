"""Trackers beside `metrics.csv`: they receive a run's results as long as they answer, and never stop it."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from inspect import get_annotations
from pathlib import Path

import numpy as np
from lightning.pytorch.utilities import rank_zero_only

from maskfold.credentials import censored
from maskfold.errors import MaskfoldError
from maskfold.runs.run_folder import RunFolder
from maskfold.tracking.run import Run, Tracker

log = logging.getLogger(__name__)

_LONGEST = 200  # characters of a library's message


class Trackers:
    """All trackers of one run. One that fails is reported once and left alone from then on.

    Args:
        trackers: Those that receive the run's results.
    """

    def __init__(self, trackers: Iterable[Tracker]) -> None:
        self.listening = list(trackers)

    def begin(self, run: Run) -> None:
        """Open the run."""
        self._for_each(lambda tracker: tracker.begin(run), close=False)

    def log_epoch(self, row: dict[str, float]) -> None:
        """Log a row of `metrics.csv`."""
        self._for_each(lambda tracker: tracker.log_epoch(row))

    def log_result(self, draw: Callable[[], dict[str, np.ndarray]], checkpoint: Path, *, epoch: int) -> None:
        """Log what the run leaves behind.

        Args:
            draw: Returns the sample pictures, `image_id -> (H, W, 3) uint8` RGB; not called when nobody listens.
            checkpoint: The best one.
            epoch: Its epoch, from 0.
        """
        if not self.listening:
            return
        try:
            pictures = draw()
        except MaskfoldError as error:
            log.warning("No sample pictures for the trackers: %s", error)
        else:
            self._for_each(lambda tracker: tracker.log_samples(pictures, epoch=epoch))
        self._for_each(lambda tracker: tracker.log_checkpoint(checkpoint))

    def end(self, *, finished: bool) -> None:
        """Close the run."""
        self._for_each(lambda tracker: tracker.end(finished=finished), close=False)

    def _for_each(self, act: Callable[[Tracker], None], *, close: bool = True) -> None:
        """Do something with every tracker; one that fails is left out from then on, and closed if it is open."""
        for tracker in list(self.listening):
            try:
                act(tracker)
            except (MaskfoldError, *tracker.errors) as error:
                self.listening.remove(tracker)
                if close:
                    with suppress(MaskfoldError, *tracker.errors):
                        tracker.end(finished=False)
                log.warning(
                    "%s: %s. The run goes on without it, and metrics.csv is whole. %s",
                    tracker.name,
                    _reason(error),
                    censored(tracker.advice),
                )


def _reason(error: Exception) -> str:
    """Return what the system said if that was the cause, else the library's message: one line of bearable length."""
    # Before it is cut: half a password is not known for one.
    message = " ".join(censored(_system_said(error) or str(error)).split()) or type(error).__name__
    return (message if len(message) <= _LONGEST else f"{message[:_LONGEST]}...").rstrip(".")


def _system_said(error: BaseException | None) -> str | None:
    while error is not None:
        if isinstance(error, OSError) and error.strerror:  # libraries' own OSErrors have none
            return error.strerror
        if isinstance(error, TimeoutError):
            return str(error)
        error = error.__cause__ or error.__context__
    return None


def _whole(tracker: Tracker) -> Tracker:
    wanted = [*get_annotations(Tracker), *(name for name in vars(Tracker) if not name.startswith("_"))]
    missing = [name for name in dict.fromkeys(wanted) if not hasattr(tracker, name)]
    if missing:
        raise MaskfoldError(
            f"tracker: {type(tracker).__module__}.{type(tracker).__qualname__} has no {', '.join(missing)}. "
            "maskfold.tracking.run.Tracker says what each of them is for; add them, or leave this tracker out."
        )
    return tracker


@contextmanager
def tracked(trackers: Iterable[Tracker], folder: RunFolder) -> Iterator[Trackers]:
    """Open a run with all trackers and close it, however it ends; only the first of a run's processes tracks.

    Args:
        trackers: Consumed, and so built, in that process alone.
        folder: The run's folder, begun.

    Raises:
        MaskfoldError: If one of them, of the user's own, lacks something that trackers have.
    """
    opened = Trackers([_whole(tracker) for tracker in trackers] if rank_zero_only.rank == 0 else ())
    opened.begin(Run(folder))
    finished = False
    try:
        yield opened
        finished = True
    finally:
        opened.end(finished=finished)
