"""What several rooms' tests need: a tiny labelled set, drawn and not downloaded."""

import os

# Before anything that has threads is imported: on pictures of these sizes they wait for one another longer than they
# work, and two processes of the suite share the machine. Stages that ask for all cores, jobs=-1, get this process's.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = os.environ["LOKY_MAX_CPU_COUNT"] = "1"

import fcntl
import gc
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from maskfold import parallel
from remembered_options import remembered_options

gc.disable()  # what the libraries make when they are imported stays for good: nothing of it is looked for


def pytest_collection_finish() -> None:
    """Leave everything imported so far out of later rounds of garbage collection, each of which would go through it."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # tests make much that lives for a moment
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def options_once() -> Iterator[None]:
    """Let Hydra read and merge each choice of options once in a process."""
    with remembered_options():
        yield


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Make a folder for all processes of the suite: the first that asks for its name makes it, the others wait."""
    place = tmp_path_factory.getbasetemp()
    shared = place.parent if "PYTEST_XDIST_WORKER" in os.environ else place

    def made(name: str, make: Callable[[Path], None]) -> Path:
        folder, whole = shared / name, shared / f"{name}.whole"
        with open(shared / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not whole.exists():
                folder.mkdir()
                make(folder)
                whole.touch()
        return folder

    return made


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request) -> str:
    """What a test runs on: always a CPU, and with `-m gpu` a GPU."""
    return request.param


@pytest.fixture(scope="session")
def tiny_photos(tmp_path_factory) -> Path:
    """A folder for `data=pairs`: 12 noisy JPEGs of 48x64 with a bright rectangle each, two photos an object."""
    root = tmp_path_factory.mktemp("tiny") / "photos"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(12):
        image = rng.integers(0, 80, (48, 64, 3), dtype=np.uint8)
        mask = np.zeros((48, 64), np.uint8)
        top, left = rng.integers(4, 20), rng.integers(4, 30)
        mask[top : top + 22, left : left + 28] = 255
        image[mask > 0] += 120
        name = f"car{number // 2}_{number % 2 + 1:02d}"
        cv2.imwrite(str(root / "images" / f"{name}.jpg"), image)
        cv2.imwrite(str(root / "masks" / f"{name}.png"), mask)
    return root


@pytest.fixture(scope="session")
def trained_recogniser_once(made_once) -> Path:
    """A working folder as `coloured_squares.train_squares` leaves it: labelled photos and a member of two folds."""
    from coloured_squares import train_squares

    return made_once("recogniser", train_squares)


@pytest.fixture
def trained_recogniser(trained_recogniser_once, tmp_path, monkeypatch) -> Path:
    """A copy of `trained_recogniser_once` for one test to change, as the current directory."""
    copy = tmp_path / "work"
    shutil.copytree(trained_recogniser_once, copy)
    monkeypatch.chdir(copy)
    return copy


@pytest.fixture(scope="session")
def empty_database(made_once) -> Path:
    """A SQLite file with MLflow's tables, which take seconds to make."""
    from maskfold.tracking.mlflow_client import MlflowClient

    def make(folder: Path) -> None:
        MlflowClient(f"sqlite:///{folder}/mlflow.db").search_experiments()

    return made_once("mlflow", make) / "mlflow.db"


@pytest.fixture
def workplace(tmp_path, tiny_photos, monkeypatch) -> list[str]:
    """An empty folder to run stages in, with a split of two folds; return what tells a stage of the tiny set."""
    split = tmp_path / "data" / "photos" / "folds.csv"
    split.parent.mkdir(parents=True)
    names = sorted(path.stem for path in (tiny_photos / "images").iterdir())
    rows = [f"{name},{name[:4]},{int(name[3]) % 2}" for name in names]
    split.write_text("\n".join(["image_id,group,fold", *rows, ""]))
    monkeypatch.chdir(tmp_path)
    return ["data=pairs", f"data.root={tiny_photos}", r"data.group='(.*)_\d+'"]


@pytest.fixture
def dask(monkeypatch) -> Iterator[Any]:
    """A Dask cluster of two processes in the current folder, named by the environment; return its client."""
    from distributed import LocalCluster

    monkeypatch.setattr(parallel, "START_UP_S", 0)  # or this process would do the little there is alone
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        monkeypatch.setenv(parallel.DASK, cluster.scheduler_address)
        client = parallel.connect(cluster.scheduler_address)
        yield client
        client.close()
