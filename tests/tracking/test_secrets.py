"""A run whose configuration and command have passwords in them, kept by every tracker."""

import os
import shutil
import sys

import pytest

from maskfold.runs.run_folder import RunFolder
from maskfold.tracking.guard import tracked
from maskfold.tracking.mlflow_tracker import MlflowTracker
from maskfold.tracking.tensorboard_tracker import TensorBoardTracker

SECRET = b"Sesam-oeffne-dich"
URI = "http://anna:Sesam-oeffne-dich@tracking.example:5000"


@pytest.mark.hostile("secrets")
def test_no_file_of_any_tracker_has_a_password_in_it(tmp_path, monkeypatch, empty_database, row):
    import wandb  # which takes seconds: of two processes of the suite one needs it

    from maskfold.tracking.wandb_tracker import WandbTracker

    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setattr(sys, "argv", ["train", f"tracker.mlflow.tracking_uri={URI}", f"upload.token={SECRET.decode()}"])
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    folder = RunFolder(tmp_path / "experiments/m/fold2")
    config = {"name": "m", "fold": 2, "seed": 3, "tracker": {"mlflow": {"tracking_uri": URI}}}
    config |= {"upload": {"token": SECRET.decode()}, "task": {"_target_": "colours.Colours"}, "freeze": []}
    folder.begin(config, identity={"data": "d4"})
    trackers = [
        WandbTracker(project="maskfold", offline=True),
        MlflowTracker(
            tracking_uri=f"sqlite:///{tmp_path}/mlflow.db", artifacts=f"{tmp_path}/artifacts", experiment="m"
        ),
        TensorBoardTracker(folder=f"{tmp_path}/events"),
    ]

    wandb.teardown()
    with tracked(trackers, folder) as listening:
        listening.log_epoch(row)
        assert len(listening.listening) == 3
    wandb.teardown()

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 6
    assert [path for path in files if SECRET in path.read_bytes()] == []
    assert "tracking_uri: http://***@tracking.example:5000" in folder.config.read_text()
    assert sys.argv[1].endswith(URI)


@pytest.mark.hostile("secrets")
def test_a_run_with_a_password_goes_on_as_the_same_run(tmp_path):
    folder = RunFolder(tmp_path)
    config = {"name": "m", "seed": 3, "task": {}, "freeze": [], "store": URI, "tracker": {"mlflow": {"uri": URI}}}
    folder.begin(config, identity={})
    folder.metrics.write_text("epoch\n0\n")

    folder.begin(config, identity={})
