"""Weights & Biases: online, or offline for `wandb sync`; the runs of a member's folds are one group."""

import logging
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import numpy as np
import wandb
from wandb.sdk.mailbox import HandleAbandonedError, MailboxClosedError

from maskfold.credentials import censored
from maskfold.tracking.run import Run, plain_name

_KEY = "wandb"
_INIT_SECONDS = 30.0  # for the server to answer that a run has begun


class WandbTracker:
    """Keeps its files in the run folder, under `wandb/`.

    Args:
        project: Where the runs go.
        entity: The user or the team that the project belongs to; None is the one logged in.
        offline: Keep the run on disk, to be uploaded by `wandb sync`. The environment's WANDB_MODE does as much
            (`offline`), or turns it off (`disabled`).
        finish_timeout: Seconds that a run's end waits for what has not been uploaded yet; the rest stays on disk.
    """

    name: ClassVar[str] = "Weights & Biases"
    # What it does not like about names and values it says with a ValueError.
    errors: ClassVar[tuple[type[Exception], ...]] = (
        wandb.Error,
        OSError,
        ValueError,
        HandleAbandonedError,
        MailboxClosedError,
    )
    advice: ClassVar[str] = (
        "Log in with `wandb login` or WANDB_API_KEY, or keep runs on disk with tracker.wandb.offline=true; "
        "`wandb sync` uploads what is there."
    )

    def __init__(
        self, *, project: str, entity: str | None = None, offline: bool = False, finish_timeout: float = 30.0
    ) -> None:
        self.project = project
        self.entity = entity
        self.offline = offline
        self.settings = wandb.Settings(
            quiet=True, init_timeout=_INIT_SECONDS, finish_timeout=finish_timeout, finish_timeout_raises=True
        )

    def begin(self, run: Run) -> None:
        """See `Tracker`; nobody is asked for a key.

        Raises:
            wandb.Error: If no key is found, or the server refuses it or does not answer.
        """
        logging.getLogger("wandb").setLevel("CRITICAL")  # what concerns users it says itself
        mode = "offline" if self.offline else wandb.setup().settings.mode
        if mode == "online" and not wandb.login(prompt=False):
            raise wandb.errors.AuthenticationError("not logged in")
        run_id = run.known_as(_KEY) or secrets.token_hex(4)
        with _censored_command():
            self.experiment = wandb.init(
                mode=mode,
                project=self.project,
                entity=self.entity,
                dir=run.folder.path,
                id=run_id,
                resume="allow" if mode == "online" else None,
                reinit="create_new",
                group=run.member,
                name=f"{run.member}-{run.fold}",
                job_type="train",
                config=run.config | {"run": run.facts},
                settings=self.settings,
            )
        run.keep(_KEY, run_id)
        self.artifact = plain_name(f"{run.member}-{run.fold}")
        self.experiment.define_metric("*", step_metric="epoch")

    def log_epoch(self, row: dict[str, float]) -> None:
        """See `Tracker`."""
        self.experiment.log(row)

    def log_samples(self, pictures: dict[str, np.ndarray], *, epoch: int) -> None:
        """See `Tracker`."""
        images = [wandb.Image(picture, caption=image_id) for image_id, picture in pictures.items()]
        self.experiment.log({"samples": images, "epoch": epoch})

    def log_checkpoint(self, path: Path) -> None:
        """See `Tracker`; the file is uploaded from where it lies, no copy is made of it."""
        artifact = wandb.Artifact(self.artifact, type="model")
        artifact.add_file(str(path.resolve()), policy="immutable", skip_cache=True)
        self.experiment.log_artifact(artifact, aliases=["best"])

    def end(self, *, finished: bool) -> None:
        """See `Tracker`; without it the next fold trained in this process would write into this run."""
        self.experiment.finish(exit_code=0 if finished else 1)


@contextmanager
def _censored_command() -> Iterator[None]:
    """Hide the credentials of the command line, which Weights & Biases keeps with a run."""
    before = sys.argv
    sys.argv = [censored(argument) for argument in before]
    try:
        yield
    finally:
        sys.argv = before
