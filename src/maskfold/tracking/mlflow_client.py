"""The way to MLflow, a SQLite file or a server, for who tells it of runs and for who promotes them."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, RESOURCE_DOES_NOT_EXIST, ErrorCode
from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger(__name__)

ERRORS = (MlflowException, SQLAlchemyError, sqlite3.Error, OSError)  # what goes wrong outside of this process
_SQLITE = "sqlite:///"
_LEVELS = {"mlflow": "WARNING", "alembic": "WARNING", "urllib3": "ERROR"}  # the last warns of every try


def connect(tracking_uri: str) -> MlflowClient:
    """Return a client of a SQLite file, which is made if it is not there, or of a server.

    Args:
        tracking_uri: `sqlite:///<file>`, or a server's address.

    Raises:
        sqlite3.Error: If the file is not a database, or cannot be made.
    """
    for library, level in _LEVELS.items():
        logging.getLogger(library).setLevel(level)
    database = database_of(tracking_uri)
    if database is not None:
        _check_database(database)
    return MlflowClient(tracking_uri)


def database_of(tracking_uri: str) -> Path | None:
    """Return the SQLite file that an address names; None for a server's."""
    return Path(tracking_uri.removeprefix(_SQLITE)) if tracking_uri.startswith(_SQLITE) else None


def experiment_id(client: MlflowClient, name: str, *, tracking_uri: str, artifacts: Path) -> str:
    """Return the id of what runs lie in, made if it is not there.

    Args:
        client: Of `tracking_uri`.
        name: MLflow's name of it.
        tracking_uri: `sqlite:///<file>`, or a server's address.
        artifacts: The folder for files beside a SQLite file; a server has a place of its own.
    """
    existing = client.get_experiment_by_name(name)
    if existing is not None:
        return existing.experiment_id
    location = None if database_of(tracking_uri) is None else artifacts.resolve().as_uri()
    try:
        return client.create_experiment(name, artifact_location=location)
    except MlflowException as error:
        allow(error, RESOURCE_ALREADY_EXISTS)  # another run, begun at the same time
        return client.get_experiment_by_name(name).experiment_id


def ensure_registered_model(client: MlflowClient, name: str) -> None:
    """Make a registered model unless it is there."""
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        allow(error, RESOURCE_ALREADY_EXISTS)


def allow(error: MlflowException, code: int) -> None:
    """Raise an error again unless it is the expected one, such as `RESOURCE_DOES_NOT_EXIST`."""
    if error.error_code != ErrorCode.Name(code):
        raise error


def unknown(error: MlflowException) -> bool:
    """Return whether an error says that MLflow knows nothing of the kind."""
    return error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)


def _check_database(path: Path) -> None:
    """Open the file once: MLflow itself tries one that cannot be opened for minutes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        log.info("MLflow: making %s, once", path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA schema_version")
