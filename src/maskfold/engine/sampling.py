"""The order of an epoch, which follows from the seed and the epoch's number, and from nothing else."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise

import torch
from torch.utils.data import Sampler

from maskfold.engine.chunked import Chunks, by_chunk


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
        chunks: Where samples lie, many to a file: the order stays within a few chunks for a while, and a rank's share
            is a part of it in one piece, so that each rank reads chunks of its own. None where each is a file: ranks
            take samples in turn.
        rank: This process's number.
        ranks: The number of processes. When shuffling, a few samples are seen twice so that all ranks take the same
            number of steps, at most one in each; otherwise every sample is seen exactly once.
    """

    def __init__(
        self,
        length: int,
        *,
        seed: int,
        shuffle: bool,
        draws: Sequence[float] | None = None,
        chunks: Chunks | None = None,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.length = length
        self.seed = seed
        self.shuffle = shuffle
        self.draws = draws
        self.chunks = chunks
        self.rank = rank
        self.ranks = ranks
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration yields."""
        self.epoch = epoch

    def _order(self) -> torch.Tensor:
        """Return the whole epoch's samples, `(length,)`, which are the same in every process."""
        if not self.shuffle:
            return torch.arange(self.length)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(self.length, generator=generator)
        if self.draws is not None:
            order = draw(order, torch.tensor(self.draws, dtype=torch.float64), generator)
        return order if self.chunks is None else by_chunk(order, self.chunks, generator)

    def _share(self) -> torch.Tensor:
        """Return which places of the order are this rank's."""
        if self.chunks is None:
            return torch.arange(self.rank, self._padded, self.ranks) % max(self.length, 1)
        start = self.length * self.rank // self.ranks  # with at most one of the next share, or of the first
        return torch.arange(start, start + len(self)) % max(self.length, 1)

    def samples(self) -> torch.Tensor:
        """Return the numbers of this rank's samples, in their order."""
        return self._order()[self._share()]

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        if self.shuffle and self.draws is not None:
            keys = numbered(self.epoch, self._order().tolist())
            return iter([keys[place] for place in self._share().tolist()])
        return ((self.epoch, int(index)) for index in self.samples())

    @property
    def _padded(self) -> int:
        return self.length + (-self.length % self.ranks if self.shuffle else 0)

    def __len__(self) -> int:
        if self.chunks is None or self.shuffle:
            return len(range(self.rank, self._padded, self.ranks))
        return self.length * (self.rank + 1) // self.ranks - self.length * self.rank // self.ranks


class EpochBatches(Sampler):
    """Yield an epoch's batches of keys.

    A last batch of one sample would give batch normalisation nothing to normalise by. So a shuffled epoch leaves out
    what does not fill a batch; where samples lie in chunks it leaves out nothing, and a last one gets company from the
    batch before.

    Attributes:
        done: Batches that are left out at the beginning.
    """

    def __init__(self, sampler: EpochSampler, batch_size: int) -> None:
        """Take this rank's sampler, and how many samples a batch has."""
        self.sampler = sampler
        self.batch_size = batch_size
        self.done = 0

    @property
    def _drops_last(self) -> bool:
        return self.sampler.shuffle and self.sampler.chunks is None and len(self.sampler) > self.batch_size

    def __len__(self) -> int:
        whole, rest = divmod(len(self.sampler), self.batch_size)
        return whole + (rest > 0 and not self._drops_last)

    def _bounds(self) -> list[int]:
        """Return where each batch begins, and where the last one ends."""
        bounds = [number * self.batch_size for number in range(len(self))]
        end = len(self.sampler) if not self._drops_last else len(self) * self.batch_size
        if self.sampler.shuffle and self.batch_size > 2 and len(bounds) > 1 and end - bounds[-1] == 1:
            bounds[-1] -= 1
        return [*bounds, end]

    def __iter__(self) -> Iterator[list[tuple[int, ...]]]:
        bounds = self._bounds()[self.done :]
        keys = islice(self.sampler, bounds[0], None)
        for start, end in pairwise(bounds):
            yield list(islice(keys, end - start))


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
