import pickle
import random
import zlib
from pathlib import Path

import albumentations as A
import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from maskfold.config import build, compose
from maskfold.data.augmentation import (
    Albumentations,
    GreyObject,
    HueSaturationValue,
    add_hsv,
    grey_object,
    refuse_colours,
)
from maskfold.errors import MaskfoldError

PRESETS = Path(__file__).parents[2] / "conf/augment"
# A preset with a defaults list is made of others and changes with the epoch: the training room's.
NAMES = sorted(path.stem for path in PRESETS.glob("*.yaml") if "defaults" not in OmegaConf.load(path))
GEOMETRIC = ["light", "heavy", "heavy_scratch", "soft", "soft_imgaug"]


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
    wanted = {"none", "flip", "soft", "soft_imgaug", "ternaus", "heavy", "heavy_scratch", "light", "grey_object"}
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


def test_another_process_draws_the_same(elsewhere_drawn):
    assert elsewhere_drawn["fingerprints"] == fingerprints()


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


# Shares of samples whose geometry (but for the flip) and whose colours the winners' code leaves alone: brightness,
# contrast and saturation in one of two samples each, grey in one of four, leave 0.5 ** 3 * 0.75 of them alone.
LEFT_ALONE = {
    "soft": (0.25, 0.25),
    "soft_imgaug": (0.25, 0.25),
    "ternaus": (1, 0.5),
    "heavy": (0.5, 0.5**3 * 0.75),
    "heavy_scratch": (0.5, 0.5**3 * 0.75),
    "light": (0.25, 1),
    "flip": (1, 1),
    "grey_object": (1, 0.5),
}
DRAWS = 2000
SLOW = {"soft_imgaug": 500}  # as many draws take a second there


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_each_change_is_as_frequent_as_the_winners_was(name):
    augmentation = preset(name)
    height, width = 48, 72
    mask = np.random.default_rng(1).integers(0, 2, (height, width), dtype=np.uint8)  # any move is seen in it
    image = np.broadcast_to(np.uint8([180, 90, 60]), (height, width, 3)).copy()  # any colour is, wherever it has moved
    draws = SLOW.get(name, DRAWS)
    flipped, unmoved, uncoloured = np.zeros((3, draws), bool)
    for seed in range(draws):
        changed, changed_mask = augmentation(image, mask, seed)
        # Hardly a sample is moved by so little that most of a noisy mask stays where it was.
        straight, mirrored = ((changed_mask == one).mean() for one in (mask, mask[:, ::-1]))
        flipped[seed], unmoved[seed] = mirrored > straight, max(straight, mirrored) > 0.95
        uncoloured[seed] = (changed == image).all()
    geometry, colour = LEFT_ALONE[name]
    near(unmoved, geometry)
    near(uncoloured, colour)
    near(flipped[unmoved], 0.5)
    if 0 < geometry < 1 and 0 < colour < 1:  # each by a draw of its own
        near(uncoloured[unmoved], colour)


def near(events, share):
    """Assert that a share of events is within four standard deviations of a binomial draw, and 0.01 of blindness."""
    tolerance = 4 * np.sqrt(share * (1 - share) / len(events)) + 0.01 * (share < 1)
    assert abs(events.mean() - share) <= tolerance, (events.mean(), share)


@pytest.mark.parametrize(
    ("name", "shift", "scale", "turn"),
    [
        ("soft", 0, (0.9, 1.1), 5),
        ("soft_imgaug", 0, (0.9, 1.1), 5),
        ("light", 0.0625, (0.91, 1.21), 5),
        ("heavy", 0.0625, (0.91, 1.21), 10),
        ("heavy_scratch", 0.0625, (0.91, 1.21), 7),
    ],
)
def test_shift_scale_and_turn_fill_their_ranges(name, shift, scale, turn):
    augmentation = preset(name)
    mask = np.zeros((160, 200), np.uint8)
    mask[60:100, 50:150] = 1
    image = np.zeros((160, 200, 3), np.uint8)
    shifts, scales, turns = [], [], []
    for seed in range(300):
        rows, columns = np.nonzero(augmentation(image, mask, seed)[1])
        # The bar is centred where its flip is, so flips do not count as shifts.
        shifts.append([abs(rows.mean() - 79.5) / 160, abs(columns.mean() - 99.5) / 200])
        scales.append(np.sqrt(rows.size / 4000))
        across = np.linalg.eigh(np.cov(columns, rows))[1][:, 1]  # the direction of the bar
        turns.append(abs(np.degrees(np.arctan(across[1] / across[0]))))
    assert 0.8 * shift <= np.max(shifts, axis=0).min()
    assert np.max(shifts) < shift + 0.01
    assert scale[0] - 0.02 < min(scales) < scale[0] + 0.03
    assert scale[1] - 0.03 < max(scales) < scale[1] + 0.02
    assert 0.9 * turn < max(turns) < turn + 0.5


def test_the_margin_mirrors_the_mask_as_it_does_the_photo():
    mask = np.ones((64, 64), np.uint8)
    for name in GEOMETRIC:
        augmentation = preset(name)
        for seed in range(10):
            assert augmentation(plain(200, 64, 64)[0], mask, seed)[1].all()


def test_brightness_stays_within_its_limits():
    augmentation = preset("soft")
    soft = [augmentation(*plain(100), seed)[0].max() for seed in range(400)]
    assert 65 <= min(soft) < 80  # 100 x 0.9 - 25 = 65
    assert 120 < max(soft) <= 135  # 100 x 1.1 + 25 = 135
    augmentation = preset("heavy")
    heavy = [augmentation(*plain(100), seed)[0].max() for seed in range(200)]
    assert 49 <= min(heavy) < 58
    assert 142 < max(heavy) <= 151  # on an even photo contrast changes nothing


def test_contrast_pivots_on_the_mean_grey_and_brightness_on_black():
    # Half black, half white, is 127.5 on average: contrast keeps the two as far from it on either side.
    image, mask = plain(0)
    image[:, :30] = 255
    contrast, brightness = (Albumentations(transforms=[preset("heavy").pipeline.transforms[n]]) for n in (3, 2))
    changed = [contrast(image, mask, seed)[0] for seed in range(400)]
    assert all(abs(int(one.max()) + int(one.min()) - 255) <= 1 for one in changed)
    assert 60 < max(one.min() for one in changed) <= 64  # 127.5 x (1 - 0.5)
    assert all(brightness(image, mask, seed)[0].min() == 0 for seed in range(40))


def test_heavy_changes_light_before_it_takes_colour():
    steps = [type(step).__name__ for step in preset("heavy").pipeline.transforms]
    assert steps == ["HorizontalFlip", "Affine", "ColorJitter", "ColorJitter", "ColorJitter", "ToGray"]


def test_soft_imgaug_changes_light_as_soft_does():
    augmentation = preset("soft_imgaug")
    imgaug = [augmentation(*plain(100), seed)[0].max() for seed in range(400)]
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


def test_ternaus_recolours_or_takes_the_objects_colour_and_never_both():
    augmentation = preset("ternaus")
    image, mask = sample()
    greys = recoloured = 0
    for seed in range(200):
        changed, changed_mask = augmentation(image, mask, seed)
        original = image if (changed_mask == mask).all() else image[:, ::-1]
        grey = (np.ptp(changed[changed_mask == 1], axis=1) == 0).all()
        around = (changed[changed_mask == 0] != original[changed_mask == 0]).any()
        assert not (grey and around)
        greys += grey
        recoloured += around
    assert 26 <= greys <= 74  # a quarter each, 4 standard deviations of 6
    assert 26 <= recoloured <= 74


def test_colours_are_added_as_bytes_are():
    # Red of hue 3 less 10 stays at hue 0, where coming round would make it pink; grey takes a tint; 250 stops at 255.
    red = np.array([[[250, 25, 0]]], np.uint8)
    assert add_hsv(red, -10, 0, 0).tolist() == [[[250, 0, 0]]]
    assert add_hsv(red, 0, 0, 25).tolist() == [[[255, 26, 0]]]
    grey = np.array([[[200, 200, 200]]], np.uint8)
    assert add_hsv(grey, 0, 51, 0).tolist() == [[[200, 160, 160]]]  # 51 / 255 is a fifth
    assert add_hsv(grey, 0, -25, 0).tolist() == grey.tolist()


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


@pytest.mark.parametrize("name", ["light", "flip", "none"])
@pytest.mark.parametrize("channels", [1, 2, 5, 12])
def test_what_moves_pixels_does_so_in_every_channel_alike_in_any_units(name, channels):
    """Each channel moves as it would alone: nothing is cut to 0..1, nothing dropped beyond the fourth channel."""
    mask = sample(40, 50)[1]
    bands = np.random.default_rng(0).uniform(-5000, 60000, (40, 50, channels)).astype(np.float32)
    augment = preset(name)
    refuse_colours(augment, bands)
    for seed in range(4):
        moved, moved_mask = augment(bands, mask, seed)
        assert (moved.shape, moved.dtype) == (bands.shape, np.float32)
        for channel in range(channels):
            alone, same_mask = augment(np.ascontiguousarray(bands[..., channel : channel + 1]), mask, seed)
            np.testing.assert_allclose(moved[..., channel], alone[..., 0], rtol=1e-4, atol=1)
        assert np.array_equal(moved_mask, same_mask)


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    "name", sorted({path.stem for path in PRESETS.glob("*.yaml")} - {"light", "flip", "crop", "none"})
)
def test_what_changes_colours_is_refused_for_all_but_rgb_of_8_bits(name):
    config = compose("train", ["experiment=demo_unet", f"augment={name}"]).augment
    augment = build(config)
    refuse_colours(augment, np.zeros((4, 4, 3), np.uint8))
    for image in (np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 5), np.uint8), np.zeros((4, 4, 1), np.uint8)):
        with pytest.raises(MaskfoldError, match=r"^augment: \w+.* work on RGB photos of 8 bits.*augment=light, flip"):
            refuse_colours(augment, image)


@pytest.mark.parametrize("classes", [1, 2, 5, 12])
@pytest.mark.parametrize("name", ["flip", "soft", "soft_imgaug", "heavy"])
def test_a_mask_of_several_classes_goes_the_way_of_each(name, classes):
    augmentation = preset(name)
    image, mask = sample()
    stack = np.stack([np.roll(mask, 7 * plane, axis=1) for plane in range(classes)], axis=2)
    for labels in (stack, stack * np.float32(0.6)):
        for seed in range(4):
            changed, together = augmentation(image, labels, seed)
            assert (together.shape, together.dtype) == (labels.shape, labels.dtype)
            for plane in {0, classes - 1}:
                alone_image, alone = augmentation(image, np.ascontiguousarray(labels[..., plane]), seed)
                np.testing.assert_array_equal(changed, alone_image)
                np.testing.assert_allclose(together[..., plane], alone, atol=1e-6)


def test_the_object_of_several_classes_is_where_any_of_them_is():
    image, mask = sample()
    stack = np.stack([mask, np.zeros_like(mask), np.flipud(mask)], axis=2)
    changed, _ = Albumentations(transforms=[GreyObject(p=1.0)])(image, stack, 0)
    np.testing.assert_array_equal(changed, grey_object(image, mask | np.flipud(mask)))
