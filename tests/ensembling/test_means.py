"""The means of logits and of ranks, and temperatures, against numbers worked out by hand."""

from dataclasses import replace
from fractions import Fraction
from math import exp, log

import numpy as np
import pytest

from maskfold import arrays
from maskfold.ensembling import means
from maskfold.ensembling.contested import contest
from maskfold.ensembling.fusion import fusible, own_maps_needed
from maskfold.ensembling.mean_map import MeanOnDisk, open_mean
from maskfold.ensembling.means import MEANS, check_mean, mean_of, temperature_table
from maskfold.ensembling.merged_answers import refuse_pixels
from maskfold.ensembling.recipe import Recipe
from maskfold.ensembling.tree import Leaf, MemberMaps, leaves
from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ProbabilityStore

EVERY_BYTE = np.arange(256, dtype=np.uint8).reshape(16, 16)


def row(*values: int) -> np.ndarray:
    return np.array([values], np.uint8)


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_of_nine_tenths_and_a_half_the_logits_mean_three_quarters():
    maps = [row(round(255 * 0.9)), row(round(255 * 0.5))]

    assert mean_of(maps, [1, 1])[0, 0] / 255 == pytest.approx(0.7, abs=0.005)
    # The odds are 9 and 1: their geometric mean is 3, three to one.
    assert mean_of(maps, [1, 1], mean="logit")[0, 0] / 255 == pytest.approx(0.75, abs=0.005)


@pytest.mark.parametrize("mean", MEANS)
def test_the_mean_of_a_map_and_itself_is_that_map(mean):
    several = np.stack([EVERY_BYTE, 255 - EVERY_BYTE])
    for maps in ([EVERY_BYTE], [EVERY_BYTE] * 3, [several] * 2):
        np.testing.assert_array_equal(mean_of(iter(maps), [5, 1, 2][: len(maps)], mean=mean), maps[0])


def test_logits_are_averaged_by_weight_pixel_by_pixel():
    maps, weights = [noise(seed, 7, 9) for seed in range(3)], [1, 2, 4]

    mean = mean_of(maps, weights, mean="logit")

    for at in np.ndindex(7, 9):
        odds = [log((m[at] + 0.5) / (255.5 - m[at])) for m in maps]
        probability = 1 / (1 + exp(-sum(w * z for w, z in zip(weights, odds, strict=True)) / 7))
        assert abs(mean[at] + 0.5 - 256 * probability) < 0.52  # the byte in whose range it is


def test_ranks_bring_members_to_what_they_have_on_average_at_each_place():
    # Sorted, the maps are 0 0 100 200 and 200 250 250 250: their mean is 100 125 175 225. The first member's zeros
    # share the first two places, (100 + 125) / 2; the other's 250s the last three, (125 + 175 + 225) / 3 = 175.
    first, other = row(0, 0, 100, 200), row(200, 250, 250, 250)

    mean = mean_of([first, other], [1, 1], mean="rank")

    assert mean.tolist() == [[106, 144, 175, 200]]  # (112.5 + 100) / 2, (112.5 + 175) / 2, (175 + 175) / 2, ...


def test_a_member_that_is_less_sure_in_the_same_order_does_not_change_the_order_of_ranks():
    sure, pale = noise(0, 20, 30), temperature_table(4.0)[noise(0, 20, 30)]

    ranks = mean_of([sure, pale], [1, 1], mean="rank").ravel().astype(int)

    order = np.argsort(sure.ravel(), kind="stable")
    assert (np.diff(ranks[order]) >= 0).all()
    assert ranks.mean() == pytest.approx((sure.mean() + pale.mean()) / 2, abs=0.5)


def packed_maps(number: int, shape: tuple[int, ...]) -> tuple[list[np.ndarray], list[arrays.Packed]]:
    maps = [noise(seed, *shape) for seed in range(number)]
    return maps, [arrays.packed(arrays.encode(one)) for one in maps]


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("temperatures", [(), (1.0, 1.3, 0.8, 1.0, 1.0)])
@pytest.mark.parametrize("weights", [[3] * 5, [1, 1, 2, 0, 2]])
@pytest.mark.parametrize("shape", [(300, 1000), (3, 256, 1000), (1, 1), (7, 9)])
def test_packed_maps_have_the_mean_of_what_is_in_them(mean, temperatures, weights, shape):
    maps, packed = packed_maps(5, shape)

    expected = mean_of(maps, weights, mean=mean, temperatures=temperatures)

    np.testing.assert_array_equal(mean_of(packed, weights, mean=mean, temperatures=temperatures), expected)
    some = [*packed[:2], maps[2], *packed[3:]]
    np.testing.assert_array_equal(mean_of(some, weights, mean=mean, temperatures=temperatures), expected)


def test_packed_maps_are_averaged_block_by_block_as_long_as_memory_is_for_them(monkeypatch):
    maps, packed = packed_maps(3, (300, 1000))
    assert packed[0].block < maps[0].size
    decoded = []
    monkeypatch.setattr(arrays.Packed, "decode", lambda self: decoded.append(self) or self.flat(0, 300_000))

    exact = np.rint(np.mean(maps, axis=0)).astype(np.uint8)  # of three there are no halves
    np.testing.assert_array_equal(mean_of(packed, [1] * 3), exact)
    assert decoded == []

    monkeypatch.setattr(means, "_PACKED", sum(one.nbytes for one in packed) - 1)
    np.testing.assert_array_equal(mean_of(packed, [1] * 3).reshape(300, 1000), exact)
    assert decoded == packed


def test_a_packed_map_of_another_size_is_refused():
    (_, (wide,)), (_, (narrow,)) = packed_maps(1, (3, 5)), packed_maps(1, (3, 4))

    with pytest.raises(MaskfoldError, match="map 2 of an average is 4x3 pixels, but the first is 5x3"):
        mean_of([wide, narrow], [1, 1])
    with pytest.raises(MaskfoldError, match="weights must be"):
        mean_of([], [])
    with pytest.raises(ValueError, match="zip"):
        mean_of([wide, wide], [1])
    with pytest.raises(ValueError, match="zip"):
        mean_of([], [1])


def test_a_temperature_divides_the_logits_and_leaves_a_half_where_it_is():
    assert temperature_table(2.0)[round(255 * 0.9)] / 255 == pytest.approx(0.75, abs=0.005)  # odds of 9 become 3
    assert (temperature_table(1.0) == np.arange(256)).all()
    for temperature in (0.2, 0.9, 1.3, 50):
        table = temperature_table(temperature)
        assert (table[128:] >= 128).all()
        assert (table[:128] < 128).all()
    maps = [row(230), row(128)]
    assert mean_of(maps, [1, 1], temperatures=[2.0, 1.0]).tolist() == [[160]]  # (192 + 128) / 2


def members(folder, mean: str, temperature: float = 1.0) -> list[MemberMaps]:
    names = enumerate(("m0", "m1"))
    return [
        MemberMaps(Leaf(name, Fraction(1 + n, 3), (folder / name,), temperature=temperature, mean=mean), None)
        for n, name in names
    ]


def test_a_very_large_picture_is_averaged_by_parts_to_the_same_bytes_but_not_by_ranks(tmp_path):
    maps = [noise(seed, 30, 40) for seed in range(2)]
    for number, one in enumerate(maps):
        ProbabilityStore(tmp_path / f"m{number}").write("a", one)

    mean = open_mean(members(tmp_path, "logit", 1.3), "a", size=(30, 40))

    assert isinstance(mean, MeanOnDisk)
    whole = mean_of(maps, [1, 2], mean="logit", temperatures=[1.3, 1.3])
    np.testing.assert_array_equal(mean[slice(3, 20), slice(0, 40)], whole[3:20])
    with pytest.raises(MaskfoldError, match=r"a is merged by parts, and ensemble\.mean=rank needs whole maps"):
        open_mean(members(tmp_path, "rank"), "a", size=(30, 40))


@pytest.mark.parametrize("weights", [[1, 1, 1], [3, 1, 2], [0, 1, 1]])
@pytest.mark.parametrize("threshold", [55, 128, 200])
def test_contested_pixels_of_logits_give_the_dice_of_the_mean_of_logits(weights, threshold):
    maps, mask = noise(3, 3, 9, 11), (noise(4, 9, 11) > 150).astype(np.uint8)
    contested = replace(contest(maps, mask, threshold=threshold), mean="logit")

    dice = contested.marks(np.array(weights) / sum(weights)).values[0]

    predicted = mean_of(iter(maps), weights, mean="logit") >= threshold
    assert dice == pytest.approx(2 * (predicted & (mask > 0)).sum() / (predicted.sum() + mask.sum()))


def test_a_tree_carries_temperatures_and_the_mean_to_its_leaves(tmp_path):
    nodes = [{"maps": "a", "temperature": 1.3}, {"members": [{"maps": "b"}]}]

    first, second = leaves(nodes, split="test", experiments=tmp_path, mean="logit")

    assert (first.temperature, second.temperature, first.mean) == (1.3, 1.0, "logit")


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize("temperature", [0, -1, "1.3", True, float("nan"), float("inf")])
def test_a_temperature_that_is_none_is_refused(temperature, tmp_path):
    with pytest.raises(MaskfoldError, match="temperature must be a number above 0"):
        leaves([{"maps": "a", "temperature": temperature}], split="test", experiments=tmp_path)


def test_an_unknown_mean_is_refused_with_the_known_ones():
    with pytest.raises(
        MaskfoldError, match=r"ensemble\.mean=median is unknown: choose one of probability, logit, rank"
    ):
        check_mean("median")
    with pytest.raises(MaskfoldError, match="mean=median"):
        Recipe(name="e", members=[{"experiment": "a"}], mean="median")


@pytest.mark.parametrize(
    ("recipe", "named"),
    [
        ({"members": [{"experiment": "a"}], "mean": "logit"}, r"ensemble\.mean=logit"),
        ({"members": [{"members": [{"experiment": "a", "temperature": 1.3}]}]}, "the temperature of .*1.3"),
    ],
)
def test_what_averages_networks_and_not_maps_refuses_other_means(recipe, named, tmp_path, monkeypatch):
    monkeypatch.setattr("maskfold.ensembling.fusion.trained_leaves", lambda members, *, experiments: [])
    recipe = Recipe(name="e", **recipe)

    with pytest.raises(MaskfoldError, match=named):
        fusible(recipe, split="test", experiments=tmp_path)
    with pytest.raises(MaskfoldError, match=named):
        refuse_pixels(recipe, fused=False)
    assert own_maps_needed(recipe).endswith("is of members' maps")
