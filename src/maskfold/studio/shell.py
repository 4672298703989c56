"""The bodywork of a car: the lower body and the cabin on it, as two lofted solids, and where their surfaces lie."""

import numpy as np

from maskfold.studio.bodies import Body
from maskfold.studio.mesh import Mesh, grid_mesh, rounded_outline, smooth_curve

CABIN_SINK = 0.08  # metres the cabin reaches down into the lower body, so that no gap shows
EDGE, ROOF_EDGE = 0.06, 0.07  # metres, radius of the upper edges
VAN_LIKE = 0.8  # a roof wider than this share of the body goes on where the flank ends, without a shoulder
CROWN = 0.045  # metres by which bonnet and roof bulge in the middle


class Shell:
    """Where the sheet metal of a body is; x in metres from the middle forwards, z up from the floor."""

    def __init__(self, body: Body):
        self.body = body
        self.half_length, self.half_width = body.length / 2, body.width / 2
        self._top = smooth_curve(body.top, 0.09)
        self._nose, self._tail = smooth_curve(body.nose, 0.06), smooth_curve(body.tail, 0.06)
        shoulder = 0.985 if body.roof_width > VAN_LIKE else 0.94
        self._side = smooth_curve(((0.0, 0.93), (0.2, 0.975), (0.7, 1.0), (0.8, 0.99), (1.0, shoulder)), 0.05)
        self.belt_width = 0.985 if body.roof_width > VAN_LIKE else 0.93 * shoulder

    def top(self, x: np.ndarray) -> np.ndarray:
        """Height of the lower body's top line at `x`, metres."""
        return self._top(self.half_length - x)

    def top_at(self, x: float) -> float:
        """Height of the lower body's top line at one `x`, metres."""
        return float(self.top(np.array(x)))

    def roof(self, x: np.ndarray) -> np.ndarray:
        """Height of the roof's middle line at `x`, metres; beyond the roof's ends it goes on falling gently."""
        front, rear = self.half_length - self.body.windscreen[1], self.half_length - self.body.rear_glass[1]
        reach = (x - (front + rear) / 2) / ((front - rear) / 2)
        return self.body.height - self.body.arch * 2 * reach**2 / (1 + reach**2) + 0.3 * self.body.arch

    def glass_ends(self, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return x of windscreen and rear glass at `level`, 0 (foot) to 1 (head)."""
        (foot, head), (rear_foot, rear_head) = self.body.windscreen, self.body.rear_glass
        bow = level**1.15
        return self.half_length - foot - (head - foot) * bow, self.half_length - rear_foot + (
            rear_foot - rear_head
        ) * bow

    def cabin_half_width(self, level: np.ndarray) -> np.ndarray:
        """Half the cabin's width at `level`, metres."""
        return self.half_width * (self.belt_width + (self.body.roof_width - self.belt_width) * level**1.1)

    def cabin_height(self, x: np.ndarray, level: np.ndarray) -> np.ndarray:
        """Height of the cabin's side at `x` and `level`, metres."""
        foot = self.top(x) - CABIN_SINK
        return foot + level * (self.roof(x) - CROWN - ROOF_EDGE - foot)

    def _lean(self, start: float, end: float) -> float:
        middle = self.half_length - (start + end) / 2
        return (end - start) / (self.body.height - self.top_at(middle))

    def lower_mesh(self, *, ring: int = 112, side: int = 13, top: int = 17) -> Mesh:
        """Mesh the lower body from sill to bonnet and boot lid.

        Args:
            ring: Points around it.
            side: Points from the sill to the upper edge.
            top: Points from the upper edge to the middle of the top.
        """
        edge = EDGE if self.body.roof_width < VAN_LIKE else 0.02
        level, rise, inset, cap = _section(edge, side=side, top=top)
        x_ring, y_ring = (
            values[:, None] for values in rounded_outline(ring, 5.5, 8.0, self.body.length / self.body.width)
        )
        front, rear = self.half_length - self._nose(level) - inset, self._tail(level) - self.half_length + inset
        x = (front + rear) / 2 + (front - rear) / 2 * cap * x_ring
        y = (self.half_width * self._side(level) - inset) * cap * y_ring
        crown = CROWN * np.minimum(rise / edge, 1) * (1 - (cap * y_ring) ** 2)
        foot, lid = self.body.sill, self.top(x) - CROWN
        return grid_mesh(np.stack([x, y, foot + level * (lid - edge - foot) + rise + crown], axis=-1))

    def cabin_mesh(self) -> Mesh:
        """Mesh the cabin from the belt line to the roof."""
        level, rise, inset, cap = _section(ROOF_EDGE, side=10, top=12)
        front, rear = self.glass_ends(level)
        # The roof's edge goes on as the glass leans, or the roof would sit on it like a hat.
        climb = rise * (1 + CROWN / ROOF_EDGE)
        front -= self._lean(*self.body.windscreen) * climb
        rear += self._lean(*self.body.rear_glass[::-1]) * climb
        x_ring, y_ring = (values[:, None] for values in rounded_outline(88, 5.5, 6.5, 1.7))
        x = (front + rear) / 2 + (front - rear) / 2 * cap * x_ring
        y = (self.cabin_half_width(level) - inset) * cap * y_ring
        crown = CROWN * np.minimum(rise / ROOF_EDGE, 1) * (1 - (cap * y_ring) ** 2)
        foot = self.top(x) - CABIN_SINK
        return grid_mesh(
            np.stack([x, y, foot + level * (self.roof(x) - CROWN - ROOF_EDGE - foot) + rise + crown], axis=-1)
        )


def _section(edge: float, side: int, top: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Walk up the side of a solid, round its upper edge, and in to the middle of its top.

    Args:
        edge: Radius of the rounded edge, metres.
        side: Points on the side.
        top: Points on the top.

    Returns:
        Four (N,) arrays: the level on the side (0 to 1), the rise over it and the inset (0 to `edge`, metres), and the
        share of the way from the middle of the top to its edge (1 to 0).
    """
    turn = np.linspace(0, np.pi / 2, 7)[1:]
    level = np.concatenate([np.linspace(0, 1, side), np.ones(len(turn) + top)])
    rise = np.concatenate([np.zeros(side), edge * np.sin(turn), np.full(top, edge)])
    inset = np.concatenate([np.zeros(side), edge * (1 - np.cos(turn)), np.full(top, edge)])
    # Finer near the edge, where bonnet and boot lid bend; the middle lies under the cabin.
    cap = np.concatenate([np.ones(side + len(turn)), 1 - np.linspace(0, 1, top + 1)[1:] ** 1.4])
    return level, rise, inset, cap
