"""Where a campaign's Dask workers come from: this machine, SLURM, or a scheduler that is there."""

import logging
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from maskfold.config import build
from maskfold.errors import MaskfoldError
from maskfold.parallel import DASK, connect

if TYPE_CHECKING:
    from distributed import Client, SpecCluster  # seconds to import

# Run in each worker on this machine: Ctrl-C reaches all processes of a terminal, and the campaign ends its workers.
DEAF = "import signal\n\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"

REPLACE = (
    5000  # milliseconds between two looks whether a worker is gone for good, such as a SLURM job at its time limit
)


@contextmanager
def connected(cluster: dict[str, Any], jobs: int) -> Iterator["Client"]:
    """Yield the client of the scheduler that the environment names, else of a cluster that ends with this context.

    Args:
        cluster: A `_target_` node; what it builds from `jobs` is a Dask cluster.
        jobs: How many workers it has.

    Raises:
        MaskfoldError: If no scheduler answers, or the cluster cannot be had.
    """
    from distributed import Client
    from tornado.ioloop import PeriodicCallback

    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # the campaign says itself what has become of a job
    if os.environ.get(DASK):
        yield connect(os.environ[DASK])
        return
    with build(cluster, jobs=jobs) as started, Client(started) as client:
        replace = PeriodicCallback(lambda: started.scale(jobs), REPLACE)
        started.loop.add_callback(replace.start)
        try:
            yield client
        finally:
            started.loop.add_callback(replace.stop)


def local(jobs: int) -> "SpecCluster":
    """Start workers on this machine, which take turns with its GPUs and share its cores.

    Args:
        jobs: How many, one job each.
    """
    import dask
    from distributed import Nanny, Scheduler, SpecCluster

    # What Dask would set for workers that compute themselves: one thread.
    dask.config.set({"distributed.nanny.pre-spawn-environ": {}})
    listen = {"host": "127.0.0.1", "port": 0, "dashboard": False, "dashboard_address": None}
    quiet = {"silence_logs": logging.CRITICAL}
    options = {"host": "127.0.0.1", "nthreads": 1, "memory_limit": 0, "preload": [DEAF], **quiet}
    workers = {
        slot: {"cls": Nanny, "options": options | {"env": worker_environment(slot, jobs)}} for slot in range(jobs)
    }
    return SpecCluster(workers=workers, scheduler={"cls": Scheduler, "options": listen}, **quiet)


def worker_environment(slot: int, jobs: int) -> dict[str, str]:
    """Return what a worker's environment has of its own: of several at once its share of the cores, and a GPU."""
    if jobs == 1:
        return {}
    gpus = visible_gpus()
    return {
        "OMP_NUM_THREADS": str(max(1, len(os.sched_getaffinity(0)) // jobs)),
        "CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)],
    }


def visible_gpus() -> list[str]:
    """Return the GPUs of this machine as `CUDA_VISIBLE_DEVICES` names them; an empty name if there are none."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return os.environ["CUDA_VISIBLE_DEVICES"].split(",")
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return [""]
    return [str(number) for number in range(sum(line.startswith("GPU ") for line in listed.splitlines()))] or [""]


def slurm(jobs: int, **options: Any) -> "SpecCluster":
    """Start a scheduler here, and workers as SLURM jobs.

    Args:
        jobs: How many workers, one SLURM job and one job of the campaign each.
        options: Of `dask_jobqueue.SLURMCluster`.

    Raises:
        MaskfoldError: If dask-jobqueue is not installed.
    """
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise MaskfoldError("cluster=slurm needs dask-jobqueue: pip install dask-jobqueue==0.9.0") from error

    return SLURMCluster(n_workers=jobs, cores=1, processes=1, **options)
