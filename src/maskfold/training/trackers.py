"""Trackers beside `metrics.csv`, opened for one run and closed with it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from lightning.pytorch.loggers import Logger, WandbLogger


@contextmanager
def tracked(loggers: Iterable[Logger]) -> Iterator[list[Logger]]:
    """Yield the loggers of one run, and end what would otherwise last as long as the process.

    A Weights & Biases run goes on until it is told to finish: the next fold trained in the same process would write
    into it, and what it had not written yet would be lost to a kill.
    """
    loggers = list(loggers)
    try:
        yield loggers
    finally:
        for logger in loggers:
            if isinstance(logger, WandbLogger):
                logger.experiment.finish()
