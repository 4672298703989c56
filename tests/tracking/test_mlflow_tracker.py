import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from maskfold.tracking.guard import tracked
from maskfold.tracking.mlflow_tracker import MlflowTracker
from mlflow_server import free_port, serving, stop


@pytest.fixture
def database(tmp_path, empty_database) -> str:
    """The address of a database of this test's own."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


def local(tmp_path, uri):
    return MlflowTracker(tracking_uri=uri, artifacts=str(tmp_path / "artifacts"), experiment="maskfold")


def said(caplog):
    """Return what the user was told."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("maskfold")]


def runs(client):
    experiment = client.get_experiment_by_name("maskfold")
    return client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"])


def dices(client, run_id):
    return [(metric.step, metric.value) for metric in client.get_metric_history(run_id, "val/dice")]


def assert_whole(client, picture, folder):
    """Assert that there is one run with all that `tell` tells of it, and its checkpoint in the registry."""
    (run,) = runs(client)
    assert (run.info.run_name, run.info.status) == ("m-fold2", "FINISHED")
    assert run.data.params == {
        "name": "m",
        "fold": "2",
        "seed": "3",
        "optimizer.lr": "0.1",
        "task._target_": "colours.Colours",
        "deep": "0",
        "balance": "0",
        "freeze": "[]",
        "start_from": "None",
        "replay": "None",
    }
    assert run.data.metrics == {"rate": 0.1, "train/loss": 0.75, "val/dice": 0.75, "val/iou": 0.25}
    assert dices(client, run.info.run_id) == [(0, 0.5), (1, 0.75)]
    tags = {"member": "m", "fold": "fold2", "identity.data": "d4", "identity.folds": "f5", "seed": "3"}
    assert run.data.tags.items() >= tags.items()
    assert {"commit", "mlflow.source.git.commit", "device", "versions.torch"} <= run.data.tags.keys()
    assert {entry.path for entry in client.list_artifacts(run.info.run_id)} == {
        "checkpoints",
        "config.yaml",
        "run.json",
        "samples",
    }
    shown = cv2.imread(client.download_artifacts(run.info.run_id, "samples/car_01.png", folder), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(shown, picture)
    version = client.get_model_version_by_alias("m", "fold2")
    assert (version.run_id, int(version.version)) == (run.info.run_id, 1)


def tell(tracker, run, row, picture, checkpoint):
    with tracked([tracker], run.folder) as trackers:
        trackers.log_epoch(row)
        trackers.log_epoch(row | {"epoch": 1, "val/dice": 0.75})
        trackers.log_result(lambda: {"car_01": picture}, checkpoint, epoch=1)


def test_everything_is_read_back_from_the_database(tmp_path, begun, database, row, picture, checkpoint, caplog):
    tell(local(tmp_path, database), begun(), row, picture, checkpoint)
    assert said(caplog) == []
    client = MlflowClient(database)
    assert_whole(client, picture, tmp_path)
    source = client.get_model_version_by_alias("m", "fold2").source
    assert source.startswith((tmp_path / "artifacts").as_uri())
    kept = Path(download_artifacts(f"{source}/best.ckpt", dst_path=tmp_path / "kept"))
    assert kept.read_bytes() == b"weights"


def test_a_run_broken_off_goes_on_and_one_begun_anew_takes_over_its_alias(
    tmp_path, begun, database, row, picture, checkpoint
):
    client = MlflowClient(database)
    stopped = local(tmp_path, database)
    stopped.begin(begun())
    stopped.log_epoch(row)
    stopped.end(finished=False)
    assert [run.info.status for run in runs(client)] == ["KILLED"]
    with tracked([local(tmp_path, database)], begun().folder) as trackers:
        trackers.log_epoch(row | {"epoch": 1})
        assert [run.info.status for run in runs(client)] == ["RUNNING"]
        trackers.log_result(lambda: {}, checkpoint, epoch=1)
    (first,) = runs(client)
    assert dices(client, first.info.run_id) == [(0, 0.5), (1, 0.5)]
    assert first.info.status == "FINISHED"

    tell(local(tmp_path, database), begun(overwrite=True), row, picture, checkpoint)
    first, second = runs(client)
    version = client.get_model_version_by_alias("m", "fold2")
    assert (version.run_id, int(version.version)) == (second.info.run_id, 2)
    assert len(client.search_model_versions("name='m'")) == 2


def test_a_run_that_this_database_does_not_know_begins_there(tmp_path, begun, database, row, caplog):
    run = begun()
    run.keep("mlflow", "0" * 32)
    with tracked([local(tmp_path, database)], run.folder) as trackers:
        trackers.log_epoch(row)
    assert said(caplog) == []
    (found,) = runs(MlflowClient(database))
    assert run.known_as("mlflow") == found.info.run_id


def test_a_server_that_is_down_is_said_once_and_soon(begun, row, caplog, tmp_path):
    address = f"http://127.0.0.1:{free_port()}"
    started = time.monotonic()
    with tracked([local(tmp_path, address)], begun().folder) as trackers:
        for epoch in range(20):
            trackers.log_epoch(row | {"epoch": epoch})
    assert time.monotonic() - started < 20
    (message,) = said(caplog)
    assert message.startswith("MLflow: Connection refused. The run goes on without it, and metrics.csv is whole.")
    assert f"See that {address} is up" in message


@pytest.mark.parametrize(
    ("name", "reason"), [("no_database", "file is not a database"), ("no_database/mlflow.db", "File exists")]
)
def test_a_database_that_cannot_be_opened_is_said_once_and_soon(tmp_path, begun, row, caplog, name, reason):
    (tmp_path / "no_database").write_bytes(b"no database" * 100)
    started = time.monotonic()
    with tracked([local(tmp_path, f"sqlite:///{tmp_path}/{name}")], begun().folder) as trackers:
        trackers.log_epoch(row)
    assert time.monotonic() - started < 20
    (message,) = said(caplog)
    assert message.startswith(f"MLflow: {reason}. The run goes on without it")


@pytest.fixture
def server(tmp_path, database) -> Iterator[tuple[str, subprocess.Popen]]:
    """A server of this test's own: its address and its process, the first of a group."""
    with serving(tmp_path, database) as address_and_process:
        yield address_and_process


@pytest.mark.slow
def test_a_real_server_is_told_everything_and_its_death_midway_stops_no_run(
    tmp_path, begun, server, row, picture, checkpoint, caplog
):
    address, process = server
    tell(local(tmp_path, address), begun(), row, picture, checkpoint)
    assert said(caplog) == []
    assert_whole(MlflowClient(address), picture, tmp_path)
    assert not (tmp_path / "artifacts").exists()
    assert [path.read_bytes() for path in (tmp_path / "served").rglob("best.ckpt")] == [b"weights"]

    with tracked([local(tmp_path, address)], begun(overwrite=True).folder) as trackers:
        trackers.log_epoch(row)
        stop(process)
        started = time.monotonic()
        for epoch in range(1, 20):
            trackers.log_epoch(row | {"epoch": epoch})
    assert time.monotonic() - started < 20
    (message,) = said(caplog)
    assert message.startswith("MLflow: Connection refused. The run goes on without it")
