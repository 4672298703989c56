"""Laying an object out of one photo into another, and what becomes of their masks.

H, W are a photo's height and width, C the number of classes.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from maskfold.data.composites import object_of, separate, soft_alpha, to_bytes

_MARGIN = 8  # around a pasted object, pixels: more than its soft edge reaches


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a mask linearly; one that is not soft is cut at one half, where two classes have no pixel in common.

    Args:
        mask: `(h, w)` or `(h, w, C)`, uint8 0 or 1, or float32 in [0, 1].
        size: `(H, W)`.

    Returns:
        `(H, W)` or `(H, W, C)` of its type.
    """
    share = cv2.resize(mask.astype(np.float32), size[::-1], interpolation=cv2.INTER_LINEAR)
    share = share.reshape(*size, *mask.shape[2:])
    return share if mask.dtype == np.float32 else (share > 0.5).astype(mask.dtype)


@dataclass(frozen=True)
class Pasted:
    """Another photo's object where it is laid into a photo of `(H, W)`.

    `colour` is `(H, W, 3) float32` of 0..255; `alpha` `(H, W) float32`, how much of each pixel it takes up; `mask` is
    its own, `(H, W)` or `(H, W, C) uint8`; `in_front` says whether it hides the photo's own object or is hidden.
    """

    colour: np.ndarray
    alpha: np.ndarray
    mask: np.ndarray
    in_front: bool


def cut_out(image: np.ndarray, mask: np.ndarray, *, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Cut out the box around an object, with a margin, and resize it.

    Args:
        image: `(H, W, 3) uint8`.
        mask: `(H, W)` or `(H, W, C) uint8`, 0 or 1, not empty.
        scale: Of both sides.

    Returns:
        Photo and mask of the box, typed alike. A margin that lies outside the photo repeats its border; the mask is
        empty there.
    """
    left, top, width, height = cv2.boundingRect(object_of(mask))
    margin = int(np.ceil(_MARGIN / min(scale, 1)))
    wide = cv2.copyMakeBorder(image, margin, margin, margin, margin, cv2.BORDER_REPLICATE)
    photo = wide[top : top + height + 2 * margin, left : left + width + 2 * margin]
    labels = np.pad(mask, [(margin, margin)] * 2 + [(0, 0)] * (mask.ndim - 2))
    labels = labels[top : top + height + 2 * margin, left : left + width + 2 * margin]
    rows, columns = (max(round(scale * side), 1) for side in photo.shape[:2])
    small = cv2.resize(photo, (columns, rows), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return small, resize_mask(labels, (rows, columns))


def place(
    image: np.ndarray, mask: np.ndarray, *, corner: tuple[int, int], size: tuple[int, int], in_front: bool
) -> Pasted:
    """Lay a cut-out object into an empty photo.

    Args:
        image: `(h, w, 3) uint8`.
        mask: `(h, w)` or `(h, w, C) uint8`, 0 or 1.
        corner: The row and column of its top left pixel; what lies outside the photo is cut off.
        size: `(H, W)` of the photo.
        in_front: See `Pasted`.
    """
    alpha = soft_alpha(object_of(mask))
    parts = [separate(image, alpha)[0], alpha, mask]
    # First and last of the rows, and of the columns, that both have, counted in the photo.
    spans = [
        (max(at, 0), max(min(at + side, whole), 0)) for at, side, whole in zip(corner, mask.shape, size, strict=False)
    ]
    target = tuple(slice(first, max(first, last)) for first, last in spans)
    source = tuple(slice(part.start - at, part.stop - at) for part, at in zip(target, corner, strict=True))
    placed = [np.zeros((*size, *part.shape[2:]), part.dtype) for part in parts]
    for whole, part in zip(placed, parts, strict=True):
        whole[target] = part[source]
    return Pasted(*placed, in_front=in_front)


def paste(image: np.ndarray, mask: np.ndarray, pasted: Pasted) -> np.ndarray:
    """Show another object in a photo; whatever it does not reach stays as it is, byte for byte.

    Args:
        image: `(H, W, 3) uint8`.
        mask: The photo's own, `(H, W)` or `(H, W, C)`.
        pasted: The other object, in a photo of that size.

    Returns:
        A new `(H, W, 3) uint8` photo.
    """
    photo = image.astype(np.float32)
    share, hidden = pasted.alpha, photo
    if not pasted.in_front:
        own = soft_alpha(object_of(mask))
        share, hidden = share * (1 - own), separate(image, own)[1]
    return to_bytes(photo + share[..., None] * (pasted.colour - hidden))


def unite(front: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Return the mask of two objects, of which the first hides the second.

    Args:
        front: `(H, W)` or `(H, W, C)`, uint8 0 or 1, or float32 in [0, 1].
        back: Of the same shape. Where `front` has an object of any class, no class of `back` is left.

    Returns:
        A new mask of that shape, float32 if one of them is.
    """
    covered = front if front.ndim == 2 else front.sum(axis=2, keepdims=True)
    rest = 1 - np.minimum(covered, 1)
    return np.minimum(front + rest * back, 1).astype(np.result_type(front, back))
