"""Jobs run when what they need is done, as many at once as may, and none outlives the campaign."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from maskfold.campaign.jobs import Job
from maskfold.campaign.runner import Runner, State, start_stage


def job(name: str, *needs: str, done: Callable[[], bool] = lambda: False) -> Job:
    return Job(name, ("train",), "row", "column", name, needs, done)


class Stand:
    """Pretends to be processes: each ends after one look, with the next status that its job was given."""

    def __init__(self, **statuses: list[int]) -> None:
        self.statuses = statuses
        self.started: list[str] = []
        self.running: set[str] = set()
        self.most = 0

    def __call__(self, job: Job, slot: int) -> "Stand.Process":
        self.started.append(f"{job.name}@{slot}")
        self.running.add(job.name)
        self.most = max(self.most, len(self.running))
        status = self.statuses.get(job.name, []).pop(0) if self.statuses.get(job.name) else 0
        return Stand.Process(self, job.name, status)

    class Process:
        def __init__(self, stand: "Stand", name: str, status: int) -> None:
            self.stand, self.name, self.returncode = stand, name, status

        def poll(self) -> int:
            self.stand.running.discard(self.name)
            return self.returncode


def run(jobs: list[Job], stand: Stand, *, at_once: int = 1, retries: int = 1) -> tuple[dict[str, str], list[str]]:
    """Run jobs; return how each ended, and what was told."""
    told = []

    def tell(standing):
        told.append(f"{standing.job.name} {standing.state.value}")

    runner = Runner(jobs, stand, at_once, retries, tell, lambda: None, poll=0)
    runner.run()
    return {name: standing.state.value for name, standing in runner.standings.items()}, told


def test_a_job_waits_for_what_it_needs_and_what_is_done_is_not_run():
    stand = Stand()
    jobs = [job("merge", "a", "b"), job("a", "there"), job("b"), job("there", done=lambda: True)]
    ended, told = run(jobs, stand)
    assert sorted(stand.started[:2]) == ["a@0", "b@0"]
    assert stand.started[2:] == ["merge@0"]
    assert set(ended.values()) == {"done"}
    assert sorted(told) == ["a done", "b done", "merge done"]


def test_whether_a_job_is_done_is_asked_only_when_all_that_it_needs_is():
    stand = Stand()
    asked = []
    jobs = [job("a"), job("b", "a", done=lambda: asked.append(list(stand.started)) or True)]
    ended, _ = run(jobs, stand)
    assert asked == [["a@0"]]
    assert ended["b"] == "done"


@pytest.mark.parametrize(("at_once", "slots"), [(1, {"0"}), (2, {"0", "1"}), (9, {"0", "1", "2", "3", "4"})])
def test_so_many_at_once_each_in_a_slot_of_its_own(at_once, slots):
    stand = Stand()
    run([job(name) for name in "abcde"], stand, at_once=at_once)
    assert stand.most == min(at_once, 5)
    assert {started.partition("@")[2] for started in stand.started} == slots


def test_what_failed_is_tried_again_and_then_left_while_the_others_go_on():
    stand = Stand(a=[1, 1, 0], b=[1, 0])
    jobs = [job("a"), job("b"), job("after_a", "a"), job("after_both", "after_a", "b"), job("after_b", "b")]
    ended, told = run(jobs, stand, retries=1)
    assert ended == {"a": "failed", "b": "done", "after_a": "blocked", "after_both": "blocked", "after_b": "done"}
    assert [started[0] for started in stand.started].count("a") == 3  # twice itself, and after_b
    assert told[:2] == ["a waiting", "a failed"]


def test_a_stage_runs_in_its_own_process_and_says_its_words_in_the_log(tmp_path):
    process = start_stage(
        Job("a", ("score", "truth=nowhere"), "", "", ""), log=tmp_path / "a.log", environment=dict(os.environ)
    )
    assert process.wait(60) == 1
    assert "submission: not given. Add submission=... to the command." in (tmp_path / "a.log").read_text()


def test_a_killed_campaign_takes_its_processes_with_it(tmp_path):
    campaign = (
        "import os, subprocess, sys, time\n"
        "from pathlib import Path\n"
        "from maskfold.campaign.jobs import Job\n"
        "from maskfold.campaign.runner import start_stage\n"
        "start = subprocess.Popen\n"
        "subprocess.Popen = lambda command, **options: start(['sleep', '100'], **options)\n"  # a stage without end
        "job = Job('a', ('train',), '', '', '')\n"
        "print(start_stage(job, log=Path(sys.argv[1]), environment=dict(os.environ)).pid, flush=True)\n"
        "time.sleep(100)\n"
    )
    with subprocess.Popen([sys.executable, "-c", campaign, str(tmp_path / "log")], stdout=subprocess.PIPE) as parent:
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


def test_whatever_ends_a_campaign_ends_its_processes():
    processes = []

    def start(job, slot):
        processes.append(subprocess.Popen(["sleep", "100"]))
        return processes[-1]

    def stopped():
        raise KeyboardInterrupt

    runner = Runner([job("a")], start, 1, 0, lambda standing: None, stopped, poll=0)
    with pytest.raises(KeyboardInterrupt):
        runner.run()
    assert processes[0].returncode == -signal.SIGKILL
    assert runner.standings["a"].state is State.RUNNING
