"""The geometries in a graph do what OpenCV does: pixel for pixel on the way there, in floats on the way back."""

import numpy as np
import pytest
import torch

from maskfold.data.geometry import Geometry, Pad, Resize, Tile
from maskfold.errors import MaskfoldError
from maskfold.export.ways import way_of

SIZES = [(97, 141), (61, 45), (128, 192), (33, 200), (20, 21), (64, 96), (1, 1), (1, 50), (2, 3)]
GEOMETRIES = {
    "shrunk": Resize(height=16, width=20),
    "resized": Resize(height=64, width=96),
    "mirrored": Pad(multiple=32),
    "replicated": Pad(multiple=32, mode="replicate"),
    "black": Pad(multiple=16, mode="constant"),
    "fixed": Pad(height=130, width=210),
    "tiled": Tile(height=32, width=48, overlap=8),
    "tiled without overlap": Tile(height=32, width=32),
}


def photo(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES)
def test_both_directions_are_those_of_the_geometry(geometry: Geometry):
    way = way_of(geometry)
    for size in SIZES:
        photos = np.stack([photo(*size), photo(*size)[::-1]])
        windows = way.forward(torch.from_numpy(photos.copy())).permute(0, 2, 3, 1).numpy()
        expected = [geometry.forward(np.ascontiguousarray(one)) for one in photos]
        probability = np.random.default_rng(0).random((len(windows), *windows.shape[1:3]), dtype=np.float32)

        shown = np.concatenate([one for one, _ in expected])
        assert windows.dtype == np.uint8
        # OpenCV adds areas up in another order, so that of a thousand levels a few end up on the other side of a half.
        apart = np.abs(windows.astype(np.int16) - shown)
        assert apart.max() <= 1
        assert np.count_nonzero(apart) <= 5e-3 * apart.size
        restored = way.restore(torch.from_numpy(probability), torch.from_numpy(photos.copy())).numpy()
        halves = np.split(probability, 2)
        for one, half, (_, placement) in zip(restored, halves, expected, strict=True):
            np.testing.assert_allclose(one, geometry.restore(half, placement), atol=1e-5)


def test_halves_are_rounded_as_opencv_does():
    photos = np.zeros((1, 4, 4, 3), np.uint8)
    photos[0, ::2, ::2] = 2  # the mean of each four is 0.5
    halved = way_of(Resize(height=2, width=2)).forward(torch.from_numpy(photos))
    assert halved.unique().tolist() == [1]
    quarter = np.zeros((1, 8, 8, 3), np.uint8)
    quarter[0, ::4, ::4] = 8  # of each sixteen it is 0.5, and 0 is even
    assert way_of(Resize(height=2, width=2)).forward(torch.from_numpy(quarter)).unique().tolist() == [0]


def test_a_photo_that_a_fixed_size_has_no_room_for_is_an_error_and_no_map():
    way = way_of(Pad(height=8, width=8))
    for size in ((9, 8), (8, 12)):
        with pytest.raises((IndexError, RuntimeError)):
            way.restore(torch.zeros(1, 8, 8), torch.zeros(1, *size, 3, dtype=torch.uint8))


def test_a_geometry_of_somebodys_own_is_refused_by_name():
    class Turn(Resize):
        pass

    with pytest.raises(MaskfoldError, match=r"geometry: Turn is not one that an exported file can hold"):
        way_of(Turn(height=8, width=8))
