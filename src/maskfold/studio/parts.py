"""A part of a car: a mesh, the stuff it is made of, and what is cut out of it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from maskfold.studio.mesh import Mesh


@dataclass(frozen=True, kw_only=True)
class Part:
    """One piece of a car.

    Attributes:
        kind: What it is made of, a key of the shading.
        mesh: Its surface.
        cut: Tells which of the surface points (N, 3) are not there; None keeps all.
        cut_is_gap: Whether what is cut out is a gap of a wheel, which the studio's labels may disagree about.
        both_sides: Whether the surface shows from behind too.
    """

    kind: str
    mesh: Mesh
    cut: Callable[[np.ndarray], np.ndarray] | None = None
    cut_is_gap: bool = False
    both_sides: bool = False
