import numpy as np
import pytest
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from maskfold.data.geometry import Pad, Resize, Tile
from maskfold.errors import MaskfoldError

sizes = st.tuples(st.integers(1, 70), st.integers(1, 70))
quick = settings(max_examples=60, deadline=None)


def photo(height, width, channels=3):
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, channels), dtype=np.uint8)


def as_probability(inputs):
    """Use the first channel of the network inputs as if it were the network's answer, (K, h, w) float32."""
    return inputs[..., 0].astype(np.float32) / 255


@quick
@given(sizes, st.integers(1, 40), st.sampled_from(["reflect", "replicate", "constant"]))
def test_pad_and_back_is_exact(size, multiple, mode):
    image = photo(*size)
    inputs, placement = Pad(multiple=multiple, mode=mode).forward(image)
    assert inputs.shape[0] == 1
    assert all(
        side % multiple == 0 and side - own < multiple for side, own in zip(inputs.shape[1:3], size, strict=True)
    )
    np.testing.assert_array_equal(Pad().restore(as_probability(inputs), placement), as_probability(image))


@quick
@given(sizes, st.integers(1, 30), st.integers(1, 30), st.integers(0, 29))
def test_tile_and_back_is_exact_up_to_rounding(size, height, width, overlap):
    geometry = Tile(height=height, width=width, overlap=min(overlap, height - 1, width - 1))
    image = photo(*size)
    inputs, placement = geometry.forward(image)
    assert inputs.shape[1:] == (height, width, 3)
    assert geometry.forward_mask(image[..., 0]).shape == inputs.shape[:3]
    restored = geometry.restore(as_probability(inputs), placement)
    assert restored.dtype == np.float32
    np.testing.assert_allclose(restored, as_probability(image), atol=1e-5)


@quick
@given(sizes, sizes, st.integers(0, 255))
def test_resize_keeps_constants_and_comes_back_to_the_photos_size(size, network, value):
    geometry = Resize(height=network[0], width=network[1])
    inputs, placement = geometry.forward(np.full((*size, 3), value, np.uint8))
    assert inputs.shape == (1, *network, 3)
    assert (inputs == value).all()
    restored = geometry.restore(as_probability(inputs), placement)
    assert restored.shape == size
    # OpenCV blends in float32, which is far finer than half a level of 255.
    np.testing.assert_allclose(restored, value / 255, atol=5e-6)


def test_pad_mirrors_one_column_each_side_of_a_carvana_photo():
    image = photo(8, 1918)
    inputs, placement = Pad(multiple=32, height=8, width=1920).forward(image)
    assert inputs.shape == (1, 8, 1920, 3)
    assert (placement.top, placement.left) == (0, 1)
    np.testing.assert_array_equal(inputs[0, :, 0], image[:, 1])
    np.testing.assert_array_equal(inputs[0, :, -1], image[:, -2])


def test_pad_fills_the_mask_like_the_photo():
    mask = np.array([[1, 0, 1]], np.uint8)
    assert Pad(multiple=5, mode="constant").forward_mask(mask)[0, 2].tolist() == [0, 1, 0, 1, 0]
    assert Pad(multiple=5, mode="replicate").forward_mask(mask)[0, 2].tolist() == [1, 1, 0, 1, 1]
    assert Pad(multiple=5, mode="reflect").forward_mask(mask)[0, 2].tolist() == [0, 1, 0, 1, 0]


def test_resize_takes_the_majority_of_the_mask():
    # Blocks of 2x2 with 4, 2, 1 and 0 object pixels: half counts as object.
    mask = np.array([[1, 1, 1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0, 0]], np.uint8)
    assert Resize(height=1, width=4).forward_mask(mask).tolist() == [[[1, 1, 0, 0]]]


def test_a_soft_mask_is_averaged_and_never_cut():
    # Blocks of 2x2 whose means are 0.9, 0.5, 0.25 and 0.
    soft = np.array([[0.8, 1, 0.5, 0.5, 1, 0, 0, 0], [0.8, 1, 0.5, 0.5, 0, 0, 0, 0]], np.float32)
    np.testing.assert_allclose(Resize(height=1, width=4).forward_mask(soft), [[[0.9, 0.5, 0.25, 0]]])
    padded = Pad(multiple=4, mode="constant").forward_mask(soft)
    assert padded.dtype == np.float32
    np.testing.assert_array_equal(padded[0, 1:3], soft)


def test_resize_interpolates_linearly_on_the_way_up():
    # Pixel centres of 4 in 2 lie at -0.25, 0.25, 0.75 and 1.25: the ends are held, the rest is a quarter each way.
    restored = Resize(height=1, width=2).restore(
        np.array([[[0, 1]]], np.float32), Resize(height=1, width=2).forward(photo(1, 4))[1]
    )
    np.testing.assert_allclose(restored, [[0, 0.25, 0.75, 1]], atol=1e-6)


def test_resize_averages_whole_areas_on_the_way_down():
    # Blocks of 4x4 with one bright pixel in a corner: its mean is 160 / 16. Linear interpolation would look at the
    # middle four alone and see nothing.
    image = np.zeros((4, 8, 1), np.uint8)
    image[0, 0], image[3, 7] = 160, 240
    assert Resize(height=1, width=2).forward(image)[0].ravel().tolist() == [10, 15]
    soft = (image[..., 0] / 240).astype(np.float32)
    np.testing.assert_allclose(Resize(height=1, width=2).forward_mask(soft), [[[1 / 24, 1 / 16]]], atol=1e-7)


def test_tile_corners_end_flush_with_the_border():
    _, placement = Tile(height=4, width=4, overlap=1).forward(photo(4, 9))
    assert placement.corners == ((0, 0), (0, 3), (0, 5))


def test_tile_blends_by_distance_from_the_windows_border():
    # Windows at 0 and 2; weights 1 2 2 1 along each: pixels 2 and 3 mix 2:1 and 1:2.
    geometry = Tile(height=1, width=4, overlap=0)
    _, placement = geometry.forward(photo(1, 6))
    assert placement.corners == ((0, 0), (0, 2))
    blended = geometry.restore(np.stack([np.zeros((1, 4)), np.ones((1, 4))]).astype(np.float32), placement)
    np.testing.assert_allclose(blended, [[0, 0, 1 / 3, 2 / 3, 1, 1]], atol=1e-6)


@pytest.mark.parametrize("size", [(40, 50), (9, 50), (7, 5)])
def test_training_windows_stay_aligned_and_visit_the_whole_photo(size):
    geometry = Tile(height=16, width=12, overlap=4)
    mask = np.zeros(size, np.uint8)
    mask[: size[0] // 2, size[1] // 3 :] = 1
    rows, columns = np.indices(size)
    image = np.stack([mask * 255, rows, columns], axis=2).astype(np.uint8)
    seen = set()
    for seed in range(300):
        window, window_mask = geometry.training_pair(image, mask, np.random.default_rng(seed))
        assert window.shape == (16, 12, 3)
        np.testing.assert_array_equal(window[..., 0], window_mask * 255)
        seen.add((window[..., 1].min(), window[..., 2].min()))
    places = max(size[0] - 15, 1) * max(size[1] - 11, 1)
    assert len(seen) > min(places, 300) * 0.5
    assert {0, max(size[0] - 16, 0)} <= {row for row, _ in seen}


def test_of_a_photo_as_large_as_the_window_training_sees_all_and_mirrors_nothing():
    geometry, image = Tile(height=16, width=12), photo(16, 12)
    for seed in range(9):
        window, _ = geometry.training_pair(image, image[..., 0], np.random.default_rng(seed))
        np.testing.assert_array_equal(window, image)


@pytest.mark.parametrize("geometry", [Pad(multiple=32), Resize(height=32, width=64)])
def test_training_sees_what_prediction_sees(geometry):
    image, mask = photo(30, 60), (photo(30, 60)[..., 0] > 99).astype(np.uint8)
    sample, sample_mask = geometry.training_pair(image, mask, np.random.default_rng(0))
    np.testing.assert_array_equal(sample, geometry.forward(image)[0][0])
    np.testing.assert_array_equal(sample_mask, geometry.forward_mask(mask)[0])
    assert sample.shape[:2] == sample_mask.shape == geometry.network_size(30, 60)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Resize(height=0, width=5), "geometry.height=0"),
        (lambda: Tile(height=8, width=8, overlap=8), "geometry.overlap=8"),
        (lambda: Tile(height=8, width=-1), "geometry.width=-1"),
        (lambda: Pad(multiple=0), "geometry.multiple=0"),
        (lambda: Pad(height=8, width=0), "geometry.width=0"),
        (lambda: Pad(height=8), "both height and width"),
        (lambda: Pad(mode="wrap"), "geometry.mode=wrap"),
        (lambda: Pad(height=8, width=8).forward(photo(4, 9)), "9x4.*does not fit into 8x8"),
    ],
)
def test_impossible_sizes_are_refused(build, message):
    with pytest.raises(MaskfoldError, match=message):
        build()


def test_a_size_off_the_networks_stride_is_refused_with_the_nearest_right_one():
    with pytest.raises(MaskfoldError, match=r"multiples of 32.*geometry.height=96 geometry.width=128"):
        Resize(height=100, width=120).check_stride(32)
    with pytest.raises(MaskfoldError, match=r"geometry.multiple=32"):
        Pad(multiple=20).check_stride(32)
    with pytest.raises(MaskfoldError, match=r"geometry.height=32 geometry.width=64"):
        Tile(height=5, width=64).check_stride(32)
    Resize(height=96, width=128).check_stride(32)
    Pad(multiple=64).check_stride(32)
    Pad(height=64, width=96).check_stride(32)


@pytest.mark.parametrize("name", ["pad", "resize", "tile"])
def test_every_config_is_built(name, request):
    geometry = instantiate(OmegaConf.load(request.config.rootpath / f"conf/geometry/{name}.yaml"))
    geometry.check_stride(32)
    inputs, placement = geometry.forward(photo(1280, 1918))
    assert geometry.restore(as_probability(inputs), placement).shape == (1280, 1918)
    assert geometry.network_size(1280, 1918) == inputs.shape[1:3]


@pytest.mark.parametrize("channels", [1, 2, 5, 12])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(
    "geometry",
    [
        Pad(multiple=16),
        Pad(multiple=16, mode="constant"),
        Resize(height=13, width=11),
        Resize(height=45, width=61),
        Tile(height=16, width=16, overlap=4),
    ],
    ids=["mirrored", "black", "smaller", "larger", "tile"],
)
def test_every_channel_goes_the_way_it_would_go_alone(geometry, dtype, channels):
    image = np.random.default_rng(0).uniform(0, 255, (30, 40, channels)).astype(dtype)
    shown, placement = geometry.forward(image)
    assert (shown.shape[3], shown.dtype) == (channels, dtype)
    for channel in range(channels):
        alone, same = geometry.forward(np.ascontiguousarray(image[..., channel : channel + 1]))
        np.testing.assert_allclose(shown[..., channel], alone[..., 0], rtol=1e-4, atol=1 if dtype == np.uint8 else 1e-3)
        assert placement == same
    sample, _ = geometry.training_pair(image, image[..., 0] % 2, np.random.default_rng(0))
    assert sample.shape[2] == channels


def test_a_hole_in_a_photo_does_not_eat_its_neighbours():
    photo = np.array([[1, 3, np.nan, 5], [5, 7, np.nan, np.nan], [np.nan] * 4, [np.nan] * 4], np.float32)[..., None]
    shown, _ = Resize(height=2, width=2).forward(photo)
    # The means of 1, 3, 5 and 7; of 5 alone; and of nothing.
    np.testing.assert_array_equal(shown[0, ..., 0], [[4, 5], [np.nan, np.nan]])


@pytest.mark.parametrize("classes", [1, 2, 4, 5, 12])
@pytest.mark.parametrize(
    "geometry",
    [
        Pad(multiple=16),
        Pad(height=48, width=64, mode="constant"),
        Resize(height=17, width=23),
        Resize(height=60, width=80),
        Tile(height=16, width=24, overlap=4),
        Tile(height=64, width=64),
    ],
)
def test_a_mask_of_several_classes_goes_the_way_of_each(geometry, classes):
    rng = np.random.default_rng(classes)
    stack = (rng.random((40, 60, classes)) < 0.5).astype(np.uint8)
    for mask in (stack, rng.random((40, 60, classes), dtype=np.float32)):
        alone = [geometry.forward_mask(np.ascontiguousarray(mask[..., plane])) for plane in range(classes)]
        together = geometry.forward_mask(mask)
        assert together.dtype == mask.dtype
        np.testing.assert_allclose(together, np.stack(alone, axis=-1), atol=2e-6)
    image, one = photo(40, 60), np.ascontiguousarray(stack[..., 0])
    shown, placed = geometry.training_pair(image, stack, np.random.default_rng(3))
    shown_alone, placed_alone = geometry.training_pair(image, one, np.random.default_rng(3))
    np.testing.assert_array_equal(shown, shown_alone)
    np.testing.assert_array_equal(placed[..., 0], placed_alone)
    assert placed.shape == (*shown.shape[:2], classes)
