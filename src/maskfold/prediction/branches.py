"""Which networks look at a photo, and through which geometry: one network, or a whole ensemble at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from maskfold.data.geometry import Geometry, Pad, Placement
from maskfold.data.preprocessing import Preprocess
from maskfold.data.shown import PhotoFile, prepared
from maskfold.errors import MaskfoldError
from maskfold.models.network import Network
from maskfold.prediction.store import to_bytes
from maskfold.prediction.tta import predict_probability


@dataclass(frozen=True)
class Voter:
    """A network with its share of the mean.

    Attributes:
        network: Photos in, logits out.
        tta: A name of `maskfold.prediction.tta.VIEWS`.
        weight: Its share; those of all voters of all branches add up to 1.
        member: The name of the member that it is a fold of.
        others: Its shares of further means, of some of the voters, as many for each voter; 0 where it is not among
            them.
    """

    network: Network
    tta: str
    weight: float = 1.0
    member: str = ""
    others: tuple[float, ...] = ()

    @property
    def shares(self) -> tuple[float, ...]:
        """Its share of every mean."""
        return self.weight, *self.others


@dataclass(frozen=True)
class Branch:
    """Networks that are shown a photo in the same way.

    Attributes:
        geometry: The way to the networks and back, as in training.
        preprocess: As in training.
        voters: The networks.
    """

    geometry: Geometry
    preprocess: Preprocess | None
    voters: Sequence[Voter]


def channels_of(branches: Sequence[Branch]) -> int | None:
    """Return how photos are read for networks, see `maskfold.data.loading.read_image`.

    Raises:
        MaskfoldError: If they were trained on photos that were read in different ways.
    """
    networks = (voter.network for branch in branches for voter in branch.voters)
    counts = {network.channels if isinstance(network, Network) else None for network in networks}
    if len(counts) > 1:
        listed = ", ".join(sorted("null" if count is None else str(count) for count in counts))
        raise MaskfoldError(
            f"These networks were trained on photos that were read in different ways (data.channels={listed}), so one "
            "reading cannot serve them all. Predict with each by itself, and average their maps with make ensemble."
        )
    return counts.pop()


def is_symmetric(branches: Sequence[Branch]) -> bool:
    """Return whether a network is shown more than the photo as it is, see `maskfold.prediction.masker.Masker`."""
    return any(voter.tta != "none" for branch in branches for voter in branch.voters)


def windows_of(
    image: np.ndarray | PhotoFile, ways: Sequence[tuple[Geometry, Preprocess | None]]
) -> tuple[list[torch.Tensor], list[Placement]]:
    """Cut a photo into what each branch's networks are shown.

    Args:
        image: `(H, W, 3) uint8`, RGB, or `(H, W, C)`, uint8 or float32, as its file has it; or the file, of which each
            branch is shown what it would be shown alone.
        ways: Geometry and preprocessing of each branch.

    Returns:
        For each branch its windows, `(K, C, h, w)` of the photo's type, and the way back. In memory a pixel's channels
        are side by side, as they are in a photo and as `channels_last` has them.

    Raises:
        MaskfoldError: If the photo does not fit a geometry.
    """
    windows, placements = [], []
    for geometry, preprocess in ways:
        shown, placement = geometry.forward(prepared(image, geometry, preprocess))
        windows.append(_as_windows(shown))
        placements.append(placement)
    return windows, placements


def _as_windows(shown: np.ndarray) -> torch.Tensor:
    """Return `(K, h, w, C)` as `(K, C, h, w)`, without a copy where it is whole in memory."""
    flat = torch.from_numpy(np.ascontiguousarray(shown).reshape(-1))  # NumPy's strides of a K of 1 mislead torch
    if shown.shape[-1] == 1:  # in either layout; torch is to take it for the usual one
        return flat.view(len(shown), 1, *shown.shape[1:3])
    return flat.view(shown.shape).permute(0, 3, 1, 2)


def vote(branch: Branch, windows: torch.Tensor, *, batch_size: int, layout: torch.memory_format) -> torch.Tensor:
    """Return `(K, C, h, w) float32`, the weighted sum of a branch's probabilities, plane behind plane in memory.

    Of G means it is `(K, G*C, h, w)`, the planes of a mean behind those of the one before.

    Args:
        branch: The networks, on the windows' device.
        windows: `(K, C, h, w)`, uint8 or float32, of one photo or of several.
        batch_size: The most windows in one forward pass.
        layout: How the windows are laid out in memory.
    """
    parts = [_mean_of(branch.voters, part.contiguous(memory_format=layout)) for part in windows.split(batch_size)]
    # Of one class it is contiguous in any layout; of several each plane is read alone.
    return joined(parts).contiguous()


def joined(parts: Sequence[torch.Tensor], dim: int = 0) -> torch.Tensor:
    """Return tensors one after another; a single one as it is, without a copy."""
    return parts[0] if len(parts) == 1 else torch.cat([*parts], dim=dim)


def _mean_of(voters: Sequence[Voter], windows: torch.Tensor) -> torch.Tensor:
    """Return `(K, G*C, h, w) float32`, the weighted sums of some networks' probabilities, one for each of G means.

    Raises:
        MaskfoldError: If they answer for different classes.
    """
    totals: list[torch.Tensor | None] = [None] * len(voters[0].shares)
    classes = None
    for one in voters:
        probability = predict_probability(one.network, windows, one.tta)
        classes = classes or probability.shape[1]
        _refuse_other_classes([classes, probability.shape[1]])  # which torch would spread over the others' planes
        for mean, weight in enumerate(one.shares):
            if weight:
                share = probability if weight == 1 else weight * probability
                totals[mean] = share if totals[mean] is None else totals[mean] + share
    some = next(total for total in totals if total is not None)
    return joined([torch.zeros_like(some) if total is None else total for total in totals], dim=1)


def _means(branches: Sequence[Branch]) -> list[list[bool]]:
    """Return for each mean of some networks which branches have a share of it."""
    shares = [[voter.shares for voter in branch.voters] for branch in branches]
    count = len(next((one for branch in shares for one in branch), (1,)))
    if count == 1:
        return [[True] * len(branches)]
    return [[any(one[mean] for one in branch) for branch in shares] for mean in range(count)]


def _refuse_other_classes(classes: Sequence[int]) -> None:
    counts = sorted({*classes})
    if len(counts) > 1:
        raise MaskfoldError(
            f"The networks answer for {' and for '.join(map(str, counts))} classes. Only networks that were trained on "
            "the same classes have a mean: leave the others out."
        )


def merge_votes(
    image_id: str, branches: Sequence[Branch], votes: Sequence[torch.Tensor], placements: Sequence[Placement]
) -> np.ndarray:
    """Bring the votes of all branches back to the photo's own size and add them up.

    Args:
        image_id: The photo's name, for the message.
        branches: Who voted.
        votes: For each branch `(K, C, h, w) float32` on the CPU; `(K, G*C, h, w)` of G means.
        placements: For each branch the way back.

    Returns:
        The probability map, `(H, W) uint8`, round(255 p), or `(C, H, W)` of several classes; the G maps of G means one
        behind the other, `(G*C, H, W)`.

    Raises:
        MaskfoldError: If the networks answered with something that is no number, or for different classes.
    """
    means = _means(branches)
    classes = [part.shape[1] // len(means) for part in votes]
    _refuse_other_classes(classes)
    # Plane by plane, so that of several only one is at its full size in floats.
    planes = []
    for number in range(votes[0].shape[1]):
        ways = zip(branches, votes, placements, means[number // classes[0]], strict=True)
        own = [(branch, part[:, number], placement) for branch, part, placement, has_share in ways if has_share]
        planes.append(_merge_plane(image_id, own))
    return planes[0] if len(planes) == 1 else np.stack(planes)


def _merge_plane(image_id: str, ways: Sequence[tuple[Branch, torch.Tensor, Placement]]) -> np.ndarray:
    """Bring one class's votes, `(K, h, w) float32` of each branch, to its map `(H, W) uint8`."""
    restored = reduce(np.add, (branch.geometry.restore(answer.numpy(), place) for branch, answer, place in ways))
    refuse_no_numbers(image_id, restored)
    return to_bytes(restored)


def merge_on_device(
    branches: Sequence[Branch], votes: Sequence[torch.Tensor], placements: Sequence[Placement]
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Do what `merge_votes` does where the votes are, if it comes to the same bytes: if photos were only padded.

    Args:
        branches: Who voted.
        votes: For each branch `(K, C, h, w) float32` on a device; `(K, G*C, h, w)` of G means.
        placements: For each branch the way back.

    Returns:
        The probability map, `(C, H, W) uint8`, or the G of them as `(G*C, H, W)`, and `() bool`, whether there was
        something that is no number; None where another geometry has to bring the votes back.

    Raises:
        MaskfoldError: If the networks answered for different classes.
    """
    if not all(isinstance(branch.geometry, Pad) for branch in branches):
        return None
    means = len(_means(branches))
    _refuse_other_classes([part.shape[1] // means for part in votes])
    own = [
        part[0, :, place.top : place.top + place.height, place.left : place.left + place.width]
        for part, place in zip(votes, placements, strict=True)
    ]
    probability = reduce(torch.add, own)
    return (255 * probability).round_().to(torch.uint8), probability.isnan().any()


def refuse_no_numbers(image_id: str, probability: np.ndarray) -> None:
    """Refuse a network's answers, float32, where one of them is no number.

    Raises:
        MaskfoldError: If there is one; the message names the photo.
    """
    if np.isnan(probability.min()):
        raise no_number(image_id)


def no_number(image_id: str) -> MaskfoldError:
    """Return the error about a photo for which a network's answer is no number."""
    return MaskfoldError(
        f"{image_id}: the network's answer is not a number. Its training diverged (train again with "
        "a smaller rate or trainer.gradient_clip), or the precision is too low (trainer.precision=32-true)."
    )


class BranchedPhotos(Dataset):
    """Photos for prediction, each read once and cut into the windows of every branch."""

    def __init__(self, table: pd.DataFrame, branches: Sequence[Branch]) -> None:
        self.ids = table["image_id"].tolist()
        self.images = table["image"].tolist()
        self.channels = channels_of(branches)
        self.ways = [(branch.geometry, branch.preprocess) for branch in branches]  # the networks stay in their process

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return `image_id`; `windows`, for each branch `(K, C, h, w)`; and `placements`, for each the way back.

        Raises:
            MaskfoldError: If the photo cannot be read, or does not fit a geometry.
        """
        windows, placements = windows_of(PhotoFile(self.images[index], channels=self.channels), self.ways)
        return {"image_id": self.ids[index], "windows": windows, "placements": placements}
