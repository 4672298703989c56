"""Jobs run when what they need is done, as many at once as there are workers; a lost worker is not a job's fault."""

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from distributed import Client, LocalCluster, get_worker

from maskfold.campaign import worker
from maskfold.campaign.jobs import Job
from maskfold.campaign.runner import Runner
from maskfold.campaign.standings import State


def job(name: str, *needs: str, done: Callable[[], bool] = lambda: False) -> Job:
    return Job(name, ("train",), "row", "column", name, needs, done)


class Stand:
    """Pretends to be processes: each ends after one look, with the next status that its job was given."""

    def __init__(self) -> None:
        self.statuses: dict[str, list[int]] = {}
        self.started: list[str] = []
        self.workers: set[str] = set()
        self.killed: list[str] = []
        self.running: set[str] = set()
        self.most = 0
        self.endless = False
        self.changing = threading.Lock()

    def __call__(self, job: Job, *, log: Path, environment: dict[str, str]) -> "Stand.Process":
        with self.changing:
            self.started.append(job.name)
            self.workers.add(get_worker().address)
            self.running.add(job.name)
            self.most = max(self.most, len(self.running))
            status = self.statuses.get(job.name, []).pop(0) if self.statuses.get(job.name) else 0
        return Stand.Process(self, job.name, status)

    class Process:
        def __init__(self, stand: "Stand", name: str, status: int) -> None:
            self.stand, self.name, self.status, self.looks = stand, name, status, 0

        def poll(self) -> int | None:
            self.looks += 1
            if self.stand.endless or self.looks < 3:
                return None
            with self.stand.changing:
                self.stand.running.discard(self.name)
            return self.status

        def kill(self) -> None:
            if self.name in self.stand.running:
                self.stand.killed.append(self.name)

        def wait(self) -> None:
            self.stand.running.discard(self.name)


ASKED: list[list[str]] = []  # what had been started when `there` was asked; a job goes to its worker pickled


@pytest.fixture
def stand(monkeypatch) -> Stand:
    stand = Stand()
    monkeypatch.setattr(worker, "start_stage", stand)
    monkeypatch.setattr(worker, "POLL", 0.01)
    return stand


@pytest.fixture(scope="module")
def clients() -> Callable[[int], Client]:
    """Return clients of clusters whose workers are threads of this process, and so see what a test has patched."""
    options = {"threads_per_worker": 1, "processes": False, "dashboard_address": ":0"}
    made: dict[int, tuple[LocalCluster, Client]] = {}

    def client(workers: int) -> Client:
        if workers not in made:
            cluster = LocalCluster(n_workers=workers, **options)
            made[workers] = (cluster, Client(cluster, set_as_default=False))
        return made[workers][1]

    yield client
    for cluster, client in made.values():
        client.close()
        cluster.close()


def run(jobs: list[Job], client: Client, *, retries: int = 1, show=lambda: None) -> tuple[dict[str, str], list[str]]:
    """Run jobs; return how each ended, and what was told."""
    told = []

    def tell(standing):
        told.append(f"{standing.job.name} {standing.state.value}")

    runner = Runner(jobs, lambda: nullcontext(client), Path("logs"), retries, 5, tell, show, poll=0.01)
    runner.run()
    return {name: standing.state.value for name, standing in runner.standings.items()}, told


def test_a_job_waits_for_what_it_needs_and_what_is_done_is_not_run(clients, stand):
    jobs = [job("merge", "a", "b"), job("a", "there"), job("b"), job("there", done=lambda: True)]
    ended, told = run(jobs, clients(1))
    assert sorted(stand.started[:2]) == ["a", "b"]
    assert stand.started[2:] == ["merge"]
    assert set(ended.values()) == {"done"}
    assert sorted(told) == ["a done", "b done", "merge done"]


def test_nothing_is_connected_where_all_is_done():
    def refuse():
        raise AssertionError("connected")

    runner = Runner([job("a", done=lambda: True)], refuse, Path("logs"), 1, 5, print, lambda: None)
    runner.run()
    assert runner.standings["a"].state is State.DONE


def test_whether_a_job_is_done_is_asked_only_when_all_that_it_needs_is(clients, stand):
    ASKED.clear()
    jobs = [job("a"), job("b", "a", done=there)]
    ended, _ = run(jobs, clients(1))
    assert ASKED == [["a"]]
    assert ended["b"] == "done"


def there() -> bool:
    ASKED.append(list(worker.start_stage.started))
    return True


@pytest.mark.parametrize("workers", [1, 2])
def test_so_many_at_once_each_on_a_worker_of_its_own(clients, stand, workers):
    run([job(name) for name in "abcde"], clients(workers))
    assert stand.most == workers
    assert len(stand.workers) == workers


def test_what_failed_is_tried_again_and_then_left_while_the_others_go_on(clients, stand):
    stand.statuses = {"a": [1, 1, 0], "b": [1, 0]}
    jobs = [job("a"), job("b"), job("after_a", "a"), job("after_both", "after_a", "b"), job("after_b", "b")]
    ended, told = run(jobs, clients(1), retries=1)
    assert ended == {"a": "failed", "b": "done", "after_a": "blocked", "after_both": "blocked", "after_b": "done"}
    assert stand.started.count("a") == 2
    assert stand.started.count("b") == 2
    assert told.index("a waiting") < told.index("a failed") < told.index("after_a blocked")


def test_whatever_ends_a_campaign_ends_its_processes(clients, stand):
    stand.endless = True

    def stop():
        if stand.running:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run([job("a")], clients(1), show=stop)
    deadline = time.monotonic() + 10
    while not stand.killed:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert stand.killed == ["a"]
