"""Augmentation of whole batches on the device: what `maskfold.data.drawing` has drawn, done as the CPU would do it.

Flips, grey, brightness, contrast and saturation give the CPU's own bytes; hue and turns round a few otherwise. A change
is made to all samples and taken by those that drew it, so that nothing has to wait for the device to say which.

N is samples, H, W are height and width, C the mask's classes, P the numbers that a change needs.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch.nn import functional

from maskfold.data.drawing import CHANGE
from maskfold.engine.objective import Batch

_LUMA = (9798, 19235, 3735)  # OpenCV's, of 2 ** 15
_SHIFT = 12  # bits behind the point in OpenCV's tables for saturation and hue

Change = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""`(image, mask, drawn (N, P)) -> (image, mask)`, shaped and typed as given."""


@torch.no_grad()
def changed(batch: Batch) -> Batch:
    """Return a batch with the changes made that its samples have drawn; one without any is returned as it is.

    Args:
        batch: `image (N, 3, H, W) uint8`, or any channels and float32 where nothing changes colours; `mask (N, C, H, W)
            uint8`; and for each change `change <number> <kind> (N, 1 + P) float32`, see `maskfold.data.drawing`.
    """
    entries = [name for name in batch if name.startswith(f"{CHANGE} ")]
    image, mask = batch["image"], batch["mask"] if entries else None
    with torch.autocast(image.device.type, enabled=False):
        for name in entries:
            drawn = batch[name]
            is_drawn = drawn[:, 0].bool().view(-1, 1, 1, 1)
            other, other_mask = CHANGES[name.split()[-1]](image, mask, drawn[:, 1:])
            image = torch.where(is_drawn, other, image)
            mask = torch.where(is_drawn, other_mask, mask) if other_mask is not mask else mask
    others = {name: value for name, value in batch.items() if name not in entries}
    return others | {"image": image, "mask": mask} if entries else batch


def _flip(dimension: int) -> Change:
    return lambda image, mask, _drawn: (image.flip(dimension), mask.flip(dimension))


def affine(
    image: torch.Tensor, mask: torch.Tensor, drawn: torch.Tensor, *, border: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Shift, scale and turn: linear between an image's pixels, nearest between a mask's.

    Args:
        image: `(N, channels, H, W)`, uint8 or float32.
        mask: `(N, C, H, W) uint8`.
        drawn: `(N, 6)`, from a result's place to its source: x = a X + b Y + c, y = d X + e Y + f, in pixels.
        border: What is beyond the border, as `torch.nn.functional.grid_sample` calls it.
    """
    height, width = image.shape[2:]
    rows = torch.arange(height, dtype=torch.float32, device=image.device).view(1, -1, 1)
    columns = torch.arange(width, dtype=torch.float32, device=image.device).view(1, 1, -1)
    # Not affine_grid: its product of matrices rounds as the batch's size has it.
    a, b, c, d, e, f = drawn.view(-1, 6, 1, 1).unbind(1)
    x, y = a * columns + b * rows + c, d * columns + e * rows + f
    grid = torch.stack([x * (2 / max(width - 1, 1)) - 1, y * (2 / max(height - 1, 1)) - 1], dim=-1)
    sample = partial(functional.grid_sample, grid=grid, padding_mode=border, align_corners=True)
    moved = sample(image.float(), mode="bilinear")
    moved = moved.round().to(torch.uint8) if image.dtype == torch.uint8 else moved
    return moved, sample(mask.float(), mode="nearest").to(torch.uint8)


def luma(image: torch.Tensor) -> torch.Tensor:
    """Return the luma of `(N, 3, H, W) uint8` as `(N, 1, H, W) int32`, 0..255, rounded as OpenCV does."""
    red, green, blue = image.int().split(1, dim=1)
    return (red * _LUMA[0] + green * _LUMA[1] + blue * _LUMA[2] + (1 << 14)) >> 15


def _colours(change: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Change:
    """Return what changes an image by `(N, P, 1, 1)` numbers, and leaves its mask alone."""
    return lambda image, mask, drawn: (change(image, drawn[..., None, None]), mask)


def _cut(pixels: torch.Tensor) -> torch.Tensor:
    """Bring floats to bytes as albumentations does: what is behind the point is cut off."""
    return pixels.clamp(0, 255).to(torch.uint8)


def _contrast(image: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    # A sum of whole numbers is the same in any order, and so in any batch.
    total = luma(image).sum(dim=(1, 2, 3), keepdim=True, dtype=torch.int64)
    mean = total.float() / (image.shape[2] * image.shape[3])
    return _cut(image * factor + mean * (1 - factor))


def _saturation(image: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    return _cut((image * factor + luma(image) * (1 - factor)).round())


def _grey(image: torch.Tensor, _drawn: torch.Tensor) -> torch.Tensor:
    return luma(image).to(torch.uint8).expand_as(image)


def _grey_object(image: torch.Tensor, mask: torch.Tensor, drawn: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    is_object = mask.amax(dim=1, keepdim=True) >= 128
    return torch.where(is_object, _grey(image, drawn), image), mask


def _add_hsv(image: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
    """See `maskfold.data.augmentation.add_hsv`."""
    return to_rgb((to_hsv(image) + shifts).round().clamp(0, 255))


def _shift_hsv(image: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
    """See `maskfold.data.augmentation.shift_hsv`."""
    hue, saturation, value = to_hsv(image).split(1, dim=1)
    by_hue, by_saturation, by_value = shifts.split(1, dim=1)
    hue = torch.remainder(hue + by_hue, 180).floor()
    more = (saturation + by_saturation.trunc()).clamp(0, 255)
    return to_rgb(torch.cat([hue, torch.where(saturation == 0, 0, more), (value + by_value.trunc()).clamp(0, 255)], 1))


def to_hsv(image: torch.Tensor) -> torch.Tensor:
    """Turn `(N, 3, H, W) uint8` RGB into OpenCV's bytes of hue, of 180, saturation and value, as int32."""
    red, green, blue = image.int().split(1, dim=1)
    value = image.amax(dim=1, keepdim=True).int()
    span = value - image.amin(dim=1, keepdim=True).int()
    half = 1 << (_SHIFT - 1)
    saturation = (span * _table(255, value) + half) >> _SHIFT
    sector = torch.where(value == green, blue - red + 2 * span, red - green + 4 * span)
    hue = (torch.where(value == red, green - blue, sector) * _table(30, span) + half) >> _SHIFT
    return torch.cat([torch.where(hue < 0, hue + 180, hue), saturation, value], dim=1)


def _table(number: int, divisor: torch.Tensor) -> torch.Tensor:
    """Return `number` over a divisor with so many bits behind the point; what is divided by zero is zero anyway."""
    return ((number << _SHIFT) / divisor.clamp(min=1)).round().int()


def to_rgb(hsv: torch.Tensor) -> torch.Tensor:
    """Turn OpenCV's bytes of hue, saturation and value, `(N, 3, H, W)` in float32, into RGB, uint8.

    A hue from 180 on comes round.
    """
    hue, saturation, value = hsv.float().split(1, dim=1)
    offsets = 5 - 2 * torch.arange(3, device=hsv.device).view(1, 3, 1, 1)  # red's, green's and blue's
    place = torch.remainder(hue * (6 / 180) + offsets, 6)
    weight = torch.minimum(place, 4 - place).clamp(0, 1)
    return _cut(value * (1 / 255) * (1 - saturation * (1 / 255) * weight) * 255)


CHANGES: dict[str, Change] = {
    "flip_columns": _flip(-1),
    "flip_rows": _flip(-2),
    "affine_reflect": partial(affine, border="reflection"),
    "affine_replicate": partial(affine, border="border"),
    "affine_constant": partial(affine, border="zeros"),
    "brightness": _colours(lambda image, factor: _cut(image * factor)),
    "contrast": _colours(_contrast),
    "saturation": _colours(_saturation),
    "grey": _colours(_grey),
    "shift_hsv": _colours(_shift_hsv),
    "add_hsv": _colours(_add_hsv),
    "grey_object": _grey_object,
}
