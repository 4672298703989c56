"""Measure the merge of members' maps against the usual recipe: `python tests/benchmarks/bench_merge.py`."""

import shutil
import tempfile
from fractions import Fraction
from pathlib import Path
from statistics import median
from time import perf_counter

import blosc2
import cv2
import numpy as np
import pandas as pd
from bench_rle import recipe_encode
from bench_store import HEIGHT, WIDTH, probability_map

from maskfold.ensembling.merge import CHUNK, Job, merge
from maskfold.ensembling.tree import Leaf, Source
from maskfold.prediction.store import SUFFIX, ProbabilityStore

IMAGES = CHUNK
MAPS = 8  # different ones, of which each image has others
ROUNDS = 3


def recipe(folder: Path, members: int, image_id: str) -> str:
    """Merge one image as is usual: read PNGs, add them up as floats, write the mean as PNG, encode the mask."""
    total = np.zeros((HEIGHT, WIDTH), np.float32)
    for member in range(members):
        total += cv2.imread(str(folder / f"png{member}" / f"{image_id}.png"), cv2.IMREAD_GRAYSCALE)
    mean = total / members
    cv2.imwrite(str(folder / "mean.png"), np.round(mean).astype(np.uint8))
    return recipe_encode((mean >= 127.5).astype(np.uint8))


def prepare(folder: Path, members: int) -> list[str]:
    """Write every member's maps of a few images, as PNGs and into stores; return the images."""
    for seed in range(MAPS):
        probability = probability_map(seed)
        cv2.imwrite(str(folder / f"{seed}.png"), probability)
        ProbabilityStore(folder).write(str(seed), probability)
    image_ids = [f"car_{number:02}" for number in range(IMAGES)]
    for member in range(members):
        for kind, suffix in (("png", ".png"), ("store", SUFFIX)):
            (folder / f"{kind}{member}").mkdir()
            for number, image_id in enumerate(image_ids):
                source = folder / f"{(number + member) % MAPS}{suffix}"
                shutil.copy(source, folder / f"{kind}{member}" / f"{image_id}{suffix}")
    return image_ids


def compare(folder: Path, members: int) -> tuple[float, float, float]:
    """Return milliseconds an image of ours and of the recipe, and the median ratio of neighbouring rounds."""
    image_ids = prepare(folder, members)
    table = pd.DataFrame({"image_id": image_ids, "mask": None, "height": HEIGHT, "width": WIDTH})
    share = Fraction(1, members)
    sources = tuple(Source(Leaf(str(m), share, (folder / f"store{m}",)), None) for m in range(members))
    pairs = []
    for number in range(ROUNDS):
        job = Job(sources, 128, (), folder / f"parts{number}")
        start = perf_counter()
        merge(job, table, description=f"{members} members", jobs=1)
        middle = perf_counter()
        masks = [recipe(folder, members, image_id) for image_id in image_ids]
        pairs.append((middle - start, perf_counter() - middle))
    (part,) = job.parts.iterdir()
    assert pd.read_parquet(part)["rle"].tolist() == masks
    ours, theirs = (1000 * median(column) / IMAGES for column in zip(*pairs, strict=True))
    return ours, theirs, median(recipe_time / our_time for our_time, recipe_time in pairs)


def main() -> None:
    """Print milliseconds an image for a small ensemble and a large one, on one thread."""
    cv2.setNumThreads(1)
    blosc2.set_nthreads(1)
    print(f"{WIDTH}x{HEIGHT}, {IMAGES} images, median of {ROUNDS} alternating rounds, one thread")
    for members in (4, 30):
        with tempfile.TemporaryDirectory() as folder:
            ours, theirs, ratio = compare(Path(folder), members)
        print(f"{members:3} members: {ours:6.1f} ms an image, PNG recipe {theirs:6.1f} ms, {ratio:.1f} times as fast")


if __name__ == "__main__":
    main()
