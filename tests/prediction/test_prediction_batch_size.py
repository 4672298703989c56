"""How many windows go together, and that it stays so when a run goes on."""

import json

import pandas as pd
import pytest

from maskfold.data.geometry import Pad, Resize, Tile
from maskfold.errors import MaskfoldError
from maskfold.prediction.batch_size import fitting_batch_size, largest_window, settle_batch_size

GIB = 2**30


@pytest.mark.parametrize(
    ("pixels", "memory", "size"),
    [
        (1280 * 1920, None, 1),
        (512 * 512, None, 1),
        (192 * 256, None, 5),  # 2**18 pixels
        (16 * 16, None, 32),
        (1280 * 1920, 80 * GIB, 4),  # 40 GiB at 9.4 GiB a window
        (1280 * 1920, 16 * GIB, 1),
        (192 * 256, 16 * GIB, 32),
    ],
)
def test_it_follows_from_the_windows_and_the_memory(pixels, memory, size):
    assert fitting_batch_size(pixels, memory) == size


def test_the_largest_window_of_all_photos_counts():
    table = pd.DataFrame({"height": [40, 100], "width": [60, 33]})
    assert largest_window(table, [Pad(multiple=32)]) == 128 * 64
    assert largest_window(table, [Resize(height=24, width=32), Pad(multiple=32)]) == 128 * 64
    assert largest_window(table, [Tile(height=16, width=16)]) == 256
    assert largest_window(table[["height"]], [Pad(multiple=32)]) is None


def settled(folder, asked, pixels=512 * 512, *, begun=False) -> int:
    return settle_batch_size(asked, pixels, folder=folder, begun=begun, accelerator="cpu")


def test_what_a_store_was_begun_with_is_what_auto_goes_on_with(tmp_path):
    assert settled(tmp_path / "a", "auto") == 1
    assert settled(tmp_path / "a", "auto", 16 * 16, begun=True) == 1
    assert settled(tmp_path / "a", 7, begun=True) == 7
    assert settled(tmp_path / "of an older version", "auto", begun=True) == 4


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize("content", [{}, {"batch_size": 0}, {"batch_size": "4"}])
def test_a_record_without_a_size_is_refused(tmp_path, content):
    (tmp_path / "batch_size.json").write_text(json.dumps(content))
    with pytest.raises(MaskfoldError, match=r"batch_size\.json: no batch size in it"):
        settled(tmp_path, "auto", begun=True)
