"""The five car bodies, the paints, and the draw of one car: everything about a car that can be said in numbers."""

from dataclasses import dataclass, replace

import numpy as np

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Body:
    """A kind of car, in metres; x is measured from the nose backwards, z from the floor up.

    Attributes:
        name: What `metadata.csv` calls it.
        length, width, height: Outer size without mirrors and antenna.
        front_axle, rear_axle: The axles' x.
        wheel_radius: The tyre's outer radius.
        sill: The lower edge of the bodywork.
        top: (x, z) of the top line of the lower body: bonnet, belt line, boot lid or load bed.
        nose, tail: (relative height, inset in x) of the bodywork's ends.
        windscreen, rear_glass: x of the foot and of the head.
        pillars: x of the pillars between side windows; the last window ends at the rear glass.
        last_window: Whether the side behind the last pillar is glass too.
        roof_width: Width of the roof over the width of the body.
        arch: How far the roof drops towards its ends.
        bed: (start, end) of a load bed, empty without one.
        rails: Chance of roof rails.
        cladding: Height of dark plastic along the sills, 0 without.
    """

    name: str
    length: float
    width: float
    height: float
    front_axle: float
    rear_axle: float
    wheel_radius: float
    sill: float
    top: Points
    nose: Points
    tail: Points
    windscreen: tuple[float, float]
    rear_glass: tuple[float, float]
    pillars: tuple[float, ...]
    last_window: bool
    roof_width: float
    arch: float
    bed: tuple[float, ...] = ()
    rails: float = 0.0
    cladding: float = 0.0


BODIES = (
    Body(
        name="Sedan", length=4.85, width=1.84, height=1.48, front_axle=0.93, rear_axle=3.72, wheel_radius=0.335,
        sill=0.18,
        top=((0.0, 0.72), (0.2, 0.8), (0.8, 0.91), (1.4, 0.98), (2.5, 0.97), (3.9, 1.03), (4.6, 1.06), (4.85, 1.02)),
        nose=((0.0, 0.16), (0.25, 0.02), (0.55, 0.0), (0.8, 0.06), (1.0, 0.22)),
        tail=((0.0, 0.14), (0.3, 0.0), (0.55, 0.01), (0.8, 0.06), (1.0, 0.08)),
        windscreen=(1.32, 2.1), rear_glass=(4.38, 3.42), pillars=(2.62, 3.52), last_window=True,
        roof_width=0.66, arch=0.1,
    ),
    Body(
        name="Hatchback", length=4.15, width=1.75, height=1.5, front_axle=0.82, rear_axle=3.4, wheel_radius=0.315,
        sill=0.18, top=((0.0, 0.72), (0.2, 0.82), (0.7, 0.93), (1.2, 1.0), (2.5, 1.0), (3.6, 1.08), (4.15, 1.05)),
        nose=((0.0, 0.14), (0.25, 0.02), (0.55, 0.0), (0.8, 0.06), (1.0, 0.2)),
        tail=((0.0, 0.1), (0.3, 0.0), (0.55, 0.01), (0.8, 0.05), (1.0, 0.08)),
        windscreen=(1.12, 1.82), rear_glass=(4.02, 3.6), pillars=(2.3, 3.15), last_window=True,
        roof_width=0.7, arch=0.1,
    ),
    Body(
        name="SUV", length=4.65, width=1.89, height=1.76, front_axle=0.92, rear_axle=3.66, wheel_radius=0.37,
        sill=0.27, top=((0.0, 0.8), (0.22, 1.0), (0.8, 1.08), (1.4, 1.13), (2.5, 1.14), (3.9, 1.19), (4.65, 1.16)),
        nose=((0.0, 0.2), (0.3, 0.02), (0.55, 0.0), (0.8, 0.04), (1.0, 0.14)),
        tail=((0.0, 0.18), (0.3, 0.0), (0.55, 0.01), (0.8, 0.04), (1.0, 0.08)),
        windscreen=(1.36, 1.92), rear_glass=(4.56, 4.3), pillars=(2.5, 3.35), last_window=True,
        roof_width=0.72, arch=0.07, rails=0.8, cladding=0.42,
    ),
    Body(
        name="Pick-up", length=5.6, width=1.98, height=1.85, front_axle=1.0, rear_axle=4.35, wheel_radius=0.4,
        sill=0.36,
        top=((0.0, 1.02), (0.2, 1.1), (0.9, 1.18), (1.6, 1.22), (3.5, 1.26), (3.8, 1.3), (4.0, 1.33), (5.6, 1.33)),
        nose=((0.0, 0.16), (0.2, 0.0), (0.45, 0.02), (0.5, 0.06), (0.9, 0.08), (1.0, 0.12)),
        tail=((0.0, 0.1), (0.15, 0.0), (0.3, 0.01), (0.35, 0.08), (1.0, 0.1)),
        windscreen=(1.5, 2.1), rear_glass=(3.72, 3.58), pillars=(2.72,), last_window=True,
        roof_width=0.74, arch=0.05, bed=(3.85, 5.36),
    ),
    Body(
        name="Van", length=5.0, width=1.95, height=2.02, front_axle=0.95, rear_axle=3.95, wheel_radius=0.34,
        sill=0.25, top=((0.0, 0.85), (0.22, 0.98), (0.6, 1.1), (1.0, 1.19), (2.5, 1.2), (5.0, 1.2)),
        nose=((0.0, 0.14), (0.3, 0.0), (0.55, 0.0), (0.8, 0.05), (1.0, 0.16)),
        tail=((0.0, 0.06), (0.2, 0.0), (0.5, 0.0), (1.0, 0.02)),
        windscreen=(0.82, 1.62), rear_glass=(4.97, 4.9), pillars=(2.25,), last_window=False,
        roof_width=0.84, arch=0.05, cladding=0.0,
    ),
)  # fmt: skip

# Sedans and SUVs are the commonest in the real photos.
TURNS = (*BODIES, BODIES[0], BODIES[2])

# Linear-light red, green, blue; the weights follow the paints of the real photos: white, black and greys lead.
PAINTS = {
    "White": ((0.82, 0.83, 0.83), 5),
    "Silver": ((0.42, 0.43, 0.45), 4),
    "Grey": ((0.13, 0.135, 0.14), 4),
    "Dark grey": ((0.045, 0.045, 0.048), 2),
    "Black": ((0.008, 0.008, 0.009), 5),
    "Red": ((0.3, 0.012, 0.015), 2),
    "Maroon": ((0.08, 0.008, 0.014), 1),
    "Blue": ((0.02, 0.06, 0.26), 2),
    "Navy": ((0.01, 0.018, 0.055), 1),
    "Beige": ((0.36, 0.3, 0.21), 1),
    "Orange": ((0.5, 0.12, 0.012), 1),
    "Green": ((0.02, 0.07, 0.04), 1),
}


@dataclass(frozen=True, kw_only=True)
class Car:
    """One car: a body, stretched a little, and the choices that tell it from its sisters.

    Attributes:
        body: Its kind.
        paint: A key of `PAINTS`.
        year: Model year, for `metadata.csv`.
        spokes: Spokes per wheel; 0 is a closed wheel cover.
        spoke_width: Spoke over spoke plus gap.
        dark_wheels: Black rims instead of silver ones.
        antenna: "whip", "fin" or "none".
        rails: Whether it has roof rails.
        chrome: Whether the windows have a bright frame.
    """

    body: Body
    paint: str
    year: int
    spokes: int
    spoke_width: float
    dark_wheels: bool
    antenna: str
    rails: bool
    chrome: bool

    @property
    def open_wheels(self) -> bool:
        """Whether one can see through the wheels."""
        return self.spokes > 0


def stretched(body: Body, along: float, across: float, up: float) -> Body:
    """Return `body` with its lengths, widths and heights multiplied by three factors."""

    def lengths(values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(value * along for value in values)

    return replace(
        body,
        length=body.length * along,
        width=body.width * across,
        height=body.height * up,
        front_axle=body.front_axle * along,
        rear_axle=body.rear_axle * along,
        wheel_radius=body.wheel_radius * up,
        sill=body.sill * up,
        top=tuple((x * along, z * up) for x, z in body.top),
        windscreen=lengths(body.windscreen),
        rear_glass=lengths(body.rear_glass),
        pillars=lengths(body.pillars),
        bed=lengths(body.bed),
        cladding=body.cladding * up,
    )


def draw_car(rng: np.random.Generator, *, index: int, white_van: bool = False) -> Car:
    """Draw one car.

    Args:
        rng: Where the chances come from.
        index: The car's number in its set; bodies take turns, so that five cars show all five.
        white_van: Make it the white van that vanishes against the white wall.
    """
    kind = BODIES[4] if white_van else TURNS[index % len(TURNS)]
    body = stretched(kind, *rng.uniform((0.97, 0.98, 0.97), (1.04, 1.02, 1.03)).tolist())
    # White vans are planted, and only planted: planted.csv names every one.
    names = [name for name in PAINTS if not (kind.name == "Van" and name == "White")]
    weights = np.array([PAINTS[name][1] for name in names], dtype=float)
    paint = names[rng.choice(len(names), p=weights / weights.sum())]
    return Car(
        body=body,
        paint="White" if white_van else paint,
        year=int(rng.integers(2009, 2017)),
        spokes=int(rng.choice([0, 5, 5, 6, 7, 8, 10])),
        spoke_width=float(rng.uniform(0.42, 0.6)),
        dark_wheels=bool(rng.random() < 0.15),
        antenna=str(rng.choice(["whip", "fin", "none"], p=[0.5, 0.35, 0.15])),
        rails=bool(rng.random() < body.rails),
        chrome=bool(rng.random() < 0.4),
    )
