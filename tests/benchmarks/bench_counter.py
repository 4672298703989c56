"""What an answer costs at the counter: `python tests/benchmarks/bench_counter.py [run=experiments/x/fold0 ...]`.

Seconds of one photo of 1,280x960 on one core, framing included, with onnxruntime in floats and in whole numbers of 8
bits: the median and the 99th percentile. Networks have random weights and 13,333 classes: seconds do not depend on
what was learned. What each run keeps in accuracy is measured on photos that it has not learned from; without runs
nothing is said of accuracy.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from measure import publish, start_up

from maskfold.config import compose
from maskfold.data.class_table import ClassTable
from maskfold.export.int8 import write_int8
from maskfold.export.layout import MODEL
from maskfold.export.parity import generated_photo
from maskfold.export.recognizer_graph import ProductVoter, RecognizerGraph, recognizer_file
from maskfold.models.classifier import Classifier
from maskfold.models.network import Network
from maskfold.recognition.recognizer import open_recognizer
from maskfold.recognition.settings import RecognizerSettings
from maskfold.recognizers import INT8
from maskfold.stages.export import export
from maskfold.storage import FolderStorage

HEIGHT, WIDTH = 960, 1280
CLASSES = 13_333
CASES = [("resnet152", 224), ("resnet34", 224), ("resnet34", 112), ("resnet18", 224), ("resnet18", 112)]
PHOTOS = 100  # that are timed; the slow ones as many as fit in LONGEST_S
FEWEST = 20
LONGEST_S = 40.0
CALIBRATION = 16
WAYS = {"fp32": MODEL, "int8": INT8}


def written(folder: Path, architecture: str, size: int) -> Path:
    """Write the export of a network with random weights, in both kinds of numbers; return its folder."""
    torch.manual_seed(0)
    network = Network(Classifier(architecture=architecture, classes=CLASSES, weights=None)).eval()
    graph = RecognizerGraph([ProductVoter(network, "none", 1.0)], np.ones(CLASSES, bool))
    folder.mkdir(parents=True)
    name = f"{architecture}_{size}"
    (folder / MODEL).write_bytes(recognizer_file(graph, size=size, name=name, identity="0" * 16))
    photos = np.stack([generated_photo(size, size, seed) for seed in range(CALIBRATION)])
    write_int8(folder / MODEL, folder / INT8, photos)
    labels = pd.DataFrame({"label": [f"product {number:05d}" for number in range(CLASSES)]})
    ClassTable.empty().extended(labels).write(folder / "classes.parquet")
    settings = RecognizerSettings(size=size, resize=size * 8 // 7)
    FolderStorage(folder).write("recognizer.json", settings.text().encode())
    return folder


def timed(model: Path) -> dict[str, float]:
    """Return the seconds of a photo: `p50`, `p99` in milliseconds, and `photos`."""
    os.environ["OMP_NUM_THREADS"] = "1"
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    recognizer = open_recognizer(model, accelerator="cpu")
    photo = generated_photo(HEIGHT, WIDTH, 0)
    recognizer.answer([photo])
    seconds: list[float] = []
    while len(seconds) < PHOTOS and (len(seconds) < FEWEST or sum(seconds) < LONGEST_S):
        start = time.perf_counter()
        recognizer.answer([photo])
        seconds.append(time.perf_counter() - start)
    p50, p99 = 1000 * np.percentile(seconds, [50, 99])
    return {"p50_ms": p50, "p99_ms": p99, "photos": len(seconds)}


def in_a_process(model: Path) -> dict[str, float]:
    """Return `timed` of a process of its own, which has one core and no torch at work."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=start_up) as pool:
        return pool.submit(timed, model).result()


def of_random_weights(folder: Path) -> list[dict]:
    """Return a row a network and kind of numbers; nothing is known of accuracy."""
    rows = []
    for architecture, size in CASES:
        place = written(folder / f"{architecture}_{size}", architecture, size)
        rows += _rows(place, architecture, size, CLASSES, accuracy={})
    return rows


def of_run(run: Path, folder: Path) -> list[dict]:
    """Return the same of a trained run, with its accuracy in both kinds of numbers."""
    place = folder / "run" / run.parent.name
    fold = run.name.removeprefix("fold")
    export(compose("export", [f"name={run.parent.name}", f"fold={fold}", "int8=true", f"out={place}"]))
    about = json.loads((place / "recognizer.json").read_text())
    judged = about["measured"]["int8"] or {}
    accuracy = {way: judged.get(key) for way, key in (("fp32", "accuracy"), ("int8", "accuracy_int8"))}
    known = {"judged": judged.get("photos"), "of": judged.get("of"), "alike": judged.get("alike")}
    classes = len(ClassTable.read(place / "classes.parquet"))
    rows = _rows(place, run.parent.name, about["framing"]["size"], classes, accuracy=accuracy)
    return [row | known for row in rows]


def _rows(place: Path, network: str, size: int, classes: int, *, accuracy: dict) -> list[dict]:
    rows = []
    for way, name in WAYS.items():
        row = {"network": network, "size": size, "classes": classes, "numbers": way} | in_a_process(place / name)
        row |= {"file_mb": (place / name).stat().st_size / 1e6, "accuracy": accuracy.get(way)}
        print(row, flush=True)
        rows.append(row)
    return rows


def main(arguments: Sequence[str]) -> None:
    """Measure every case, and the runs that are named."""
    torch.set_num_threads(1)
    runs = [Path(argument.removeprefix("run=")) for argument in arguments]
    with tempfile.TemporaryDirectory() as folder:
        rows = of_random_weights(Path(folder))
        for run in runs:
            rows += of_run(run, Path(folder))
    publish("counter", pd.DataFrame(rows), photo=f"generated, {WIDTH}x{HEIGHT}", cores=1)


if __name__ == "__main__":
    main(sys.argv[1:])
