"""Measure photos to written maps with an instant network: `python tests/benchmarks/bench_writer.py`.

What is left is all that prediction does beside the network: decoding, copies, restoring, quantising, compressing and
writing. The baseline does it one thing after another, as it was before: batches of four, photos turned into planes and
back, the map of a batch finished by the thread that starts the next one, LZ4HC level 5.
"""

import shutil
import tempfile
import zlib
from collections import defaultdict
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import blosc2
import cv2
import lightning
import numpy as np
import pandas as pd
import torch
from bench_store import HEIGHT, WIDTH, probability_map
from measure import BASELINE, compete, publish, ratio_chart

from maskfold import arrays, files
from maskfold.data.geometry import Geometry, Pad, Resize
from maskfold.memory import keep_freed_memory
from maskfold.prediction.branches import Branch, BranchedPhotos, Voter
from maskfold.prediction.predictor import Batches, predict_together, run_prediction
from maskfold.prediction.store import ProbabilityStore

PHOTOS = 96
ROUNDS = 5
BATCH = 4
BEFORE = blosc2.CParams(codec=blosc2.Codec.LZ4HC, clevel=5, typesize=1, filters=[blosc2.Filter.NOFILTER], nthreads=1)
ON = {"precision": "32-true", "accelerator": "cpu", "devices": 1, "num_workers": 0}
CASES = {"padded, 1920x1280": Pad(), "resized to 512x512": Resize(height=512, width=512)}


class Instant(torch.nn.Module):
    """Answers with logits that were there before."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        probability = cv2.resize(probability_map(0), (width, height), interpolation=cv2.INTER_LINEAR)
        logits = torch.logit(torch.from_numpy(probability).float() / 255, eps=1e-4)
        self.logits = logits[None, None].repeat(BATCH, 1, 1, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits[: len(images)]


class PhotosOfBefore(BranchedPhotos):
    """Photos whose windows are planes, one behind the other."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        photo = super().__getitem__(index)
        return photo | {"windows": [windows.contiguous() for windows in photo["windows"]]}


class PredictorOfBefore(lightning.LightningModule):
    """Restores, quantises, compresses and writes in the thread that starts the next batch."""

    def __init__(self, branch: Branch, folder: Path) -> None:
        super().__init__()
        self.branch, self.folder = branch, folder

    def transfer_batch_to_device(self, batch: list, device: torch.device, dataloader_idx: int) -> list:
        return batch

    def predict_step(self, batch: list[dict[str, Any]], batch_idx: int) -> None:
        """Predict and write a batch."""
        alike = defaultdict(list)
        for photo in batch:
            alike[tuple(photo["windows"][0].shape[2:])].append(photo)
        for group in alike.values():
            windows = torch.cat([photo["windows"][0] for photo in group])
            shown = windows.contiguous(memory_format=torch.channels_last)
            probability = sum([torch.sigmoid(self.branch.voters[0].network(shown).float())]) / 1
            votes = torch.cat([1.0 * probability]).contiguous()
            for photo, vote in zip(group, votes.split(1), strict=True):
                self._write(photo, vote[:, 0])

    def _write(self, photo: dict[str, Any], vote: torch.Tensor) -> None:
        restored = sum([self.branch.geometry.restore(vote.numpy(), photo["placements"][0])])
        assert not np.isnan(restored.min())
        frame = blosc2.asarray(cv2.convertScaleAbs(restored, alpha=255), cparams=BEFORE).to_cframe()
        files.write_bytes(self.folder / f"{photo['image_id']}{arrays.SUFFIX}", arrays.with_checksum(frame))


def branch_of(geometry: Geometry) -> Branch:
    """Return the instant network behind a geometry."""
    return Branch(geometry, None, [Voter(Instant(*geometry.network_size(HEIGHT, WIDTH)), "none")])


def before(table: pd.DataFrame, geometry: Geometry, folder: Path) -> None:
    """Predict all photos as it was done before."""
    keep_freed_memory()
    branch = branch_of(geometry)
    batches = [range(start, min(start + BATCH, len(table))) for start in range(0, len(table), BATCH)]
    photos = Batches(PhotosOfBefore(table, [branch]), batches)
    run_prediction(PredictorOfBefore(branch, folder), photos, folder=folder, **ON)


def now(table: pd.DataFrame, geometry: Geometry, folder: Path) -> None:
    """Predict all photos as `maskfold predict` does."""
    store = ProbabilityStore(folder)
    predict_together([branch_of(geometry)], table, store=store, batch_size="auto", channels_last=True, **ON)


def timed_run(work: Any, table: pd.DataFrame, geometry: Geometry) -> float:
    """Return the seconds that a way takes for all photos."""
    with tempfile.TemporaryDirectory() as folder:
        begun = perf_counter()
        work(table, geometry, Path(folder))
        return perf_counter() - begun


def digests(work: Any, table: pd.DataFrame, geometry: Geometry) -> list[int]:
    """Return a checksum of every map that a way writes."""
    with tempfile.TemporaryDirectory() as folder:
        work(table, geometry, Path(folder))
        store = ProbabilityStore(Path(folder))
        return [zlib.crc32(store.read(image_id)) for image_id in table["image_id"]]


def photos(folder: Path, count: int) -> pd.DataFrame:
    """Draw photos of about the challenge's size in pixels and bytes; return their image table."""
    for number in range(count):
        noise = np.random.default_rng(number).normal(128, 40, (HEIGHT // 32, WIDTH // 32, 3)).clip(0, 255)
        photo = cv2.resize(noise.astype(np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number}.jpg"), photo, [cv2.IMWRITE_JPEG_QUALITY, 85])
    paths = sorted(folder.glob("*.jpg"))
    rows = {"image_id": [path.stem for path in paths], "image": [str(path) for path in paths]}
    return pd.DataFrame(rows).assign(height=HEIGHT, width=WIDTH)


def main(count: int = PHOTOS, rounds: int = ROUNDS) -> None:
    """Let both ways write the same maps, in turn."""
    tables = []
    folder = Path(tempfile.mkdtemp())
    try:
        table = photos(folder, count)
        for name, geometry in CASES.items():
            first = table.head(BATCH)
            assert digests(before, first, geometry) == digests(now, first, geometry), "the maps differ"
            ways = {
                BASELINE: partial(timed_run, before, table, geometry),
                "writing threads": partial(timed_run, now, table, geometry),
            }
            tables.append(compete(ways, rounds=rounds, items=count, clocks=True).assign(case=name))
    finally:
        shutil.rmtree(folder)
    compared = pd.concat(tables, ignore_index=True)
    chart = ratio_chart(compared, title="Photos to written maps, with an instant network")
    settings = {"images": count, "size": f"{WIDTH}x{HEIGHT}", "baseline_is": "the thread that predicts"}
    publish("writer", compared, chart, **settings)


if __name__ == "__main__":
    main()
