"""A recogniser as one module from framed photos to logits and embeddings, all of which becomes one ONNX file."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from maskfold.errors import MaskfoldError
from maskfold.export.making import module_file
from maskfold.models.network import Network
from maskfold.prediction.onnx_file import IDENTITY, NAME, TASK
from maskfold.prediction.tta import VIEWS, View
from maskfold.recognition.recognizer import EMBEDDING, LOGITS, RECOGNITION


@dataclass(frozen=True)
class ProductVoter:
    """A network of a recogniser.

    Attributes:
        network: A classifier, in evaluation mode and on the CPU.
        tta: A name of `VIEWS`: its logits and embeddings are the mean over the views, as in prediction.
        share: Of the mean.
    """

    network: Network
    tta: str
    share: float


class RecognizerGraph(nn.Module):
    """Photos `(N, S, S, 3) uint8`, framed, to logits `(N, C)` and embeddings `(N, D)`.

    Of several networks the logits are the logarithm of the mean of their probabilities, and the embeddings stand one
    behind the other.

    Args:
        voters: The networks, of the same classes.
        active: `(C,) bool`: the logits of the others are -inf.

    Raises:
        MaskfoldError: If a network takes other photos than RGB of 8 bits.
    """

    def __init__(self, voters: Sequence[ProductVoter], active: np.ndarray) -> None:
        super().__init__()
        if any(voter.network.channels is not None for voter in voters):
            raise MaskfoldError(
                "These networks were trained on photos as they are stored (data.channels), and an exported file takes "
                "RGB of 8 bits. Predict with the networks themselves: make predict."
            )
        self.networks = nn.ModuleList(voter.network for voter in voters)
        self.views = [VIEWS[voter.tta] for voter in voters]
        self.shares = [voter.share for voter in voters]
        retired = torch.from_numpy(np.where(active, 0.0, -np.inf).astype(np.float32))
        self.register_buffer("retired", retired, persistent=False)

    def forward(self, photos: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and embeddings."""
        images = photos.permute(0, 3, 1, 2)
        logits, embeddings = zip(*map(self._vote, self.networks, self.views, [images] * len(self.views)), strict=True)
        return self._mean(logits) + self.retired, torch.cat(embeddings, dim=1)

    def _vote(self, network: Network, views: Sequence[View], images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        answers = [network.answer(view.to(images, network.stride)) for view in views]
        if len(answers) == 1:
            return answers[0]
        return tuple(torch.stack(parts).mean(0) for parts in zip(*answers, strict=True))

    def _mean(self, logits: Sequence[torch.Tensor]) -> torch.Tensor:
        if len(logits) == 1:
            return logits[0]
        parts = [
            torch.log_softmax(one + self.retired, dim=1) + math.log(share)
            for one, share in zip(logits, self.shares, strict=True)
        ]
        # Their largest is taken out by hand: of a retired product all are -inf, of which logsumexp has no derivative,
        # nor the exporter a word.
        stacked = torch.stack(parts)
        top = stacked.amax(0).clamp(min=-1e30)
        return top + torch.log(torch.exp(stacked - top).sum(0))


def recognizer_file(graph: RecognizerGraph, *, size: int, name: str, identity: str) -> bytes:
    """Return a recogniser as an ONNX file.

    Args:
        graph: The networks.
        size: Pixels of the square that they are shown.
        name: What answers call it.
        identity: 16 hexadecimal digits that stand for the networks and the way to them.

    Raises:
        MaskfoldError: As `module_file`.
    """
    return module_file(
        graph,
        name=name,
        photo=(size, size),
        fixed=True,
        outputs=(LOGITS, EMBEDDING),
        facts={NAME: name, IDENTITY: identity, TASK: RECOGNITION},
        otherwise="Predict with the networks themselves: make predict.",
    )


def refuse_other_answers(
    graph: RecognizerGraph, exported: tuple[np.ndarray, np.ndarray], photos: np.ndarray, *, name: str
) -> float:
    """Compare an exported file's answers with the networks' own.

    Args:
        graph: The networks.
        exported: Logits and embeddings of the file.
        photos: `(N, S, S, 3) uint8` that they are of.
        name: What messages call it.

    Returns:
        How far they are apart at most, as a share of the largest number.

    Raises:
        MaskfoldError: If that is more than `ALLOWED`.
    """
    with torch.inference_mode():
        own = [part.float().numpy() for part in graph(torch.from_numpy(photos))]
    worst = max(_apart(one, other) for one, other in zip(own, exported, strict=True))
    if worst > ALLOWED:
        raise MaskfoldError(
            f"{name}: the exported file's answers are up to {worst:.2g} apart from the networks' own, as a share of "
            "the largest, so it is not written. Predict with the networks themselves (make predict), and report what "
            "they are."
        )
    return worst


ALLOWED = 1e-3  # of the largest number: sums of floats in another order, through a hundred layers


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    finite = np.isfinite(one)
    if one.shape != other.shape or not np.array_equal(finite, np.isfinite(other)):
        return float("inf")
    largest = max(float(np.abs(one[finite]).max(initial=0)), 1.0)
    return float(np.abs(one[finite] - other[finite]).max(initial=0)) / largest
