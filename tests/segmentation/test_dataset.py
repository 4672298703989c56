import cv2
import numpy as np
import pandas as pd
import pytest
import tifffile
import torch

from maskfold import arrays
from maskfold.arrays import encode
from maskfold.data import windows
from maskfold.data.augmentation import ByEpoch
from maskfold.data.geometry import Pad, Resize, Tile
from maskfold.errors import MaskfoldError
from maskfold.segmentation.dataset import LabelledDataset, to_tensor


@pytest.fixture
def table(tmp_path):
    """Two photos of 6x8: red 10 and 20, green 100, blue 200; the mask is the left half of the first, empty then."""
    rows = []
    for number, red in enumerate((10, 20)):
        image = np.full((6, 8, 3), (200, 100, red), np.uint8)  # OpenCV writes blue first
        mask = np.zeros((6, 8), np.uint8)
        mask[:, :4] = 255 * (number == 0)
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
        cv2.imwrite(str(tmp_path / f"{number}_mask.png"), mask)
        rows.append((f"photo{number}", str(tmp_path / f"{number}.png"), str(tmp_path / f"{number}_mask.png")))
    return pd.DataFrame(rows, columns=["image_id", "image", "mask"])


def test_item_is_bytes_of_photo_and_mask_in_the_networks_size(table):
    item = LabelledDataset(table, geometry=Pad(multiple=4, mode="constant"))[0, 0]
    assert (item["image"].shape, item["image"].dtype) == ((3, 8, 8), torch.uint8)
    assert (item["mask"].shape, item["mask"].dtype) == ((1, 8, 8), torch.uint8)
    assert item["image"][:, 3, 3].tolist() == [10, 100, 200]
    assert item["mask"][0, 3].tolist() == [255] * 4 + [0] * 4
    assert item["mask"][0, 0].tolist() == [0] * 8


def test_weight_is_the_tables_or_one(table):
    geometry = Resize(height=6, width=8)
    plain = LabelledDataset(table, geometry=geometry)
    weighted = LabelledDataset(table.assign(weight=[1, 0.25]), geometry=geometry)
    assert [float(plain[0, index]["weight"]) for index in (0, 1)] == [1.0, 1.0]
    assert [float(weighted[0, index]["weight"]) for index in (0, 1)] == [1.0, 0.25]
    assert weighted[0, 0]["weight"].dtype == torch.float32


def test_a_soft_mask_keeps_its_probabilities(table):
    values = np.arange(48, dtype=np.uint8).reshape(6, 8) * 4
    cv2.imwrite(table["mask"][1], values)
    dataset = LabelledDataset(table.assign(soft=[False, True]), geometry=Resize(height=6, width=8))
    np.testing.assert_array_equal(dataset[0, 1]["mask"][0], values)
    # Shrunk by area: each value is the mean of four, 4 (0 + 1 + 8 + 9) / 4 = 18 the first.
    small = LabelledDataset(table.assign(soft=[False, True]), geometry=Resize(height=3, width=4))
    assert small[0, 1]["mask"][0, 0].tolist() == [18, 26, 34, 42]
    assert small[0, 0]["mask"][0, 0].tolist() == [255, 255, 0, 0]


def test_a_soft_mask_of_another_kind_is_refused(table):
    soft = table.assign(soft=True)
    cv2.imwrite(table["mask"][0], np.zeros((6, 8, 3), np.uint8))
    with pytest.raises(MaskfoldError, match=r"0_mask\.png: uint8 of shape \(6, 8, 3\); a soft mask is 8-bit grey"):
        LabelledDataset(soft, geometry=Resize(height=6, width=8))[0, 0]
    cv2.imwrite(table["mask"][1], np.zeros((6, 9), np.uint8))
    with pytest.raises(MaskfoldError, match=r"1_mask\.png: uint8 of shape \(6, 9\)"):
        LabelledDataset(soft, geometry=Resize(height=6, width=8))[0, 1]


def test_preprocessing_comes_before_augmentation(table):
    calls = []

    def preprocess(image):
        calls.append("preprocess")
        return image + 1

    def augment(image, mask, seed):
        calls.append("augment")
        assert image[0, 0].tolist() == [11, 101, 201]
        return 255 - image, 1 - mask

    item = LabelledDataset(table, geometry=Resize(height=6, width=8), preprocess=preprocess, augment=augment)[0, 0]
    assert calls == ["preprocess", "augment"]
    assert item["image"][:, 0, 0].tolist() == [244, 154, 54]
    assert item["mask"][0, 0].tolist() == [0] * 4 + [255] * 4


def test_seed_of_an_augmentation_follows_from_run_epoch_and_index(table):
    def seeds(seed, keys):
        drawn = []

        def augment(image, mask, number):
            drawn.append(number)
            return image, mask

        dataset = LabelledDataset(table, geometry=Resize(height=6, width=8), seed=seed, augment=augment)
        for key in keys:
            dataset[key]
        return drawn

    keys = [(0, 0), (0, 1), (1, 0), (1, 1)]
    forwards = seeds(0, keys)
    assert len(set(forwards)) == 4
    assert seeds(0, keys[::-1]) == forwards[::-1]
    assert not set(seeds(1, keys)) & set(forwards)


def test_augmentation_by_epoch(table):
    def add(amount):
        return lambda image, mask, seed: (image + amount, mask)

    phases = [{"epochs": 2, "preset": "heavy"}, {"epochs": 1, "preset": "light"}]
    augment = ByEpoch(presets={"heavy": add(5), "light": add(1)}, phases=phases)
    dataset = LabelledDataset(table, geometry=Resize(height=6, width=8), augment=augment)
    reds = [int(dataset[epoch, 0]["image"][0, 0, 0]) for epoch in range(5)]
    assert reds == [15, 15, 11, 11, 11]


def test_unknown_preset_is_named():
    with pytest.raises(MaskfoldError, match="no preset dark; there are heavy"):
        ByEpoch(presets={"heavy": None}, phases=[{"epochs": 1, "preset": "dark"}])


def test_to_tensor_owns_its_memory():
    image = np.zeros((2, 3, 3), np.uint8)
    tensor = to_tensor(image[:, ::-1])
    image[:] = 7
    assert (tensor.shape, int(tensor.max())) == ((3, 2, 3), 0)


@pytest.fixture
def stacked(table, tmp_path):
    """The same photos with masks of three classes: the left half, the right half, the top row."""
    masks = np.zeros((3, 6, 8), np.uint8)
    masks[0, :, :4] = masks[1, :, 4:] = masks[2, 0] = 1
    paths = [tmp_path / f"{number}.b2nd" for number in range(2)]
    paths[0].write_bytes(encode(masks))
    paths[1].write_bytes(encode(masks * np.uint8(51)))  # soft: a fifth
    return table.assign(mask=[str(path) for path in paths], soft=[False, True])


def test_a_mask_of_several_classes_has_a_plane_for_each(stacked):
    dataset = LabelledDataset(stacked, geometry=Pad(multiple=4, mode="constant"), classes=3)
    for index, value in ((0, 255), (1, 51)):
        target = dataset[0, index]["mask"]
        assert (target.shape, target.dtype) == ((3, 8, 8), torch.uint8)
        assert target[:, 1].tolist() == [[value] * 4 + [0] * 4, [0] * 4 + [value] * 4, [value] * 8]
        assert target[2, 2:].max() == 0
    # By area: of each 2x2 the share, cut at one half.
    small = LabelledDataset(stacked, geometry=Resize(height=3, width=4), classes=3)
    assert small[0, 0]["mask"][2, 0].tolist() == [255] * 4
    assert small[0, 1]["mask"][2, 0].tolist() == [26] * 4  # 25.5, rounded to the even neighbour of float32's


@pytest.mark.parametrize("classes", [1, 2])
def test_a_mask_of_other_classes_than_the_datas_is_named(stacked, classes):
    with pytest.raises(MaskfoldError, match=rf"0\.b2nd: a mask of 3 planes, and the data has {classes} class.*correct"):
        LabelledDataset(stacked, geometry=Resize(height=6, width=8), classes=classes)[0, 0]


def test_a_soft_mask_of_several_classes_has_its_photos_size(stacked, tmp_path):
    (tmp_path / "1.b2nd").write_bytes(encode(np.zeros((3, 6, 9), np.uint8)))
    with pytest.raises(MaskfoldError, match=r"1\.b2nd: uint8 of shape \(3, 6, 9\); a soft mask"):
        LabelledDataset(stacked, geometry=Resize(height=6, width=8), classes=3)[0, 1]


@pytest.mark.hostile("damaged files")
def test_a_damaged_soft_mask_of_several_classes_is_named(stacked, tmp_path):
    content = bytearray((tmp_path / "1.b2nd").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "1.b2nd").write_bytes(content)
    with pytest.raises(MaskfoldError, match=r"1\.b2nd: cannot be read: .*checksum"):
        LabelledDataset(stacked, geometry=Resize(height=6, width=8), classes=3)[0, 1]


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A photo that counts as very large, as a TIFF in tiles, with masks of one class and of three."""
    monkeypatch.setattr(windows, "LARGE", 5000)
    rng = np.random.default_rng(0)
    tifffile.imwrite(tmp_path / "a.tif", rng.integers(0, 256, (90, 120, 3), np.uint8), photometric="rgb", tile=(32, 32))
    masks = rng.integers(0, 2, (3, 90, 120), np.uint8)
    for name, mask in (("one", masks[0]), ("three", masks)):
        (tmp_path / f"{name}.b2nd").write_bytes(arrays.encode(mask))
    row = {"image_id": "a", "image": str(tmp_path / "a.tif"), "mask": str(tmp_path / "one.b2nd")}
    return pd.DataFrame([row | {"height": 90, "width": 120}])


@pytest.mark.parametrize("classes", [1, 3])
def test_of_a_very_large_photo_the_window_alone_is_read(large, tmp_path, monkeypatch, classes):
    table = large if classes == 1 else large.assign(mask=str(tmp_path / "three.b2nd"))
    options = {"geometry": Tile(height=32, width=48), "classes": classes}
    whole = LabelledDataset(table.drop(columns=["height", "width"]), **options)
    expected = [whole[epoch, 0] for epoch in range(5)]
    for name in ("PhotoFile", "read_copied"):
        monkeypatch.setattr(f"maskfold.segmentation.dataset.{name}", None)

    dataset = LabelledDataset(table, **options)

    for epoch, item in enumerate(expected):
        for name in ("image", "mask"):
            np.testing.assert_array_equal(dataset[epoch, 0][name], item[name])
    assert expected[0]["mask"].shape == (classes, 32, 48)


def test_a_very_large_photo_is_preprocessed_by_windows(large):
    dataset = LabelledDataset(large, geometry=Tile(height=32, width=48), preprocess=lambda window: 255 - window)
    plain = LabelledDataset(large, geometry=Tile(height=32, width=48))

    np.testing.assert_array_equal(dataset[0, 0]["image"], 255 - plain[0, 0]["image"])


def test_a_very_large_photo_is_not_shown_whole_and_its_mask_is_of_its_classes(large, tmp_path):
    with pytest.raises(MaskfoldError, match=r"a\.tif: 120x90 are more .* geometry is Pad\. Train with geometry=tile"):
        LabelledDataset(large, geometry=Pad())
    with pytest.raises(MaskfoldError, match=r"three\.b2nd: a mask of 3 planes"):
        LabelledDataset(large.assign(mask=str(tmp_path / "three.b2nd")), geometry=Tile(height=32, width=48))[0, 0]
    with pytest.raises(MaskfoldError, match=r"one\.b2nd: a soft mask of a very large photo"):
        LabelledDataset(large.assign(soft=True), geometry=Tile(height=32, width=48))[0, 0]


class Pairing:
    """An augmentation that asks for a partner in two of three samples, and remembers which it was."""

    needs_partner = True

    def __init__(self):
        self.reds = {}

    def __call__(self, image, mask, seed, partner):
        if seed % 3:
            pair = partner()
            self.reds[int(image[0, 0, 0]), seed] = pair and int(pair[0][0, 0, 0])
            assert pair is None or (pair[0].shape, pair[1].shape) == (image.shape, mask.shape)
        return image, mask


def partners(table, **options):
    """Return `(red of the sample, seed) -> red of its partner` over a few epochs, asked for in two orders."""
    runs = []
    for epochs in (range(10), reversed(range(10))):
        augment = Pairing()
        dataset = LabelledDataset(table, geometry=Resize(height=3, width=4), augment=augment, **options)
        for epoch in epochs:
            for index in range(len(table)):
                dataset[epoch, index]
        runs.append(augment.reds)
    assert runs[0] == runs[1]
    return runs[0]


def test_a_partner_is_another_photo_of_the_table_as_the_network_is_shown_it(table):
    many = pd.concat([table, table], ignore_index=True)
    many.loc[2, "image"] = many["image"][0].replace("0.png", "2.png")
    cv2.imwrite(many["image"][2], np.full((6, 8, 3), (200, 100, 30), np.uint8))
    drawn = partners(many.iloc[:3])
    assert {pair for (red, _), pair in drawn.items() if red == 10} == {20, 30}
    assert {pair for (red, _), pair in drawn.items() if red == 20} == {10, 30}
    preprocessed = partners(many.iloc[:3], preprocess=lambda image: image + np.uint8(100))
    assert set(preprocessed.values()) == {110, 120, 130}


def test_a_photo_with_a_soft_mask_is_nobodys_partner_and_may_have_one(table):
    drawn = partners(table.assign(soft=[False, True]))
    assert {pair for (red, _), pair in drawn.items() if red == 10} == {None}
    assert {pair for (red, _), pair in drawn.items() if red == 20} == {10}
    assert set(partners(table.iloc[:1]).values()) == {None}


def test_a_partner_that_nobody_asks_for_is_not_drawn(table):
    """Of what other augmentations draw nothing depends on partners: the same seeds as before."""
    seeds = []

    def augment(image, mask, seed):
        seeds.append(seed)
        return image, mask

    LabelledDataset(table, geometry=Resize(height=6, width=8), augment=augment)[2, 1]
    assert seeds == [int(np.random.default_rng((0, 2, 1)).integers(2**31))]
