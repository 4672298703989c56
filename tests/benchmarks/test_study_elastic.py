"""A training under torchrun, one of whose two ranks is killed five times, ends as the undisturbed one."""

import pytest
from study_elastic import KILLS, finish, kill, prepare, training


@pytest.mark.slow  # eight starts of torchrun's processes; tests/engine/test_engine_ranks.py has the quick ones
@pytest.mark.hostile("killed")
def test_five_kills_leave_the_weights_of_the_undisturbed_run(tmp_path):
    prepare(tmp_path)
    with training(tmp_path, "undisturbed") as whole:
        finish(whole)
    with training(tmp_path, "killed") as run:
        kill(run, KILLS)
        finish(run)
    assert run.result() == whole.result()
