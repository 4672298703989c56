"""Workers on one machine share its cores and take turns with its GPUs; a scheduler that is not there is said."""

import os
import sys

import pytest

from maskfold.campaign.clusters import connected, slurm, visible_gpus, worker_environment
from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.parallel import DASK


def test_several_workers_share_the_cores_and_take_turns_with_the_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(7))
    assert [worker_environment(slot, 3) for slot in range(3)] == [
        {"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "4"},
        {"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "6"},
        {"OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "4"},
    ]
    assert worker_environment(0, 1) == {}


@pytest.mark.parametrize(
    ("listed", "gpus"),
    [("GPU 0: A (UUID: x)\n  MIG 1g.5gb Device 0: (UUID: y)\nGPU 1: B (UUID: z)\n", ["0", "1"]), ("", [""])],
)
def test_gpus_are_counted_by_the_drivers_own_command(monkeypatch, tmp_path, listed, gpus):
    command = tmp_path / "nvidia-smi"
    command.write_text(f"#!/bin/sh\nprintf '{listed}'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == gpus


def test_a_machine_without_the_drivers_command_has_no_gpu(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus() == [""]


def test_a_scheduler_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv(DASK, "tcp://127.0.0.1")
    with pytest.raises(MaskfoldError, match=r"MASKFOLD_DASK=tcp://127\.0\.0\.1: no Dask scheduler answers"):
        connected({}, 1).__enter__()


def test_without_dask_jobqueue_the_way_out_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask_jobqueue", None)
    with pytest.raises(MaskfoldError, match=r"pip install dask-jobqueue==0\.9\.0"):
        slurm(1)


def test_a_cluster_is_chosen_by_its_group_and_its_options_by_their_keys():
    assert compose("campaign", ["ensemble=demo"]).cluster._target_.endswith("clusters.local")
    cluster = compose("campaign", ["ensemble=demo", "cluster=slurm", "cluster.queue=gpu"]).cluster
    assert cluster._target_.endswith("clusters.slurm")
    assert cluster.queue == "gpu"
    assert cluster.job_extra_directives == ["--gres=gpu:1"]
