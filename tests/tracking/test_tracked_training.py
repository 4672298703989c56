"""The training stage with real trackers, that answer and that do not."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from maskfold.config import compose, resolved
from maskfold.stages.train import train

SMALL = ["experiment=linknet34", "model=unet_scratch", "model.widths=[8,8]", "trainer.accelerator=cpu", "scale=smoke"]
ALL = "tracker=[wandb,tensorboard,mlflow]"
RUN = Path("experiments/linknet34/fold0")


@pytest.fixture(autouse=True)
def nobody_logged_in(monkeypatch, tmp_path):
    """Weights & Biases as on a new machine."""
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    import wandb  # here: it takes seconds, which not all of the suite's processes need to spend

    wandb.teardown()
    yield
    wandb.teardown()


@pytest.mark.parametrize("group", ["csv", "wandb", "tensorboard", "mlflow"])
def test_trackers_compose_one_by_one_and_together(group):
    alone = resolved(compose("train", [*SMALL, f"tracker={group}"]).tracker)
    assert alone.keys() == {group} - {"csv"}
    together = resolved(compose("train", [*SMALL, ALL]).tracker)
    assert together.keys() == {"wandb", "tensorboard", "mlflow"}
    assert all(together[name] == alone[name] for name in alone)


def test_one_training_in_all_trackers(workplace, empty_database):
    shutil.copy(empty_database, "mlflow.db")
    uri = "tracker.mlflow.tracking_uri=sqlite:///mlflow.db"
    best = train(compose("train", [*SMALL, *workplace, ALL, "tracker.wandb.offline=true", uri]))
    dice = best["val/dice"]

    events = EventAccumulator("experiments/tracking/tensorboard/linknet34/fold0").Reload()
    assert [event.value for event in events.Scalars("val/dice")] == [pytest.approx(dice)]
    assert [event.value for event in events.Scalars("rate")] == [pytest.approx(best["rate"])]
    assert len(events.Tags()["images"]) == 4

    client = MlflowClient("sqlite:///mlflow.db")
    version = client.get_model_version_by_alias("linknet34", "fold0")
    assert client.get_run(version.run_id).data.metrics["val/dice"] == dice
    assert len(client.list_artifacts(version.run_id, "samples")) == 4
    (kept,) = Path("experiments/tracking/mlflow/artifacts").rglob("best.ckpt")
    assert kept.read_bytes() == (RUN / "checkpoints/best.ckpt").read_bytes()

    (log,) = (RUN / "wandb").glob("offline-run-*/run-*.wandb")
    assert b"val/dice" in log.read_bytes()
    assert len(list(log.parent.glob("files/media/images/samples_*.png"))) == 4


@pytest.mark.hostile("secrets")
def test_trackers_that_are_down_stop_nothing_and_tell_no_password(workplace, caplog):
    Path("events").write_text("in the folder's place")
    down = ["tracker.mlflow.tracking_uri=http://anna:geheim@127.0.0.1:9", "tracker.tensorboard.folder=events"]
    train(compose("train", [*SMALL, *workplace, ALL, *down, "trainer.max_epochs=2"]))
    assert (RUN / "finished").exists()
    assert pd.read_csv(RUN / "metrics.csv")["epoch"].tolist() == [0, 1]
    told = [record.getMessage() for record in caplog.records if record.name == "maskfold.tracking.guard"]
    assert [message.partition(":")[0] for message in told] == ["Weights & Biases", "TensorBoard", "MLflow"]
    assert all("The run goes on without it, and metrics.csv is whole." in message for message in told)
    assert "geheim" not in caplog.text
    assert "http://***@127.0.0.1:9" in told[-1]
    assert not [path for path in RUN.rglob("*") if path.is_file() and b"geheim" in path.read_bytes()]
