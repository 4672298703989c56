"""What Lightning refuses is said as a key of the user's."""

import pytest

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
