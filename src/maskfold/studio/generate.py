"""The studio generator: a labelled set of car photos in the layout and with the names of the Carvana challenge."""

from functools import partial
from pathlib import Path

import numpy as np

from maskfold.errors import MaskfoldError
from maskfold.files import locked
from maskfold.parallel import map_unordered
from maskfold.studio.bodies import draw_car
from maskfold.studio.camera import VIEWS
from maskfold.studio.folder import check_number, claim
from maskfold.studio.photograph import WORLDS
from maskfold.studio.planted import Plan, plan_faults
from maskfold.studio.writer import SPLITS, StudioSet, finish_image, write_masks_table, write_tables

ARGUMENTS = "studio.json"
GENERATOR = 1  # raised whenever the same arguments give other pictures
MIN_SIZE, MAX_SIZE = (32, 48), (1280, 1918)  # (height, width) in pixels; the largest is the real photos'


def generate(
    root: Path,
    *,
    cars: int,
    test_cars: int,
    height: int,
    width: int,
    seed: int,
    planted: bool = True,
    world: str = "studio",
    jobs: int = -1,
) -> None:
    """Generate a studio set under `root`, or finish one that was begun.

    Written are `train/`, `train_masks/`, `train_masks.csv`, `test/`, `metadata.csv` and `sample_submission.csv` as
    Carvana's, and beside them `test_truth/` and `test_masks.csv` (the hidden truth), `planted.csv` (which images have
    a planted fault) and `studio.json` (the arguments). The same arguments give the same bytes.

    Args:
        root: A new or empty folder, or one this function has written to with the same arguments.
        cars: Cars with masks, 16 views each.
        test_cars: Cars whose masks are hidden.
        height: Pixels, 32 to 1280.
        width: Pixels, 48 to 1918.
        seed: Not negative.
        planted: Whether to plant white vans, masks that disagree about wheel gaps, and grossly wrong masks.
        world: "studio", or "street": the same cars and masks, every photo in a room, a light and a lens of its own.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If an argument is out of range, `root` holds something else, or a file cannot be written.
    """
    root = Path(root)
    arguments = {"cars": cars, "test_cars": test_cars, "height": height, "width": width, "seed": seed}
    _check(arguments)
    counts = {"train": cars, "test": test_cars}
    if world not in WORLDS:
        raise MaskfoldError(f"studio: world={world!r} is not possible; choose from {', '.join(WORLDS)}.")
    plans = {split: _plan(split, count, seed) if planted else Plan() for split, count in counts.items()}
    studio = StudioSet(root, height, width, seed, counts, plans, world)
    with locked(root):
        # The studio's sets do not name their world: those made before there was another are theirs still.
        wider = {} if world == WORLDS[0] else {"world": world}
        claim(
            root, {"generator": GENERATOR, **arguments, "planted": planted, **wider}, name=ARGUMENTS, what="studio set"
        )
        for split in SPLITS:
            items = [(split, car, view) for car in studio.order(split) for view in range(1, VIEWS + 1)]
            runs = dict(map_unordered(partial(finish_image, studio), items, f"studio {split}", jobs=jobs))
            write_masks_table(studio, split, runs)
        write_tables(studio)


def _check(arguments: dict) -> None:
    for key, least, most in (
        ("cars", 1, None),
        ("test_cars", 0, None),
        ("height", MIN_SIZE[0], MAX_SIZE[0]),
        ("width", MIN_SIZE[1], MAX_SIZE[1]),
        ("seed", 0, None),
    ):
        check_number("studio", key, arguments[key], least, most)


def _plan(split: str, cars: int, seed: int) -> Plan:
    rng = np.random.default_rng((seed, len(SPLITS), SPLITS[split]))
    drawn = [draw_car(np.random.default_rng((seed, SPLITS[split], car)), index=car) for car in range(cars)]
    return plan_faults(rng, open_wheels=[car.open_wheels for car in drawn], labelled=split == "train")
