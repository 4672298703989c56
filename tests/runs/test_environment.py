import subprocess
import sys

from maskfold.runs.environment import commit, device


def test_commit_is_unknown_outside_git(monkeypatch):
    def fail(*_, **__):
        raise subprocess.CalledProcessError(128, "git")

    monkeypatch.setattr(subprocess, "run", fail)
    assert commit() == "unknown"


def test_whoever_has_not_loaded_torch_runs_on_the_cpu(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert device() == "cpu"
