"""A labelled set of photos of grocery packages: products by month, and others that nobody has been told of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import simplejpeg

from maskfold.errors import MaskfoldError
from maskfold.files import locked, write_bytes
from maskfold.parallel import map_unordered
from maskfold.studio.folder import check_number, claim, write_csv
from maskfold.studio.package_photo import PackageCamera
from maskfold.studio.products import FAMILY, FAR, FLAVOURS, MOST, Product, draw_product, known_product

ARGUMENTS, LABELS, UNKNOWN, CATALOGUE, SHEET = "packages.json", "labels.csv", "unknown.csv", "products.csv", "sheet.jpg"
GENERATOR = 1  # raised whenever the same arguments give other photos
MIN_SIZE, MAX_SIZE = 32, 1024
JPEG_QUALITY = 92
STREAMS = {"train": 1, "test": 2, "unknown": 3}  # the numbers seed the photos
FAR_EVERY = 3  # one in so many unknown products is of a shape of its own
MOST_FAR = 1_000
SPREAD = 0.01  # of a product's weight, its standard deviation; and a gram
SHEET_PRODUCTS, SHEET_COLUMNS = 40, 10

Kind = Literal["train", "test", "unknown"]


@dataclass(frozen=True)
class PackageSet:
    """What makes one set.

    Attributes:
        root: Its folder.
        products: How many come in each month.
        first_month: Year and month of the first.
        photos: Of each product to learn from, and of each unknown one.
        test_photos: Of each product to test with.
        unknown: Products that are in no table of classes.
        size: Pixels, height and width.
        seed: Of everything.
        weights: Whether the tables say what a scale says.
        twins: Whether some products differ from another in the word and the weight alone.
    """

    root: Path
    products: tuple[int, ...]
    first_month: str
    photos: int
    test_photos: int
    unknown: int
    size: int
    seed: int
    weights: bool
    twins: bool = True

    @property
    def known(self) -> int:
        """How many products have a label, in all months together."""
        return sum(self.products)

    def product(self, kind: str, number: int) -> Product:
        """Return a product by its number, `train` and `test` ones counted apart from `unknown` ones."""
        if kind != "unknown":
            return known_product(self.seed, number, twins=self.twins)
        rank, place = divmod(number, FAR_EVERY)
        if place == FAR_EVERY - 1:
            return draw_product(self.seed, FAR + rank, 0)
        sisters, family = divmod(number - rank, self.families)
        return draw_product(self.seed, family, FAMILY + sisters)

    @property
    def families(self) -> int:
        """How many families the known products belong to."""
        return -(-self.known // FAMILY)

    def label(self, kind: str, number: int) -> str:
        """Return what a product is called: `00017-nolava-lemon`."""
        return f"{'u' if kind == 'unknown' else ''}{number:05d}-{self.product(kind, number).name}"

    def shots(self, kind: str, number: int) -> Iterator[tuple[Kind, int]]:
        """Yield the photos of a product, each as what it is for and its number there."""
        if kind == "unknown":
            yield from (("unknown", photo) for photo in range(self.photos))
            return
        yield from (("train", photo) for photo in range(self.photos))
        yield from (("test", photo) for photo in range(self.test_photos))

    def month(self, number: int) -> str:
        """Return the month in which a known product came."""
        later = int(np.searchsorted(list(accumulate(self.products)), number, side="right"))
        year, month = (int(part) for part in self.first_month.split("-"))
        year, month = divmod(year * 12 + month - 1 + later, 12)
        return f"{year:04d}-{month + 1:02d}"


def generate_packages(
    root: Path,
    *,
    products: int | Sequence[int],
    first_month: str = "2026-01",
    photos: int,
    test_photos: int,
    unknown: int,
    size: int,
    seed: int,
    weights: bool = True,
    twins: bool = True,
    jobs: int = -1,
) -> PackageSet:
    """Generate photos of packages under `root`, or finish a set that was begun.

    Written are `photos/<label>/`, `unknown/near/<label>/` (sisters of known products), `unknown/far/<label>/` (shapes
    of their own), `labels.csv` and `unknown.csv` (a row a photo: path, label, coarse, month, split and, with
    `weights`, grams), `products.csv` (a row a known product), `sheet.jpg` (some to look at) and `packages.json` (the
    arguments). The same arguments give the same bytes.

    Args:
        root: A new or empty folder, or one this function has written to with the same arguments.
        products: How many come in each month; a number: all in the first.
        first_month: Such as 2026-01.
        photos: Of each product to learn from, and of each unknown one.
        test_photos: Of each known product to test with.
        unknown: Products without a label in `labels.csv`, every third of them far.
        size: Pixels, height and width, 32 to 1024.
        seed: Not negative.
        weights: Whether the tables say what the scale says, in grams.
        twins: Whether one product in twenty differs from a sister in the word and the weight alone.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If an argument is out of range, `root` holds something else, or a file cannot be written.
    """
    monthly = tuple(products) if isinstance(products, list | tuple) else (products,)
    packages = PackageSet(Path(root), monthly, first_month, photos, test_photos, unknown, size, seed, weights, twins)
    _check(packages)
    with locked(packages.root):
        arguments = {key: value for key, value in vars(packages).items() if key != "root"}
        arguments["products"] = list(monthly)
        claim(packages.root, {"generator": GENERATOR, **arguments}, name=ARGUMENTS, what="set of packages")
        items = [("known", number) for number in range(packages.known)]
        items += [("unknown", number) for number in range(unknown)]
        for _ in map_unordered(partial(finish_product, packages), items, "packages", unit="products", jobs=jobs):
            pass
        _write_tables(packages)
        _write_sheet(packages)
    return packages


def _check(packages: PackageSet) -> None:
    for number in packages.products or (0,):
        check_number("packages", "products", number, 1)
    check_number("packages", "the sum of products", packages.known, 1, MOST)
    check_number("packages", "photos", packages.photos, 1)
    check_number("packages", "test_photos", packages.test_photos, 0)
    near = packages.families * (len(FLAVOURS) - FAMILY)
    check_number("packages", "unknown", packages.unknown, 0, min(near, MOST_FAR) * FAR_EVERY // 2)
    check_number("packages", "size", packages.size, MIN_SIZE, MAX_SIZE)
    check_number("packages", "seed", packages.seed, 0)
    year, _, month = packages.first_month.partition("-")
    if not (len(year) == 4 and len(month) == 2 and f"{year}{month}".isdecimal() and 1 <= int(month) <= 12):
        raise MaskfoldError(f"packages: first_month={packages.first_month}: give a year and a month, as 2026-01.")


def photo_path(packages: PackageSet, kind: str, number: int, photo: int, label: str) -> str:
    """Return where a photo lies, relative to the set's folder."""
    if kind == "unknown":
        folder = f"unknown/{'far' if number % FAR_EVERY == FAR_EVERY - 1 else 'near'}"
        return f"{folder}/{label}/{label[:6]}_{photo:04d}.jpg"
    place = photo + (packages.photos if kind == "test" else 0)
    return f"photos/{label}/{label[:5]}_{place:04d}.jpg"


def finish_product(packages: PackageSet, item: tuple[str, int]) -> None:
    """Write the photos of one product that are not there yet."""
    kind, number = item
    label = packages.label(kind, number)
    missing = []
    for split, photo in packages.shots(kind, number):
        path = packages.root / photo_path(packages, split, number, photo, label)
        if not path.exists():
            missing.append((path, (packages.seed, STREAMS[split], number, photo)))
    if not missing:
        return
    camera = PackageCamera(packages.product(kind, number), packages.size)
    for path, entropy in missing:
        write_bytes(path, simplejpeg.encode_jpeg(camera.photograph(entropy), JPEG_QUALITY, "RGB", "444"))


def _write_tables(packages: PackageSet) -> None:
    """Write `labels.csv`, `unknown.csv` and `products.csv`."""
    header = ["path", "label", "coarse", "month", "split", *(["grams"] if packages.weights else [])]
    known = (row for number in range(packages.known) for row in _rows(packages, "known", number))
    write_csv(packages.root / LABELS, header, known)
    if packages.unknown:
        rows = (row for number in range(packages.unknown) for row in _rows(packages, "unknown", number))
        write_csv(packages.root / UNKNOWN, header, rows)
    columns = ("label", "coarse", "month", "shape", "word", *(("grams", "spread") if packages.weights else ()))
    write_csv(packages.root / CATALOGUE, columns, (_product_row(packages, number) for number in range(packages.known)))


def _rows(packages: PackageSet, kind: str, number: int) -> Iterator[tuple]:
    """Yield a row of `labels.csv` or `unknown.csv` for each photo of a product."""
    label, product = packages.label(kind, number), packages.product(kind, number)
    month = packages.month(number) if kind == "known" else packages.month(packages.known - 1)
    for split, photo in packages.shots(kind, number):
        path = photo_path(packages, split, number, photo, label)
        row = (path, label, product.coarse, month, "test" if split == "unknown" else split)
        yield (*row, _weigh(packages, product, split, number, photo)) if packages.weights else row


def _weigh(packages: PackageSet, product: Product, split: str, number: int, photo: int) -> int:
    """Return what the scale says, in grams, when a photo is taken."""
    rng = np.random.default_rng((packages.seed, STREAMS[split], number, photo, 1))
    return max(1, round(rng.normal(product.grams, _spread(product))))


def _spread(product: Product) -> float:
    return SPREAD * product.grams + 1


def _product_row(packages: PackageSet, number: int) -> tuple:
    product = packages.product("known", number)
    row = (packages.label("known", number), product.coarse, packages.month(number), product.shape, product.word)
    return (*row, product.grams, _spread(product)) if packages.weights else row


def _write_sheet(packages: PackageSet) -> None:
    """Write one photo each of the first products, side by side."""
    numbers = range(min(packages.known, SHEET_PRODUCTS))
    paths = [photo_path(packages, "train", number, 0, packages.label("known", number)) for number in numbers]
    pictures = [simplejpeg.decode_jpeg((packages.root / path).read_bytes()) for path in paths]
    blank = np.full_like(pictures[0], 255)
    pictures += [blank] * (-len(pictures) % SHEET_COLUMNS)
    rows = [cv2.hconcat(pictures[start : start + SHEET_COLUMNS]) for start in range(0, len(pictures), SHEET_COLUMNS)]
    write_bytes(packages.root / SHEET, simplejpeg.encode_jpeg(cv2.vconcat(rows), JPEG_QUALITY, "RGB", "420"))
