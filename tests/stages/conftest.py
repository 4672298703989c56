"""A member that was really trained, once for all the tests of the stages behind training."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from fork_client import Server

from maskfold.config import compose
from maskfold.data.source import Source
from maskfold.stages.folds import folds
from maskfold.stages.predict import predict
from maskfold.stages.train import train

CPU = ["trainer.accelerator=cpu"]


@pytest.fixture(autouse=True)
def looked_at_once(monkeypatch) -> None:
    """Look at a data set once in a test as long as its files and what is kept of them are the same, by their times.

    A test runs several stages on one set, each of which would look again: half of all looks, a tenth of all the time.
    """
    look, tables = Source.as_found, {}

    def remembered(source: Source, **options: Any) -> pd.DataFrame:
        if source._on_error != "raise":  # what is left out is said at each look
            return look(source, **options)
        asked = (type(source), Path.cwd(), *(repr(part) for part in (sorted(vars(source).items(), key=str), options)))
        if (asked, stamps(source)) not in tables:
            table = look(source, **options)
            # As they are now that the look itself has left its notes.
            tables[asked, stamps(source)] = table, source.left_out
        table, source.left_out = tables[asked, stamps(source)]
        return table.copy()

    monkeypatch.setattr(Source, "as_found", remembered)


def stamps(source: Source) -> tuple[tuple[str, int, int, int], ...]:
    """Return the size and times of every file of a data set and of its notes."""
    paths = [path for folder in (source.root, source.folder) for path in Path(folder).rglob("*")]
    return tuple((str(path), s.st_size, s.st_mtime_ns, s.st_ctime_ns) for path in sorted(paths) for s in [path.lstat()])


@pytest.fixture
def undrawn(monkeypatch) -> None:
    """Build the charts of a page and leave them undrawn, which takes longer than all else, for who reads the text."""
    monkeypatch.setattr("maskfold.analysis.html.as_svg", lambda figure: "<svg/>")


def draw_photos(root: Path) -> None:
    """Draw ten tiny cars in Carvana's layout, two views each: six to train on, four to predict."""
    rng = np.random.default_rng(0)
    for folder in ("train", "train_masks", "test"):
        (root / folder).mkdir(parents=True)
    names = []
    for number in range(10):
        split = "train" if number < 6 else "test"
        for view in (1, 2):
            name = f"{number:012x}_{view:02}"
            photo = rng.integers(0, 90, (40, 60, 3), dtype=np.uint8)
            mask = np.zeros((40, 60), np.uint8)
            cv2.ellipse(mask, (30, 20), tuple(rng.integers(8, 18, 2).tolist()), 0, 0, 360, 255, -1)
            photo[mask > 0] += 120
            cv2.imwrite(str(root / split / f"{name}.jpg"), photo)
            if split == "train":
                cv2.imwrite(str(root / "train_masks" / f"{name}_mask.png"), mask)
            else:
                names.append(f"{name}.jpg,1 1\n")
    (root / "sample_submission.csv").write_text("img,rle_mask\n" + "".join(names))


def train_tiny(fold: int) -> None:
    """Train a network of one layer for two steps."""
    config = compose(
        "train",
        ["name=tiny", f"fold={fold}", "data=carvana", "data.name=tiny", "data.root=photos", "scale=smoke", *CPU],
    )
    layer = {"_target_": "torch.nn.Conv2d", "in_channels": 3, "out_channels": 1, "kernel_size": 3, "padding": 1}
    config.model = {"_target_": "torch.nn.Sequential", "_args_": [layer]}
    train(config)


@pytest.fixture(scope="session")
def trained_once(made_once) -> Path:
    """A working folder with `photos/`, the split of `data=tiny`, and both folds of the member `tiny`, all predicted."""
    return made_once("trained", make_trained)


def make_trained(root: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with chdir(root):
        draw_photos(Path("photos"))
        folds(compose("folds", ["data=carvana", "data.name=tiny", "data.root=photos", "folds.k=2"]))
        for fold in (0, 1):
            train_tiny(fold)
            for split in ("oof", "test"):
                predict(compose("predict", ["name=tiny", f"fold={fold}", f"split={split}", *CPU]))
    torch.set_num_threads(threads)


@pytest.fixture
def trained(trained_once, tmp_path) -> Iterator[Path]:
    """A copy of `trained_once` for one test to change, as the current directory."""
    copy = tmp_path / "work"
    shutil.copytree(trained_once, copy)
    before = os.getcwd()
    os.chdir(copy)
    yield copy
    os.chdir(before)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Who starts stages without importing anything for each."""
    command = [sys.executable, str(Path(__file__).with_name("fork_server.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        yield Server(process)
        process.stdin.close()
