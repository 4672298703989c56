"""One photo in memory gives the map that the stage writes for it, bit for bit."""

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from maskfold.data.geometry import Pad, Resize, Tile
from maskfold.data.loading import read_image
from maskfold.data.shown import PhotoFile
from maskfold.errors import MaskfoldError
from maskfold.models.linknet import LinkNet
from maskfold.models.network import Network
from maskfold.models.unet import UNetScratch
from maskfold.prediction.branches import Branch, Voter, windows_of
from maskfold.prediction.in_memory import place, predict_photo
from maskfold.prediction.predictor import predict_together
from maskfold.prediction.store import ProbabilityStore
from maskfold.segmentation.dataset import LabelledDataset


def branches() -> list[Branch]:
    torch.manual_seed(0)
    linknet = Voter(Network(LinkNet(encoder="resnet18", weights=None)).eval(), "hflip", 0.5)
    unets = [Voter(Network(UNetScratch(widths=[4, 8, 16])).eval(), tta, 0.25) for tta in ("none", "hflip")]
    return [
        Branch(Resize(height=64, width=96), None, [linknet]),
        Branch(Tile(height=32, width=32, overlap=8), lambda image: 255 - image, unets),
    ]


@pytest.mark.parametrize("channels_last", [True, False])
def test_it_is_the_map_that_prediction_writes(tmp_path, channels_last):
    rng = np.random.default_rng(0)
    sizes = [(60, 90), (60, 90), (48, 70), (60, 90), (33, 51)]
    photos = {
        f"p{number}": cv2.resize(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8), size[::-1])
        for number, size in enumerate(sizes)
    }
    for name, photo in photos.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), photo[..., ::-1])
    table = pd.DataFrame({"image_id": list(photos), "image": [str(tmp_path / f"{name}.png") for name in photos]})
    networks, store = branches(), ProbabilityStore(tmp_path / "maps")
    options = {"batch_size": 4, "channels_last": channels_last}
    machine = {"num_workers": 0, "precision": "32-true", "accelerator": "cpu", "devices": 1}
    predict_together(networks, table, store=store, **options, **machine)
    place(networks, accelerator="cpu", channels_last=channels_last)
    for name, photo in photos.items():
        in_memory = predict_photo(photo, networks, **options)
        assert np.ptp(in_memory) > 0
        np.testing.assert_array_equal(in_memory, store.read(name))


def test_of_a_file_decoded_in_part_training_and_every_prediction_show_the_same(tmp_path):
    rows, columns = np.mgrid[0:301, 0:403]
    image = np.stack([columns // 2, rows // 2, 128 + 90 * np.sin(columns / 30)], axis=2).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.jpg"), image)
    cv2.imwrite(str(tmp_path / "a.png"), np.uint8(255) * (columns > 200))
    table = pd.DataFrame(
        [("a", str(tmp_path / "a.jpg"), str(tmp_path / "a.png"))], columns=["image_id", "image", "mask"]
    )
    scaled, full = (Resize(height=64, width=96, decode=decode) for decode in ("scaled", "full"))
    torch.manual_seed(0)
    voter = Voter(Network(UNetScratch(widths=[4, 8, 16])).eval(), "none", 0.5)
    together, store = [Branch(scaled, None, [voter]), Branch(full, None, [voter])], ProbabilityStore(tmp_path / "maps")
    photo, whole = PhotoFile(table["image"][0]), read_image(table["image"][0])

    (in_part, in_full), placements = windows_of(photo, [(scaled, None), (full, None)])
    np.testing.assert_array_equal(in_full, full.forward(whole)[0].transpose(0, 3, 1, 2))  # as versions before did
    assert (in_part != in_full).any()
    assert {(placement.height, placement.width) for placement in placements} == {(301, 403)}
    for geometry, shown in ((scaled, in_part), (full, in_full)):
        item = LabelledDataset(table, geometry=geometry)[0, 0]
        np.testing.assert_array_equal(item["image"], shown[0])
        np.testing.assert_array_equal(item["mask"][0, :, [0, -1]], [[0, 255]] * 64)
    machine = {"num_workers": 0, "precision": "32-true", "accelerator": "cpu", "devices": 1}
    predict_together(together, table, store=store, batch_size=4, **machine)
    place(together, accelerator="cpu", channels_last=False)
    assert store.read("a").shape == (301, 403)
    np.testing.assert_array_equal(predict_photo(photo, together, channels_last=False), store.read("a"))


class Constant(nn.Module):
    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits)[:, None, None])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(images), -1, *images.shape[2:])


def test_networks_count_by_their_weights():
    thirds = [Voter(Constant(0.0), "none", 2 / 3), Voter(Constant(np.log(3.0)), "none", 1 / 3)]
    probability = predict_photo(np.zeros((5, 7, 3), np.uint8), [Branch(Pad(multiple=8), None, thirds)])
    # (2 x 1/2 + 3/4) / 3 of 255 is 148.75.
    np.testing.assert_array_equal(probability, np.full((5, 7), 149, np.uint8))


def test_several_classes_count_each_by_itself():
    halves = [Voter(Constant(0.0, np.log(3.0)), "none", 0.5), Voter(Constant(0.0, 0.0), "hflip", 0.5)]
    probability = predict_photo(np.zeros((5, 7, 3), np.uint8), [Branch(Tile(height=4, width=4), None, halves)])
    # 1/2 of 255 is 127.5, and (3/4 + 1/2) / 2 is 159.375; halves go to even numbers.
    assert [np.unique(plane).tolist() for plane in probability] == [[128], [159]]
    assert probability.shape == (2, 5, 7)


def test_networks_of_different_classes_have_no_mean():
    branch = Branch(Pad(multiple=1), None, [Voter(Constant(0.0), "none")])
    other = Branch(Pad(multiple=8), None, [Voter(Constant(0.0, 0.0, 0.0), "none")])
    for branches in ([branch, other], [Branch(Pad(multiple=1), None, [*branch.voters, *other.voters])]):
        with pytest.raises(MaskfoldError, match="The networks answer for 1 and for 3 classes"):
            predict_photo(np.zeros((4, 4, 3), np.uint8), branches)


@pytest.mark.parametrize(("precision", "dtype"), [("bf16-mixed", torch.bfloat16), ("32-true", torch.float32)])
def test_precision_is_that_of_the_trainer_of_this_name(precision, dtype):
    seen = []

    class Spy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 1, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = self.layer(images.float())
            seen.append(logits.dtype)
            return logits

    branch = Branch(Pad(multiple=1), None, [Voter(Spy(), "none")])
    predict_photo(np.zeros((4, 4, 3), np.uint8), [branch], precision=precision)
    assert seen == [dtype]


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.zeros((4, 4), np.uint8), {}, r"cat: uint8 of shape \(4, 4\); a photo is \(H, W, 3\) uint8"),
        (np.zeros((4, 4, 3), np.float32), {}, "float32 of shape"),
        (np.zeros((4, 4, 3), np.uint8), {"precision": "64-true"}, "precision=64-true"),
    ],
)
def test_what_is_no_photo_or_no_precision_is_refused(image, options, message):
    with pytest.raises(MaskfoldError, match=message):
        predict_photo(image, [Branch(Pad(multiple=1), None, [Voter(Constant(0.0), "none")])], name="cat", **options)


def test_an_answer_that_is_no_number_is_refused():
    branch = Branch(Pad(multiple=1), None, [Voter(Constant(float("nan")), "none")])
    with pytest.raises(MaskfoldError, match="dog: the network's answer is not a number"):
        predict_photo(np.zeros((4, 4, 3), np.uint8), [branch], name="dog")


def test_a_photo_of_other_channels_is_one_map_and_what_the_networks_do_not_know_is_refused():
    layer = nn.Conv2d(2, 1, 1, bias=False)
    layer.weight.data = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
    bands = Branch(Pad(multiple=1), None, [Voter(Network(layer, mean=[1000, 0], std=[500, 1]).eval(), "none")])
    photo = np.array([[[1500, 3], [np.nan, 3]]], np.float32)  # logits 1 and, where nothing is known, 0

    assert predict_photo(photo, [bands]).tolist() == [[round(255 / (1 + np.exp(-1))), 128]]

    with pytest.raises(
        MaskfoldError, match=r"cat: uint8 of shape \(4, 4, 3\); a photo is \(H, W, 2\) uint8 or float32"
    ):
        predict_photo(np.zeros((4, 4, 3), np.uint8), [bands], name="cat")
    with pytest.raises(MaskfoldError, match=r"read in different ways \(data\.channels=2, null\)"):
        predict_photo(photo, [bands, *branches()])
