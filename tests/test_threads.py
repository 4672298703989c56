"""How OpenMP's threads are told to wait, before anything can have loaded torch."""

import os
import subprocess
import sys

import pytest

SHOWN = "import maskfold, os, sys; print(os.environ.get('OMP_WAIT_POLICY'), 'torch' in sys.modules)"


@pytest.mark.parametrize(
    ("said", "policy"),
    [({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active"), ({"GOMP_SPINCOUNT": "1000"}, "None")],
)
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise(said, policy):
    others = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}

    shown = subprocess.run([sys.executable, "-c", SHOWN], env=others | said, capture_output=True, text=True, check=True)

    assert shown.stdout.split() == [policy, "False"]
