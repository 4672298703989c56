"""The geometries as arithmetic on tensors, so that a graph holds them: what `maskfold.data.geometry` does with OpenCV.

N is photos, H and W their height and width, h and w those of network inputs, K how many of these a photo becomes. H
and W are not known when the graph is made: whatever depends on them is worked out from the photos in the graph.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch

from maskfold.data.geometry import Geometry, Pad, Resize, Tile
from maskfold.errors import MaskfoldError

_COEFFICIENT = 2048  # OpenCV's fixed point where it enlarges photos: weights of 11 bits


class Way(Protocol):
    """A geometry's two directions."""

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        """Turn photos `(N, H, W, 3) uint8` into network inputs `(N K, 3, h, w) uint8`."""

    def restore(self, probability: torch.Tensor, photos: torch.Tensor) -> torch.Tensor:
        """Turn probabilities `(N K, h, w) float32` into those of the photos, `(N, H, W) float32`."""


def way_of(geometry: Geometry) -> Way:
    """Return a geometry's arithmetic.

    Raises:
        MaskfoldError: If it is one of somebody's own.
    """
    for kind, way in _WAYS.items():
        if type(geometry) is kind:
            return way(geometry)
    raise MaskfoldError(
        f"geometry: {type(geometry).__name__} is not one that an exported file can hold, which are "
        f"{', '.join(kind.__name__ for kind in _WAYS)}. Predict with the networks themselves: ensemble=<name>."
    )


class _Resized:
    """As `Resize`: by area where no side grows, else linearly; OpenCV rounds a photo to whole levels in its own way."""

    def __init__(self, geometry: Resize) -> None:
        self.height, self.width = geometry.height, geometry.width

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        sources = _sides(photos)
        targets = [_pixels(self.height), _pixels(self.width)]
        shrinks = _shrinks(sources, targets)
        return torch.where(shrinks, _by_area(photos, sources, targets), _linearly(photos, sources, targets)).byte()

    def restore(self, probability: torch.Tensor, photos: torch.Tensor) -> torch.Tensor:
        sources, targets = [_pixels(self.height), _pixels(self.width)], _sides(photos)
        shrinks = _shrinks(sources, targets)
        rows, columns = (
            torch.where(shrinks, _area(source, target), _linear(source, target)).float()
            for source, target in zip(sources, targets, strict=True)
        )
        return torch.matmul(torch.matmul(rows, probability), columns.T)


class _Padded:
    """As `Pad`: the margins are gathered, so that any size of photo is one graph."""

    def __init__(self, geometry: Pad) -> None:
        self.multiple, self.fixed = geometry.multiple, (geometry.height, geometry.width)
        self.index = _INDEX[geometry.mode]
        self.black = geometry.mode == "constant"

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        lines = photos.permute(0, 3, 1, 2)
        for axis in (2, 3):
            length = lines.shape[axis]
            places = self._places(length, self.fixed[axis - 2])
            lines = lines.index_select(axis, self.index(places, length))
            if self.black:
                inside = ((places >= 0) & (places < length)).to(torch.uint8)
                lines = lines * (inside[:, None] if axis == 2 else inside)
        return lines

    def _places(self, length: int, fixed: int | None) -> torch.Tensor:
        """Return where each pixel of a padded side lies in the photo, beyond its ends too."""
        padded = (length + self.multiple - 1) // self.multiple * self.multiple if fixed is None else fixed
        return torch.arange(padded) - (padded - length) // 2

    def restore(self, probability: torch.Tensor, photos: torch.Tensor) -> torch.Tensor:
        restored = probability
        for axis in (1, 2):
            length, padded = photos.shape[axis], probability.shape[axis]
            top = torch.sym_max(padded - length, 0) // 2  # of a photo larger than a fixed size the end is not there
            restored = restored.index_select(axis, torch.arange(length) + top)
        return restored


class _Tiled:
    """As `Tile`: windows are gathered, and blended by one product a side, for their weights are those of the sides."""

    def __init__(self, geometry: Tile) -> None:
        self.sides = (geometry.height, geometry.width)
        self.overlap = geometry.overlap
        weight = geometry.weight()
        self.rise = [torch.from_numpy(np.ascontiguousarray(line)) for line in (weight[:, 0], weight[0])]

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        lines = photos.permute(0, 3, 1, 2)
        for axis in (2, 3):
            places = self._places(lines.shape[axis], self.sides[axis - 2])
            lines = lines.index_select(axis, _reflected(places.flatten(), lines.shape[axis]))
        height, width = self.sides
        windows = lines.unflatten(3, (-1, width)).unflatten(2, (-1, height))  # (N, 3, rows, h, columns, w)
        return windows.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)

    def _places(self, length: int, window: int) -> torch.Tensor:
        """Return where each pixel of each window lies in the photo, `(windows, side)`, beyond its ends too."""
        margin = torch.sym_max(window - length, 0)
        last = torch.sym_max(length - window, 0)
        step = window - self.overlap
        starts = torch.clamp(torch.arange((last + step - 1) // step + 1) * step, max=last)
        return starts[:, None] + torch.arange(window) - margin // 2

    def restore(self, probability: torch.Tensor, photos: torch.Tensor) -> torch.Tensor:
        rows, columns = (self._blend(photos.shape[axis], axis - 1) for axis in (1, 2))
        across = columns.shape[1] // self.sides[1]
        windows = probability.unflatten(0, (photos.shape[0], -1, across))  # (N, rows, columns, h, w)
        windows = windows.permute(0, 1, 3, 2, 4).flatten(3, 4).flatten(1, 2)  # (N, rows h, columns w)
        return torch.matmul(torch.matmul(rows, windows), columns.T)

    def _blend(self, length: int, side: int) -> torch.Tensor:
        """Return the share of each window's pixels in each pixel of a side, `(H, windows h)`; a row adds up to 1."""
        places = self._places(length, self.sides[side])
        weight = torch.where(places.flatten() == torch.arange(length)[:, None], 1.0, 0.0)
        weight = (weight.unflatten(1, (-1, self.sides[side])) * self.rise[side]).flatten(1)
        return weight / weight.sum(1, keepdim=True)


_WAYS: dict[type, Callable[..., Way]] = {Pad: _Padded, Resize: _Resized, Tile: _Tiled}


_WAYS: dict[type, Callable[..., Way]] = {Pad: _Padded, Resize: _Resized, Tile: _Tiled}


def _pixels(length: int) -> torch.Tensor:
    """Return 0, 1, ... of a side, float64; its length is the last plus 1, in a graph that does not know it too."""
    return torch.arange(length).double()


def _sides(photos: torch.Tensor) -> list[torch.Tensor]:
    """Return the pixels of the photos' height and width."""
    return [_pixels(photos.shape[1]), _pixels(photos.shape[2])]


def _scale(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return how many pixels of one side go into one of another."""
    return (source[-1] + 1) / (target[-1] + 1)


def _shrinks(sources: Sequence[torch.Tensor], targets: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return whether neither side grows."""
    return (_scale(sources[0], targets[0]) >= 1) & (_scale(sources[1], targets[1]) >= 1)


def _area(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the share of each source pixel in each target pixel, `(target, source) float64`, by what it covers."""
    scale = _scale(source, target)
    end = torch.minimum(source + 1, (target[:, None] + 1) * scale)
    return (end - torch.maximum(source, target[:, None] * scale)).clamp(min=0) / scale


def _linear(source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the same, by the distance from the two nearest."""
    first, second, share = _neighbours(source, target)
    near = torch.where(source == first[:, None], 1 - share[:, None], 0.0)
    return near + torch.where(source == second[:, None], share[:, None], 0.0)


def _neighbours(source: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the two nearest source pixels of each target pixel, int64, and the share of the second, float32."""
    place = ((target + 0.5) * _scale(source, target) - 0.5).float()
    first = torch.floor(place)
    share, last = place - first, source[-1].float()
    first, second = (index.clamp(min=0).minimum(last).long() for index in (first, first + 1))
    return first, second, share


def _by_area(photos: torch.Tensor, sources: Sequence[torch.Tensor], targets: Sequence[torch.Tensor]) -> torch.Tensor:
    """Shrink photos to whole levels, `(N, 3, h, w) float32`."""
    rows, columns = (_area(*sides).float() for sides in zip(sources, targets, strict=True))
    lines = torch.matmul(rows, photos.flatten(2).float())  # (N, h, 3 W): one large product instead of three
    mean = torch.matmul(lines.unflatten(2, (-1, 3)).permute(0, 3, 1, 2), columns.T)
    halved = (_scale(sources[0], targets[0]) == 2) & (_scale(sources[1], targets[1]) == 2)
    return torch.where(halved, torch.floor(mean + 0.5), torch.round(mean))  # OpenCV rounds halves up in this case alone


def _linearly(photos: torch.Tensor, sources: Sequence[torch.Tensor], targets: Sequence[torch.Tensor]) -> torch.Tensor:
    """Enlarge photos to whole levels, `(N, 3, h, w) float32`, in OpenCV's fixed point, which cuts off."""
    (top, bottom, down), (left, right, across) = (_neighbours(*sides) for sides in zip(sources, targets, strict=True))
    planes = photos.permute(0, 3, 1, 2)

    def mixed(row: torch.Tensor) -> torch.Tensor:
        line = planes.index_select(2, row)
        near, far = _fixed(across)
        level = line.index_select(3, left).double() * near + line.index_select(3, right).double() * far
        return torch.floor(level / 16)

    near, far = (weight[:, None] for weight in _fixed(down))
    level = torch.floor(mixed(top) * near / 65536) + torch.floor(mixed(bottom) * far / 65536)
    return torch.floor((level + 2) / 4).clamp(0, 255).float()


def _fixed(share: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the weights of both neighbours in OpenCV's fixed point, whole float64."""
    return tuple(torch.round(part * _COEFFICIENT).double() for part in (1 - share, share))


def _reflected(places: torch.Tensor, length: int) -> torch.Tensor:
    """Mirror places beyond a side's ends into it, without repeating the border."""
    last = torch.arange(length)[-1]
    period = (2 * last).clamp(min=1)
    within = places.remainder(period)
    return torch.minimum(within, (period - within).remainder(period)).clamp(max=last)


def _nearest(places: torch.Tensor, length: int) -> torch.Tensor:
    """Move places beyond a side's ends to its borders."""
    return places.clamp(0).minimum(torch.arange(length)[-1])


_INDEX = {"reflect": _reflected, "replicate": _nearest, "constant": _nearest}
