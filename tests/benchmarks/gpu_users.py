"""Prediction and training as users have them, measured: photos decoded, maps restored and written, samples augmented.

Only functions that the stages call are used, so that what they do inside may change.
"""

import csv
import io
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import torch
from omegaconf import DictConfig
from scipy import stats

from maskfold.config import build, compose, resolved
from maskfold.data.geometry import Resize
from maskfold.engine.engine import Engine
from maskfold.engine.loaders import EpochLoader, Loader
from maskfold.engine.schedules import Schedule
from maskfold.engine.task import Task
from maskfold.models.network import Network
from maskfold.prediction.branches import Branch, Voter
from maskfold.prediction.predictor import predict_together
from maskfold.prediction.store import ProbabilityStore
from maskfold.runs.run_folder import RunFolder
from maskfold.segmentation.parts import SegmentationParts
from maskfold.studio import generate
from maskfold.trust import PRETRAINED

BLOCKS = 8  # of the photos of a prediction, whose times give an interval
VIEWS = 16  # of a generated car
VALIDATED = 8  # photos at the end of each epoch
EPOCHS = 2  # of which the last is measured: the first one starts processes, compiles and fills caches


def draw_photos(folder: Path, *, drawn: int, size: tuple[int, int], jobs: int = -1) -> pd.DataFrame:
    """Generate at least so many photos with masks, and return their rows."""
    generate(folder, cars=-(-drawn // VIEWS), test_cars=0, height=size[0], width=size[1], seed=0, jobs=jobs)
    return rows_of(sorted((folder / "train").glob("*.jpg")), folder / "train_masks", size)[:drawn]


def rows_of(photos: Sequence[Path], masks: Path, size: tuple[int, int]) -> pd.DataFrame:
    """Return rows of an image table of photos of one size."""
    rows = [(path.stem, str(path), str(masks / f"{path.stem}_mask.gif"), *size) for path in photos]
    return pd.DataFrame(rows, columns=["image_id", "image", "mask", "height", "width"])


def repeated(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return so many rows, the same photos again and again under new names."""
    more = rows.iloc[np.arange(count) % len(rows)].reset_index(drop=True)
    return more.assign(image_id=[f"photo{number:06}" for number in range(count)])


def experiment(member: str, size: tuple[int, int] | None) -> DictConfig:
    """Return an experiment's configuration, its weights random, at its own size or at another."""
    config = compose("train", [f"experiment={member}"])
    config.model.update({key: None for key in PRETRAINED if key in config.model})
    if size is not None:
        config.geometry = {"_target_": f"{Resize.__module__}.Resize", "height": size[0], "width": size[1]}
    return config


def branches_of(configs: Sequence[DictConfig]) -> list[Branch]:
    """Return networks of these experiments, which have equal shares, those together that see a photo alike."""
    alike: dict[str, list[DictConfig]] = {}
    for config in configs:
        alike.setdefault(f"{resolved(config.geometry)} {resolved(config.preprocess)}", []).append(config)
    torch.manual_seed(0)
    return [
        Branch(
            build(some[0].geometry),
            build(some[0].preprocess),
            [Voter(Network(build(config.model)).eval(), config.tta, 1 / len(configs)) for config in some],
        )
        for some in alike.values()
    ]


def prediction(branches: Sequence[Branch], rows: pd.DataFrame, folder: Path, **options: Any) -> dict[str, Any]:
    """Predict photos into an empty store, and return what it took; the pace is that of the maps as they are written."""
    store = ProbabilityStore(folder)
    with Watch() as watch:
        start = perf_counter()
        predict_together(branches, rows, store=store, **options)
        seconds = perf_counter() - start
    written = [path.stat().st_mtime for path in store.paths().values()]
    shutil.rmtree(folder)
    return {"photos": len(rows), "seconds": seconds, **watch.seen, **pace(written, seconds)}


def pace(written: Sequence[float], seconds: float) -> dict[str, float]:
    """Return photos a second and their 95 % interval, from when each map was written; the first fifth is left out.

    Args:
        written: Times in seconds, in any order.
        seconds: What all of it took, where there are too few maps to say more.
    """
    times = np.sort(written)[len(written) // 5 :]
    edges = np.linspace(0, len(times) - 1, BLOCKS + 1).astype(int)
    if len(times) < 2 * BLOCKS or (np.diff(times[edges]) <= 0).any():
        rate = len(written) / seconds
        return {"images_per_second": rate, "low": rate, "high": rate}
    each = np.diff(times[edges]) / np.diff(edges)
    half = stats.t.ppf(0.975, len(each) - 1) * each.std(ddof=1) / np.sqrt(len(each))
    mean = each.mean()
    return {"images_per_second": 1 / mean, "low": 1 / (mean + half), "high": 1 / max(mean - half, 1e-9)}


def training(
    config: DictConfig, rows: pd.DataFrame, folder: Path, *, device: str, fast: bool, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Train two epochs as the stage does, and return what the last one took.

    Args:
        config: The experiment.
        rows: Photos with masks; a few are validated on.
        folder: Where the run goes; it is removed.
        device: Where samples are changed, `cpu` or `device`.
        fast: The way of the stage, or float32 eager.
        options: `accelerator`, `num_workers` and `compile`.
    """
    config = config.copy()
    config.augment.device = device
    parts = SegmentationParts(
        **{key: build(config[key]) for key in ("geometry", "preprocess", "augment", "loss")}, tta="none"
    )
    torch.manual_seed(0)
    schedule = build(config.schedule)
    task = Task(
        parts.network(build(config.model)),
        optimizer=build(config.optimizer),
        objective=parts.objective(rows),
        scheduler=None if isinstance(schedule, Schedule) else schedule,
        channels_last=fast,
        compile_network=options["compile"] if fast else False,
    )
    batch = {"batch_size": config.trainer.batch_size, "num_workers": options["num_workers"]}
    batches = Waited(EpochLoader(parts.training_set(rows, seed=0), shuffle=True, **batch))
    few = EpochLoader(parts.validation_set(rows[:VALIDATED], seed=0), **batch)
    engine = Engine(
        max_epochs=EPOCHS, precision="auto" if fast else "32-true", accelerator=options["accelerator"], devices=1
    )
    run = RunFolder(folder)
    run.checkpoints.mkdir(parents=True)
    with Watch() as watch:
        start = perf_counter()
        engine.fit(task, batches, few, folder=run, schedule=schedule, seed=0)
        seconds = perf_counter() - start
    epoch = run.epochs()[-1]
    shutil.rmtree(folder)
    rate = epoch["images_per_second"]
    host = batches.seconds[-1] * rate / (len(batches) * batches.batch_size)
    return {
        "photos": len(rows),
        "seconds": seconds,
        **watch.seen,
        "images_per_second": rate,
        "host_waits": min(host, 1),
    }


class Waited:
    """A `Loader` that counts for how long its batches are waited for.

    Attributes:
        seconds: Of each epoch.
    """

    def __init__(self, loader: Loader) -> None:
        self.loader = loader
        self.dataset, self.batch_size = loader.dataset, loader.batch_size
        self.set_epoch = loader.set_epoch
        self.seconds: list[float] = []

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        batches = iter(self.loader)
        self.seconds.append(0.0)
        while True:
            start = perf_counter()
            batch = next(batches, None)
            self.seconds[-1] += perf_counter() - start
            if batch is None:
                return
            yield batch


class Watch:
    """Watches the GPU while something runs.

    Attributes:
        seen: `utilisation`, the mean share of time in which the GPU has worked, and `peak_mib`, the most memory that
            torch had of it; None where there is no GPU, or no `nvidia-smi` that says it.
    """

    def __enter__(self) -> "Watch":
        self.asked = None
        if torch.cuda.is_available():
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            if shutil.which("nvidia-smi"):
                query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200"]
                self.asked = subprocess.Popen(query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        return self

    def __exit__(self, *_error: object) -> None:
        self.seen: dict[str, float | None] = {"utilisation": None, "peak_mib": None}
        if torch.cuda.is_available():
            self.seen["peak_mib"] = torch.cuda.max_memory_allocated() / 2**20
        if self.asked is not None:
            self.asked.terminate()
            said, _ = self.asked.communicate()
            self.seen["utilisation"] = mean_of(said)


def driver() -> str | None:
    """Return the version of the GPU's driver; None where there is no `nvidia-smi` that says it."""
    if not shutil.which("nvidia-smi"):
        return None
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip().split("\n")[0] or None


def mean_of(said: str) -> float | None:
    """Return the mean of what `nvidia-smi` has said, percents a line, as a share; None where it has said none."""
    shares = [int(row[0]) / 100 for row in csv.reader(io.StringIO(said)) if row and row[0].strip().isdigit()]
    return float(np.mean(shares)) if shares else None
