"""MLflow: a SQLite file and a folder of artifacts, or a server; each fold's best checkpoint in the model registry."""

import time
from pathlib import Path
from typing import ClassVar

import numpy as np
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from maskfold.runs.run_folder import flatten
from maskfold.tracking.mlflow_client import ERRORS, connect, ensure_registered_model, experiment_id, unknown
from maskfold.tracking.run import Run, plain_name

_KEY = "mlflow"
_LONGEST_PARAM = 500  # characters that every server takes
_PARAMS_AT_ONCE = 100  # that a server takes


class MlflowTracker:
    """One run a fold, tagged with its member; one model a member, whose versions have the aliases `fold<k>`.

    Args:
        tracking_uri: `sqlite:///<file>`, or a server's address.
        artifacts: The folder for files beside a SQLite file; a server has a place of its own.
        experiment: MLflow's name for what this repository's runs lie in.
    """

    name: ClassVar[str] = "MLflow"
    errors: ClassVar[tuple[type[Exception], ...]] = ERRORS

    def __init__(self, *, tracking_uri: str, artifacts: str, experiment: str) -> None:
        self.tracking_uri = tracking_uri
        self.artifacts = Path(artifacts)
        self.experiment = experiment
        self.advice = (
            f"See that {tracking_uri} is up and can be written to, or name another: tracker.mlflow.tracking_uri=..."
        )

    def begin(self, run: Run) -> None:
        """See `Tracker`.

        Raises:
            mlflow.exceptions.MlflowException: If the server does not answer.
            sqlite3.Error: If the file is not a database, or cannot be made.
        """
        self.client = connect(self.tracking_uri)
        self.run = run
        self.id = self._resumed() or self._created()

    def _resumed(self) -> str | None:
        """Set the run that was broken off running again; None where this server knows of none."""
        run_id = self.run.known_as(_KEY)
        if run_id is None:
            return None
        try:
            self.client.update_run(run_id, status="RUNNING")
        except MlflowException as error:
            if unknown(error):
                return None
            raise
        return run_id

    def _created(self) -> str:
        tags = {"member": self.run.member, "fold": self.run.fold, "mlflow.source.git.commit": self.run.facts["commit"]}
        tags |= {key: str(value) for key, value in flatten(self.run.facts)}
        name = f"{self.run.member}-{self.run.fold}"
        run = self.client.create_run(self._experiment_id(), run_name=name, tags=tags)
        params = [Param(key, str(value)[:_LONGEST_PARAM]) for key, value in flatten(self.run.config)]
        for start in range(0, len(params), _PARAMS_AT_ONCE):
            self.client.log_batch(run.info.run_id, params=params[start : start + _PARAMS_AT_ONCE])
        for path in (self.run.folder.config, self.run.folder.run):
            self.client.log_artifact(run.info.run_id, str(path))
        self.run.keep(_KEY, run.info.run_id)
        return run.info.run_id

    def _experiment_id(self) -> str:
        return experiment_id(self.client, self.experiment, tracking_uri=self.tracking_uri, artifacts=self.artifacts)

    def log_epoch(self, row: dict[str, float]) -> None:
        """See `Tracker`."""
        now = time.time_ns() // 1_000_000
        metrics = [Metric(name, value, now, row["epoch"]) for name, value in row.items() if name != "epoch"]
        self.client.log_batch(self.id, metrics=metrics)

    def log_samples(self, pictures: dict[str, np.ndarray], *, epoch: int) -> None:
        """See `Tracker`."""
        for image_id, picture in pictures.items():
            self.client.log_image(self.id, picture, f"samples/{image_id}.png")

    def log_checkpoint(self, path: Path) -> None:
        """See `Tracker`; the fold's alias moves on to the new version."""
        self.client.log_artifact(self.id, str(path), "checkpoints")
        member = plain_name(self.run.member)
        ensure_registered_model(self.client, member)
        source = f"{self.client.get_run(self.id).info.artifact_uri}/checkpoints"
        version = self.client.create_model_version(member, source, self.id, await_creation_for=None)
        self.client.set_registered_model_alias(member, self.run.fold, version.version)

    def end(self, *, finished: bool) -> None:
        """See `Tracker`."""
        self.client.set_terminated(self.id, "FINISHED" if finished else "KILLED")
