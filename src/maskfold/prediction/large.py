"""Very large photos to maps, in memory that holds a row of windows: read from disk, predicted, blended and written."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from itertools import chain
from typing import Any

import lightning
import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from maskfold import arrays
from maskfold.data.geometry import Tile
from maskfold.data.windows import Picture, open_photo
from maskfold.engine.engine import interruptible
from maskfold.errors import MaskfoldError
from maskfold.prediction.branched import BranchedPredictor
from maskfold.prediction.branches import Branch, channels_of, refuse_no_numbers, vote
from maskfold.prediction.several_stores import SeveralStores
from maskfold.prediction.store import ProbabilityStore, to_bytes
from maskfold.terminal import bar

_ROWS = 256  # that are finished at once: they are in memory as floats several times over


class LargePredictor(BranchedPredictor):
    """Predicts a photo in each step, a row of windows after another, and writes the rows that are finished.

    The mean of overlapping windows is the one of `maskfold.data.geometry.Tile.restore`, in the same order of sums. What
    preprocesses photos works on each window by itself, as it does in training.
    The geometry of every branch is `Tile`.
    """

    def predict_step(self, row: dict[str, str], batch_idx: int) -> None:
        """Predict the photo of a row.

        Raises:
            MaskfoldError: If it cannot be read, its map cannot be written, or the networks answer with something that
                is no number; there is no map then.
        """
        image_id, photo = row["image_id"], open_photo(row["image"], channels=channels_of(self.branches))
        height, width = photo.shape[:2]
        sizes = [branch.geometry.starts(height, width) for branch in self.branches]
        with bar(
            f"predict {image_id}",
            total=sum(len(rows) * len(columns) for rows, columns in sizes),
            unit="windows",
            leave=False,
        ) as drawn:
            parts = [self._finished_rows(branch, photo, drawn.update) for branch in self.branches]
            rows = added_up(image_id, parts)
            first = next(rows)
            shape = (height, width) if len(first) == 1 else (len(first), height, width)
            with self.store.write_by_bands(image_id, shape) as file:
                write_rows(file, _as_bytes(image_id, chain([first], rows)))

    def _finished_rows(self, branch: Branch, photo: Picture, count: Callable[[int], Any]) -> Iterator[np.ndarray]:
        """Yield a branch's weighted sum of probabilities, `(C, n, W) float32`, from the top down."""

        def answer(windows: Sequence[np.ndarray]) -> np.ndarray:
            shown = windows if branch.preprocess is None else [branch.preprocess(window) for window in windows]
            batch = torch.from_numpy(np.stack(shown).transpose(0, 3, 1, 2)).contiguous().to(self.device)
            votes = vote(branch, batch, batch_size=self.batch_size, layout=self.layout).cpu().numpy()
            count(len(windows))
            return votes.reshape(len(votes), -1, *votes.shape[-2:])

        return finished_rows(photo, branch.geometry, answer, batch_size=self.batch_size)


def predict_large(
    branches: Sequence[Branch],
    photos: pd.DataFrame,
    *,
    store: ProbabilityStore | SeveralStores,
    make_trainer: Callable[[], lightning.Trainer],
    **options: Any,
) -> None:
    """Predict very large photos, one after another; one that is interrupted is begun anew.

    Args:
        branches: The networks.
        photos: Rows of the image table.
        store: Where the maps go.
        make_trainer: Makes what it runs on.
        options: The others of `LargePredictor`.

    Raises:
        MaskfoldError: As `LargePredictor.predict_step`.
        KeyboardInterrupt: If the user stops it.
    """
    if photos.empty:
        return
    loader = DataLoader(photos[["image_id", "image"]].to_dict("records"), batch_size=None, num_workers=0)
    with interruptible():
        make_trainer().predict(LargePredictor(branches, store=store, **options), loader, return_predictions=False)


def finished_rows(
    photo: Picture, tile: Tile, answer: Callable[[Sequence[np.ndarray]], np.ndarray], *, batch_size: int
) -> Iterator[np.ndarray]:
    """Show a photo's windows to a network, row by row, and yield the rows of its map that no window adds to any more.

    Args:
        photo: The photo; a thread reads the next row of windows ahead.
        tile: The windows.
        answer: `(h, w, C)` windows to `(K, C, h, w) float32` probabilities.
        batch_size: The most windows that are answered at once.

    Yields:
        `(C, n, W) float32`, which all rows together are as high as the photo.
    """
    height, width = photo.shape[:2]
    (rows, columns), weight = tile.starts(height, width), tile.weight()
    ends = [*rows[1:], max(height, tile.height)]
    total, weights = np.zeros(0, np.float32), np.zeros((tile.height, columns[-1] + tile.width), np.float32)
    with ThreadPoolExecutor(1) as reader:
        bands = (reader.submit(photo.__getitem__, (slice(row, row + tile.height), slice(0, width))) for row in rows)
        coming = next(bands)
        for row, end in zip(rows, ends, strict=True):
            band, coming = coming.result(), next(bands, coming)
            padded, top, left = tile.padded(band)
            for some in (columns[start : start + batch_size] for start in range(0, len(columns), batch_size)):
                votes = answer([padded[:, column : column + tile.width] for column in some])
                total = total if total.size else np.zeros((votes.shape[1], *weights.shape), np.float32)
                for column, window in zip(some, votes, strict=True):
                    total[..., column : column + tile.width] += window * weight
                    weights[:, column : column + tile.width] += weight
            step = end - row
            for first in range(top, min(step, top + height), _ROWS):
                ready = slice(first, min(first + _ROWS, step, top + height)), slice(left, left + width)
                yield total[:, *ready] / weights[ready]
            for sums in (*total, weights):
                _move_up(sums, step)


def _move_up(sums: np.ndarray, step: int) -> None:
    """Leave the first rows away, and begin as many new ones at the end."""
    sums[: len(sums) - step] = sums[step:]
    sums[len(sums) - step :] = 0


def added_up(image_id: str, parts: Sequence[Iterator[np.ndarray]]) -> Iterator[np.ndarray]:
    """Add maps up that come as rows, `(C, n, W)`, of which each may bring other numbers of rows at a time.

    Raises:
        MaskfoldError: If they are of different numbers of classes.
    """
    pending = [next(part, None) for part in parts]
    if len(classes := {len(rows) for rows in pending}) > 1:
        raise MaskfoldError(f"{image_id}: the networks answer for {sorted(classes)} classes, which have no mean.")
    while all(rows is not None for rows in pending):
        ready = min(rows.shape[1] for rows in pending)
        yield reduce(np.add, [rows[:, :ready] for rows in pending])
        pending = [
            rows[:, ready:] if rows.shape[1] > ready else next(part, None)
            for rows, part in zip(pending, parts, strict=True)
        ]


def _as_bytes(image_id: str, parts: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield rows `(C, n, W) float32` as they are stored, uint8."""
    for rows in parts:
        refuse_no_numbers(image_id, rows)
        yield np.stack([to_bytes(plane) for plane in rows])


def write_rows(file: Any, parts: Iterable[np.ndarray]) -> None:
    """Fill an array on disk, `(H, W)` or `(C, H, W)`, with rows `(C, n, W) uint8` from the top, by whole chunks."""
    kept: list[np.ndarray] = []
    top = held = 0
    for part in parts:
        kept.append(part)
        held += part.shape[1]
        while held >= arrays.CHUNK or (held and top + held == file.shape[-2]):
            rows = np.concatenate(kept, axis=1)
            whole = rows[:, : arrays.CHUNK]
            file[..., top : top + whole.shape[1], :] = np.ascontiguousarray(whole if len(file.shape) == 3 else whole[0])
            top, held = top + whole.shape[1], held - whole.shape[1]
            kept = [rows[:, whole.shape[1] :]]
