"""A network or an ensemble as one module from photos to maps, all of which becomes one ONNX file."""

from collections.abc import Sequence

import torch
from torch import nn

from maskfold.data.preprocessing import Unchanged
from maskfold.errors import MaskfoldError
from maskfold.export.ways import Way, way_of
from maskfold.prediction.branches import Branch, channels_of
from maskfold.prediction.tta import predict_probability


class Graph(nn.Module):
    """Photos `(N, H, W, 3) uint8` to their maps, `(N, H, W) uint8`, and those of each member, `(M, N, H, W) uint8`.

    It is what `maskfold.prediction.in_memory.predict_photo` does with the same networks, for photos of one size.

    Args:
        branches: The networks, of one class, in evaluation mode and on the CPU.

    Attributes:
        members: The names of their members, in the order of the second output.

    Raises:
        MaskfoldError: If the way to a network cannot be part of a file.
    """

    def __init__(self, branches: Sequence[Branch]) -> None:
        super().__init__()
        _refuse_inexpressible(branches)
        self.branches = branches
        self.ways: list[Way] = [way_of(branch.geometry) for branch in branches]
        self.networks = nn.ModuleList(voter.network for branch in branches for voter in branch.voters)
        self.members = tuple(dict.fromkeys(voter.member for branch in branches for voter in branch.voters))

    def forward(self, photos: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the maps and the members' maps."""
        mean: list[torch.Tensor] = []
        shares: dict[str, list[torch.Tensor]] = {member: [] for member in self.members}
        for branch, way in zip(self.branches, self.ways, strict=True):
            windows = way.forward(photos)
            votes: dict[str, torch.Tensor] = {}
            for voter in branch.voters:
                vote = voter.weight * predict_probability(voter.network, windows, voter.tta)[:, 0]
                votes[voter.member] = votes[voter.member] + vote if voter.member in votes else vote
            mean.append(way.restore(sum(votes.values()), photos))
            for member, vote in votes.items():
                shares[member].append(way.restore(vote, photos))
        maps = _levels(sum(mean))
        if len(self.members) == 1:
            return maps, maps[None]
        alone = [_levels(sum(shares[member]) / self._weight(member)) for member in self.members]
        return maps, torch.stack(alone)

    def _weight(self, member: str) -> float:
        voters = (voter for branch in self.branches for voter in branch.voters)
        return sum(voter.weight for voter in voters if voter.member == member)


def _levels(probability: torch.Tensor) -> torch.Tensor:
    """Quantise as `maskfold.prediction.store.to_bytes` does."""
    return torch.round(probability * 255).clamp(0, 255).to(torch.uint8)


def _refuse_inexpressible(branches: Sequence[Branch]) -> None:
    if channels_of(branches) is not None:
        raise MaskfoldError(
            "These networks were trained on photos as they are stored (data.channels), and an exported file takes RGB "
            "of 8 bits. Predict with the networks themselves: make predict."
        )
    for branch in branches:
        if branch.preprocess is not None and not isinstance(branch.preprocess, Unchanged):
            names = ", ".join(sorted({voter.member for voter in branch.voters}))
            raise MaskfoldError(
                f"preprocess: {type(branch.preprocess).__name__}, which {names} was trained with, cannot be part of an "
                "exported file. Leave it out of the ensemble, or mask photos with the networks themselves: "
                "ensemble=<name>."
            )
