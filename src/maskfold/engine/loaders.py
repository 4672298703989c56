"""Loading that repeats: an epoch's batches follow from the seed and the epoch's number, and from nothing else."""

import multiprocessing
import os
import re
import signal
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Protocol

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from maskfold.engine.chunked import Chunks, fetched_ahead
from maskfold.engine.sampling import EpochBatches, EpochSampler
from maskfold.memory import keep_freed_memory


class Loader(Protocol):
    """What the engine asks of a source of batches: how many there are, which epoch's, and the batches.

    A batch is a dictionary of tensors with a key `image`. Every rank has as many batches in training as any other.
    """

    @property
    def dataset(self) -> Dataset:
        """What an epoch goes through; it has a length."""

    @property
    def batch_size(self) -> int:
        """Samples in a batch, in each rank."""

    def set_epoch(self, epoch: int, *, done: int = 0) -> None:
        """Choose the epoch that the next iteration yields; called after its iterator is made and before it is used.

        Args:
            epoch: Its number.
            done: Batches of it that are left out, since a run that was broken off has had them.
        """

    def __len__(self) -> int:
        """Return the number of batches of an epoch, which Lightning must know to look no batch ahead."""

    def __iter__(self) -> Iterator[Any]:
        """Yield the epoch's batches."""


class EpochLoader:
    """A `Loader` that looks at its epoch only when the first batch is taken.

    Lightning makes the iterator of a resumed run before the epoch is known; a plain `DataLoader` with
    workers would by then have asked for the first epoch's samples. A generator has not.

    Args:
        dataset: The samples, asked for by `(epoch, index)`, see `EpochSampler`.
        batch_size: Samples in a batch.
        seed: The run's.
        shuffle: A new order each epoch.
        draws: How often a shuffled epoch has each sample, see `EpochSampler`.
        chunks: Where samples lie, many to a file; then a shuffled epoch leaves none out. None where each is a file.
        num_workers: Loading processes; None for `default_workers`.
        timeout: Seconds after which a batch that does not come from them is an error; 0 waits for ever.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = False,
        draws: Sequence[float] | None = None,
        chunks: Chunks | None = None,
        num_workers: int | None = None,
        timeout: float = 0,
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.draws = draws
        self.chunks = chunks
        self.num_workers = default_workers() if num_workers is None else num_workers
        self.timeout = timeout

    @cached_property
    def _sampler(self) -> EpochSampler:
        """This rank's sampler, made when it is first needed: the ranks do not know one another before."""
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        rank = torch.distributed.get_rank() if distributed else 0
        ranks = torch.distributed.get_world_size() if distributed else 1
        order = {"seed": self.seed, "shuffle": self.shuffle, "draws": self.draws, "chunks": self.chunks}
        return EpochSampler(len(self.dataset), **order, rank=rank, ranks=ranks)

    @cached_property
    def _batches(self) -> EpochBatches:
        return EpochBatches(self._sampler, self.batch_size)

    @cached_property
    def _loader(self) -> DataLoader:
        if self.num_workers == 0:
            keep_freed_memory()
        return DataLoader(
            self.dataset,
            batch_sampler=self._batches,
            num_workers=self.num_workers,
            timeout=self.timeout if self.num_workers else 0,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=one_thread,
        )

    def set_epoch(self, epoch: int, *, done: int = 0) -> None:
        """See `Loader`."""
        self._sampler.set_epoch(epoch)
        self._batches.done = done

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        batches = iter(self._loader)
        if self.chunks is None or self.chunks.fetch is None:
            yield from batches
            return
        to_come = self._sampler.samples()[self._batches.done * self.batch_size :]
        needed = torch.as_tensor(self.chunks.of)[to_come].tolist()
        with fetched_ahead(self.chunks.fetch, needed, self.chunks.window) as reached:
            for number, batch in enumerate(batches):
                reached(number * self.batch_size)
                yield batch


def default_workers() -> int:
    """Return the number of loading processes: none beside CPU training, which needs the cores itself."""
    return min(16, len(os.sched_getaffinity(0))) if torch.cuda.is_available() else 0


def one_thread(_worker: int) -> None:
    """Keep a loading process to one core, and to the memory it has; there are as many processes as cores."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    keep_freed_memory()


def describe_lost_worker(error: RuntimeError) -> str | None:
    """Return in words what torch says of a loading process that was killed or stands still; None of any other error."""
    message = f"{error}"
    if still := re.search(r"DataLoader timed out after (\S+) seconds", message):
        return (
            f"No batch has come from the loading processes for {still[1]} s: one of them stands still, stopped by "
            "somebody or waiting for a disk. Run the same command again to go on from what is finished. Where loading "
            "takes so long, raise trainer.load_timeout; trainer.num_workers=0 loads without processes of its own."
        )
    if re.search(r"DataLoader worker .* (is killed by signal|exited unexpectedly)", message):
        reason = message.splitlines()[0].removeprefix("DataLoader worker ").rstrip(". ")
        return (
            f"A loading process was lost: {reason}. Mostly the system has killed it, for the machine's memory was "
            "full: lower trainer.num_workers or trainer.batch_size, or end what else runs here, and run the same "
            "command again to go on from what is finished."
        )
    return None


def end_workers() -> None:
    """End all loading processes; one that is stopped would be waited for when this process ends."""
    for process in multiprocessing.active_children():
        process.terminate()
        if process.pid is not None:
            os.kill(process.pid, signal.SIGCONT)
