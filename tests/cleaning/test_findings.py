"""A dirty set with one fault of each kind, and faults planted by chance: what is found, and what settles it."""

import os
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold import arrays
from maskfold.cleaning.findings import Inspected, inspect_source
from maskfold.cleaning.measuring import measure_pairs
from maskfold.data.sources import Pairs

sys.path.insert(0, str(Path(__file__).parents[1]))
from plants import COPY, plant

HEIGHT, WIDTH = 112, 160


def draw(root: Path, count: int, *, seed: int = 0) -> None:
    """Draw photos of one object each, an L of any size and place, on slow and fast noise."""
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        slow = cv2.GaussianBlur(rng.normal(0, 180, (HEIGHT, WIDTH)), (0, 0), 6)
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        top, left = rng.integers(8, 28), rng.integers(10, 46)
        tall, wide = rng.integers(56, 76), rng.integers(66, 100)
        mask[top : top + tall, left : left + wide // 3] = 1
        mask[top + tall * 2 // 3 : top + tall, left : left + wide] = 1
        photo = 110 + slow[..., None] + mask[..., None] * rng.uniform(35, 60, 3) + rng.normal(0, 4, (HEIGHT, WIDTH, 3))
        write(root, f"car{number:02d}_01", photo.clip(0, 255).astype(np.uint8), mask)


def write(root: Path, name: str, photo: np.ndarray | None, mask: np.ndarray | None) -> None:
    if photo is not None:
        cv2.imwrite(str(root / "images" / f"{name}.png"), photo)
    if mask is not None:
        cv2.imwrite(str(root / "masks" / f"{name}.png"), mask * 255)


def inspect(root: Path, home: Path, **options: object) -> Inspected:
    """Look at a set from a folder of its own, in which everything is written."""
    before = Path.cwd()
    os.chdir(home)
    try:
        return inspect_source(Pairs(root=str(root), group=r"(.*)_\d+", **options), jobs=1)
    finally:
        os.chdir(before)


def found(inspected: Inspected) -> dict[str, list[str]]:
    """Return the photos of each kind of finding, in their order."""
    return {kind: rows["image_id"].tolist() for kind, rows in inspected.findings.groupby("kind")}


@pytest.fixture(scope="module")
def dirty(tmp_path_factory) -> Path:
    """Ten photos that are right, and one fault of each kind."""
    root = tmp_path_factory.mktemp("dirty") / "dirty"
    draw(root, 18)
    names = iter(f"car{number:02d}_01" for number in range(18))

    def of(name: str) -> tuple[np.ndarray, np.ndarray]:
        paths = (root / folder / f"{name}.png" for folder in ("images", "masks"))
        photo, mask = (cv2.imread(str(path)) for path in paths)
        return photo, (mask[..., 0] > 0).astype(np.uint8)

    name = next(names)  # 00: as a camera that was held upright says by its EXIF
    write(root, name, None, np.ascontiguousarray(cv2.rotate(of(name)[1], cv2.ROTATE_90_CLOCKWISE)))
    name = next(names)  # 01
    write(root, name, None, 1 - of(name)[1])
    name = next(names)  # 02
    write(root, name, None, np.zeros((HEIGHT, WIDTH), np.uint8))
    name = next(names)  # 03
    write(root, name, None, np.ones((HEIGHT, WIDTH), np.uint8))
    name = next(names)  # 04
    write(root, name, None, of(name)[1] & (np.random.default_rng(1).random((HEIGHT, WIDTH)) > 0.05).astype(np.uint8))
    name = next(names)  # 05: the same photo once more, its mask larger
    photo, mask = of(name)
    write(root, "twin_01", photo, cv2.dilate(mask, np.ones((5, 5), np.uint8)))
    name = next(names)  # 06: not an image
    (root / "images" / f"{name}.png").write_bytes(b"no image")
    name = next(names)  # 07: a mask at half its size
    write(root, name, None, of(name)[1][::2, ::2])
    write(root, "tiny_01", of("car09_01")[0][::5, ::5], of("car09_01")[1][::5, ::5])
    return root


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def inspected(dirty, home) -> Inspected:
    return inspect(dirty, home)


def test_each_fault_is_found_and_nothing_else(inspected):
    assert found(inspected) == {
        "mask mirrored or turned": ["car00_01"],
        "inverted": ["car01_01"],
        "empty": ["car02_01"],
        "full": ["car03_01"],
        # The mask that was dilated, the one with holes, and one of 20 pixels are off their photos' edges as well.
        "mask does not fit": ["twin_01", "car04_01", "tiny_01"],
        "ragged": ["car04_01", "tiny_01"],
        "same photo, other mask": ["car05_01"],
        "twin": ["car05_01"],
        "size": ["car07_01", "tiny_01"],
        "cannot be used": ["car06_01"],
    }


def test_a_mask_whose_sides_are_swapped_is_named_and_no_decision_is_offered_that_the_loader_would_not_obey(inspected):
    (row,) = inspected.findings.query("image_id == 'car00_01'").to_dict("records")

    assert row["finding"].startswith("mask is turned by 90 degrees clockwise (EXIF?)")
    assert row["decision"] == ""


def test_the_intersection_of_two_masks_is_said(inspected, dirty):
    one, other = (cv2.imread(str(dirty / "masks" / f"{name}.png"))[..., 0] > 0 for name in ("car05_01", "twin_01"))
    (row,) = inspected.findings.query("kind == 'same photo, other mask'").to_dict("records")

    assert row["partner"] == "twin_01"
    assert row["score"] == pytest.approx((one & other).sum() / (one | other).sum())
    assert row["decision"] == "twin_01,drop"  # whose mask is the worse


def test_resized_masks_that_are_accepted_are_no_finding(dirty, home, inspected):
    sizes = inspect(dirty, home, resize_masks=True).findings.query("kind == 'size'")
    assert sizes["image_id"].tolist() == ["tiny_01"]


def test_a_decision_settles_what_it_is_about(dirty, home, inspected):
    folder = home / "data" / "decided"
    shutil.copytree(home / "data" / "dirty", folder)  # what was measured
    rows = ["car01_01,keep", "car02_01,drop", "car05_01,group=a", "twin_01,group=a", "car04_01,group=a"]
    (folder / "decisions.csv").write_text("\n".join(["image_id,decision", *rows, ""]))
    table = inspect(dirty, home, name="decided").findings
    settled = table[table["settled"] != ""].set_index("kind")["settled"].to_dict()

    # A ragged mask stays ragged in any group; two masks of one photo are settled by saying that they are of one.
    assert settled == {
        "inverted": "keep",
        "empty": "drop",
        "same photo, other mask": "group=a",
        "twin": "group=a",
    }


def test_no_file_of_the_user_is_touched(dirty, home, inspected):
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in dirty.rglob("*") if path.is_file()}
    inspect(dirty, home)

    assert before == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in before}
    assert not [path for path in dirty.rglob("*") if path.is_file() and path not in before]


def test_planted_faults_stand_first(tmp_path):
    draw(tmp_path / "planted", 30, seed=3)
    planted = plant(tmp_path / "planted", each=2, seed=1)
    table = inspect(tmp_path / "planted", tmp_path).findings
    masks = table[table["kind"].isin(["mask does not fit", "mask mirrored or turned"])]
    twins = table[table["kind"] == "twin"]

    assert {*planted.loc[planted["kind"] != COPY, "image_id"]} <= {*masks.loc[masks["rank"] <= 20, "image_id"]}
    assert {*planted.loc[planted["kind"] == COPY, "image_id"]} <= {*twins.loc[twins["rank"] <= 20, "partner"]} | {
        *twins.loc[twins["rank"] <= 20, "image_id"]
    }


def test_masks_of_several_classes_are_judged_by_class(tmp_path):
    draw(tmp_path / "one", 2)
    paths = {folder: str(tmp_path / "one" / folder / "car00_01.png") for folder in ("images", "masks")}
    mask = (cv2.imread(paths["masks"])[..., 0] > 0).astype(np.uint8)
    stored = tmp_path / "mask.b2nd"
    stored.write_bytes(arrays.encode(np.stack([mask, 1 - mask, np.zeros_like(mask)])))
    row = {"image_id": "a", "image": paths["images"], "mask": str(stored), "image_hash": "1", "mask_hash": "2"}
    measured = measure_pairs(pd.DataFrame([row]), jobs=1)

    assert measured["plane"].tolist() == [0, 1, 2]
    assert measured["area"].tolist() == pytest.approx([mask.mean(), 1 - mask.mean(), 0])
    assert measured["border"].tolist() == [0, 1, 0]
    assert measured["edge_ratio"].isna().tolist() == [False, False, True]
