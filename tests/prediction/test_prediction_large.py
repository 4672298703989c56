"""Very large photos are predicted by parts, to the maps that they would have in one piece."""

import cv2
import numpy as np
import pandas as pd
import pytest
import tifffile
import torch

from maskfold import arrays
from maskfold.data import windows
from maskfold.data.geometry import Pad, Tile
from maskfold.data.preprocessing import ClaheLuma
from maskfold.errors import MaskfoldError
from maskfold.prediction import large
from maskfold.prediction.branches import Branch, Voter
from maskfold.prediction.predictor import predict_together
from maskfold.prediction.several_stores import SeveralStores
from maskfold.prediction.store import ProbabilityStore

HEIGHT, WIDTH = 150, 210


@pytest.fixture
def small_parts(monkeypatch) -> None:
    """What is done with large photos is done with small ones, in parts that fit these."""
    monkeypatch.setattr(windows, "LARGE", 5000)
    monkeypatch.setattr(arrays, "CHUNK", 32)
    monkeypatch.setattr(arrays, "_BLOCK_ROWS", 16)
    monkeypatch.setattr(large, "_ROWS", 20)


@pytest.fixture
def photo(tmp_path):
    rng = np.random.default_rng(0)
    pixels = cv2.GaussianBlur(rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8), (0, 0), 2)
    tifffile.imwrite(tmp_path / "photo.tif", pixels, photometric="rgb", tile=(32, 48), compression="deflate")
    return tmp_path / "photo.tif"


class Convolution(torch.nn.Module):
    """A network whose answer depends on the border of what it sees, of one class or several."""

    def __init__(self, seed: int = 0, classes: int = 1) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.layer = torch.nn.Conv2d(3, classes, 5, padding=2)
        self.stride, self.windows = 1, []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.windows.append(len(images))
        return self.layer((images.float() - 128) / 20)


def predict(path, branches: list[Branch], folder, **sizes: int) -> np.ndarray:
    store = ProbabilityStore(folder)
    together(path, branches, store, **sizes)
    return store.read("a")


def together(path, branches: list[Branch], store: ProbabilityStore | SeveralStores, **sizes: int) -> None:
    row = {"image_id": "a", "image": str(path), "height": HEIGHT, "width": WIDTH} | sizes
    options = {"batch_size": 3, "num_workers": 0, "precision": "32-true", "accelerator": "cpu", "devices": 1}
    predict_together(branches, pd.DataFrame([row]), store=store, **options)


def branch(tile: Tile, *, preprocess=None, seed: int = 0, classes: int = 1, weight: float = 1, tta="none") -> Branch:
    return Branch(tile, preprocess, [Voter(Convolution(seed, classes), tta, weight)])


TILES = [
    Tile(height=64, width=64, overlap=16),
    Tile(height=32, width=48, overlap=0),
    Tile(height=64, width=96, overlap=50),  # several windows below one another add to a pixel
    Tile(height=160, width=64, overlap=8),  # the photo is mirrored at top and bottom
    Tile(height=64, width=256, overlap=20),  # and here at its sides
]


@pytest.mark.parametrize("tile", TILES, ids=lambda tile: f"{tile.height}x{tile.width}, {tile.overlap}")
def test_the_map_is_the_one_of_the_photo_in_one_piece(photo, tmp_path, monkeypatch, tile, request):
    whole = predict(photo, [branch(tile, tta="hflip")], tmp_path / "whole")
    request.getfixturevalue("small_parts")
    monkeypatch.setattr(windows, "read_image", None)  # nothing is decoded whole

    by_parts = predict(photo, [branch(tile, tta="hflip")], tmp_path / "parts")

    assert by_parts.std() > 5
    np.testing.assert_allclose(by_parts.astype(int), whole, atol=1)
    assert (by_parts != whole).mean() < 1e-3  # where the two round differently
    assert not [path for path in (tmp_path / "parts").iterdir() if path.name.startswith(".")]


def test_several_networks_through_windows_of_several_sizes_make_one_map(photo, tmp_path, request):
    def branches() -> list[Branch]:
        return [
            branch(tile, seed=seed, weight=weight)
            for seed, (tile, weight) in enumerate(zip(TILES, [0.2] * 5, strict=True))
        ]

    whole = predict(photo, branches(), tmp_path / "whole")
    request.getfixturevalue("small_parts")

    np.testing.assert_allclose(predict(photo, branches(), tmp_path / "parts").astype(int), whole, atol=1)


def test_several_classes_have_a_plane_each(photo, tmp_path, small_parts):
    several = branch(TILES[0], classes=3)
    by_parts = predict(photo, [several], tmp_path / "parts")

    assert by_parts.shape == (3, HEIGHT, WIDTH)
    for number in range(3):
        single = branch(TILES[0])
        layer, network = single.voters[0].network.layer, several.voters[0].network
        layer.weight.data, layer.bias.data = (
            network.layer.weight[number : number + 1],
            network.layer.bias[number : number + 1],
        )
        alone = predict(photo, [single], tmp_path / f"{number}")
        np.testing.assert_allclose(by_parts[number].astype(int), alone, atol=1)


def test_preprocessing_works_on_each_window_as_in_training(photo, tmp_path, small_parts):
    tile = Tile(height=75, width=70)  # windows side by side
    by_parts = predict(photo, [branch(tile, preprocess=ClaheLuma())], tmp_path / "parts")

    pixels = tifffile.imread(photo)
    tifffile.imwrite(tmp_path / "window.tif", pixels[75:, 140:], photometric="rgb")
    window = predict(
        tmp_path / "window.tif", [branch(tile, preprocess=ClaheLuma())], tmp_path / "w", height=75, width=70
    )
    np.testing.assert_allclose(by_parts[75:, 140:].astype(int), window, atol=1)


def test_no_forward_pass_has_more_windows_than_the_batch_size(photo, tmp_path, small_parts):
    one = branch(TILES[0])
    predict(photo, [one], tmp_path / "parts")

    # 3 rows of 5 windows, each row in batches of 3 and 2.
    assert one.voters[0].network.windows == [3, 2] * 3


def test_a_network_that_is_shown_photos_whole_is_refused(photo, tmp_path, small_parts):
    with pytest.raises(MaskfoldError, match=r"photo\.tif: 210x150 .* geometry is Pad\. Train with geometry=tile"):
        predict(photo, [Branch(Pad(), None, [Voter(Convolution(), "none")])], tmp_path / "parts")


@pytest.mark.hostile("killed")
def test_a_photo_that_was_interrupted_is_begun_anew_and_others_are_kept(photo, tmp_path, small_parts):
    class Interrupted(Convolution):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if sum(self.windows) > 15 + 5:  # in the second photo
                raise KeyboardInterrupt
            return super().forward(images)

    table = pd.DataFrame({"image_id": ["a", "b"], "image": str(photo), "height": HEIGHT, "width": WIDTH})
    store = ProbabilityStore(tmp_path / "maps")
    options = {"batch_size": 3, "num_workers": 0, "precision": "32-true", "accelerator": "cpu", "devices": 1}
    with pytest.raises(KeyboardInterrupt):
        predict_together([Branch(TILES[0], None, [Voter(Interrupted(), "none")])], table, store=store, **options)
    assert [path.name for path in store.folder.iterdir()] == ["a.b2nd"]
    written = (store.folder / "a.b2nd").stat().st_mtime_ns

    predict_together([branch(TILES[0])], table, store=store, **options)

    assert (store.folder / "a.b2nd").stat().st_mtime_ns == written
    np.testing.assert_array_equal(store.read("a"), store.read("b"))


@pytest.mark.hostile("damaged files")
def test_a_photo_with_a_damaged_tile_leaves_no_map(photo, tmp_path, small_parts):
    photo.write_bytes(photo.read_bytes()[:-500])

    with pytest.raises(MaskfoldError, match=r"photo\.tif: cannot be read: tile or strip"):
        predict(photo, [branch(TILES[0])], tmp_path / "maps")
    assert not [*(tmp_path / "maps").iterdir()]


def test_an_answer_that_is_no_number_leaves_no_map(photo, tmp_path, small_parts):
    broken = branch(TILES[0])
    torch.nn.init.constant_(broken.voters[0].network.layer.bias, float("nan"))

    with pytest.raises(MaskfoldError, match="a: the network's answer is not a number"):
        predict(photo, [broken], tmp_path / "maps")
    assert not [*(tmp_path / "maps").iterdir()]


@pytest.mark.parametrize("classes", [1, 2])
def test_several_means_of_the_same_networks_are_those_of_a_pass_each(photo, tmp_path, request, classes):
    shares = [(0.5, 0.0), (0.5, 1.0)]
    means = [
        predict(
            photo, [branch(TILES[0], seed=n, classes=classes, weight=w[mean]) for n, w in some], tmp_path / str(mean)
        )
        for mean, some in ((0, [*enumerate(shares)]), (1, [(1, shares[1])]))
    ]
    for way in ("whole", "by parts"):
        if way == "by parts":
            request.getfixturevalue("small_parts")
        voters = [Voter(Convolution(n, classes), "none", own, others=(other,)) for n, (own, other) in enumerate(shares)]
        stores = [ProbabilityStore(tmp_path / f"{way}{number}") for number in (0, 1)]
        together(photo, [Branch(TILES[0], None, [voter]) for voter in voters], SeveralStores(stores))
        for store, mean in zip(stores, means, strict=True):
            np.testing.assert_array_equal(store.read("a"), mean)
