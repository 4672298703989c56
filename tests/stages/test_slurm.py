"""Trainings and campaigns through SLURM's own daemons, which this starts from Debian packages and stops again."""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # daemons, and jobs that import torch

PACKAGES = ["slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins", "libmunge2", "libhwloc15"]
CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/none
CredType=cred/none
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={work}/state
SlurmdSpoolDir={work}/spool
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmctldPidFile={work}/slurmctld.pid
SlurmdPidFile={work}/slurmd.pid
PluginDir={plugins}
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
TRAIN = ["experiment=demo_unet,demo_unet_wide", "data=carvana", "data.name=tiny", "data.root=photos", "scale=smoke"]
TRAIN += ["trainer.accelerator=cpu", "hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1"]
TRAIN += ["hydra.launcher.gpus_per_node=null", "hydra.launcher.mem_gb=1", "hydra.launcher.timeout_min=10"]


@pytest.fixture(scope="module")
def packages(tmp_path_factory) -> Path:
    """The folder that SLURM's Debian packages are unpacked in."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        pytest.skip("SLURM's daemons come from Debian packages, and this is no Debian")
    folder = tmp_path_factory.mktemp("packages")
    fetched = subprocess.run(
        ["apt-get", "download", *PACKAGES], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    if fetched.returncode != 0:
        pytest.skip(f"SLURM's Debian packages cannot be had: {fetched.stderr.strip().splitlines()[-1]}")
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, folder / "root"], check=True)
    return folder / "root/usr"


def free_ports() -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        return [one.getsockname()[1] for one in sockets]


@pytest.fixture
def slurm(packages, tmp_path_factory) -> Iterator[dict[str, str]]:
    """A cluster of one node; return the environment in which SLURM's commands find it."""
    work = tmp_path_factory.mktemp("slurm")
    (library,) = packages.glob("lib/*/slurm-wlm")
    host = socket.gethostname().partition(".")[0]
    conf = work / "slurm.conf"
    conf.write_text(CONF.format(host=host, user=getpass.getuser(), work=work, ports=free_ports(), plugins=library))
    for folder in ("state", "spool"):
        (work / folder).mkdir()
    environment = os.environ | {
        "SLURM_CONF": str(conf),
        "PATH": f"{packages}/bin:{packages}/sbin:{os.environ['PATH']}",
        "LD_LIBRARY_PATH": f"{library.parent}:{library}",
    }
    daemons = (["slurmctld-wlm", "-D"], ["slurmd-wlm", "-D", "-N", host, "-d", f"{packages}/sbin/slurmstepd-wlm"])
    running = []
    try:
        for daemon in daemons:
            with (work / f"{daemon[0]}.log").open("w") as log:
                command = [f"{packages}/sbin/{daemon[0]}", *daemon[1:]]
                running.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))
        wait_until(environment, work, ["sinfo"], "idle")
        yield environment
        wait_until(environment, work, ["squeue", "--noheader", "--format=jobs left"], "")  # or their steps stay behind
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(60)


def wait_until(environment: dict[str, str], work: Path, command: list[str], expected: str) -> None:
    """Wait until a command says a word, or nothing if none is expected."""
    deadline = time.monotonic() + 60
    while True:
        said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if said.returncode == 0 and (expected in said.stdout if expected else not said.stdout.strip()):
            return
        if time.monotonic() > deadline:
            words = {log.name: log.read_text().splitlines()[-3:] for log in work.glob("*.log")}
            pytest.skip(f"SLURM does not answer as it should here: {words}")
        time.sleep(0.2)


def test_every_member_and_fold_is_a_job_and_one_that_fails_takes_none_with_it(trained, slurm):
    command = [sys.executable, "-m", "maskfold.stages.train", "-m", *TRAIN, "fold=7,0"]
    run = subprocess.run(command, env=slurm, capture_output=True, text=True, check=False, timeout=500)

    assert run.returncode == 1
    assert "fold 7 is beyond data/tiny/folds.csv, which has folds 0..1" in run.stderr
    finished = sorted(str(path) for path in Path("experiments").glob("demo_*/*/finished"))
    assert finished == ["experiments/demo_unet/fold0/finished", "experiments/demo_unet_wide/fold0/finished"]
    assert len(list(Path("multirun/.submitit").glob("*_[0-3]"))) == 4  # one array of jobs


CAMPAIGN = ["ensemble=demo", "ensemble.members=[{experiment: demo_unet}]", "poll=0.2", "jobs=2", "cluster=slurm"]
CAMPAIGN += [
    "cluster.job_cpu=1",
    "cluster.memory=1GiB",
    "cluster.walltime='00:10:00'",
    "cluster.job_extra_directives=[]",
]
CAMPAIGN += ["train='data=carvana data.name=tiny data.root=photos scale=smoke trainer.max_epochs=30'", "merge='jobs=1'"]


def test_a_campaign_on_slurm_goes_on_when_a_worker_is_taken_away(trained, slurm):
    pytest.importorskip("dask_jobqueue")
    command = [sys.executable, "-m", "maskfold.stages.campaign", *CAMPAIGN]
    with Path("said.log").open("w") as said:
        campaign = subprocess.Popen(command, env=slurm, stdout=said, stderr=said)
    begun = Path("experiments/demo_unet/fold0/metrics.csv")
    deadline = time.monotonic() + 120
    while not begun.exists() and campaign.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    listed = subprocess.run(
        ["squeue", "--noheader", "--format=%i"], env=slurm, capture_output=True, text=True, check=True
    )
    subprocess.run(["scancel", listed.stdout.split()[0]], env=slurm, check=True)

    status = campaign.wait(400)

    said = Path("said.log").read_text()
    assert status == 0, said
    assert "its worker is lost, goes on elsewhere" in said
    assert "9 jobs: 9 done" in said
    assert Path("submissions/demo/submission.csv.gz").exists()
