"""What answers a photo with a map: a cut-out, a service and a quality score ask it, and know nothing of networks.

There are two: the networks of an ensemble in this process (`maskfold.prediction.network_masker`), and one exported
file, which needs no torch (`maskfold.export.session`). This module loads neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Answer:
    """The maps of one photo.

    Attributes:
        mean: `(H, W) uint8`, round(255 p).
        members: `(M, H, W) uint8`, each member's own, in the order of the masker's `members`; None where not asked for.
    """

    mean: np.ndarray
    members: np.ndarray | None = None


class Masker(Protocol):
    """Photos in, maps out.

    Attributes:
        name: What files and answers call it.
        identity: 16 hexadecimal digits that stand for all that its maps depend on: networks, weights, geometry.
        members: The names of those whose mean is the map; one where there is one network.
        symmetric: Whether a photo and its mirror image may be answered alike, since networks look at both (tta=hflip):
            then `mirrored` says nothing of how sure they are.
    """

    name: str
    identity: str
    members: tuple[str, ...]
    symmetric: bool

    def answer(self, photos: Sequence[np.ndarray], *, members: bool = False) -> list[Answer]:
        """Return the maps of some photos, in their order.

        Args:
            photos: Each `(H, W, 3) uint8`, RGB, upright, of any size; each its own.
            members: Return each member's map beside the mean.

        Raises:
            MaskfoldError: If a photo is no such array, or a network answers with something that is no number.
        """
        ...


def mirrored(masker: Masker, photos: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the mean maps of the photos' mirror images, turned back: `(H, W) uint8` each.

    How far they are from the maps of the photos themselves is a sign of how sure the networks are, unless the masker is
    symmetric.
    """
    turned = [np.ascontiguousarray(photo[:, ::-1]) for photo in photos]
    return [np.ascontiguousarray(answer.mean[:, ::-1]) for answer in masker.answer(turned)]
