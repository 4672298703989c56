"""Test-time augmentation: predict the photo and its mirror image, and average the probabilities."""

from collections.abc import Callable

import torch

from maskfold.errors import MaskfoldError

# Each is its own inverse; both directions use the one function.
VIEWS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], ...]] = {
    "none": (lambda image: image,),
    "hflip": (lambda image: image, lambda image: image.flip(-1)),
    # The mirror image alone: how far it is from `none` is a sign of how sure a network is (`maskfold.quality`).
    "mirror": (lambda image: image.flip(-1),),
}


def check_tta(name: str) -> str:
    """Return `name` if it is a known way of test-time augmentation.

    Raises:
        MaskfoldError: If it is not.
    """
    if name not in VIEWS:
        raise MaskfoldError(f"tta={name} is unknown: choose one of {', '.join(VIEWS)}.")
    return name


def predict_probability(
    network: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor, tta: str
) -> torch.Tensor:
    """Return the mean probability over the views of each image.

    Args:
        network: `(N, channels, H, W) -> (N, C, H, W)` logits, a plane for each class.
        images: `(N, channels, H, W)`, uint8 or float32.
        tta: A name of `VIEWS`.

    Returns:
        `(N, C, H, W) float32` in [0, 1].
    """
    first, *others = (view(torch.sigmoid(network(view(images)).float())) for view in VIEWS[tta])
    return sum(others, first) / (1 + len(others)) if others else first
