import random

import numpy as np
import pytest

from maskfold.data.imgaug_compat import Imgaug, iaa, iap

MASK = np.zeros((48, 64), np.uint8)
MASK[:20, 10:50] = 1
IMAGE = np.repeat(MASK[..., None] * np.uint8(255), 3, axis=2)


def test_numpy_is_left_as_it_was_found():
    assert not hasattr(np, "sctypes")
    assert not hasattr(np, "complex")


def test_import_and_construction_leave_the_global_random_state_alone(elsewhere_drawn):
    assert elsewhere_drawn["drawn"] == [np.random.RandomState(5).random(), random.Random(5).random()]


@pytest.mark.parametrize(
    "augmenter",
    [
        iaa.ElasticTransformation(alpha=(20, 30), sigma=4, mode="reflect"),
        iaa.Affine(rotate=(10, 20), mode="reflect"),
        iaa.PiecewiseAffine(scale=0.04, mode="reflect"),
        iaa.PerspectiveTransform(0.1, mode="replicate"),
        iaa.CropAndPad(percent=(-0.1, 0.1), pad_mode="reflect"),
    ],
    ids=lambda augmenter: type(augmenter).__name__,
)
@pytest.mark.filterwarnings("ignore:.*estimate.*")
def test_geometry_keeps_the_mask_on_the_photo(augmenter):
    pipeline = Imgaug(augmenters=[augmenter])
    moved = 0
    for seed in range(8):
        image, mask = pipeline(IMAGE, MASK, seed)
        assert mask.dtype == np.uint8
        assert ((image[..., 0] > 127) != mask).mean() < 0.03
        moved += (mask != MASK).any()
    assert moved == 8


@pytest.mark.parametrize(
    "augmenter",
    [
        iaa.BlendAlphaSimplexNoise(iaa.Add(40)),
        iaa.BlendAlphaFrequencyNoise(exponent=(-4, 4), foreground=iaa.Add(40)),
        iaa.AdditiveGaussianNoise(scale=20),
        iaa.CoarseDropout(0.3, size_percent=0.2),
        iaa.KMeansColorQuantization(3),
        iaa.Clouds(),
    ],
    ids=lambda augmenter: type(augmenter).__name__,
)
def test_augmenters_that_read_what_numpy_dropped_run_and_repeat(augmenter):
    noise = np.random.default_rng(0).integers(0, 256, IMAGE.shape, dtype=np.uint8)
    before = noise.copy()
    pipeline = Imgaug(augmenters=[augmenter])
    first = pipeline(noise, MASK, 3)
    pipeline(noise, MASK, 4)
    again = pipeline(noise, MASK, 3)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(noise, before)
    np.testing.assert_array_equal(first[1], MASK)
    assert (first[0] != noise).any()


def test_a_nested_augmenter_is_seeded_too():
    pipeline = Imgaug(augmenters=[iaa.Sometimes(0.5, iaa.OneOf([iaa.Fliplr(1), iaa.Add(iap.Uniform(-50, 50))]))])
    runs = [[pipeline(IMAGE + 90, MASK, seed)[0].tobytes() for seed in range(30)] for _ in range(2)]
    assert runs[0] == runs[1]
    assert len(set(runs[0])) > 5
