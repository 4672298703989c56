"""Near-copies are found, and what only looks alike is not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskfold.cleaning import twins
from maskfold.cleaning.twins import close_pairs, find_twins
from maskfold.data.sources import Pairs
from maskfold.errors import MaskfoldError
from scenes import copied, scene, table_of

SHARED = Path(__file__).parents[2].parent / "shared/data"


def pairs_of(found: pd.DataFrame) -> list[tuple[str, str]]:
    return sorted(zip(found["image_id"], found["partner"], strict=True))


def test_copies_are_found_and_crops_are_not(tmp_path):
    """What was measured on real photos: re-encoded copies differ by at most 34 bits, those cropped by 4 % by 63."""
    photos = {f"a{number}": scene(number) for number in range(8)}
    photos |= {f"b{number}": copied(scene(number)) for number in range(4)}
    photos |= {f"c{number}": scene(number)[5:-5, 6:-6] for number in (4, 5)}  # 4 % of each side
    photos |= {"d0": scene(0), "d1": scene(0)}

    found = find_twins(table_of(tmp_path, photos))

    assert list(found.columns) == ["image_id", "partner", "distance", "same_bytes"]
    copies = [("a0", "b0"), ("a0", "d0"), ("a0", "d1"), ("a1", "b1"), ("a2", "b2"), ("a3", "b3")]
    assert pairs_of(found) == copies
    assert pairs_of(found[found["same_bytes"]]) == [("a0", "d0"), ("a0", "d1")]
    assert found["distance"].tolist() == sorted(found["distance"])
    assert found["distance"].max() <= 34


def test_test_photos_are_compared_with_one_another_on_demand(tmp_path):
    photos = {"a": scene(1), "s": copied(scene(1)), "t": scene(2), "u": copied(scene(2)), "v": scene(2)}
    table = table_of(tmp_path, photos, test={"s", "t", "u", "v"})

    assert pairs_of(find_twins(table)) == [("a", "s")]
    assert pairs_of(find_twins(table, within_test=True)) == [("a", "s"), ("t", "u"), ("t", "v")]
    assert pairs_of(find_twins(table, within_test=True, distance=0)) == [("t", "v")]


def test_flat_and_tiny_photos_are_twins_by_their_bytes_alone(tmp_path):
    grey = np.full((100, 100, 3), 130, np.uint8)
    photos = {"a": grey, "b": grey + 1, "c": grey, "x": scene(0, 50, 50), "y": copied(scene(0, 50, 50))}

    assert pairs_of(find_twins(table_of(tmp_path, photos))) == [("a", "c")]


def test_blocks_of_any_size_find_what_a_look_at_all_pairs_finds(monkeypatch):
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (30, 256))
    bits[20:] = bits[:10] ^ (rng.random((10, 256)) < 0.15)
    hashes = np.packbits(bits.astype(bool), axis=1).view(np.uint64)
    distances = {(i, j): int((bits[i] != bits[j]).sum()) for i in range(30) for j in range(i + 1, 30)}
    expected = {pair: distance for pair, distance in distances.items() if distance <= 40}
    for rows, columns in ((256, 4096), (7, 11), (1, 1)):
        monkeypatch.setattr(twins, "_ROWS", rows)
        monkeypatch.setattr(twins, "_COLUMNS", columns)
        close = close_pairs(hashes, 40)
        found = dict(zip(zip(close.at.tolist(), close.partners.tolist(), strict=True), close.distances, strict=True))
        assert found == expected
        assert close.beyond == sum(40 < distance <= 54 for distance in distances.values())
        assert {*close_pairs(hashes, 40, among=3).at.tolist()} == {at for at, _ in expected if at < 3}
    assert 3 <= len(expected) <= 10


def test_where_all_photos_look_alike_only_those_of_the_same_details_are_twins(monkeypatch):
    """As before a studio's wall: distances run on from 30 to 60 without a gap."""
    rng = np.random.default_rng(1)
    base = rng.integers(0, 2, 256).astype(bool)
    flips = [0, 30, 36, 44, 48, 50, 52, 54]
    hashes = [np.packbits(base ^ (rng.permutation(256) < flip)).tobytes() for flip in flips]
    details = [rng.integers(0, 255, 1024, dtype=np.uint8).tobytes() for _ in flips]

    def found(places: list[int]) -> list[tuple[str, str]]:
        content = [f"content {place}" for place in places]
        seen = {"pdq": [hashes[place] for place in places], "thumbnail": [details[place] for place in places]}
        monkeypatch.setattr(twins, "fingerprints", lambda *_, **__: pd.DataFrame(seen, index=content))
        ids = ["abcdefgh"[place] for place in places]
        return pairs_of(find_twins(pd.DataFrame({"image_id": ids, "image_hash": content, "split": "train"})))

    assert found([0, 1, 2, 3, 4, 5, 6, 7]) == []
    assert found([0, 2]) == [("a", "c")]  # a burst among photos that do not look alike
    details[2] = details[0]
    assert found([0, 1, 2, 3, 4, 5, 6, 7]) == [("a", "c")]


@pytest.mark.hostile("memory")
def test_frames_of_one_camera_do_not_fill_the_memory_with_pairs(monkeypatch):
    monkeypatch.setattr(twins, "_MOST", 1000)
    with pytest.raises(MaskfoldError, match=r"More than 1,000 pairs of these 100 photos look alike.*twins=0"):
        close_pairs(np.zeros((100, 4), np.uint64), 40)


def test_of_a_thousand_photos_of_the_same_bytes_each_is_in_one_pair():
    table = pd.DataFrame({"image_id": [f"{number:04}" for number in range(1000)], "image_hash": "a", "split": "train"})

    found = find_twins(table, distance=0)

    assert pairs_of(found) == [("0000", f"{number:04}") for number in range(1, 1000)]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real photos are not here")
def test_real_photos_have_the_twins_that_they_have(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    human = Pairs(root=str(SHARED / "human"), resize_masks=True, on_error="skip").as_found()
    ccp = Pairs(root=str(SHARED / "ccp")).as_found()

    assert find_twins(human).to_dict("records") == [
        {"image_id": "102", "partner": "270", "distance": 0, "same_bytes": True}
    ]
    assert pairs_of(find_twins(ccp)) == [("0078", "0984")]
