"""How many windows a forward pass has where `trainer.batch_size=auto`: by their size and the device's memory."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from lightning.pytorch.utilities import rank_zero_only

from maskfold import files
from maskfold.data.geometry import Geometry
from maskfold.errors import MaskfoldError

AUTO = "auto"
RECORD = "batch_size.json"  # beside the maps: those of one store are rounded alike however often a run goes on
OF_BEFORE = 4  # what older versions took, of whose predictions there is no record
# On a CPU larger batches gain nothing, and their arrays are too large to be used again.
_PIXELS_ON_CPU = 2**18
_BYTES_OF_PIXEL = 4096  # of a window in a network: more than any of the recipe book needs in float32
_MOST = 32


def settle_batch_size(asked: int | str, pixels: int | None, *, folder: Path, begun: bool, accelerator: str) -> int:
    """Return the most windows in one forward pass; what `auto` has chosen is kept beside the predictions.

    Args:
        asked: A number, or `auto`: what it chose when the folder was begun, or else what suits.
        pixels: Of the largest window; None where nobody knows.
        folder: Where the predictions go.
        begun: Whether some are there.
        accelerator: Lightning's name.

    Raises:
        MaskfoldError: If the record is damaged.
    """
    if asked != AUTO:
        return int(asked)
    path = folder / RECORD
    if path.exists():
        return _recorded(path)
    size = OF_BEFORE if begun or pixels is None else fitting_batch_size(pixels, device_memory(accelerator))
    if rank_zero_only.rank == 0:
        files.write_json(path, {"batch_size": size})
    return size


def fitting_batch_size(pixels: int, memory: int | None) -> int:
    """Return how many windows suit a device: what half of its memory certainly holds, as it may hold other things.

    Args:
        pixels: Of a window.
        memory: The device's bytes; None for a CPU.
    """
    fitting = _PIXELS_ON_CPU // pixels if memory is None else memory // 2 // (_BYTES_OF_PIXEL * pixels)
    return max(1, min(fitting, _MOST))


def device_memory(accelerator: str) -> int | None:
    """Return the bytes of the smallest GPU here, all of it, free or not; None where a CPU works."""
    if accelerator == "cpu" or not torch.cuda.is_available():
        return None
    return min(torch.cuda.get_device_properties(number).total_memory for number in range(torch.cuda.device_count()))


def largest_window(table: pd.DataFrame, geometries: Sequence[Geometry]) -> int | None:
    """Return the pixels of the largest window that photos are shown in; None where the table does not have their sizes.

    Args:
        table: Rows of the image table.
        geometries: How they are shown.
    """
    if table.empty or not {"height", "width"} <= {*table.columns}:
        return None
    sizes = table[["height", "width"]].drop_duplicates().itertuples(index=False)
    windows = [geometry.network_size(*size) for size in sizes for geometry in geometries]
    return max(height * width for height, width in windows)


def _recorded(path: Path) -> int:
    size = files.read_json(path).get("batch_size")
    if not isinstance(size, int) or size < 1:
        raise MaskfoldError(f"{path}: no batch size in it. Delete the whole folder and predict again.")
    return size
