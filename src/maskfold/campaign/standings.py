"""How it stands with each job of a campaign: which state it is in, and what its workers have said of it."""

from dataclasses import dataclass
from enum import Enum

from maskfold.campaign.jobs import Job


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
        tries: How often it was started.
        failures: How often it has failed by itself.
        losses: How often in a row its worker was lost while nothing of it went forward.
        unstarted: How often Dask has asked whether it may go on elsewhere though it was never started.
        worker: Address of the worker that it runs on, or ran on.
        reached: How far it was when its worker was lost last, in the words of `Job.progress`.
        seconds: How long its last try has taken; None where it was not run, since what it makes was there.
        reason: What has befallen it, where its log does not say so.
    """

    job: Job
    state: State = State.WAITING
    tries: int = 0
    failures: int = 0
    losses: int = 0
    unstarted: int = 0
    worker: str = ""
    reached: str = ""
    seconds: float | None = None
    reason: str = ""

    @property
    def open(self) -> bool:
        """Whether it may still change."""
        return self.state in (State.WAITING, State.RUNNING)

    def start(self, worker: str) -> None:
        """Take note that a worker has started it."""
        self.state = State.RUNNING
        self.worker = worker
        self.tries += 1

    def fail(self, seconds: float) -> None:
        """Take note that a try has failed; Dask tries it again, or says that it does not."""
        self.state = State.WAITING
        self.seconds = seconds
        self.failures += 1
        self.reason = ""

    def lose(self) -> None:
        """Take note that its worker is lost: not the job's fault, unless nothing goes forward from loss to loss."""
        progress = self.job.progress()
        self.losses = self.losses + 1 if progress == self.reached else 1
        self.reached = progress
        self.state = State.WAITING
        self.reason = "its worker is lost"
