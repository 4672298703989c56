"""Loading that repeats: the order of an epoch follows from the seed and the epoch's number, and from nothing else."""

import multiprocessing
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import cycle, islice
from typing import Any, Protocol

import cv2
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

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


class EpochSampler(Sampler):
    """Yield `(epoch, index)` keys: this rank's share of an epoch's order.

    With `draws` a sample may come several times in an epoch. Its second key is `(epoch, index, 1)`, its third
    `(epoch, index, 2)`, so that whatever is random about a sample is drawn anew each time.

    Args:
        length: The number of samples in the dataset.
        seed: The run's seed.
        shuffle: A new order each epoch; otherwise the dataset's own.
        draws: How often a shuffled epoch has each sample on average, `length` numbers; their scale does not matter,
            since an epoch has `length` draws. None for each sample once.
        rank: This process's number.
        ranks: The number of processes. When shuffling, a few samples are seen twice so that all ranks take the same
            number of steps; otherwise every sample is seen exactly once.
    """

    def __init__(
        self,
        length: int,
        *,
        seed: int,
        shuffle: bool,
        draws: Sequence[float] | None = None,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.length = length
        self.seed = seed
        self.shuffle = shuffle
        self.draws = draws
        self.rank = rank
        self.ranks = ranks
        self.epoch = self.done = 0

    def set_epoch(self, epoch: int, *, done: int = 0) -> None:
        """Choose the epoch that the next iteration yields, and how many of its keys are left out at its beginning."""
        self.epoch, self.done = epoch, done

    def _keys(self) -> list[tuple[int, ...]]:
        """Return the whole epoch's keys, which are the same in every process."""
        if not self.shuffle:
            return [(self.epoch, index) for index in range(self.length)]
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(self.length, generator=generator)
        if self.draws is not None:
            order = draw(order, torch.tensor(self.draws, dtype=torch.float64), generator)
        keys = numbered(self.epoch, order.tolist())
        return list(islice(cycle(keys), self._padded))

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return iter(self._keys()[self.rank :: self.ranks][self.done :])

    @property
    def _padded(self) -> int:
        return self.length + (-self.length % self.ranks if self.shuffle else 0)

    def __len__(self) -> int:
        return len(range(self.rank, self._padded, self.ranks))


def draw(order: torch.Tensor, draws: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Draw as many samples as there are, each as often as it should be: a number of times is rounded up or down.

    The draw is systematic: samples lie side by side, each as wide as it is drawn often, and every step of one hits one.
    Independent draws would leave out more than a third of all samples in an epoch that wants each about once.

    Args:
        order: `(N,)`, the samples' numbers, shuffled.
        draws: `(N,) float64`, how often each sample is drawn on average, by number; in any scale.
        generator: What everything random is drawn from.

    Returns:
        `(N,)` numbers of samples, shuffled.
    """
    count = len(order)
    ends = draws[order].cumsum(0)
    steps = torch.arange(count, dtype=torch.float64) + torch.rand(1, dtype=torch.float64, generator=generator)
    places = torch.searchsorted(ends, steps * (ends[-1] / count), right=True).clamp_max(count - 1)
    return order[places][torch.randperm(count, generator=generator)]


def numbered(epoch: int, order: Sequence[int]) -> list[tuple[int, ...]]:
    """Return `(epoch, index)` of each sample of an order, and `(epoch, index, n)` where it comes again."""
    seen: Counter[int] = Counter()
    keys: list[tuple[int, ...]] = []
    for index in order:
        keys.append((epoch, index, seen[index]) if seen[index] else (epoch, index))
        seen[index] += 1
    return keys


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
        num_workers: int | None = None,
        timeout: float = 0,
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.draws = draws
        self.num_workers = default_workers() if num_workers is None else num_workers
        self.timeout = timeout

    @cached_property
    def _sampler(self) -> EpochSampler:
        """This rank's sampler, made when it is first needed: the ranks do not know one another before."""
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        rank = torch.distributed.get_rank() if distributed else 0
        ranks = torch.distributed.get_world_size() if distributed else 1
        order = {"seed": self.seed, "shuffle": self.shuffle, "draws": self.draws}
        return EpochSampler(len(self.dataset), **order, rank=rank, ranks=ranks)

    @cached_property
    def _loader(self) -> DataLoader:
        if self.num_workers == 0:
            keep_freed_memory()
        return DataLoader(
            self.dataset,
            batch_size=self.batch_size,
            sampler=self._sampler,
            # A last batch of one sample would give batch normalisation nothing to normalise by.
            drop_last=self.shuffle and len(self._sampler) > self.batch_size,
            num_workers=self.num_workers,
            timeout=self.timeout if self.num_workers else 0,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=one_thread,
        )

    def set_epoch(self, epoch: int, *, done: int = 0) -> None:
        """See `Loader`."""
        self._sampler.set_epoch(epoch, done=done * self.batch_size)

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        yield from self._loader


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
