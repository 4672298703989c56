"""Test-time augmentation: predict a photo in several views, turned, mirrored or scaled, and average what comes out."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

import torch
from torch.nn.functional import interpolate

from maskfold.errors import MaskfoldError

SCALES = (Fraction(3, 4), Fraction(1), Fraction(5, 4))


class View(NamedTuple):
    """One way of looking at a photo.

    Attributes:
        to: Photos `(N, channels, h, w)` and the network's stride to what the network is shown.
        back: Answers to that, and the photos' `(h, w)`, to answers `(N, C, h, w)` that lie as the photos do.
        area: The pixels that the network is shown, as a share of the photo's.
    """

    to: Callable[[torch.Tensor, int], torch.Tensor]
    back: Callable[[torch.Tensor, Sequence[int]], torch.Tensor]
    area: Fraction


def _turned(quarters: int, *, mirrored: bool) -> View:
    """Return a mirror image turned to the left, or a photo so turned; its way back is exact."""

    def to(images: torch.Tensor, stride: int) -> torch.Tensor:
        shown = images.flip(-1) if mirrored else images
        return shown.rot90(quarters, (-2, -1)) if quarters else shown

    def back(answers: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
        upright = answers.rot90(-quarters, (-2, -1)) if quarters else answers
        return upright.flip(-1) if mirrored else upright

    return View(to, back, Fraction(1))


def _scaled(scale: Fraction, view: View) -> View:
    """Return a view at another scale, rounded to the network's stride; probabilities come back by linear resizing."""
    if scale == 1:
        return view

    def to(images: torch.Tensor, stride: int) -> torch.Tensor:
        size = [scaled_side(side, scale, stride) for side in images.shape[-2:]]
        return view.to(_resized(images.float(), size), stride)

    def back(answers: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
        return _resized(view.back(answers, size), size)

    return View(to, back, scale**2)


def scaled_side(side: int, scale: Fraction, stride: int) -> int:
    """Return a scaled height or width, pixels, rounded to a multiple of the network's stride, halves up."""
    twice = 2 * stride * scale.denominator
    return max((2 * side * scale.numerator + twice // 2) // twice, 1) * stride


def _resized(images: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    return interpolate(images, size=tuple(size), mode="bilinear", align_corners=False)


_AS_IT_IS, _MIRRORED = _turned(0, mirrored=False), _turned(0, mirrored=True)
_TURNS = tuple(_turned(quarters, mirrored=mirrored) for mirrored in (False, True) for quarters in range(4))

VIEWS: dict[str, tuple[View, ...]] = {
    "none": (_AS_IT_IS,),
    "hflip": (_AS_IT_IS, _MIRRORED),
    # The mirror image alone: how far it is from `none` is a sign of how sure a network is (`maskfold.quality`).
    "mirror": (_MIRRORED,),
    "d4": _TURNS,  # the symmetries of a square
    "scales": tuple(_scaled(scale, view) for scale in SCALES for view in (_AS_IT_IS, _MIRRORED)),
    "d4_scales": tuple(_scaled(scale, view) for scale in SCALES for view in _TURNS),
}


def check_tta(name: str) -> str:
    """Return `name` if it is a known way of test-time augmentation.

    Raises:
        MaskfoldError: If it is not.
    """
    if name not in VIEWS:
        raise MaskfoldError(f"tta={name} is unknown: choose one of {', '.join(VIEWS)}.")
    return name


def cost_of(tta: str) -> float:
    """Return how much longer a network looks at a photo in its views, by their pixels, than at the photo as it is."""
    return float(sum(view.area for view in VIEWS[tta]))


def predict_probability(
    network: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor, tta: str
) -> torch.Tensor:
    """Return the mean probability over the views of each image.

    Args:
        network: `(N, channels, H, W) -> (N, C, H, W)` logits, a plane for each class; where it has a `stride`, scaled
            views are multiples of it.
        images: `(N, channels, H, W)`, uint8 or float32.
        tta: A name of `VIEWS`.

    Returns:
        `(N, C, H, W) float32` in [0, 1].

    Raises:
        MaskfoldError: If a view has a size that the network does not take.
    """
    views, size, stride = VIEWS[tta], images.shape[-2:], getattr(network, "stride", 1)
    total: torch.Tensor | None = None
    for view in views:
        answers = _answered(network, view.to(images, stride), tta)
        probability = view.back(torch.sigmoid(answers.float()), size)
        total = probability if total is None else total + probability
    # pyrefly: ignore[unsupported-operation]
    return total / len(views) if len(views) > 1 else total


def _answered(network: Callable[[torch.Tensor], torch.Tensor], shown: torch.Tensor, tta: str) -> torch.Tensor:
    try:
        return network(shown)
    except MaskfoldError as error:
        if tta in ("none", "hflip", "mirror"):
            raise
        raise MaskfoldError(
            f"tta={tta} turns or scales what the network is shown: {error} Or set tta=hflip."
        ) from error
