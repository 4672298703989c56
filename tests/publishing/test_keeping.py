"""What a machine that is taken away leaves is of one moment, and another machine has it."""

import os
from pathlib import Path

import pytest

from maskfold.publishing.keeping import Keeper
from maskfold.storage import FolderStorage

RUN = "experiments/a/fold0"


class Kept(FolderStorage):
    """A storage that writes down what comes, and lets something happen between."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.order: list[str] = []
        self.act = {}

    def write(self, name: str, content: bytes) -> None:
        self.order.append(name)
        super().write(name, content)
        self.act.pop(name, lambda: None)()


def epoch(here: FolderStorage, number: int) -> None:
    """Write what the end of an epoch does; the second one is the best."""
    time = 1_000_000_000 * (number + 1)
    for name in ("checkpoints/best.ckpt", "metrics.csv", "checkpoints/last.ckpt"):
        here.write(f"{RUN}/{name}", f"{number}".encode())
        os.utime(here.folder / RUN / name, ns=(time, time))


@pytest.fixture
def here(tmp_path) -> FolderStorage:
    return FolderStorage(tmp_path / "work")


@pytest.fixture
def kept(tmp_path) -> Kept:
    return Kept(tmp_path / "kept")


@pytest.mark.hostile("killed")
def test_another_machine_goes_on_with_what_was_kept(here, kept, tmp_path):
    for name in ("data/a/folds.csv", f"{RUN}/finished", f"{RUN}/.lock", "data/a/photos/1.jpg", "notes.txt"):
        here.write(name, b"x")
    epoch(here, 0)
    keeper = Keeper(here.folder, kept)
    assert keeper.fetch() == 0
    assert keeper.send() == 5
    assert keeper.send() == 0
    assert kept.order[-2:] == [f"{RUN}/checkpoints/last.ckpt", f"{RUN}/finished"]

    there = FolderStorage(tmp_path / "other")
    there.write("notes.txt", b"mine")
    other = Keeper(there.folder, kept)
    assert other.fetch() == 5
    assert [item.name for item in there.items()] == [
        "data/a/folds.csv",
        f"{RUN}/checkpoints/best.ckpt",
        f"{RUN}/checkpoints/last.ckpt",
        f"{RUN}/finished",
        f"{RUN}/metrics.csv",
        "notes.txt",
    ]
    assert other.send() == 0
    assert other.fetch() == 0
    there.remove(f"{RUN}/finished")  # as when a run is trained longer
    assert other.send() == 0
    assert not kept.exists(f"{RUN}/finished")


@pytest.mark.hostile("killed")
def test_a_last_checkpoint_is_never_sent_beside_the_best_of_another_epoch(here, kept):
    epoch(here, 0)
    kept.act[f"{RUN}/metrics.csv"] = lambda: epoch(here, 1)  # an epoch ends while its files are sent

    Keeper(here.folder, kept).send()

    names = [name.rpartition("/")[2] for name in kept.order]
    assert names == ["best.ckpt", "metrics.csv", "best.ckpt", "metrics.csv", "last.ckpt"]
    assert kept.read(f"{RUN}/checkpoints/last.ckpt") == kept.read(f"{RUN}/checkpoints/best.ckpt") == b"1"


@pytest.mark.hostile("endless and hanging")
def test_files_that_are_always_written_hold_no_checkpoint_back(here, kept):
    """Predictions, a tracker's file and the metrics of short epochs change while anything is sent."""
    epoch(here, 0)
    busy = [f"{RUN}/predictions/oof/part-0.npz", f"{RUN}/tracker/run.db", f"{RUN}/metrics.csv"]
    last, number = f"{RUN}/checkpoints/last.ckpt", iter(range(1, 1000))

    def write_on():
        text = f"{next(number)}".encode()
        for name in busy:
            here.write(name, text)
            time = 1_000_000_000 * (int(text) + 5)
            os.utime(here.folder / name, ns=(time, time))
        if int(text) > 50:
            raise TimeoutError("sending never ends")
        kept.act = dict.fromkeys([*busy, f"{RUN}/checkpoints/best.ckpt"], write_on)

    kept.act = {f"{RUN}/checkpoints/best.ckpt": write_on}
    Keeper(here.folder, kept).send()

    assert kept.exists(last)
    assert kept.order.index(f"{RUN}/checkpoints/best.ckpt") < kept.order.index(last)
    before = kept.order[: kept.order.index(last)]
    assert before[-1] == f"{RUN}/metrics.csv"  # once more: it has the row of the last checkpoint's epoch
