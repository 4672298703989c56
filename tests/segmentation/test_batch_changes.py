"""Batches that are changed on the device: the same samples in the same way as on the CPU, one by one."""

from pathlib import Path

import albumentations as A
import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch.utils.data import default_collate

from maskfold.config import build, compose
from maskfold.data.augmentation import Albumentations, ByEpoch
from maskfold.data.drawing import Drawing, drawing, only_on_cpu
from maskfold.data.geometry import Pad
from maskfold.engine.tensors import to_tensor
from maskfold.segmentation.batch_changes import changed
from maskfold.segmentation.dataset import LabelledDataset, to_target
from maskfold.segmentation.losses import BCE
from maskfold.segmentation.objective import MaskObjective

PRESETS = Path(__file__).parents[2] / "conf/augment"
ON_DEVICE = ["none", "flip", "soft", "light", "heavy", "heavy_scratch", "ternaus", "colour", "grey_object"]
SAMPLES = 300


def preset(name):
    return instantiate(OmegaConf.load(PRESETS / f"{name}.yaml"))


def sample(height=48, width=72):
    """Build a photo of smooth colours, as photos are, and a mask with straight outlines."""
    noise = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2, width // 3 :] = 1
    return cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), mask


def on_device(augment, image, mask, seeds, device="cpu"):
    """Change the same sample by each seed, in one batch: `(N, H, W, C)` and masks `(N, H, W)` of 0 and 255."""
    draw = Drawing(augment)
    rows = [
        {"image": to_tensor(image), "mask": to_target(mask)}
        | {name: torch.from_numpy(entry) for name, entry in draw(image.shape, seed).items()}
        for seed in seeds
    ]
    batch = changed({name: entries.to(device) for name, entries in default_collate(rows).items()})
    assert batch.keys() == {"image", "mask"}
    return tuple(batch[name].permute(0, 2, 3, 1).cpu().numpy() for name in ("image", "mask"))


@pytest.mark.parametrize("name", ON_DEVICE)
def test_each_sample_is_changed_as_on_the_cpu(name, device):
    """Not in the same distribution alone: by the very same draws, to the same pixels but for rounding."""
    augment = preset(name)
    image, mask = sample()
    images, masks = on_device(augment, image, mask, range(SAMPLES), device)
    theirs, their_masks = map(np.stack, zip(*(augment(image, mask, seed) for seed in range(SAMPLES)), strict=True))
    unlike = np.abs(images.astype(int) - theirs)
    moves = name in ("soft", "light", "heavy", "heavy_scratch")
    # OpenCV turns to the nearest 32nd of a pixel, and of a hue it cuts off what is behind the point.
    assert unlike.mean() < (0.35 if moves else 0.03)
    assert moves or unlike.max() <= 1
    assert (masks[..., 0] // 255 != their_masks).mean() < (0.001 if moves else 1e-9)
    np.testing.assert_allclose(images.mean((1, 2)), theirs.mean((1, 2)), atol=1)
    np.testing.assert_allclose(images.std((1, 2)), theirs.std((1, 2)), atol=1)


def exactly(*transforms):
    augment = Albumentations(transforms=transforms)
    image = np.random.default_rng(1).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    mask = np.random.default_rng(2).integers(0, 2, (40, 56), dtype=np.uint8)
    images, masks = on_device(augment, image, mask, range(6))
    for seed in range(6):
        other, other_mask = augment(image, mask, seed)
        np.testing.assert_array_equal(images[seed], other)
        np.testing.assert_array_equal(masks[seed, ..., 0], other_mask * 255)


JITTER = {"brightness": (1, 1), "contrast": (1, 1), "saturation": (1, 1), "hue": (0, 0), "p": 1}


@pytest.mark.parametrize(
    "transform",
    [
        A.HorizontalFlip(p=0.5),
        A.VerticalFlip(p=1),
        A.ToGray(p=0.5),
        A.ColorJitter(**JITTER | {"brightness": (0.3, 1.9)}),
        A.ColorJitter(**JITTER | {"contrast": (0.3, 1.9)}),
        A.ColorJitter(**JITTER | {"saturation": (0.3, 1.9)}),
        A.ColorJitter(**JITTER),
        A.Affine(translate_px=(-7, 7), border_mode=cv2.BORDER_REFLECT_101, p=1),
        A.Affine(translate_px=(-7, 7), border_mode=cv2.BORDER_CONSTANT, p=1),
        A.Affine(translate_px=(-7, 7), border_mode=cv2.BORDER_REPLICATE, p=1),
    ],
    ids=lambda transform: type(transform).__name__,
)
def test_flips_grey_light_and_whole_shifts_are_the_cpus_byte_for_byte(transform):
    exactly(transform)


def test_nothing_drawn_changes_nothing():
    augment = Albumentations(transforms=[A.Affine(rotate=(-90, 90), p=0), A.HorizontalFlip(p=0)])
    image, mask = sample()
    images, masks = on_device(augment, image, mask, [0, 1])
    np.testing.assert_array_equal(images, [image, image])
    np.testing.assert_array_equal(masks[..., 0], [mask * 255] * 2)


def test_a_marked_point_ends_where_the_draw_says_in_photo_and_mask():
    augment = Albumentations(transforms=[A.Affine(scale=(0.8, 1.2), rotate=(-40, 40), translate_px=(-9, 9), p=1)])
    image, mask = np.zeros((90, 120, 3), np.uint8), np.zeros((90, 120), np.uint8)
    image[28:33, 68:73] = 255
    mask[28:33, 68:73] = 1  # around row 30, column 70
    images, masks = on_device(augment, image, mask, range(12))
    for seed in range(12):
        (entry,) = Drawing(augment)(image.shape, seed).values()
        back = np.vstack([entry[1:].reshape(2, 3), [0, 0, 1]])
        column, row = (np.linalg.inv(back) @ [70, 30, 1])[:2]
        for shown in (images[seed, ..., 0], masks[seed, ..., 0]):
            rows, columns = np.nonzero(shown > 127)
            np.testing.assert_allclose([rows.mean(), columns.mean()], [row, column], atol=0.5)


def test_a_sample_is_the_same_in_any_batch():
    augment = preset("heavy")
    image, mask = sample()
    images, masks = on_device(augment, image, mask, range(7))
    for seeds in ([3], [6, 3, 0]):
        alone, alone_masks = on_device(augment, image, mask, seeds)
        np.testing.assert_array_equal(alone, images[seeds])
        np.testing.assert_array_equal(alone_masks, masks[seeds])


def test_a_data_set_draws_for_the_device_what_it_would_do_itself(tmp_path):
    photo = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    mask = np.zeros((8, 12), np.uint8)
    mask[1:4, 2:9] = 255
    cv2.imwrite(str(tmp_path / "0.png"), photo)
    cv2.imwrite(str(tmp_path / "0_mask.png"), mask)
    table = pd.DataFrame({"image": [str(tmp_path / "0.png")], "mask": [str(tmp_path / "0_mask.png")]})
    augment = Albumentations(transforms=[A.HorizontalFlip(p=0.5), A.ToGray(p=0.5)])
    keys = [(0, 0), (0, 0, 1), *((epoch, 0) for epoch in range(1, 9))]
    own, drawn = (
        LabelledDataset(table, geometry=Pad(multiple=4), seed=3, augment=one) for one in (augment, drawing(augment))
    )
    theirs = default_collate([own[key] for key in keys])
    ours = default_collate([drawn[key] for key in keys])
    assert len(torch.unique(ours["image"], dim=0)) == 1
    batch = MaskObjective(BCE()).prepared(ours, seed=(0, 0, 0))
    assert batch.keys() == theirs.keys()
    assert all(torch.equal(batch[key], theirs[key]) for key in theirs)
    assert len(torch.unique(theirs["image"], dim=0)) == 4
    assert len(torch.unique(ours["image"], dim=0)) == 1  # the batch, which may be shown again, is left as it was


def test_soft_masks_several_classes_and_bands_move_as_on_the_cpu():
    augment = preset("light")
    bands = np.random.default_rng(1).normal(size=(6, 9, 5)).astype(np.float32)
    image = cv2.resize(bands, (72, 48), interpolation=cv2.INTER_CUBIC)
    mask = cv2.resize(np.random.default_rng(2).random((6, 9, 3)).astype(np.float32), (72, 48))
    images, masks = on_device(augment, image, mask, range(8))
    for seed in range(8):
        other, other_mask = augment(image, mask, seed)
        assert images[seed].dtype == np.float32
        np.testing.assert_allclose(images[seed], other, atol=0.05)
        assert (np.abs(masks[seed] - np.rint(other_mask * 255)) > 8).mean() < 0.01


def test_presets_that_change_with_the_epoch_draw_as_the_epochs_own():
    phases = [{"epochs": 1, "preset": "heavy"}, {"epochs": 2, "preset": "light"}]
    both = ByEpoch(presets={"heavy": preset("heavy"), "light": preset("light")}, phases=phases)
    drawn = [drawing(both).at(epoch)((48, 72, 3), 5) for epoch in range(4)]
    for entries, name in zip(drawn, ["heavy", "light", "light", "light"], strict=True):
        own = Drawing(preset(name))((48, 72, 3), 5)
        assert entries.keys() == own.keys()
        assert all((entries[key] == own[key]).all() for key in own)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("crop", ["CropObject"]),
        ("products", ["Backdrop", "Combine", "CropObject"]),
        ("soft_imgaug", ["Imgaug"]),
        *((name, []) for name in ON_DEVICE),
    ],
)
def test_a_preset_says_what_keeps_it_from_the_device(name, why):
    assert only_on_cpu(preset(name)) == why


def test_a_preset_that_the_epochs_share_may_be_kept_on_the_cpu():
    config = compose("train", ["experiment=unet_vgg11"]).augment
    assert only_on_cpu(build(config)) == []
    config.presets.light.device = "cpu"
    assert only_on_cpu(build(config)) == ["Albumentations with device: cpu"]


def test_what_the_device_would_do_otherwise_stays_on_the_cpu():
    several = A.ColorJitter(brightness=(0.5, 1), contrast=(0.5, 1), saturation=(1, 1), hue=(0, 0))
    kept = [several, A.Affine(border_mode=cv2.BORDER_WRAP), A.Affine(fill=9), A.SomeOf([A.HorizontalFlip()], n=1)]
    assert [only_on_cpu(Albumentations(transforms=[one])) for one in kept] == [
        ["ColorJitter"],
        ["Affine"],
        ["Affine"],
        ["SomeOf"],
    ]
