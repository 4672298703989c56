"""Where a run changes its samples: asked for, decided at its first start, and kept to."""

import json

import albumentations as A
import pytest
import torch

from maskfold.data.augmentation import Albumentations, GreyObject
from maskfold.data.object_transforms import CropObject
from maskfold.errors import MaskfoldError
from maskfold.runs.run_folder import RunFolder
from maskfold.segmentation.placing import place_of


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


def moving(device="auto"):
    return Albumentations(transforms=[A.HorizontalFlip(), GreyObject()], device=device)


def cropping(device="auto"):
    return Albumentations(transforms=[CropObject()], device=device)


def begun(folder, **facts):
    """Leave what a run does that has trained an epoch."""
    folder.run.write_text(json.dumps(facts))
    folder.metrics.write_text("epoch\n0\n")


@pytest.mark.parametrize(
    ("gpu", "accelerator", "augment", "place"),
    [
        (False, "auto", moving(), "cpu"),
        (True, "auto", moving(), "device"),
        (True, "cpu", moving(), "cpu"),
        (True, "gpu", cropping(), "cpu"),
        (True, "gpu", moving("cpu"), "cpu"),
        (False, "cpu", moving("device"), "device"),
        (True, "auto", lambda image, mask, seed: (image, mask), "cpu"),  # the user's own knows no device
    ],
)
def test_auto_is_the_device_where_that_is_a_gpu_and_knows_every_change(
    folder, gpu, accelerator, augment, place, monkeypatch
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert place_of(augment, folder, accelerator=accelerator, anew=False) == place


def test_a_run_goes_on_as_it_has_begun_on_any_machine(folder, monkeypatch):
    begun(folder, augmented_on="device")
    assert place_of(moving(), folder, accelerator="cpu", anew=False) == "device"
    assert place_of(moving(), folder, accelerator="cpu", anew=True) == "cpu"
    begun(folder)  # by an earlier version
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert place_of(moving(), folder, accelerator="gpu", anew=False) == "cpu"


@pytest.mark.hostile("wrong input")
def test_a_device_that_cannot_is_refused_by_name(folder):
    with pytest.raises(MaskfoldError, match=r"augment\.device=device: CropObject can only be done on the CPU.*auto"):
        place_of(cropping("device"), folder, accelerator="cpu", anew=False)
    with pytest.raises(MaskfoldError, match=r"augment\.device=gpu: give cpu, device"):
        moving("gpu")
