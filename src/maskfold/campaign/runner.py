"""Runs jobs in processes of their own, several at once, in an order that their needs allow."""

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from maskfold.campaign.jobs import Job

_PR_SET_PDEATHSIG = 1  # of prctl(2)


class State(Enum):
    """How it stands with a job."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    BLOCKED = "blocked"  # what it needs has failed


@dataclass
class Standing:
    """A job with its state.

    Attributes:
        looked: Whether it has been asked if what it makes is there.
        tries: How often it was started.
        slot: Which of the processes at once it runs in.
        started: When it was, in seconds of `time.monotonic`.
        seconds: How long it has run; None where it was not run, since what it makes was there.
    """

    job: Job
    state: State = State.WAITING
    looked: bool = False
    tries: int = 0
    process: subprocess.Popen | None = None
    slot: int = 0
    started: float = 0.0
    seconds: float | None = None


@dataclass
class Runner:
    """Runs jobs until all are done, or cannot be.

    Attributes:
        jobs: In the order in which they are started when several could be.
        start: `(job, slot) -> process`.
        at_once: How many processes there may be; slots are numbered from 0.
        retries: How often a job that failed is tried again.
        tell: Is told a job when its state has changed for good, or it has failed and is tried again.
        show: Is called after every look at the processes.
        poll: Seconds between two looks.
    """

    jobs: Sequence[Job]
    start: Callable[[Job, int], subprocess.Popen]
    at_once: int
    retries: int
    tell: Callable[[Standing], None]
    show: Callable[[], None]
    poll: float = 0.5
    standings: dict[str, Standing] = field(init=False)

    def __post_init__(self) -> None:
        self.standings = {job.name: Standing(job) for job in self.jobs}

    def run(self) -> None:
        """Run what is not done; return when nothing can be run any more. Whatever ends this ends its processes."""
        try:
            while self._look():
                self.show()
                time.sleep(self.poll)
            self.show()
        finally:
            for standing in self._in(State.RUNNING):
                standing.process.kill()
                standing.process.wait()

    def _look(self) -> bool:
        """Take note of what has ended, start what can be started; return whether anything runs."""
        for standing in self._in(State.RUNNING):
            if standing.process.poll() is not None:
                self._ended(standing)
        changed = True
        while changed:  # what is there already makes others ready
            changed = any(self._advance(standing) for standing in self._in(State.WAITING))
        return bool(self._in(State.RUNNING))

    def _in(self, state: State) -> list[Standing]:
        return [standing for standing in self.standings.values() if standing.state is state]

    def _ended(self, standing: Standing) -> None:
        standing.seconds = time.monotonic() - standing.started
        if standing.process.returncode == 0:
            standing.state = State.DONE
        else:
            standing.state = State.FAILED if standing.tries > self.retries else State.WAITING
        self.tell(standing)

    def _advance(self, standing: Standing) -> bool:
        """Start a waiting job, or see that it is done or blocked; return whether its state has changed."""
        states = {self.standings[name].state for name in standing.job.needs}
        if states & {State.FAILED, State.BLOCKED}:
            standing.state = State.BLOCKED
            self.tell(standing)
        elif states <= {State.DONE}:
            if not standing.looked and standing.job.done():
                standing.state = State.DONE
            else:
                standing.looked = True  # once: nobody else makes what it makes
                self._start(standing)
        return standing.state is not State.WAITING

    def _start(self, standing: Standing) -> None:
        free = set(range(self.at_once)) - {other.slot for other in self._in(State.RUNNING)}
        if free:
            standing.slot = min(free)
            standing.tries += 1
            standing.started = time.monotonic()
            standing.process = self.start(standing.job, standing.slot)
            standing.state = State.RUNNING


def start_stage(job: Job, *, log: Path, environment: dict[str, str]) -> subprocess.Popen:
    """Start a job's stage in a process that writes to `log`, and that does not outlive this one."""
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
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
