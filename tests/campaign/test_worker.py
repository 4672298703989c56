"""A stage runs in a process of its own, says its words in its log, and does not outlive its worker."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from maskfold.campaign.jobs import Job
from maskfold.campaign.worker import Place, run_job, stage_environment, start_stage
from maskfold.errors import MaskfoldError
from maskfold.files import LOCK_WAIT
from maskfold.parallel import DASK


def test_a_stage_runs_in_its_own_process_and_says_its_words_in_the_log(tmp_path):
    process = start_stage(
        Job("a", ("score", "truth=nowhere"), "", "", ""), log=tmp_path / "a.log", environment=dict(os.environ)
    )
    assert process.wait(60) == 1
    assert "submission: not given. Add submission=... to the command." in (tmp_path / "a.log").read_text()


def test_a_killed_worker_takes_its_process_with_it(tmp_path):
    worker = (
        "import os, subprocess, sys, time\n"
        "from pathlib import Path\n"
        "from maskfold.campaign.jobs import Job\n"
        "from maskfold.campaign.worker import start_stage\n"
        "start = subprocess.Popen\n"
        "subprocess.Popen = lambda command, **options: start(['sleep', '100'], **options)\n"  # a stage without end
        "job = Job('a', ('train',), '', '', '')\n"
        "print(start_stage(job, log=Path(sys.argv[1]), environment=dict(os.environ)).pid, flush=True)\n"
        "time.sleep(100)\n"
    )
    with subprocess.Popen([sys.executable, "-c", worker, str(tmp_path / "log")], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)  # it lives
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while _lives(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_a_stage_has_its_workers_environment_but_does_not_ask_for_workers_itself(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setenv(DASK, "tcp://scheduler:8786")

    environment = stage_environment()

    assert environment["CUDA_VISIBLE_DEVICES"] == "3"
    assert DASK not in environment
    assert float(environment[LOCK_WAIT]) >= 90  # the lease of an NFS client that is gone


@pytest.mark.parametrize(
    ("threads", "folder", "message"),
    [
        (1, "elsewhere", r"tcp://there works in .*, the campaign in elsewhere: start the worker there"),
        (4, None, r"tcp://there would run 4 jobs on one GPU: start it with --nthreads 1"),
    ],
)
def test_a_worker_that_was_started_otherwise_than_it_must_be_is_refused(monkeypatch, threads, folder, message):
    worker = SimpleNamespace(address="tcp://there", state=SimpleNamespace(nthreads=threads))
    monkeypatch.setattr("distributed.get_worker", lambda: worker)
    place = Place(Path(folder) if folder else Path.cwd(), Path("logs"), "topic")
    with pytest.raises(MaskfoldError, match=message):
        run_job(Job("a", ("train",), "", "", ""), place, "key")
