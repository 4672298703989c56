"""The rules on data and devices made by hand, and widths of objects that one can count."""

from dataclasses import replace

import numpy as np
import pytest

from maskfold.recipe import writing
from maskfold.recipe.looking import DataLook, mean_width
from maskfold.recipe.machine import Device
from maskfold.recipe.members import at_hand
from maskfold.recipe.rules import input_size, number_of_folds, smaller, training

CPU = Device(gpu=None, memory=0, bf16=False, cores=2)
H100 = Device(gpu="H100", memory=80, bf16=True, cores=16)
SMALL_GPU = Device(gpu="T4", memory=8, bf16=False, cores=4)
PEOPLE = DataLook(
    photos=200,
    test=0,
    groups=200,
    height=1200,
    width=1600,
    one_size=False,
    spread=2.0,
    area=0.3,
    empty=0.0,
    thickness=0.1,
)
MANY = replace(PEOPLE, photos=5000, groups=5000)


def test_a_stripe_is_as_wide_as_it_is_and_a_square_half():
    stripe = np.zeros((40, 40), np.uint8)
    stripe[10:16] = 1  # to the photo's border, which is no outline: 6 · 40 pixels, 2 · 40 of them outline
    square = np.zeros((40, 40), np.uint8)
    square[10:30, 10:30] = 1  # 400 pixels, 4 · 19 of them outline

    assert mean_width(stripe) == 2 * 240 / 80
    assert mean_width(square) == pytest.approx(2 * 400 / 76)
    assert mean_width(np.zeros((4, 4), np.uint8)) == 0


@pytest.mark.parametrize(
    ("look", "device", "expected"),
    [
        (PEOPLE, CPU, ("resize", 192, 256)),
        (PEOPLE, H100, ("resize", 384, 512)),
        (replace(PEOPLE, thickness=0.015), CPU, ("resize", 288, 384)),  # 533 pixels were needed, 384 is the limit
        (replace(PEOPLE, thickness=0.01), H100, ("resize", 768, 1024)),
        (replace(PEOPLE, thickness=0.01), SMALL_GPU, ("resize", 384, 512)),
        (replace(PEOPLE, thickness=0.003, height=6000, width=8000), H100, ("tile", 512, 512)),
        (replace(PEOPLE, height=101, width=101, one_size=True), CPU, ("pad", 101, 101)),
        (replace(PEOPLE, height=101, width=101), CPU, ("resize", 96, 96)),
        (replace(PEOPLE, thickness=None), CPU, ("resize", 192, 256)),
    ],
)
def test_the_input_follows_from_photos_objects_and_device(look, device, expected):
    size = input_size(look, device)

    assert (size.geometry, size.height, size.width) == expected


def test_very_large_photos_are_shown_in_windows():
    size = input_size(replace(PEOPLE, height=20_000, width=30_000, very_large=True), CPU)

    assert (size.geometry, size.height, size.width, smaller(size)) == ("tile", 256, 256, None)


def test_a_budget_asks_for_the_next_smaller_size():
    size = input_size(PEOPLE, CPU)

    assert smaller(size) == 192
    less = input_size(PEOPLE, CPU, most=192)
    assert (less.height, less.width) == (128, 192)  # 144 is half way between two multiples of 32
    assert "192 is what the budget allows" in less.why


@pytest.mark.parametrize(
    ("look", "device", "k"), [(PEOPLE, CPU, 3), (PEOPLE, H100, 5), (replace(PEOPLE, groups=2), H100, 2)]
)
def test_folds_follow_from_groups_and_device(look, device, k):
    assert number_of_folds(look, device).value == k


def test_few_photos_without_weights_get_small_batches_and_many_epochs():
    families = at_hand(CPU, weights="none", files={}, lies_here=lambda encoder: True)

    one = training(families[0], PEOPLE, CPU, input_size(PEOPLE, CPU), k=2, epochs=None)

    assert [one.name for one in families] == ["unet_resnet18", "fpn_resnet18", "unet"]
    assert (one.learned, one.batch, one.rate, one.wanted, one.least) == (100, 2, 5e-4, 100, 50)
    assert one.steps(5) == 250
    assert one.decay(5).value is None
    assert one.decay(12).value == 0.975  # of 600 steps
    assert one.decay(100).value == 0.997  # of 5,000 steps
    assert (one.augment(PEOPLE, 12).value, one.augment(PEOPLE, 100).value) == ("flip", "heavy")
    assert one.augment(replace(PEOPLE, channels=2), 100).value == "light"


@pytest.mark.parametrize(
    ("device", "precision"), [(CPU, "auto"), (replace(CPU, bf16=True), "bf16-mixed"), (H100, "auto")]
)
def test_a_processor_that_multiplies_bf16_is_told_to(device, precision):
    family = at_hand(device, weights="none", files={}, lies_here=lambda encoder: False)[0]
    one = training(family, PEOPLE, device, input_size(PEOPLE, device), k=2, epochs=12)

    assert one.precision == precision
    text = writing.experiment("people", one, PEOPLE, epochs=12, data=("pairs", {}))
    assert ("\n  precision: bf16-mixed\n" in text) == (precision != "auto")


def test_many_photos_on_a_large_gpu_get_pretrained_networks_of_three_families():
    families = at_hand(H100, weights="download", files={}, lies_here=lambda encoder: False)
    one = training(families[0], MANY, H100, input_size(MANY, H100), k=5, epochs=None)

    assert [family.name for family in families] == ["unet_convnext", "unet_efficientnetv2", "linknet34"]
    assert families[0].keys["encoder"] == "tu-convnext_small"
    assert (one.learned, one.batch, one.rate, one.wanted) == (4000, 8, 1e-4, 12)  # 6,000 steps of 8


def test_networks_of_rgb_statistics_are_asked_for_none_where_channels_are_counted():
    family = at_hand(H100, weights="download", files={}, lies_here=lambda encoder: False)[1]
    one = training(family, MANY, H100, input_size(MANY, H100), k=5, epochs=None)

    texts = [
        writing.experiment("many", one, replace(MANY, channels=channels), epochs=12, data=("pairs", {}))
        for channels in (None, 4)
    ]
    assert [text.count("own_statistics: true") for text in texts] == [1, 0]


def test_one_pretrained_network_has_others_from_random_weights_beside_it():
    here = at_hand(CPU, weights="auto", files={}, lies_here=lambda encoder: encoder == "resnet34")
    by_file = at_hand(CPU, weights="none", files={"linknet34": "r.pth"}, lies_here=lambda encoder: False)

    assert [(one.name, one.weights) for one in here] == [
        ("linknet34", True),
        *((name, None) for name in ("unet_resnet18", "fpn_resnet18", "unet")),
    ]
    assert by_file[0].weights == "r.pth"
