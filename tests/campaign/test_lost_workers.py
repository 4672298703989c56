"""A worker that is lost is not its job's fault; a job that kills every worker is given up."""

import os
import signal
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from distributed import WorkerPlugin

from maskfold.campaign import worker
from maskfold.campaign.clusters import connected
from maskfold.campaign.jobs import Job
from maskfold.campaign.runner import Runner
from maskfold.campaign.standings import Standing, State

LOCAL = {"_target_": "maskfold.campaign.clusters.local"}


class Deadly(WorkerPlugin):
    """Makes stages kill the worker that they run on: all of `kills`, the first six of `grows`."""

    def setup(self, worker) -> None:
        patch()


def patch() -> None:
    worker.start_stage = start


def start(job: Job, *, log: Path, environment: dict[str, str]) -> SimpleNamespace:
    with Path(job.name).open("a") as file:
        file.write("x")
    if job.name == "kills" or (job.name == "grows" and not grown()):
        os.kill(os.getpid(), signal.SIGKILL)
    return SimpleNamespace(poll=lambda: 0, kill=lambda: None, wait=lambda: 0)


def tries(name: str) -> str:
    return f"{len(Path(name).read_text())} tries" if Path(name).exists() else ""


def grown() -> bool:
    return tries("grows") == "7 tries"


@contextmanager
def deadly(jobs: int):
    with connected(LOCAL, jobs) as client:
        client.register_plugin(Deadly())
        yield client


def job(name: str, *needs: str, **looks) -> Job:
    return Job(name, ("train",), "row", "column", name, needs, **looks)


@pytest.mark.hostile("killed")
def test_losses_count_in_a_row_and_only_while_nothing_goes_forward():
    words = iter(["epoch 1", "epoch 1", "epoch 2", "epoch 2", "epoch 2"])
    standing = Standing(job("a", progress=lambda: next(words)))
    counted = []
    for _ in range(5):
        standing.start("tcp://worker")
        standing.lose()
        counted.append(standing.losses)
    assert counted == [1, 2, 1, 2, 3]
    assert standing.tries == 5
    assert standing.failures == 0
    assert standing.state is State.WAITING


@pytest.mark.hostile("killed")
@pytest.mark.slow  # eleven workers are started
def test_a_job_that_goes_forward_outlives_any_loss_and_one_that_kills_every_worker_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    grows = job("grows", done=grown, progress=partial(tries, "grows"))
    jobs = [grows, job("kills"), job("after", "kills"), job("last", "grows")]
    runner = Runner(jobs, partial(deadly, 1), Path("logs"), 0, 4, lambda standing: None, lambda: None, poll=0.05)

    runner.run()

    ended = {name: standing.state.value for name, standing in runner.standings.items()}
    assert ended == {"grows": "done", "kills": "failed", "after": "blocked", "last": "done"}
    assert tries("grows") == "7 tries"  # Dask alone would give up at the fourth loss
    assert tries("kills") == "5 tries"  # losses=4
    assert "lost 5 times" in runner.standings["kills"].reason
