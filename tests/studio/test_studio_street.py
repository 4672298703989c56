import json

import numpy as np
import pytest

from maskfold.errors import MaskfoldError
from maskfold.studio import generate
from maskfold.studio.photograph import Photo, photograph, prepare
from maskfold.studio.scene import draw_look
from maskfold.studio.street_room import draw_room

VIEW, SIZE = 4, (64, 96)
DRAWS = (draw_look, draw_room)


def taken(world: str, index: int, *, seed: int = 6) -> Photo:
    sitting = prepare((seed, 0, index), index=index, white_van=index == 4, world=world)
    return photograph(sitting, VIEW, *SIZE, (seed, 0, index, VIEW))


@pytest.mark.parametrize("index", [0, 3, 4])
def test_the_street_changes_how_a_car_looks_and_no_mask(index):
    studio, street = taken("studio", index), taken("street", index)
    assert np.array_equal(street.mask, studio.mask)
    assert np.array_equal(street.mask_with_gaps, studio.mask_with_gaps)
    assert np.abs(street.image.astype(int) - studio.image).mean() > 5
    assert np.array_equal(street.image, taken("street", index).image)


def test_rooms_differ_more_on_the_street_than_in_the_studio():
    walls, floors = (
        {draw: np.std([getattr(draw(np.random.default_rng(seed)), part)[1] for seed in range(50)]) for draw in DRAWS}
        for part in ("wall", "floor")
    )
    assert walls[draw_room] > 4 * walls[draw_look]
    assert floors[draw_room] > 2 * floors[draw_look]


def test_the_studio_looks_as_it_did_before_there_was_a_street():
    image = taken("studio", 0).image.astype(float)
    # Taken before the street was there; a rounding may fall otherwise on another machine.
    levels = [[233.08, 235.085, 234.452], [196.163, 197.822, 197.483], [136.54, 137.894, 137.353]]
    assert np.allclose(image.reshape(4, 16, 96, 3).mean(axis=(1, 2))[:3], levels, atol=0.02)
    greens = [[237, 242, 239, 240], [241, 187, 241, 132], [217, 184, 160, 98], [209, 102, 190, 206]]
    assert np.allclose(image[::16, ::24, 1], greens, atol=1)


def test_a_set_of_the_street_names_its_world_and_older_sets_are_the_studios(tmp_path):
    arguments = {"cars": 1, "test_cars": 0, "height": 32, "width": 48, "seed": 5}
    generate(tmp_path / "street", **arguments, world="street", jobs=1)
    street = json.loads((tmp_path / "street/studio.json").read_text())
    assert street == {"generator": 1, **arguments, "planted": True, "world": "street"}
    del street["world"]
    (tmp_path / "studio.json").write_text(json.dumps(street))
    with pytest.raises(MaskfoldError, match="world=None, not 'street'"):
        generate(tmp_path, **arguments, world="street")


@pytest.mark.hostile("wrong input")
def test_another_world_is_refused_by_name(tmp_path):
    with pytest.raises(MaskfoldError, match=r"world='moon'.*studio, street"):
        generate(tmp_path, cars=1, test_cars=0, height=32, width=48, seed=0, world="moon")
