"""MLflow: a SQLite file and a folder of artifacts, or a server; each fold's best checkpoint in the model registry."""

import logging
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import numpy as np
from sqlalchemy.exc import SQLAlchemyError

from maskfold.runs.run_folder import flatten
from maskfold.tracking.run import Run, plain_name

# Before MLflow is imported. A server that is down holds a run up for seconds, not for MLflow's own minutes.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST, ErrorCode

log = logging.getLogger(__name__)

_KEY = "mlflow"
_SQLITE = "sqlite:///"
_LEVELS = {"mlflow": "WARNING", "alembic": "WARNING", "urllib3": "ERROR"}  # the last warns of every try
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
    errors: ClassVar[tuple[type[Exception], ...]] = (MlflowException, SQLAlchemyError, sqlite3.Error, OSError)

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
        for library, level in _LEVELS.items():
            logging.getLogger(library).setLevel(level)
        if self.tracking_uri.startswith(_SQLITE):
            _check_database(Path(self.tracking_uri.removeprefix(_SQLITE)))
        self.client = MlflowClient(self.tracking_uri)
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
            _allow(error, RESOURCE_DOES_NOT_EXIST)
            return None
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
        existing = self.client.get_experiment_by_name(self.experiment)
        if existing is not None:
            return existing.experiment_id
        local = self.tracking_uri.startswith(_SQLITE)
        location = self.artifacts.resolve().as_uri() if local else None
        try:
            return self.client.create_experiment(self.experiment, artifact_location=location)
        except MlflowException as error:
            _allow(error, RESOURCE_ALREADY_EXISTS)  # another fold, begun at the same time
            return self.client.get_experiment_by_name(self.experiment).experiment_id

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
        try:
            self.client.create_registered_model(member)
        except MlflowException as error:
            _allow(error, RESOURCE_ALREADY_EXISTS)
        source = f"{self.client.get_run(self.id).info.artifact_uri}/checkpoints"
        version = self.client.create_model_version(member, source, self.id, await_creation_for=None)
        self.client.set_registered_model_alias(member, self.run.fold, version.version)

    def end(self, *, finished: bool) -> None:
        """See `Tracker`."""
        self.client.set_terminated(self.id, "FINISHED" if finished else "KILLED")


def _allow(error: MlflowException, code: int) -> None:
    """Raise an error again unless it is the expected one."""
    if error.error_code != ErrorCode.Name(code):
        raise error


def _check_database(path: Path) -> None:
    """Open the file once: MLflow itself tries one that cannot be opened for minutes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        log.info("MLflow: making %s, once", path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA schema_version")
