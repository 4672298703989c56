"""Stages on more than one machine, by configuration alone: Dask workers, and Hydra's launchers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from maskfold.config import compose
from maskfold.ensembling import merge
from maskfold.stages.ensemble import ensemble

WRITTEN = ("manifest.json", "scores.parquet", "submission.csv.gz")
TRAIN = ["data=carvana", "data.name=tiny", "data.root=photos", "scale=smoke", "trainer.accelerator=cpu"]


def written() -> dict[str, bytes]:
    return {name: (Path("submissions/linknet34") / name).read_bytes() for name in WRITTEN}


def merged_there() -> bool:
    """Return whether the process that this is asked in has loaded what merges."""
    return "maskfold.ensembling.merge" in sys.modules


def test_an_ensemble_on_dask_workers_leaves_the_same_bytes(trained, dask, monkeypatch):
    monkeypatch.setattr(merge, "CHUNK", 2)
    overrides = ["ensemble=linknet34", "ensemble.members=[{experiment: tiny}]"]
    ensemble(compose("ensemble", [*overrides, "jobs=1"]))
    alone = written()
    for name in WRITTEN:
        Path("submissions/linknet34", name).unlink()

    merged_here = []
    monkeypatch.setattr(merge, "_merge_rows", lambda *arguments: merged_here.append(arguments))
    ensemble(compose("ensemble", overrides))

    assert merged_here == []
    assert any(dask.run(merged_there).values())
    assert written() == alone


def launch(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Start several runs of the training stage."""
    command = [sys.executable, "-m", "maskfold.stages.train", "-m", *arguments, *TRAIN]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow  # four processes that import torch
def test_the_joblib_launcher_trains_members_and_folds_and_one_that_fails_takes_none_with_it(trained):
    joblib = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    run = launch(trained, *joblib, "experiment=demo_unet,demo_unet_wide", "fold=7,1")

    assert run.returncode == 1
    assert "fold 7 is beyond data/tiny/folds.csv, which has folds 0..1" in run.stderr
    finished = sorted(str(path) for path in Path("experiments").glob("demo_*/*/finished"))
    assert finished == ["experiments/demo_unet/fold1/finished", "experiments/demo_unet_wide/fold1/finished"]


def test_a_launcher_keeps_its_own_files_in_one_ignored_folder():
    hydra = compose("train", ["hydra/launcher=slurm"], choices=True).hydra

    assert hydra.sweep.dir == "multirun"
    assert hydra.sweep.subdir == "."
    assert hydra.launcher._target_.endswith("SlurmLauncher")
    assert hydra.launcher.submitit_folder == f"multirun{os.sep}.submitit/%j"
