"""The engine trains a task that is no segmentation: it breaks off, goes on, freezes and is tracked, without masks."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

from maskfold.engine.checkpoints import load_checkpoint
from maskfold.runs.run_folder import RunFolder

SCRIPT = Path(__file__).with_name("toy_classification.py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """What the script leaves behind."""
    folder = tmp_path_factory.mktemp("toys")
    ours = {name: sys.modules.pop(name) for name in [*sys.modules] if name.split(".")[0] == "maskfold"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(SCRIPT), str(folder)])
        runpy.run_path(str(SCRIPT), run_name="__main__")  # which imports its rooms anew: they are seen
    for name in [name for name in sys.modules if name.split(".")[0] == "maskfold"]:
        del sys.modules[name]
    sys.modules.update(ours)
    return folder


def checkpoint(folder: Path, run: str) -> dict[str, torch.Tensor]:
    return load_checkpoint(RunFolder(folder / run).last)["state_dict"]


def test_it_learns_shapes_without_any_room_of_masks(folder):
    said = json.loads((folder / "said.json").read_text())
    assert said["whole"]["val/accuracy"] >= 0.9  # chance is 0.5
    assert not {"segmentation", "masks", "models", "prediction", "ensembling"} & {*said["rooms"]}


def test_broken_off_in_an_epoch_it_ends_in_the_same_weights(folder):
    one, other = (checkpoint(folder, run) for run in ("whole", "broken"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_its_frozen_layer_is_as_it_was_built(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from toy_classification import network

    built, trained = network().state_dict(), checkpoint(folder, "whole")
    same = {name for name in built if torch.equal(built[name], trained[f"network.{name}"])}
    assert {name for name in built if name.startswith("0.")} <= same
    assert "1.0.weight" not in same


def test_every_epoch_is_tracked_once(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for run in ("whole", "broken"):
        events = EventAccumulator(str(folder / "events" / run / "fold0"))
        events.Reload()
        assert [event.step for event in events.Scalars("val/accuracy")] == list(range(6))
