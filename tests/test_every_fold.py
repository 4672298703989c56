"""`fold=all`: every fold has a process of its own, and the first that fails ends the command."""

import subprocess
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from maskfold import termination
from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.every_fold import folds_of_split, folds_with_a_run, for_each_fold

SAYS_WHAT_IT_WAS_TOLD = """
import pathlib, sys
with pathlib.Path("told").open("a") as told:
    print(*sys.argv[1:], file=told)
sys.exit(3 if "fold=2" in sys.argv else 0)
"""


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """A stage `pretend` whose module notes what it was told, and fails for fold 2."""
    module = tmp_path / "maskfold/stages/pretend.py"
    module.parent.mkdir(parents=True)
    module.write_text(SAYS_WHAT_IT_WAS_TOLD)
    for folder in (module.parent, module.parent.parent):
        (folder / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def pretend(config):
        return config.fold

    return pretend


def told(fold: object) -> OmegaConf:
    overrides = ["experiment=a", f"fold={fold}", "data.folds=x"]
    return OmegaConf.create({"fold": fold, "hydra": {"overrides": {"task": overrides}}})


@pytest.mark.hostile("killed")
def test_sigterm_is_handed_on_to_the_fold_that_runs(stage, monkeypatch):
    """It goes to this process alone, and a fold that nobody ends would train on by itself."""
    Path("maskfold/stages/pretend.py").write_text("import time; time.sleep(60)")
    monkeypatch.setattr(termination._Request, "come", True)
    wait, waited = subprocess.Popen.wait, []

    def interrupted(process: subprocess.Popen, *arguments: object, **options: object) -> int:
        waited.append(process)
        if len(waited) == 1:
            raise KeyboardInterrupt
        return wait(process, *arguments, **options)

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(SystemExit):
        for_each_fold(stage, lambda config: [0, 1])(told("all"))
    assert [process.poll() for process in {*waited}] == [-15]


def test_one_fold_stays_in_this_process(stage):
    assert for_each_fold(stage, lambda config: [0, 1])(told(1)) == 1


def test_all_folds_are_run_one_after_another_with_the_same_overrides(stage):
    for_each_fold(stage, lambda config: [0, 1, 4])(told("all"))

    lines = Path("told").read_text().splitlines()
    assert lines == [f"experiment=a data.folds=x fold={fold}" for fold in (0, 1, 4)]


def test_the_first_that_fails_ends_it_with_its_status(stage):
    with pytest.raises(SystemExit) as stop:
        for_each_fold(stage, lambda config: [1, 2, 3])(told("all"))

    assert stop.value.code == 3
    assert len(Path("told").read_text().splitlines()) == 2


def test_the_folds_of_a_split_and_of_a_member(workplace, tmp_path):
    assert folds_of_split(compose("train", workplace)) == [0, 1]
    assert folds_of_split(compose("train", ["experiment=unet_scratch"])) == [*range(7)]
    for fold in (10, 2):
        (tmp_path / f"experiments/tiny/fold{fold}").mkdir(parents=True)
    assert folds_with_a_run(compose("predict", ["name=tiny"])) == [2, 10]
    with pytest.raises(MaskfoldError, match=r"no fold has been trained\. Run `make train EXP=nobody FOLD=all` first"):
        folds_with_a_run(compose("predict", ["name=nobody"]))
