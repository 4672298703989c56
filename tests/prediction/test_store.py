"""The probability store: what is written is what is read, whole or not at all, and from one origin."""

import os
import random
from pathlib import Path

import blosc2
import cv2
import numpy as np
import pytest

from maskfold.arrays import unpacked, with_checksum
from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ProbabilityStore, read_map, to_bytes


@pytest.fixture
def store(tmp_path) -> ProbabilityStore:
    return ProbabilityStore(tmp_path / "maps")


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (128, 193), (1280, 1918)])
def test_a_map_comes_back_as_it_was_written(store, size):
    probability = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)

    store.write("car_01", probability)

    assert [path.name for path in store.folder.iterdir()] == ["car_01.b2nd"]
    assert store.read("car_01").dtype == np.uint8
    np.testing.assert_array_equal(store.read("car_01"), probability)
    np.testing.assert_array_equal(unpacked(store.read_packed("car_01")), probability)


def test_a_view_that_is_not_contiguous_is_written_as_it_looks(store):
    probability = np.arange(24, dtype=np.uint8).reshape(4, 6)

    store.write("a", probability.T[::-1])

    assert store.read("a")[0].tolist() == [5, 11, 17, 23]


def test_the_same_map_gives_the_same_bytes(store):
    probability = np.random.default_rng(0).integers(0, 9, (64, 96), dtype=np.uint8)
    store.write("a", probability)
    store.write("b", probability.copy())

    assert (store.folder / "a.b2nd").read_bytes() == (store.folder / "b.b2nd").read_bytes()


def test_a_folder_of_pngs_is_a_store(store):
    store.folder.mkdir()
    probability = np.arange(24, dtype=np.uint8).reshape(4, 6)
    cv2.imwrite(str(store.folder / "car.v2_01.png"), probability)

    assert store.paths() == {"car.v2_01": store.folder / "car.v2_01.png"}
    np.testing.assert_array_equal(store.read("car.v2_01"), probability)


def test_missing_keeps_the_order_and_looks_past_what_is_no_map(store):
    assert store.missing(["b", "a"]) == ["b", "a"]
    store.write("a", np.zeros((2, 2), np.uint8))
    (store.folder / ".c.b2nd.part").write_bytes(b"half")
    (store.folder / "store.json").write_text("{}")

    assert store.missing(["c", "b", "a", "store"]) == ["c", "b", "store"]


def test_a_map_of_several_classes_has_a_plane_for_each(store):
    planes = np.random.default_rng(0).integers(0, 256, (3, 5, 7), dtype=np.uint8)
    store.write("a", planes)

    np.testing.assert_array_equal(store.read("a", classes=["x", "y", "z"]), planes)
    assert [*store.paths()] == ["a"]
    assert store.class_folders() == []


def test_pngs_in_a_folder_for_each_class_are_read_in_the_order_of_the_classes(tmp_path):
    planes = np.random.default_rng(0).integers(0, 256, (2, 5, 7), dtype=np.uint8)
    for name, plane in zip(("wheel", "body"), planes, strict=True):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "a.png"), plane)
    cv2.imwrite(str(tmp_path / "body" / "b.png"), planes[0])
    store = ProbabilityStore(tmp_path)

    np.testing.assert_array_equal(store.read("a", classes=["wheel", "body"]), planes)
    np.testing.assert_array_equal(store.read_packed("a", classes=["wheel", "body"]), planes)
    assert store.missing(["a", "b"]) == ["b"]  # of which there is no wheel
    with pytest.raises(MaskfoldError, match=r"door/a\.b2nd: no such probability map"):
        store.read("a", classes=["wheel", "door"])

    cv2.imwrite(str(tmp_path / "body" / "a.png"), planes[0, :3])
    with pytest.raises(MaskfoldError, match="the maps of a have different sizes: 7x3 and 7x5"):
        store.read("a", classes=["wheel", "body"])


@pytest.mark.hostile("names and paths")
def test_two_maps_of_one_image_are_refused_by_name(store):
    store.write("a", np.zeros((2, 2), np.uint8))
    cv2.imwrite(str(store.folder / "a.png"), np.zeros((2, 2), np.uint8))

    with pytest.raises(MaskfoldError, match=r"several maps of one image(.|\n)*a\.(png|b2nd)"):
        store.paths()


def test_a_folder_that_is_not_there_is_named(store):
    with pytest.raises(MaskfoldError, match=r"maps: no such store.*Predict this split first"):
        store.paths()


def test_a_map_that_is_not_there_is_named(store):
    store.write("a", np.zeros((2, 2), np.uint8))
    with pytest.raises(MaskfoldError, match=r"b\.b2nd: no such probability map"):
        store.read("b")


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize("read", [ProbabilityStore.read, ProbabilityStore.read_packed])
@pytest.mark.parametrize("keep", [0, 10, 100, -1])
def test_a_truncated_map_is_named_with_what_to_do(store, keep, read):
    store.write("a", np.random.default_rng(0).integers(0, 256, (64, 96), dtype=np.uint8))
    path = store.folder / "a.b2nd"
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(MaskfoldError, match=r"a\.b2nd: not a readable probability map .*Delete it and predict again"):
        read(store, "a")


@pytest.mark.hostile("damaged files")
def test_a_truncated_png_is_named(tmp_path):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (64, 96), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:20])

    with pytest.raises(MaskfoldError, match=r"a\.png: .*damaged"):
        read_map(path)


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize(
    ("pixels", "found"),
    [
        (np.zeros((4, 6), np.uint16), r"uint16 of shape \(4, 6\)"),
        (np.zeros((4, 6, 3), np.uint8), r"uint8 of shape \(4, 6, 3\)"),
    ],
)
def test_a_png_of_another_kind_is_refused(tmp_path, pixels, found):
    cv2.imwrite(str(tmp_path / "a.png"), pixels)

    with pytest.raises(MaskfoldError, match=rf"a\.png: {found}; a probability map is 8-bit with one channel"):
        ProbabilityStore(tmp_path).read("a")


@pytest.mark.hostile("full or read-only disk")
def test_a_full_disk_leaves_what_was_finished_and_nothing_half_written(store):
    store.write("a", np.full((2, 2), 7, np.uint8))
    # Every write to this device fails as on a full disk.
    (store.folder / ".b.b2nd.part").symlink_to("/dev/full")

    with pytest.raises(MaskfoldError, match=r"b\.b2nd: cannot be written: No space left on device"):
        store.write("b", np.zeros((2, 2), np.uint8))

    assert sorted(os.listdir(store.folder)) == ["a.b2nd"]
    assert store.read("a").tolist() == [[7, 7], [7, 7]]


@pytest.mark.hostile("stale maps")
def test_the_origin_is_kept_and_another_is_refused_by_key(store):
    store.claim({"data": "d1", "checkpoint": "c1", "tta": "none"})
    store.write("a", np.zeros((2, 2), np.uint8))
    store.claim({"data": "d1", "checkpoint": "c1", "tta": "none"})

    with pytest.raises(MaskfoldError) as refused:
        store.claim({"data": "d1", "checkpoint": "c2", "tta": "hflip"})

    message = str(refused.value)
    assert "checkpoint: c1 before, c2 now" in message
    assert "tta: none before, hflip now" in message
    assert "data:" not in message
    assert "store=" in message


def test_a_store_without_maps_is_claimed_anew(store):
    store.claim({"checkpoint": "c1"})
    store.claim({"checkpoint": "c2"})
    store.write("a", np.zeros((2, 2), np.uint8))

    with pytest.raises(MaskfoldError, match="checkpoint: c2 before, c1 now"):
        store.claim({"checkpoint": "c1"})


@pytest.mark.hostile("stale maps")
def test_maps_of_unknown_origin_are_not_added_to(store):
    store.folder.mkdir()
    cv2.imwrite(str(store.folder / "a.png"), np.zeros((2, 2), np.uint8))

    with pytest.raises(MaskfoldError, match="unknown origin"):
        store.claim({"data": "d1"})


def test_probabilities_round_to_the_nearest_of_255():
    # 0.25 * 255 = 63.75, 0.75 * 255 = 191.25, 0.001 * 255 = 0.255, 0.003 * 255 = 0.765
    probability = np.array([[0, 0.001, 0.003], [0.25, 0.75, 1]], np.float32)

    quantised = to_bytes(probability)

    assert quantised.dtype == np.uint8
    assert quantised.tolist() == [[0, 0, 1], [64, 191, 255]]


def test_every_stored_value_survives_the_way_to_a_probability_and_back():
    values = np.arange(256, dtype=np.uint8)[None]

    np.testing.assert_array_equal(to_bytes(values.astype(np.float32) / 255), values)


@pytest.mark.hostile("full or read-only disk")
def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")

    with pytest.raises(MaskfoldError, match=r"file/maps/a\.b2nd: cannot be written"):
        ProbabilityStore(Path(blocked) / "maps").write("a", np.zeros((2, 2), np.uint8))


@pytest.mark.parametrize("codec", [blosc2.Codec.ZSTD, blosc2.Codec.LZ4])
def test_maps_written_with_another_codec_are_read(store, codec):
    probability = np.random.default_rng(0).integers(0, 9, (200, 300), dtype=np.uint8)
    array = blosc2.asarray(probability, cparams=blosc2.CParams(codec=codec, typesize=1), chunks=(64, 128))
    store.folder.mkdir()
    (store.folder / "old.b2nd").write_bytes(array.to_cframe())

    np.testing.assert_array_equal(store.read("old"), probability)
    np.testing.assert_array_equal(unpacked(store.read_packed("old")), probability)


def map_of_a_car() -> np.ndarray:
    """A soft disc with doubts around it, `(160, 240) uint8`."""
    y, x = np.mgrid[:160, :240]
    doubt = np.random.default_rng(0).normal(0, 1.5, (160, 240))
    return np.rint(255 / (1 + np.exp(np.hypot(y - 80, x - 120) / 2 - 25 + doubt))).astype(np.uint8)


@pytest.mark.hostile("damaged files", cases=200)
@pytest.mark.parametrize(("suffix", "is_packed"), [(".b2nd", False), (".b2nd", True), (".png", False)])
def test_200_flipped_bits_in_a_map_are_noticed_one_by_one(store, suffix, is_packed):
    probability = map_of_a_car()
    store.write("a", probability)
    cv2.imwrite(str(store.folder / "a.png"), probability)
    path = store.folder / f"a{suffix}"
    whole = path.read_bytes()
    unnoticed, messages = [], set()
    for bit in random.Random(0).sample(range(8 * len(whole)), 200):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            read = unpacked(store.read_packed("a")) if is_packed else read_map(path)
        except MaskfoldError as error:
            messages.add(str(error))
        else:
            if not np.array_equal(read, probability):
                unnoticed.append(bit)
    assert unnoticed == []
    assert all(message.startswith(f"{path}: ") and "Delete it and predict again" in message for message in messages)


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize("read", [ProbabilityStore.read, ProbabilityStore.read_packed])
@pytest.mark.parametrize("first", range(1, 13))
def test_a_footer_that_is_lost_in_part_does_not_pass_for_an_old_file(store, first, read):
    """Zeros from some byte of the footer on, as a lost block of a disk leaves them."""
    store.write("a", map_of_a_car())
    path = store.folder / "a.b2nd"
    path.write_bytes(path.read_bytes()[:-first] + bytes(first))

    with pytest.raises(MaskfoldError, match=r"a\.b2nd: not a readable probability map"):
        read(store, "a")


def test_the_checksum_is_the_crc_32_of_what_blosc2_reads(store):
    store.write("a", np.full((2, 3), 7, np.uint8))
    content = (store.folder / "a.b2nd").read_bytes()

    assert with_checksum(b"123456789")[9:] == b"mf-crc32" + bytes.fromhex("cbf43926")  # the CRC's usual test value
    assert content[-12:-4] == b"mf-crc32"
    assert blosc2.open(str(store.folder / "a.b2nd"))[...].tolist() == [[7, 7, 7], [7, 7, 7]]


def test_a_part_of_a_map_is_read_from_either_kind_of_file(store):
    probability = np.random.default_rng(0).integers(0, 256, (30, 50), dtype=np.uint8)
    with store.write_by_bands("a", (30, 50)) as band:
        band[:20] = probability[:20]
        band[20:] = probability[20:]
    cv2.imwrite(str(store.folder / "b.png"), probability)

    for image_id in "ab":
        np.testing.assert_array_equal(store.open(image_id)[7:23, 4:40], probability[7:23, 4:40])
    np.testing.assert_array_equal(store.read("a"), probability)
    with pytest.raises(MaskfoldError, match="Predict this image first"):
        store.open("c")
