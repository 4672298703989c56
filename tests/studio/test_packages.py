import csv
import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from maskfold.errors import MaskfoldError
from maskfold.studio.packages import PackageSet, generate_packages
from maskfold.studio.products import FAMILY, FAR, FAR_SHAPES, KINDS, SHAPES, Product, draw_product, known_product

SMALL = {"products": [5, 1], "photos": 2, "test_photos": 1, "unknown": 3, "size": 32, "seed": 3}


@pytest.fixture(scope="module")
def packages(made_once) -> Path:
    return made_once("packages", lambda root: generate_packages(root, **SMALL, jobs=1))


def rows(path: Path) -> list[dict]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def digests(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_each_product_has_its_photos_its_month_and_its_split(packages):
    labels = rows(packages / "labels.csv")
    names = sorted({row["label"] for row in labels})
    assert [name[:5] for name in names] == ["00000", "00001", "00002", "00003", "00004", "00005"]
    expected = [(name, split) for name in names for split in ("train", "train", "test")]
    assert [(row["label"], row["split"]) for row in labels] == expected
    assert {row["month"] for row in labels if row["label"] != names[5]} == {"2026-01"}
    assert {row["month"] for row in labels if row["label"] == names[5]} == {"2026-02"}
    assert sorted(row["path"] for row in labels) == sorted(
        str(path.relative_to(packages)) for path in (packages / "photos").rglob("*.jpg")
    )
    for row in labels:
        assert row["path"].split("/")[:2] == ["photos", row["label"]]
        assert simplejpeg.decode_jpeg_header((packages / row["path"]).read_bytes())[:2] == (32, 32)
    assert [row["label"] for row in rows(packages / "products.csv")] == names


def test_products_of_one_brand_are_one_coarse_class_of_four(packages):
    catalogue = rows(packages / "products.csv")
    assert sorted(Counter(row["coarse"] for row in catalogue).values()) == [2, 4]
    assert len({(row["coarse"], row["word"]) for row in catalogue}) == 6


def test_unknown_products_are_in_no_class_and_near_or_far(packages):
    unknown, labels = rows(packages / "unknown.csv"), rows(packages / "labels.csv")
    assert len(unknown) == 3 * 2
    assert not {row["label"] for row in unknown} & {row["label"] for row in labels}
    known = {row["coarse"] for row in labels}
    for row in unknown:
        assert (packages / row["path"]).exists()
        assert row["path"].split("/")[1] == ("near" if row["coarse"] in known else "far")
    assert sorted(Counter(row["path"].split("/")[1] for row in unknown).items()) == [("far", 2), ("near", 4)]


def test_the_scale_says_what_the_product_weighs(packages):
    catalogue = {row["label"]: row for row in rows(packages / "products.csv")}
    for row in rows(packages / "labels.csv"):
        product = catalogue[row["label"]]
        assert abs(int(row["grams"]) - float(product["grams"])) < 5 * float(product["spread"])


def test_without_weights_there_are_none(tmp_path):
    generate_packages(tmp_path, products=1, photos=1, test_photos=0, unknown=0, size=32, seed=0, weights=False, jobs=1)
    assert list(rows(tmp_path / "labels.csv")[0]) == ["path", "label", "coarse", "month", "split"]
    assert not (tmp_path / "unknown.csv").exists()


@pytest.mark.hostile("killed")
def test_same_arguments_give_the_same_bytes_after_an_interruption(packages, tmp_path):
    expected = digests(packages)
    generate_packages(tmp_path, **SMALL, jobs=1)
    assert digests(tmp_path) == expected

    photos = sorted(tmp_path.rglob("*_000?.jpg"))
    photos[1].unlink()
    (tmp_path / "labels.csv").unlink()
    kept = photos[2].stat().st_mtime_ns
    generate_packages(tmp_path, **SMALL, jobs=1)
    assert digests(tmp_path) == expected
    assert photos[2].stat().st_mtime_ns == kept


def test_a_product_looks_the_same_however_many_there_are(packages, tmp_path):
    generate_packages(tmp_path, **SMALL | {"products": 2}, jobs=1)
    alone, together = digests(tmp_path), digests(packages)
    photos = {name for name in alone if name.startswith("photos/")}
    assert len(photos) == 2 * 3
    assert {name: alone[name] for name in photos} == {name: together[name] for name in photos}


def test_another_seed_gives_other_products():
    first, second = ([known_product(seed, number) for number in range(0, 40, FAMILY)] for seed in (1, 2))
    assert not {product.brand for product in first} & {product.brand for product in second}


def test_sisters_differ_in_colour_and_word_and_one_in_twenty_in_word_and_weight_alone():
    products = [known_product(0, number) for number in range(48)]
    for start in range(0, 48, FAMILY):
        sisters = products[start : start + FAMILY]
        assert len({(one.brand, one.shape, one.main, one.layout, one.emblem, one.font) for one in sisters}) == 1
        assert len({one.word for one in sisters}) == FAMILY
        colours = {one.second for one in sisters}
        if sisters[-1].word in KINDS:
            assert sisters[-1].second == sisters[0].second
            assert sisters[-1].grams == round(1.2 * sisters[0].grams)
            assert len(colours) == FAMILY - 1
        else:
            assert len(colours) == FAMILY
    assert sum(product.word in KINDS for product in products) == 3


def test_brands_never_come_twice():
    brands = [draw_product(5, family, 0).brand for family in (*range(0, 25_000, 7), *range(FAR, FAR + 1000))]
    assert len(set(brands)) == len(brands)


def test_far_products_have_shapes_that_no_known_one_has():
    assert not set(SHAPES) & set(FAR_SHAPES)
    assert {draw_product(0, FAR + number, 0).shape for number in range(9)} == set(FAR_SHAPES)


def test_a_hundred_unknown_products_are_all_different(tmp_path):
    packages = PackageSet(tmp_path, (40,), "2026-01", 1, 0, 100, 32, 0, True)
    unknown: list[Product] = [packages.product("unknown", number) for number in range(100)]
    known = [packages.product("train", number) for number in range(40)]
    assert len({*unknown, *known}) == 140


def test_months_follow_one_another_over_the_turn_of_the_year():
    packages = PackageSet(Path("unused"), (2, 1, 1), "2026-11", 1, 0, 0, 32, 0, True)
    assert [packages.month(number) for number in range(4)] == ["2026-11", "2026-11", "2026-12", "2027-01"]


def test_a_package_stands_out_and_photos_of_it_differ(packages):
    first, second = (
        simplejpeg.decode_jpeg((packages / row["path"]).read_bytes()).astype(int)
        for row in rows(packages / "labels.csv")[:2]
    )
    assert np.abs(first - second).mean() > 5
    assert first[8:24, 8:24].std() > 20


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"products": []}, "products=0"),
        ({"products": None}, "products=None"),
        ({"products": [3, 0]}, "products=0"),
        ({"products": [3, "2"]}, "products='2'"),
        ({"products": 100_001}, "the sum of products=100001"),
        ({"photos": 0}, "photos=0"),
        ({"unknown": 25}, "unknown=25 is not possible; give a whole number from 0 to 24"),
        ({"size": 16}, "size=16"),
        ({"first_month": "2026-13"}, "first_month=2026-13: give a year and a month, as 2026-01"),
    ],
)
def test_impossible_arguments_are_refused(tmp_path, wrong, message):
    with pytest.raises(MaskfoldError, match=message):
        generate_packages(tmp_path, **SMALL | wrong, jobs=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.hostile("replaced files")
def test_a_folder_of_other_arguments_is_refused(packages):
    with pytest.raises(MaskfoldError, match="this set of packages was made with seed=3, not 4"):
        generate_packages(packages, **SMALL | {"seed": 4}, jobs=1)
