"""What a Dask worker does with a job: it runs the stage in a process of its own, which does not outlive the worker."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from maskfold.campaign.jobs import Job
from maskfold.errors import MaskfoldError
from maskfold.files import LOCK_WAIT
from maskfold.parallel import DASK

if TYPE_CHECKING:
    from distributed import Worker  # seconds to import

PATIENCE = 120  # seconds for a file server to let go of the locks of a machine that is gone; NFS takes 90
POLL = 0.1  # seconds between two looks whether a stage has ended, and whether anybody still wants it

_PR_SET_PDEATHSIG = 1  # of prctl(2)
_prctl = ctypes.CDLL(None).prctl  # looked up here: between fork and exec a process with threads may load nothing


class StageError(Exception):
    """A job's stage has ended with an error, which its log shows."""


@dataclass(frozen=True)
class Place:
    """Where the jobs of a campaign run, and where their workers say so.

    Attributes:
        folder: The campaign's working folder, absolute; every worker must have been started in it.
        logs: The folder of the logs, one a job.
        topic: Dask's name for the events of this campaign.
    """

    folder: Path
    logs: Path
    topic: str


def run_job(job: Job, place: Place, key: str, *needs: None) -> None:
    """Run a job's stage, unless what it makes is there. Dask calls this on a worker.

    Args:
        job: The job.
        place: Its campaign's.
        key: Dask's name for this call.
        needs: What this has returned for the jobs that it needs: Dask calls it when they are done.

    Raises:
        MaskfoldError: If this worker cannot run jobs of the campaign.
        StageError: If the stage ends with an error, or nobody wants the job any more.
    """
    from distributed import get_worker
    from distributed.utils import sync

    worker = get_worker()
    _refuse_unfit(worker, place.folder)
    if job.done():
        return

    def say(event: str, began: float) -> None:
        message = {"job": job.name, "event": event, "worker": worker.address, "seconds": time.monotonic() - began}
        # Not worker.log_event, which is lost with a worker that dies within milliseconds.
        sync(worker.loop, worker.scheduler.log_event, topic=place.topic, msg=message)

    began = time.monotonic()
    say("started", began)
    process = start_stage(job, log=place.logs / f"{job.name}.log", environment=stage_environment())
    try:
        while (status := process.poll()) is None:
            if not _wanted(worker, key):
                raise StageError(f"{job.name}: stopped, for its campaign has ended")
            time.sleep(POLL)
    finally:
        process.kill()
        process.wait()
    say("failed" if status else "done", began)
    if status:
        raise StageError(f"{job.name}: its process has ended with status {status}")


def start_stage(job: Job, *, log: Path, environment: dict[str, str]) -> subprocess.Popen:
    """Start a job's stage in a process that writes to `log`, and that does not outlive this thread."""
    with log.open("w") as file:
        return subprocess.Popen(
            [sys.executable, "-m", f"maskfold.stages.{job.command[0]}", *job.command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            preexec_fn=_die_with_parent,
        )


def _die_with_parent() -> None:
    """Ask the kernel to kill this process when the one that started it is gone: it would hold its folder's lock."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def stage_environment() -> dict[str, str]:
    """Return a stage's environment: its worker's, where each worker has its own GPU and its share of the cores."""
    usual = {"TQDM_MININTERVAL": "10", LOCK_WAIT: str(PATIENCE)}
    # Without the scheduler: a stage that waited for workers would wait for the one that it runs on.
    return usual | {key: value for key, value in os.environ.items() if key != DASK}


def _refuse_unfit(worker: "Worker", folder: Path) -> None:
    here = Path.cwd()
    if here != folder:
        raise MaskfoldError(f"{worker.address} works in {here}, the campaign in {folder}: start the worker there.")
    if worker.state.nthreads != 1:
        raise MaskfoldError(
            f"{worker.address} would run {worker.state.nthreads} jobs on one GPU: start it with --nthreads 1."
        )


def _wanted(worker: "Worker", key: str) -> bool:
    """Return whether a call that runs on a worker has neither been cancelled nor outlived its scheduler."""
    from distributed.core import Status

    task = None
    with suppress(KeyError):  # forgotten
        task = worker.state.tasks[key]
    return worker.status in (Status.running, Status.paused) and task is not None and task.state != "cancelled"
