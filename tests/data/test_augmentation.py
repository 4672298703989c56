import pickle
import random
import subprocess
import sys
import zlib
from pathlib import Path

import albumentations as A
import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from maskfold.data.augmentation import Albumentations, GreyObject, HueSaturationValue, grey_object
from maskfold.errors import MaskfoldError

PRESETS = Path(__file__).parents[2] / "conf/augment"
# A preset with a defaults list is made of others and changes with the epoch: the training room's.
NAMES = sorted(path.stem for path in PRESETS.glob("*.yaml") if "defaults" not in OmegaConf.load(path))
GEOMETRIC = ["light", "heavy", "soft", "soft_imgaug"]


def preset(name):
    return instantiate(OmegaConf.load(PRESETS / f"{name}.yaml"))


def sample(height=60, width=90):
    """Build a colour photo of noise and a mask that reaches the border, so that margins matter."""
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2, width // 3 :] = 1
    mask[height // 2 :, : width // 2] = 1
    return image, mask


def fingerprints():
    return [zlib.crc32(preset(name)(*sample(), 2**40 + 7)[0].tobytes()) for name in ("soft", "heavy", "soft_imgaug")]


def plain(value, height=40, width=60):
    """Build a photo of one grey and an empty mask."""
    return np.full((height, width, 3), value, np.uint8), np.zeros((height, width), np.uint8)


def test_the_presets_are_those_of_the_recipe_book():
    wanted = {"none", "flip", "soft", "soft_imgaug", "ternaus", "heavy", "light", "grey_object"}
    assert wanted <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_decides_everything_and_nothing_else_is_touched(name):
    augmentation = preset(name)
    image, mask = sample()
    image.setflags(write=False)
    mask.setflags(write=False)
    before, before_python = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    first = [augmentation(image, mask, seed) for seed in range(12)]
    again = [pickle.loads(pickle.dumps(augmentation))(image, mask, seed) for seed in reversed(range(12))][::-1]
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert random.getstate() == before_python
    for (one, one_mask), (two, two_mask) in zip(first, again, strict=True):
        assert one.dtype == one_mask.dtype == np.uint8
        assert one.shape == image.shape
        assert one_mask.shape == mask.shape
        assert set(np.unique(one_mask)) <= {0, 1}
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one_mask, two_mask)
    assert len({one.tobytes() for one, _ in first}) > 1 or name == "none"


def test_another_process_draws_the_same():
    code = """
import sys
sys.path[:0] = sys.argv[1:]
from test_augmentation import fingerprints
print(*fingerprints())
"""
    paths = [str(Path(__file__).parents[2] / "src"), str(Path(__file__).parent)]
    run = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    assert run.stdout.split() == [str(number) for number in fingerprints()]


@pytest.mark.parametrize("name", [*GEOMETRIC, "flip"])
def test_the_mask_goes_with_the_photo(name):
    augmentation = preset(name)
    _, mask = sample(120, 180)
    image = np.repeat(mask[..., None] * np.uint8(255), 3, axis=2)
    moved = 0
    for seed in range(30):
        changed, changed_mask = augmentation(image, mask, seed)
        # Light and colour move white and black, but keep them apart: the mask is where the photo is bright.
        bright = changed.max(axis=2) > (int(changed.max()) + int(changed.min())) / 2
        assert (bright != changed_mask).mean() < 0.01, seed
        moved += (changed_mask != mask).any()
    assert moved > 8


@pytest.mark.parametrize("name", [*GEOMETRIC, "flip", "ternaus"])
def test_a_soft_mask_moves_as_the_mask_does_and_keeps_its_values(name):
    augmentation = preset(name)
    image, mask = sample(120, 180)
    for seed in range(8):
        hard, soft = (augmentation(image, labels, seed) for labels in (mask, np.float32(0.6) * mask))
        np.testing.assert_array_equal(hard[0], soft[0])
        assert soft[1].dtype == np.float32
        np.testing.assert_allclose(soft[1], 0.6 * hard[1], atol=1e-6)


@pytest.mark.parametrize("name", ["flip", "soft", "soft_imgaug", "heavy", "light", "ternaus", "grey_object"])
def test_half_of_the_samples_are_flipped(name):
    augmentation = preset(name)
    mask = np.zeros((16, 64), np.uint8)
    mask[:, :32] = 1
    image = np.full((16, 64, 3), 128, np.uint8)
    flips = sum(augmentation(image, mask, seed)[1][8, -8] for seed in range(400))
    assert 160 <= flips <= 240  # 4 standard deviations of 10


@pytest.mark.parametrize("name", ["soft", "soft_imgaug"])
def test_soft_flips_and_moves_independently_three_times_in_four(name):
    augmentation = preset(name)
    mask = np.zeros((32, 64), np.uint8)
    mask[:, 40:] = 1
    image = np.full((32, 64, 3), 128, np.uint8)
    flipped, moved = np.zeros((2, 400), bool)
    for seed in range(400):
        changed = augmentation(image, mask, seed)[1]
        flipped[seed] = changed[16, 8]
        moved[seed] = (changed != (mask[:, ::-1] if flipped[seed] else mask)).any()
    assert 0.66 < moved.mean() < 0.8
    assert abs(moved[flipped].mean() - moved[~flipped].mean()) < 0.15


@pytest.mark.parametrize(
    ("name", "shift", "scale"),
    [("soft", 0.0625, (0.9, 1.1)), ("soft_imgaug", 0.0625, (0.9, 1.1)), ("light", 0.0625, (0.91, 1.21))],
)
def test_shift_and_scale_fill_their_ranges(name, shift, scale):
    augmentation = preset(name)
    mask = np.zeros((160, 200), np.uint8)
    mask[40:120, 60:140] = 1
    image = np.zeros((160, 200, 3), np.uint8)
    shifts, scales = [], []
    for seed in range(300):
        rows, columns = np.nonzero(augmentation(image, mask, seed)[1])
        # The square is centred where its flip is, so flips do not count as shifts.
        shifts.append([abs(rows.mean() - 79.5) / 160, abs(columns.mean() - 99.5) / 200])
        scales.append(np.sqrt(rows.size) / 80)
    assert 0.8 * shift < np.max(shifts, axis=0).min()
    assert np.max(shifts) < shift + 0.01
    assert scale[0] - 0.02 < min(scales) < scale[0] + 0.03
    assert scale[1] - 0.03 < max(scales) < scale[1] + 0.02


def test_the_margin_mirrors_the_mask_as_it_does_the_photo():
    mask = np.ones((64, 64), np.uint8)
    for name in GEOMETRIC:
        augmentation = preset(name)
        for seed in range(10):
            assert augmentation(plain(200, 64, 64)[0], mask, seed)[1].all()


def test_brightness_stays_within_its_limits():
    augmentation = preset("soft")
    soft = [augmentation(*plain(100), seed)[0].max() for seed in range(200)]
    assert 65 <= min(soft) < 80  # 100 x 0.9 - 25 = 65
    assert 120 < max(soft) <= 135  # 100 x 1.1 + 25 = 135
    augmentation = preset("heavy")
    heavy = [augmentation(*plain(100), seed)[0].max() for seed in range(200)]
    assert 49 <= min(heavy) < 58
    assert 142 < max(heavy) <= 151  # on an even photo contrast changes nothing


def test_soft_imgaug_changes_light_as_soft_does():
    augmentation = preset("soft_imgaug")
    imgaug = [augmentation(*plain(100), seed)[0].max() for seed in range(200)]
    assert 64 <= min(imgaug) < 80
    assert 120 < max(imgaug) <= 136


@pytest.mark.parametrize("name", ["none", "flip", "light"])
def test_colour_is_left_alone(name):
    augmentation = preset(name)
    for seed in range(10):
        assert (augmentation(*plain(77), seed)[0] == 77).all()


def test_grey_object_by_hand():
    # 0.299 x 200 + 0.587 x 100 + 0.114 x 50 = 124.2
    image = np.array([[[200, 100, 50], [200, 100, 50]]], np.uint8)
    mask = np.array([[1, 0]], np.uint8)
    assert grey_object(image, mask).tolist() == [[[124, 124, 124], [200, 100, 50]]]
    assert image[0, 0].tolist() == [200, 100, 50]


def test_the_grey_object_transform_knows_a_flipped_object():
    image, mask = sample()
    changed, changed_mask = Albumentations(transforms=[A.HorizontalFlip(p=1), GreyObject(p=1)])(image, mask, 0)
    np.testing.assert_array_equal(changed_mask, mask[:, ::-1])
    np.testing.assert_array_equal(changed[changed_mask == 0], image[:, ::-1][changed_mask == 0])
    assert (np.ptp(changed[changed_mask == 1], axis=1) == 0).all()


def test_grey_object_takes_the_objects_colour_in_half_of_the_samples_and_nothing_else():
    augmentation = preset("grey_object")
    image, mask = sample()
    greys = 0
    for seed in range(100):
        changed, changed_mask = augmentation(image, mask, seed)
        original = image if (changed_mask == mask).all() else image[:, ::-1]
        np.testing.assert_array_equal(changed[changed_mask == 0], original[changed_mask == 0])
        greys += (np.ptp(changed[changed_mask == 1], axis=1) == 0).all()
    assert 30 <= greys <= 70  # 4 standard deviations of 5


def test_ternaus_either_recolours_or_takes_the_objects_colour():
    augmentation = preset("ternaus")
    image, mask = sample()
    greys = 0
    for seed in range(100):
        changed, changed_mask = augmentation(image, mask, seed)
        greys += (np.ptp(changed[changed_mask == 1], axis=1) == 0).all()
        assert np.ptp(changed[changed_mask == 0], axis=1).max() > 50
    assert 30 <= greys <= 70


def test_heavy_turns_a_quarter_grey():
    augmentation = preset("heavy")
    image, mask = sample()
    greys = sum((np.ptp(augmentation(image, mask, seed)[0], axis=2) == 0).all() for seed in range(200))
    assert 26 <= greys <= 74  # 4 standard deviations of 6


@pytest.mark.filterwarnings("ignore:Argument")
def test_an_argument_the_transform_does_not_have_is_refused():
    with pytest.raises(MaskfoldError, match="'rotat' are not valid for transform Affine"):
        Albumentations(transforms=[A.Affine(rotat=5)])
    with pytest.raises(MaskfoldError, match="'limit' are not valid for transform ToGray"):
        Albumentations(transforms=[A.OneOf([A.ToGray(limit=3), A.HorizontalFlip()])])


@pytest.mark.parametrize("kind", ["noise", "greys"])
def test_colours_are_shifted_as_albumentations_shifts_them(kind):
    image, mask = sample()
    if kind == "greys":
        image[:, ::2] = image[:, ::2, :1]
    limits = {"hue_shift_limit": [-90, 90], "sat_shift_limit": [-60, 60], "val_shift_limit": [-60, 60], "p": 1}
    theirs = Albumentations(transforms=[A.HueSaturationValue(**limits)])
    ours = Albumentations(transforms=[HueSaturationValue(**limits)])
    for seed in range(40):
        np.testing.assert_array_equal(ours(image, mask, seed)[0], theirs(image, mask, seed)[0])
