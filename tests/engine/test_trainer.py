"""What Lightning refuses is said as a key of the user's."""

import pytest
import torch

from maskfold.engine.trainer import make_trainer
from maskfold.errors import MaskfoldError


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    "wrong", [{"accelerator": "foo"}, {"precision": "foo"}, {"strategy": "foo"}, {"devices": 0}, {"devices": "x"}]
)
def test_the_keys_that_lightning_refuses_are_named(wrong):
    arguments = {"accelerator": "cpu", "devices": 1, "logger": False, "enable_checkpointing": False} | wrong
    ((key, value),) = wrong.items()

    with pytest.raises(MaskfoldError, match=rf"trainer\.{key}={value}\b.*: Lightning cannot have these together: "):
        make_trainer(**arguments)


@pytest.mark.parametrize(("deterministic", "tried"), [(False, True), (True, False)])
def test_cudnn_tries_its_ways_for_photos_of_one_size_unless_torch_is_to_be_deterministic(
    monkeypatch, deterministic, tried
):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", deterministic)
    arguments = {"accelerator": "cpu", "devices": 1, "logger": False, "enable_checkpointing": False}
    make_trainer(one_size=True, **arguments)
    assert torch.backends.cudnn.benchmark is tried
    make_trainer(**arguments)
    assert torch.backends.cudnn.benchmark is False
