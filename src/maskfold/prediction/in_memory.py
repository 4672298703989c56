"""One photo in memory to one map in memory: what a sample picture, a cut-out or a service needs, with no files."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch

from maskfold.data.shown import PhotoFile
from maskfold.errors import MaskfoldError
from maskfold.prediction.branches import Branch, channels_of, merge_votes, vote, windows_of

_AUTOCAST = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@torch.inference_mode()
def predict_photo(
    image: np.ndarray | PhotoFile,
    branches: Sequence[Branch],
    *,
    batch_size: int = 4,
    precision: str = "32-true",
    channels_last: bool = True,
    name: str = "photo",
) -> np.ndarray:
    """Return the mean map of one photo over all networks of all branches.

    Of a file it is the map that `maskfold.prediction.predictor` writes with the same options on the same kind of
    device. There photos share forward passes; where a network then rounds differently, `batch_size=1` gives equal maps.
    Of pixels it is that of these very pixels: with `geometry.decode=scaled` a network is shown a file within a level of
    255 of them, on average.

    Args:
        image: `(H, W, 3) uint8`, RGB, upright; for networks whose photos are read as stored `(H, W, C)`, uint8 or
            float32. Or the file.
        branches: The networks, in evaluation mode and on one device, see `place`.
        batch_size: The most windows in one forward pass.
        precision: `32-true`, `bf16-mixed` or `16-mixed`, Lightning's names.
        channels_last: Lay windows out as the networks were by `place`.
        name: What messages call the photo.

    Returns:
        `(H, W) uint8`, round(255 p); `(C, H, W)` of networks of several classes.

    Raises:
        MaskfoldError: If the photo is no such array or does not fit a geometry, a network answers with something that
            is no number, or the precision is unknown.
    """
    if not isinstance(image, PhotoFile):
        _refuse_other_kind(image, channels_of(branches), name)
    device = next(branches[0].voters[0].network.parameters(), torch.empty(0)).device
    layout = torch.channels_last if channels_last else torch.contiguous_format
    windows, placements = windows_of(image, [(branch.geometry, branch.preprocess) for branch in branches])
    with _autocast(precision, device):
        votes = [
            vote(branch, part.to(device), batch_size=batch_size, layout=layout).cpu()
            for branch, part in zip(branches, windows, strict=True)
        ]
    return merge_votes(name, branches, votes, placements)


def _refuse_other_kind(image: np.ndarray, channels: int | None, name: str) -> None:
    kinds = (np.uint8,) if channels is None else (np.uint8, np.float32)
    if image.ndim == 3 and image.shape[2] == (channels or 3) and image.dtype in kinds:
        return
    wanted = "(H, W, 3) uint8, RGB" if channels is None else f"(H, W, {channels}) uint8 or float32"
    raise MaskfoldError(f"{name}: {image.dtype} of shape {image.shape}; a photo is {wanted}.")


def place(branches: Sequence[Branch], *, accelerator: str = "auto", channels_last: bool = True) -> None:
    """Move the networks of all branches to a device, lay them out, and set them to evaluation, in place.

    Args:
        branches: The networks.
        accelerator: `cpu`, `gpu` (or `cuda`), or `auto` for a GPU where there is one.
        channels_last: Lay weights out as convolutions on GPUs like them.
    """
    cuda = accelerator in ("gpu", "cuda") or (accelerator == "auto" and torch.cuda.is_available())
    layout = torch.channels_last if channels_last else torch.contiguous_format
    for voter in (voter for branch in branches for voter in branch.voters):
        voter.network.to(device="cuda" if cuda else "cpu", memory_format=layout).eval()


def _autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """Return the context that Lightning's Trainer forwards in at a precision."""
    if precision in ("32-true", "32", 32):
        return nullcontext()
    if precision not in _AUTOCAST:
        raise MaskfoldError(f"precision={precision}: in memory there are 32-true, {', '.join(_AUTOCAST)}.")
    return torch.autocast(device.type, dtype=_AUTOCAST[precision])
