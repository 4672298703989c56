"""Photos in, maps of their own size out: of mixed sizes, and only the missing ones."""

import signal
from pathlib import Path

import cv2
import lightning
import numpy as np
import pandas as pd
import pytest
import torch

from maskfold.data.geometry import Pad, Resize, Tile
from maskfold.errors import MaskfoldError
from maskfold.prediction.predictor import predict_photos
from maskfold.prediction.store import ProbabilityStore


class Brightness(torch.nn.Module):
    """Logits from the red channel alone, pixel by pixel, so that every expected value can be worked out."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[tuple[int, ...]] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.batches.append(tuple(images.shape))
        return (images[:, :1].float() - 100) / 20


def expected(photo: np.ndarray) -> np.ndarray:
    """Work the map of a photo `(H, W, 3)` out in NumPy."""
    return np.rint(255 / (1 + np.exp((100 - photo[..., 0].astype(np.float64)) / 20))).astype(np.uint8)


@pytest.fixture
def photos(tmp_path) -> dict[str, np.ndarray]:
    """Six PNG photos of three sizes, by name."""
    rng = np.random.default_rng(0)
    sizes = [(40, 60), (33, 50), (40, 60), (20, 30), (33, 50), (40, 60)]
    photos = {f"p{number}": rng.integers(0, 256, (*size, 3), dtype=np.uint8) for number, size in enumerate(sizes)}
    for name, photo in photos.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), photo[..., ::-1])
    return photos


def predict(network: torch.nn.Module, folder: Path, names: list[str], **changes) -> ProbabilityStore:
    table = pd.DataFrame({"image_id": names, "image": [str(folder / f"{name}.png") for name in names]})
    store = ProbabilityStore(folder / "maps")
    options = {"geometry": Pad(multiple=32), "preprocess": None, "tta": "none", "batch_size": 4, "num_workers": 0}
    options |= {"precision": "auto", "accelerator": "cpu", "devices": 1} | changes
    predict_photos(network, table, store=store, **options)
    return store


class Colours(torch.nn.Module):
    """Logits of a class for each of some channels."""

    def __init__(self, *channels: int) -> None:
        super().__init__()
        self.seen = channels

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (images[:, self.seen].float() - 100) / 20


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("geometry", [Pad(multiple=32), Resize(height=24, width=32), Tile(height=16, width=16)])
def test_each_class_has_the_map_of_a_network_of_it_alone(photos, tmp_path, geometry, channels_last):
    options = {"geometry": geometry, "tta": "hflip", "channels_last": channels_last}
    (tmp_path / "both").mkdir()
    for name in photos:
        (tmp_path / "both" / f"{name}.png").symlink_to(tmp_path / f"{name}.png")
    both = predict(Colours(2, 0), tmp_path / "both", list(photos), **options)
    red = predict(Colours(0), tmp_path, list(photos), **options)
    for name, photo in photos.items():
        assert both.read(name).shape == (2, *photo.shape[:2])
        np.testing.assert_array_equal(both.read(name)[1], red.read(name))
        assert (both.read(name)[0] != red.read(name)).any()


@pytest.mark.parametrize("tta", ["none", "hflip"])
def test_photos_of_mixed_sizes_in_one_batch_each_get_a_map_of_their_own(photos, tmp_path, tta):
    network = Brightness()
    store = predict(network, tmp_path, list(photos), batch_size=6, tta=tta)

    assert sorted(store.paths()) == list(photos)
    for name, photo in photos.items():
        np.testing.assert_allclose(store.read(name).astype(int), expected(photo), atol=1)
        assert store.read(name).shape == photo.shape[:2]
    # 40x60, 33x50 and 20x30 are padded to multiples of 32, and those alike go together.
    sizes = [(5, 3, 64, 64), (1, 3, 32, 32)]
    assert network.batches == [size for size in sizes for _ in range(2 if tta == "hflip" else 1)]


def test_no_forward_pass_has_more_windows_than_the_batch_size(photos, tmp_path):
    network = Brightness()
    store = predict(network, tmp_path, ["p0", "p2"], batch_size=2, geometry=Tile(height=32, width=32, overlap=8))

    assert {batch[0] for batch in network.batches} == {2}  # 2 x 3 windows a photo, two photos
    assert len(network.batches) == 6
    np.testing.assert_allclose(store.read("p0").astype(int), expected(photos["p0"]), atol=1)


def test_what_was_resized_comes_back_in_the_size_of_the_photo(photos, tmp_path):
    store = predict(Brightness(), tmp_path, ["p0", "p1"], geometry=Resize(height=32, width=64))

    assert store.read("p0").shape == (40, 60)
    assert store.read("p1").shape == (33, 50)


def test_preprocessing_is_applied(photos, tmp_path):
    store = predict(Brightness(), tmp_path, ["p3"], preprocess=lambda image: 255 - image)

    np.testing.assert_allclose(store.read("p3").astype(int), expected(255 - photos["p3"]), atol=1)


def test_only_batches_with_a_missing_map_are_computed_and_only_missing_maps_written(photos, tmp_path):
    store = predict(Brightness(), tmp_path, list(photos), batch_size=2)
    whole = {name: store.read(name) for name in photos}
    (store.folder / "p3.b2nd").unlink()
    store.write("p2", np.zeros((2, 2), np.uint8))  # stands for what another run wrote
    network = Brightness()

    predict(network, tmp_path, list(photos), batch_size=2)

    assert sum(batch[0] for batch in network.batches) == 2  # p2 and p3 share a batch
    np.testing.assert_array_equal(store.read("p3"), whole["p3"])
    assert store.read("p2").shape == (2, 2)


def test_with_nothing_missing_nothing_is_started(photos, tmp_path, monkeypatch):
    predict(Brightness(), tmp_path, list(photos))
    monkeypatch.setattr(lightning, "Trainer", None)

    predict(Brightness(), tmp_path, list(photos))


def test_a_full_disk_keeps_the_maps_that_were_finished(photos, tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps/.p3.b2nd.part").symlink_to("/dev/full")

    with pytest.raises(MaskfoldError, match=r"p3\.b2nd: cannot be written: No space left on device"):
        predict(Brightness(), tmp_path, list(photos), batch_size=1)

    store = ProbabilityStore(tmp_path / "maps")
    assert store.image_ids() in [{"p0", "p1", "p2"} | {*after} for after in ([], ["p4"], ["p5"], ["p4", "p5"])]
    assert not [*store.folder.glob(".*")]
    predict(Brightness(), tmp_path, list(photos), batch_size=1)
    assert not store.missing(photos)


def test_a_photo_that_cannot_be_read_is_named_and_the_maps_before_it_kept(photos, tmp_path):
    (tmp_path / "p2.png").write_bytes(b"no photo")

    with pytest.raises(MaskfoldError, match=r"p2\.png"):
        predict(Brightness(), tmp_path, list(photos), batch_size=1)

    assert sorted(ProbabilityStore(tmp_path / "maps").paths()) == ["p0", "p1"]


def test_a_network_that_answers_with_no_number_is_reported_not_stored(photos, tmp_path):
    class Diverged(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images[:, :1] * float("nan")

    with pytest.raises(MaskfoldError, match="p0: the network's answer is not a number"):
        predict(Diverged(), tmp_path, list(photos))

    assert not (tmp_path / "maps").exists()


def test_ctrl_c_is_passed_on(photos, tmp_path):
    class Interrupted(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt):
            predict(Interrupted(), tmp_path, list(photos))
    finally:
        signal.signal(signal.SIGINT, handler)  # Lightning ignores further ones while it stops
