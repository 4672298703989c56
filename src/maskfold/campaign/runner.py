"""Gives the jobs of a campaign to Dask, and keeps the books on what becomes of them."""

import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskfold.campaign.jobs import Job
from maskfold.campaign.standings import Standing, State
from maskfold.campaign.worker import Place, StageError, run_job
from maskfold.errors import MaskfoldError

if TYPE_CHECKING:
    from distributed import Client, Future  # seconds to import

WORKERS = "all"  # Dask's own name for the events of its workers
UNSTARTED = 100  # losses of a job that never was started: it only stood in a worker's queue, or nothing can start it


@dataclass
class Runner:
    """Runs jobs on Dask workers until all are done, or cannot be.

    Which job runs where and when, what waits for what, and what is tried again is Dask's affair. This asks before if
    there is anything to do, and decides one thing: whether a job whose worker was lost may go on on another.

    Attributes:
        jobs: Those that come first are started first when several could be.
        connect: Returns a context with the client of a Dask scheduler; called when there is anything to do.
        logs: The folder of the logs.
        retries: How often a job that failed is tried again.
        losses: How often in a row a job may lose its worker while nothing of it goes forward. Dask itself asks from
            the fourth loss on.
        report: Called with a standing when it has changed.
        show: Called after every look.
        poll: Seconds between two looks.
    """

    jobs: Sequence[Job]
    connect: Callable[[], AbstractContextManager["Client"]]
    logs: Path
    retries: int
    losses: int
    report: Callable[[Standing], None]
    show: Callable[[], None]
    poll: float = 0.5
    standings: dict[str, Standing] = field(init=False)
    _events: deque = field(init=False, default_factory=deque)
    _futures: dict[str, "Future"] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.standings = {job.name: Standing(job) for job in in_order(self.jobs)}

    def run(self) -> None:
        """Run what is not done; return when nothing can be run any more. Whatever ends this ends the jobs' processes.

        Raises:
            MaskfoldError: If the scheduler goes away.
        """
        self._pass_over()
        if any(standing.open for standing in self.standings.values()):
            with self.connect() as client:
                self._run(client)
        self.show()

    def _pass_over(self) -> None:
        """See which jobs are done."""
        for standing in self.standings.values():
            if self._states(standing.job) <= {State.DONE} and standing.job.done():
                standing.state = State.DONE

    def _states(self, job: Job) -> set[State]:
        """Return how it stands with what a job needs."""
        return {self.standings[name].state for name in job.needs}

    def _run(self, client: "Client") -> None:
        topic = f"campaign-{uuid.uuid4().hex}"
        for name in (topic, WORKERS):
            client.subscribe_topic(name, lambda event: self._events.append(event[1]))
        try:
            self._submit(client, Place(Path.cwd(), self.logs, topic))
            while self._look(client):
                self.show()
                time.sleep(self.poll)
        finally:
            for name in (topic, WORKERS):
                client.unsubscribe_topic(name)
            client.cancel(list(self._futures.values()), force=True)

    def _submit(self, client: "Client", place: Place) -> None:
        for number, (name, standing) in enumerate(self.standings.items()):
            if standing.open:
                key = f"{name}-{place.topic}"
                needs = [self._futures[need] for need in standing.job.needs if need in self._futures]
                options = {"key": key, "retries": self.retries, "priority": -number}
                self._futures[name] = client.submit(run_job, standing.job, place, key, *needs, **options)

    def _look(self, client: "Client") -> bool:
        """Take note of what has happened; return whether anything is still open."""
        while self._events:
            self._note(self._events.popleft())
        for name, future in self._futures.items():
            if self.standings[name].open:
                self._settle(self.standings[name], future)
        still_open = any(standing.open for standing in self.standings.values())
        if still_open and client.status not in ("running", "connecting"):
            raise MaskfoldError("The Dask scheduler is gone. Run the same command again: what is done is kept.")
        return still_open

    def _note(self, event: dict[str, Any]) -> None:
        """Take note of what a worker says of a job, or of the loss of a worker."""
        if event.get("action") == "remove-worker":
            for standing in self.standings.values():
                if standing.state is State.RUNNING and standing.worker == event["worker"]:
                    standing.lose()
                    self.report(standing)
        elif "job" in event and self.standings[event["job"]].open:  # Dask asks again for what a lost worker had done
            standing = self.standings[event["job"]]
            if event["event"] == "started":
                standing.start(event["worker"])
            elif event["event"] == "done":
                standing.seconds = event["seconds"]
                self._end(standing, State.DONE)
            else:
                standing.fail(event["seconds"])
                if standing.failures <= self.retries:
                    self.report(standing)

    def _settle(self, standing: Standing, future: "Future") -> None:
        """See what has become of an open job."""
        if future.status == "finished":
            self._end(standing, State.DONE)
        elif future.status == "error":
            needs = self._states(standing.job)
            if needs & {State.FAILED, State.BLOCKED}:
                self._end(standing, State.BLOCKED)
            elif needs <= {State.DONE}:
                self._settle_error(standing, future)
        elif future.status == "cancelled":
            self._end(standing, State.FAILED, "its scheduler has dropped it")

    def _settle_error(self, standing: Standing, future: "Future") -> None:
        from distributed import KilledWorker

        error = future.exception()
        if not isinstance(error, KilledWorker):
            self._end(standing, State.FAILED, "" if isinstance(error, StageError) else str(error))
        elif standing.losses > self.losses:
            self._end(standing, State.FAILED, f"its worker was lost {standing.losses} times, and nothing went forward")
        elif standing.unstarted >= UNSTARTED:
            self._end(standing, State.FAILED, f"{UNSTARTED} workers were lost before they could start it")
        elif standing.state is not State.RUNNING:  # else the news of the loss is still on its way
            standing.unstarted += not standing.tries
            future.retry()

    def _end(self, standing: Standing, state: State, reason: str = "") -> None:
        standing.state, standing.reason = state, reason
        if state is not State.DONE or standing.seconds is not None:
            self.report(standing)


def in_order(jobs: Sequence[Job]) -> list[Job]:
    """Return jobs so that each stands behind all that it needs, and else as they come."""
    by_name = {job.name: job for job in jobs}
    ordered: dict[str, Job] = {}

    def place(job: Job) -> None:
        if job.name not in ordered:
            for name in job.needs:
                place(by_name[name])
            ordered[job.name] = job

    for job in jobs:
        place(job)
    return list(ordered.values())
