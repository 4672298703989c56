"""Measure what a data set's size costs at every start: `python tests/benchmarks/bench_table.py`.

Tiny photos, hard links to a few, show what a file costs beside its decoding: the first look at it, and each start after
that, when it is asked for its time alone. The largest table has no files: it is as if all of them had answered at once.
Each step runs in a process of its own, forked from one that has loaded the libraries; these are part of `peak_mib`, and
so is the synthetic table.
"""

import os
import tempfile
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any

import cv2
import numpy as np
import pandas as pd
from measure import Timed, let_go, publish, start_up, timed

from maskfold.data import checks
from maskfold.data.sources import Pairs
from maskfold.data.table import check, fingerprint
from maskfold.data.verdict_cache import STAMP, VerdictCache

FILES = (10_000, 40_000, 160_000)
INODES = 16  # real files behind the links: a file system allows some ten thousand links to each
ROWS = 4_000_000  # each a photo and a mask
NAME_DIGITS = 8
SIZE = (24, 36)  # pixels, height and width

Step = Callable[[], Any]


def measured(step: Step, *, clock: bool = False) -> Timed:
    """Run a step in a process of its own; with `clock` it returns the seconds itself, of the part that counts."""
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(step, clock, sender))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError as error:
        raise RuntimeError(f"{step} failed; run it by itself to see how") from error
    finally:
        process.join()


def _run(step: Step, clock: bool, sender: Any) -> None:
    start_up()
    sender.send(timed(step, clock)._replace(result=None))
    let_go()


def link_photos(root: Path, count: int) -> None:
    """Make so many photos of noise, and no masks."""
    root.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        path = root / f"{number:0{NAME_DIGITS}}.jpg"
        if number < INODES:
            cv2.imwrite(str(path), rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8))
        else:
            os.link(root / f"{number % INODES:0{NAME_DIGITS}}.jpg", path)


def file_steps(split: str, root: Path) -> dict[str, Step]:
    """Return what is measured of real files, in the order in which the steps build on one another."""
    folders = {"images": "."} if split == "train" else {"images": None, "test": "."}
    source = Pairs(root=str(root), name=f"{split}{root.name}", masks=None, **folders)
    load = partial(source.load, needs_masks=False)
    return {"list the folder": source.table, "first look": load, "second start": load}


def synthetic_table() -> pd.DataFrame:
    """Return the table of a source of `ROWS` photos and masks that are nowhere."""
    names = pd.Series(np.arange(ROWS)).astype("str").str.zfill(NAME_DIGITS)
    columns = {"image": "data/products/photos/" + names + ".jpg", "mask": "data/products/masks/" + names + ".png"}
    table = pd.DataFrame({"image_id": names, **columns, "group": names})
    return table.assign(view="", split="train").astype({"view": "str", "split": "str"})


def synthetic_answers(table: pd.DataFrame) -> pd.DataFrame:
    """Return what is known of a table's files, each with a hash of its own."""
    both = {"photo": (table["image"], "0"), "mask": (table["mask"], "1")}
    seen = [
        pd.DataFrame({"path": paths, "kind": kind, "hash": table["image_id"] + digit * (32 - NAME_DIGITS)})
        for kind, (paths, digit) in both.items()
    ]
    about = dict.fromkeys(STAMP, 0) | {"height": SIZE[0], "width": SIZE[1], "area": 0.5}
    return pd.concat(seen, ignore_index=True).assign(**about)


def remember(cache: Path) -> float:
    """Write what is known of the table without files; return the seconds it takes."""
    answers = synthetic_answers(synthetic_table())
    start = perf_counter()
    VerdictCache(cache).write(answers)
    return perf_counter() - start


def check_known(cache: Path) -> float:
    """Return the seconds of the check of the table without files, all of which answer that they are as they were."""
    checks._stamps = lambda paths: np.zeros((len(paths), len(STAMP)), np.int64)
    table = synthetic_table()
    start = perf_counter()
    check(table, cache=cache)
    return perf_counter() - start


def take_fingerprint() -> float:
    """Return the seconds of the fingerprint of the table without files."""
    table = synthetic_table().assign(height=SIZE[0], width=SIZE[1], mask_area=0.5)
    start = perf_counter()
    fingerprint(table)
    return perf_counter() - start


def row(split: str, rows: int, files: int, step: str, found: Timed) -> dict[str, Any]:
    """Return a row of the result."""
    about = {"split": split, "rows": rows, "files": files, "step": step}
    each = 1e6 * found.seconds / rows
    return about | {"seconds": found.seconds, "us_per_row": each, "peak_mib": found.peak / 2**20}


def main() -> None:
    """Measure real files at three sizes, decoded and not, then the largest table without files."""
    home = Path.cwd()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        try:
            link_photos(Path("few"), INODES)
            for work in file_steps("train", Path("few")).values():
                work()  # what libraries do at their first use is no part of a step
            for count in FILES:
                root = Path(str(count))
                link_photos(root, count)
                for split in ("train", "test"):
                    steps = file_steps(split, root)
                    rows += [row(split, count, count, step, measured(work)) for step, work in steps.items()]
            cache = Path("checked.parquet")
            steps = {
                "write what is known": partial(remember, cache),
                "table alone, all known": partial(check_known, cache),
                "fingerprint": take_fingerprint,
            }
            rows += [row("train", ROWS, 0, step, measured(work, clock=True)) for step, work in steps.items()]
        finally:
            os.chdir(home)
    publish("table", pd.DataFrame(rows), None, photo=f"{SIZE[1]}x{SIZE[0]} JPEG, in the page cache")


if __name__ == "__main__":
    main()
