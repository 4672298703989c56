"""What is computed is written by others: bounded in memory, whole, and all of it."""

import threading
from functools import partial

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from maskfold.data.geometry import Pad, Resize, Tile
from maskfold.errors import MaskfoldError
from maskfold.prediction.branches import Branch, Voter, merge_on_device, merge_votes
from maskfold.prediction.predictor import predict_together
from maskfold.prediction.store import ProbabilityStore
from maskfold.prediction.writing import Writers


@pytest.mark.hostile("memory")
def test_what_waits_is_bounded_by_its_bytes():
    gate, waiting, most = threading.Event(), [0], [0]

    def write() -> None:
        gate.wait(10)
        waiting[0] -= 40

    def count() -> None:
        for _ in range(6):
            writers.submit(write, size=40)
            waiting[0] += 40
            most[0] = max(most[0], waiting[0])

    with Writers(1, waiting=100) as writers:
        others = threading.Thread(target=count)
        others.start()
        others.join(0.2)
        assert others.is_alive()  # two of 40 bytes fit, the third waits for room
        assert most[0] == 80
        gate.set()
        others.join(10)
        assert not others.is_alive()


def test_what_is_larger_than_the_queue_is_written_alone():
    done = []
    with Writers(2, waiting=10) as writers:
        for number in range(3):
            writers.submit(partial(done.append, number), size=1000)
    assert done == [0, 1, 2]


def fail() -> None:
    raise MaskfoldError("a.b2nd: cannot be written")


def test_an_error_ends_the_run_and_what_was_taken_on_is_written():
    done, failed = [], threading.Event()

    def submit_for_ever() -> None:
        with Writers(1) as writers:
            writers.submit(partial(done.append, "before"), size=1)
            writers.submit(fail, size=1)
            writers.submit(failed.set, size=1)
            assert failed.wait(10)
            writers.submit(partial(done.append, "after"), size=1)

    with pytest.raises(MaskfoldError, match=r"a\.b2nd: cannot be written"):
        submit_for_ever()
    assert done == ["before"]


def test_an_error_of_the_last_one_is_not_lost():
    with pytest.raises(MaskfoldError, match=r"a\.b2nd"), Writers(1) as writers:
        writers.submit(fail, size=1)


@pytest.mark.hostile("killed")
def test_behind_ctrl_c_everything_is_written_that_was_computed():
    done, gate = [], threading.Event()

    def write(number: int) -> None:
        gate.wait(10)
        done.append(number)

    def interrupted() -> None:
        with Writers(1) as writers:
            for number in range(5):
                writers.submit(partial(write, number), size=1)
            gate.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == [0, 1, 2, 3, 4]


class Planes(torch.nn.Module):
    """Logits of two classes, pixel by pixel."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (images[:, (2, 0)].float() - 100) / 20


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> pd.DataFrame:
    """Photos of two sizes."""
    folder, rng, rows = tmp_path_factory.mktemp("photos"), np.random.default_rng(0), []
    for number, size in enumerate([(40, 60), (33, 51), (40, 60)]):
        path = folder / f"p{number}.png"
        cv2.imwrite(str(path), rng.integers(0, 256, (*size, 3), dtype=np.uint8))
        rows.append({"image_id": path.stem, "image": str(path)})
    return pd.DataFrame(rows)


def old_map(photo: np.ndarray, ways: list[tuple], tta: str, weights: list[float]) -> np.ndarray:
    """Work a map out in the order of sums that it always had: means over views, weighted, restored, added up."""
    planes = []
    for channel in (2, 0):
        total = 0
        for geometry, weight in zip(ways, weights, strict=True):
            windows, placement = geometry.forward(photo)
            logits = torch.from_numpy((windows[..., channel].astype(np.float32) - 100) / np.float32(20))
            votes = sum(torch.sigmoid(logits) for _ in range(2 if tta == "hflip" else 1)) / (2 if tta == "hflip" else 1)
            total = total + geometry.restore((weight * votes).numpy(), placement)
        planes.append(np.rint(total.astype(np.float32) * np.float32(255)).astype(np.uint8))
    return np.stack(planes)


WAYS = {
    "padded": [Pad(multiple=32)],
    "resized": [Resize(height=24, width=32)],
    "in windows": [Tile(height=16, width=16, overlap=4)],
    "several ways": [Pad(multiple=32), Resize(height=24, width=32), Pad(height=64, width=96)],
}


@pytest.mark.parametrize("tta", ["none", "hflip"])
@pytest.mark.parametrize("ways", WAYS.values(), ids=[*WAYS])
@pytest.mark.parametrize("writers", [1, 3])
def test_maps_are_those_of_one_thread_bit_for_bit(table, tmp_path, ways, tta, writers):
    weights = [1.0] if len(ways) == 1 else [0.5, 0.3, 0.2]
    branches = [Branch(way, None, [Voter(Planes(), tta, weight)]) for way, weight in zip(ways, weights, strict=True)]
    store = ProbabilityStore(tmp_path / "maps")
    where = {"precision": "32-true", "accelerator": "cpu", "devices": 1, "num_workers": 0}

    predict_together(branches, table, store=store, batch_size=2, writers=writers, **where)

    for row in table.itertuples():
        photo = cv2.imread(row.image)[..., ::-1]
        np.testing.assert_array_equal(store.read(row.image_id), old_map(photo, ways, tta, weights))


def test_a_device_makes_the_same_bytes_of_padded_photos(device):
    ways = [Pad(multiple=32), Pad(height=64, width=96)]
    branches = [Branch(way, None, []) for way in ways]
    placements = [way.forward(np.zeros((33, 51, 3), np.uint8))[1] for way in ways]
    rng = np.random.default_rng(0)
    halves = (rng.integers(0, 511, (1, 2, 64, 96)) / 510).astype(np.float32)  # many of them exactly between two bytes
    votes = [torch.from_numpy(part) for part in (halves[..., :64, :64] / 2, halves / 2)]

    there = [part.to(device) for part in votes]

    planes, has_no_number = merge_on_device(branches, there, placements)

    assert not has_no_number
    np.testing.assert_array_equal(planes.cpu().numpy(), merge_votes("a", branches, votes, placements))
    there[1][0, 1, 20, 30] = float("nan")
    assert merge_on_device(branches, there, placements)[1]
    assert merge_on_device([Branch(Resize(height=64, width=64), None, [])], votes[:1], placements[:1]) is None
