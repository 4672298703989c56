"""Soups: the mean of the weights of several checkpoints, which costs no more to run than one of them.

Wortsman et al. 2022, Model soups. The mean is a network only where all began with the same weights and so lie in one
valley of the loss; `maskfold.runs.kinship` looks at that.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch

Weights = dict[str, torch.Tensor]
Judge = Callable[[Weights], tuple[Weights, float]]
"""Gives the mean of some weights its own statistics, and says what the network is worth with them."""


@dataclass(frozen=True)
class Soup:
    """What was made of some checkpoints.

    Attributes:
        weights: Of the soup.
        score: Its own.
        taken: The places of the checkpoints that are in it, in their order.
        tried: The score of the mean with each checkpoint, in their order; None of one that was not looked at alone.
    """

    weights: Weights
    score: float
    taken: tuple[int, ...]
    tried: tuple[float | None, ...]


def mean_weights(every: Iterable[Weights]) -> Weights:
    """Return the mean of floating-point parameters and buffers, and all others as the first has them.

    Sums are of double precision, so the mean of one is itself, bit for bit.

    Args:
        every: Of the same network, at least one; they are read one after another.

    Raises:
        ValueError: If their names or shapes differ.
    """
    count, first, sums = 0, {}, {}
    for weights in every:
        count += 1
        if count == 1:
            first = weights
            sums = {name: tensor.double() for name, tensor in weights.items() if tensor.is_floating_point()}
            continue
        if _shapes(weights) != _shapes(first):
            raise ValueError(f"the weights of number {count} have other names or shapes than those of the first")
        for name in sums:
            sums[name] = sums[name] + weights[name].double()
    return first | {name: (total / count).to(first[name].dtype) for name, total in sums.items()}


def uniform_soup(read: Sequence[Callable[[], Weights]], judge: Judge) -> Soup:
    """Return the mean of all.

    Args:
        read: Return the weights of each checkpoint, the best first.
        judge: What the mean is worth; not asked to change a checkpoint that is alone.
    """
    weights, score = judge(mean_weights(one() for one in read))
    return Soup(weights, score, tuple(range(len(read))), (None,) * len(read))


def greedy_soup(read: Sequence[Callable[[], Weights]], judge: Judge, *, best: float, sign: int = 1) -> Soup:
    """Begin with the best and add each further checkpoint with which the score does not fall.

    Args:
        read: Return the weights of each checkpoint, the best first.
        judge: What a mean is worth.
        best: What the first is worth alone, as it was trained.
        sign: 1 where larger scores are better, -1 where smaller ones are.
    """
    soup = Soup(read[0](), best, (0,), (best,))
    for number in range(1, len(read)):
        weights, score = judge(mean_weights(read[place]() for place in (*soup.taken, number)))
        tried = (*soup.tried, score)
        if sign * score >= sign * soup.score:
            soup = Soup(weights, score, (*soup.taken, number), tried)
        else:
            soup = Soup(soup.weights, soup.score, soup.taken, tried)
    return soup


def _shapes(weights: Weights) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in weights.items()}
