"""What a network is shown of a photo: the middle of it, or in training a random part, turned and coloured anew.

Without torch, so that a recogniser runs where there is none.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from maskfold.errors import MaskfoldError

_TRIES = 10  # to draw a part that fits into the photo, as torchvision's RandomResizedCrop does
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


class Framing:
    """The way from a photo of any size to the square that a network is shown.

    Args:
        size: Pixels of the square's side.
        resize: Pixels of the photo's shorter side, whose middle is shown.
        scale: The least and the largest part of a photo's area that training shows.
        ratio: The least and the largest width to height of that part.
        turn: Degrees to either side, at most.
        flip: Mirror images too.
        brightness: By such a share, at most, as the next two.
        contrast: Likewise.
        saturation: Likewise.

    Raises:
        MaskfoldError: If a number is out of range.
    """

    def __init__(
        self,
        *,
        size: int = 224,
        resize: int = 256,
        scale: Sequence[float] = (0.35, 1.0),
        ratio: Sequence[float] = (0.75, 1.333),
        turn: float = 15,
        flip: bool = False,
        brightness: float = 0.2,
        contrast: float = 0.2,
        saturation: float = 0.1,
    ) -> None:
        if not 1 <= size <= resize:
            raise MaskfoldError(
                f"framing.size={size}, framing.resize={resize}: the first is 1 at least, the second not smaller."
            )
        if len(scale) != 2 or not 0 < scale[0] <= scale[1] <= 1:
            raise MaskfoldError(f"framing.scale={[*scale]}: give the least and the largest share, as in [0.35, 1.0].")
        if len(ratio) != 2 or not 0 < ratio[0] <= ratio[1]:
            raise MaskfoldError(f"framing.ratio={[*ratio]}: give the least and the largest, as in [0.75, 1.333].")
        self.size, self.resize = size, resize
        self.scale, self.ratio, self.turn, self.flip = tuple(scale), tuple(ratio), turn, flip
        self.brightness, self.contrast, self.saturation = brightness, contrast, saturation

    def shown(self, image: np.ndarray) -> np.ndarray:
        """Return the middle of a photo, `(H, W, 3) uint8` to `(size, size, 3) uint8`."""
        height, width = image.shape[:2]
        side = min(height, width) * self.size / self.resize
        return self._cut(image, centre=(width / 2, height / 2), width=side, height=side)

    def training(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a random part of a photo, `(H, W, 3) uint8` to `(size, size, 3) uint8`."""
        centre, width, height = self._part(image.shape[0], image.shape[1], rng)
        turn = rng.uniform(-self.turn, self.turn) if self.turn else 0.0
        mirrored = self.flip and rng.random() < 0.5
        cut = self._cut(image, centre=centre, width=width, height=height, turn=turn, mirrored=mirrored)
        return self._coloured(cut, rng)

    def _part(self, height: int, width: int, rng: np.random.Generator) -> tuple[tuple[float, float], float, float]:
        """Draw the part: its centre, its width and its height."""
        for _ in range(_TRIES):
            area = height * width * rng.uniform(*self.scale)
            ratio = np.exp(rng.uniform(*np.log(self.ratio)))
            wide, high = (area * ratio) ** 0.5, (area / ratio) ** 0.5
            if wide <= width and high <= height:
                x, y = rng.uniform(0, width - wide), rng.uniform(0, height - high)
                return (x + wide / 2, y + high / 2), wide, high
        side = min(height, width)
        return (width / 2, height / 2), side, side

    def _cut(
        self,
        image: np.ndarray,
        *,
        centre: tuple[float, float],
        width: float,
        height: float,
        turn: float = 0.0,
        mirrored: bool = False,
    ) -> np.ndarray:
        """Return a part of a photo, turned about its centre, in one interpolation."""
        shrink = min(width, height) / self.size
        if shrink > 1.5:  # linear interpolation would pass over pixels: what looks like noise then
            smaller = cv2.resize(image, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
            x, y = smaller.shape[1] / image.shape[1], smaller.shape[0] / image.shape[0]
            image, centre, width, height = smaller, (centre[0] * x, centre[1] * y), width * x, height * y
        across, down = width / self.size, height / self.size
        cos, sin = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
        sign = -1 if mirrored else 1
        # From the square's pixels to the photo's, whose centres lie at whole numbers.
        way = np.array([[sign * cos * across, -sin * down], [sign * sin * across, cos * down]])
        middle = (self.size - 1) / 2
        offset = np.array(centre) - 0.5 - way @ [middle, middle]
        matrix = np.column_stack([way, offset])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(image, matrix, (self.size, self.size), flags=flags, borderMode=cv2.BORDER_REFLECT_101)

    def _coloured(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        brightness, contrast, saturation = (
            rng.uniform(1 - share, 1 + share) for share in (self.brightness, self.contrast, self.saturation)
        )
        if brightness == contrast == saturation == 1:
            return image
        values = image.astype(np.float32) * np.float32(brightness)
        grey = values @ _GREY
        values += (np.float32(saturation) - 1) * (values - grey[..., None])
        values = (values - grey.mean()) * np.float32(contrast) + grey.mean()
        return np.clip(np.rint(values), 0, 255).astype(np.uint8)
