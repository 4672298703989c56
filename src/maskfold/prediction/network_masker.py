"""The networks of an ensemble as a masker, in this process."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from maskfold.prediction.branches import Branch, is_symmetric
from maskfold.prediction.in_memory import place, predict_photo
from maskfold.prediction.masker import Answer


class NetworkMasker:
    """The mean of some networks, see `maskfold.prediction.masker.Masker`.

    Args:
        branches: The networks, each with the name of the member that it is of; they are moved to the device.
        name: What files and answers call it.
        identity: 16 hexadecimal digits that stand for the networks and the way to them.
        accelerator: `cpu`, `gpu`, or `auto` for a GPU where there is one.
        precision: `32-true`, `bf16-mixed` or `16-mixed`.
        batch_size: The most windows in one forward pass.
    """

    def __init__(
        self,
        branches: Sequence[Branch],
        *,
        name: str,
        identity: str,
        accelerator: str = "auto",
        precision: str = "32-true",
        batch_size: int = 4,
    ) -> None:
        self.name, self.identity = name, identity
        self.branches, self.symmetric = branches, is_symmetric(branches)
        self.members = tuple(dict.fromkeys(voter.member for branch in branches for voter in branch.voters))
        self._options = {"batch_size": batch_size, "precision": precision}
        self._alone = [_of_member(branches, member) for member in self.members]
        place(branches, accelerator=accelerator)

    def answer(self, photos: Sequence[np.ndarray], *, members: bool = False) -> list[Answer]:
        """See `Masker`; with members every network looks twice, since the mean is rounded once."""
        return [self._answer(photo, members=members) for photo in photos]

    def _answer(self, photo: np.ndarray, *, members: bool) -> Answer:
        mean = predict_photo(photo, self.branches, **self._options)
        if not members:
            return Answer(mean)
        if len(self.members) == 1:
            return Answer(mean, mean[None])
        return Answer(mean, np.stack([predict_photo(photo, alone, **self._options) for alone in self._alone]))


def _of_member(branches: Sequence[Branch], member: str) -> list[Branch]:
    """Return the branches of one member's networks, whose shares add up to 1."""
    voters = [[voter for voter in branch.voters if voter.member == member] for branch in branches]
    total = sum(voter.weight for part in voters for voter in part)
    return [
        replace(branch, voters=[replace(voter, weight=voter.weight / total) for voter in part])
        for branch, part in zip(branches, voters, strict=True)
        if part
    ]
