import random

import albumentations as A
import numpy as np
import pytest

from maskfold.data.augmentation import Albumentations, refuse_colours
from maskfold.data.composites import from_lab, to_lab
from maskfold.data.object_transforms import Backdrop, Combine, CropObject, kept_by_crops
from maskfold.errors import MaskfoldError

GREY, RED, BLUE = (120, 120, 120), (180, 80, 70), (60, 60, 170)


def alone(transform):
    return Albumentations(transforms=[transform])


def photo(box, colour=RED, side=64, ground=GREY):
    """Return a photo of a rectangle, `(rows, columns)`, and its mask."""
    image, mask = np.full((side, side, 3), ground, np.uint8), np.zeros((side, side), np.uint8)
    image[box], mask[box] = colour, 1
    return image, mask


def test_what_crops_keep_by_hand():
    mask = np.uint8([[1, 0, 0], [1, 0, 1], [0, 0, 0]])
    np.testing.assert_allclose(kept_by_crops(mask, (2, 2)), [[2 / 3, 1 / 3], [1 / 3, 1 / 3]])
    np.testing.assert_allclose(kept_by_crops(mask * np.float32(0.5), (3, 1)), [[2 / 3, 0, 1 / 3]])
    assert kept_by_crops(0 * mask, (2, 3)).tolist() == [[1], [1]]


def test_a_crop_keeps_its_share_of_the_object_and_is_as_large_as_it_may():
    """Each column has a colour of its own, which tells what the crop has shown."""
    mask = photo(np.s_[4:60, 2:20])[1]
    crop = CropObject(p=1)
    crop.set_random_state(np.random.default_rng(0), random.Random(0))
    sides = []
    for _ in range(200):
        rows, columns = crop.get_params_dependent_on_data({}, {"mask": mask})["window"]
        assert mask[rows, columns].sum() >= 0.6 * mask.sum()
        sides.append((rows.stop - rows.start, columns.stop - columns.start))
    sides = np.array(sides)
    assert sides.min() >= 32
    assert sides.max() <= 64
    ratio = sides[:, 0] / sides[:, 1]
    assert 0.78 < ratio.min() < 0.9  # 1 / 1.25, of whole pixels
    assert 1.1 < ratio.max() < 1.29


def test_an_object_that_no_crop_can_keep_leaves_the_photo_as_it_is():
    image, mask = photo(np.s_[:, :])
    crop = alone(CropObject(scale=(0.5, 0.6), p=1))
    for seed in range(5):
        np.testing.assert_array_equal(crop(image, mask, seed)[0], image)


def test_of_an_empty_photo_any_crop_will_do():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    changed, mask = alone(CropObject(p=1))(image, np.zeros((64, 64), np.uint8), 0)
    assert changed.shape == image.shape
    assert (changed != image).any()
    assert not mask.any()


@pytest.mark.parametrize("channels", [3, 6])
def test_the_mask_is_cropped_as_the_photo_is(channels):
    mask = photo(np.s_[20:50, 8:30])[1]
    image = np.repeat(mask[..., None], channels, axis=2).astype(np.float32)
    for seed in range(20):
        for kind in (mask, 0.5 * mask.astype(np.float32), np.dstack([mask, 1 - mask] * 3)):
            changed, labels = alone(CropObject(p=1))(image, kind, seed)
            assert (changed.shape, labels.shape, labels.dtype) == (image.shape, kind.shape, kind.dtype)
            if labels.ndim == 3:
                assert (labels[..., 0] + labels[..., 1] <= 1).all()
                labels = labels[..., 0]
            assert (
                (changed[..., 0] > 0.5) == (labels > 0.5 * kind.max() if labels.dtype == np.float32 else labels)
            ).all()


def test_new_backdrops_are_of_three_kinds():
    """The ring is of Lab (55, 30, 15). Whites and greys 40 %; a colour of any kind is seldom near the ring's."""
    lab = np.float32([55, 30, 15])
    image, mask = photo(np.s_[16:48, 16:48], colour=from_lab(lab[None])[0])
    backdrop = Backdrop(p=1)
    backdrop.set_random_state(np.random.default_rng(0), random.Random(0))
    colours = to_lab(np.stack([backdrop.draw_colour(image, mask) for _ in range(2000)]))
    near = (np.abs(colours - lab) <= 10.6).all(axis=1)
    studio = (np.abs(colours[:, 1:]) <= 3.1).all(axis=1) & (colours[:, 0] >= 59.5)
    assert 0.28 < near.mean() < 0.34
    assert 0.37 < studio.mean() < 0.43


def test_a_backdrop_changes_the_backdrop_and_neither_object_nor_mask():
    image, mask = photo(np.s_[16:48, 16:48])
    for labels in (mask, np.dstack([mask, 0 * mask]), mask.astype(np.float32)):
        changed, kept = alone(Backdrop(p=1))(image, labels, 3)
        np.testing.assert_array_equal(kept, labels)
        np.testing.assert_array_equal(changed[20:44, 20:44], image[20:44, 20:44])
        assert (changed[:12] != image[:12]).any(axis=2).all()


def test_without_an_object_or_a_backdrop_nothing_changes():
    for box in (np.s_[:, :], np.s_[:0]):
        image, mask = photo(box)
        np.testing.assert_array_equal(alone(Backdrop(p=1))(image, mask, 0)[0], image)


def test_masks_are_united_and_stay_as_they_are_outside_the_paste():
    image, mask = photo(np.s_[5:30, 5:30])
    other = photo(np.s_[20:44, 10:40], BLUE)
    overlaps = 0
    for seed in range(30):
        combine = Combine(scale=(1, 1), p=1)
        changed, united = Albumentations(transforms=[combine])(image, mask, seed, partner=lambda: other)
        pasted = combine.params["pasted"]
        overlap = int((mask & pasted.mask).sum())
        assert united.dtype == np.uint8
        assert int(united.sum()) == int(mask.sum()) + int(pasted.mask.sum()) - overlap
        outside = pasted.alpha == 0
        np.testing.assert_array_equal(united[outside], mask[outside])
        np.testing.assert_array_equal(changed[outside], image[outside])
        assert pasted.mask.sum() <= 24 * 30
        overlaps += overlap > 0
    assert overlaps > 3


def test_the_other_object_is_scaled_and_lies_before_or_behind():
    image, mask = photo(np.s_[0:0])
    other = photo(np.s_[20:40, 20:40], BLUE)
    areas, fronts = [], []
    for seed in range(100):
        combine = Combine(p=1)
        Albumentations(transforms=[combine])(image, mask, seed, partner=lambda: other)
        height, width = np.ptp(np.argwhere(combine.params["pasted"].mask), axis=0) + 1
        areas.append(max(height, width) / 20)
        fronts.append(combine.params["pasted"].in_front)
    assert 1.1 < max(areas) <= 1.25  # whole pixels
    assert min(areas) < 0.65
    assert 30 < sum(fronts) < 70


def test_copy_paste_is_in_front_mirrored_and_of_some_parts():
    image, mask = photo(np.s_[5:30, 5:30])
    other_image, other_mask = photo(np.s_[20:44, 10:40], BLUE)
    other_mask[20:44, 22:30] = 0  # two parts, 12 and 10 wide
    shapes = set()
    for seed in range(40):
        combine = Combine(scale=(1, 1), p=1, front=1, flip=0.5, parts=True)
        pair = other_image, other_mask
        united = Albumentations(transforms=[combine])(image, mask, seed, partner=lambda pair=pair: pair)[1]
        pasted = combine.params["pasted"]
        assert pasted.in_front
        np.testing.assert_array_equal(united, mask | pasted.mask)
        row = pasted.mask[np.argmax(pasted.mask.any(axis=1))]
        if row.any() and not row[[0, -1]].any():  # the photo's border cuts nothing off
            runs = np.diff(np.flatnonzero(np.diff(row.astype(int))))  # widths of parts, and of the gap between them
            shapes.add(tuple(runs.tolist()))
    assert shapes == {(12,), (10,), (12, 8, 10), (10, 8, 12)}  # one part, the other, both, both mirrored


def test_classes_of_a_pasted_object_stay_exclusive():
    image, mask = photo(np.s_[5:30, 5:30])
    other_image, other_mask = photo(np.s_[20:44, 10:40], BLUE)
    labels, other = np.dstack([mask, 0 * mask]), (other_image, np.dstack([0 * other_mask, other_mask]))
    both = 0
    for seed in range(20):
        combine = Combine(p=1)
        united = Albumentations(transforms=[combine])(image, labels, seed, partner=lambda: other)[1]
        pasted = combine.params["pasted"]
        assert united.shape == labels.shape
        assert (united.sum(axis=2) <= 1).all()
        hidden = (mask == 1) & (pasted.mask[..., 1] == 1)
        assert (united[hidden] == ([0, 1] if pasted.in_front else [1, 0])).all()
        both += hidden.any()
    assert both > 3


def test_without_another_photo_or_object_the_sample_stays_as_it_is():
    image, mask = photo(np.s_[5:30, 5:30])
    for partner in (None, lambda: None, lambda: photo(np.s_[0:0])):
        changed, labels = alone(Combine(p=1))(image, mask, 0, partner=partner)
        np.testing.assert_array_equal(changed, image)
        np.testing.assert_array_equal(labels, mask)


def test_a_partner_is_read_as_often_as_it_is_used():
    image, mask = photo(np.s_[5:30, 5:30])
    asked = []

    def partner():
        asked.append(1)

    augment = Albumentations(transforms=[A.OneOf([Combine(p=1)], p=0.15)])
    assert augment.needs_partner
    assert not alone(Backdrop()).needs_partner
    for seed in range(1000):
        augment(image, mask, seed, partner=partner)
    assert 115 < len(asked) < 185


def test_what_changes_colours_is_refused_on_other_photos_and_a_crop_is_not():
    image = np.zeros((8, 8, 4), np.float32)
    refuse_colours(alone(CropObject()), image)
    for transform, name in ((Backdrop(), "Backdrop"), (Combine(), "Combine")):
        with pytest.raises(MaskfoldError, match=rf"augment: {name} work"):
            refuse_colours(alone(transform), image)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: CropObject(scale=(0.5, 2)), r"CropObject of scale=\[0.5, 2\] and keep=0.6"),
        (lambda: CropObject(keep=60), "keep=60"),
        (lambda: Backdrop(studio=0.8, near=0.3), r"Backdrop of studio=0.8 and near=0.3"),
        (lambda: Combine(scale=(0, 1)), r"Combine of scale=\[0, 1\]"),
        (lambda: Combine(front=2), "Combine of front=2 and flip=0.0"),
    ],
)
def test_shares_that_are_none_are_refused(make, match):
    with pytest.raises(MaskfoldError, match=match):
        make()
