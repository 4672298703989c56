import json
import os
import signal
import struct
import time
from pathlib import Path

import pytest

from maskfold.tracking.guard import tracked

# Weights & Biases takes seconds to import, and of the suite's processes the one that runs these tests does it alone.
BLOCK = 32768  # bytes; the file is LevelDB's log, with a header of 7 bytes
LAST_PART = (1, 4)  # a whole record, or the end of one


def records(path):
    """Read what an offline run has kept."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, joined = path.read_bytes(), 7, b""
    while place + 7 <= len(data):
        if BLOCK - place % BLOCK < 7:  # too little for a header: the next block
            place += BLOCK - place % BLOCK
            continue
        length, kind = struct.unpack("<HB", data[place + 4 : place + 7])
        if place + 7 + length > len(data):  # still being written
            return
        joined += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in LAST_PART:
            yield Record.FromString(joined)
            joined = b""


def kept(run):
    """Return the records of every offline run in a run folder, oldest first, once the service has written them all."""
    files = sorted((run.folder.path / "wandb").glob("offline-run-*/run-*.wandb"), key=lambda path: path.stat().st_mtime)
    patience = time.monotonic() + 10  # finish() returns when the end was taken note of, not when it is on disk
    while time.monotonic() < patience:
        found = [list(records(path)) for path in files]
        if all(any(record.WhichOneof("record_type") == "exit" for record in one) for one in found):
            break
        time.sleep(0.1)
    return found


def history(one):
    rows = [record.history.item for record in one if record.WhichOneof("record_type") == "history"]
    return [{"/".join(item.nested_key) or item.key: item.value_json for item in items} for items in rows]


def said(caplog):
    """Return what the user was told."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("maskfold")]


@pytest.fixture(autouse=True)
def quiet(monkeypatch, tmp_path):
    """Weights & Biases as on a machine where nobody has ever logged in."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    import wandb

    wandb.teardown()
    yield
    wandb.teardown()


def tracker_of(**options):
    """Return a tracker of the project `maskfold`."""
    from maskfold.tracking.wandb_tracker import WandbTracker

    return WandbTracker(project="maskfold", **options)


def test_an_offline_run_is_read_back_and_goes_on_under_its_id(begun, row, picture, checkpoint):
    run = begun()
    tracker = tracker_of(offline=True)
    tracker.begin(run)
    tracker.log_epoch(row)
    tracker.log_samples({"car_01": picture}, epoch=0)
    tracker.log_checkpoint(checkpoint)
    tracker.end(finished=False)
    again = tracker_of(offline=True)
    again.begin(begun())
    again.log_epoch(row | {"epoch": 1})
    again.end(finished=True)

    first, second = kept(run)
    (described,) = [record.run for record in first if record.WhichOneof("record_type") == "run"]
    assert (described.project, described.run_group, described.display_name) == ("maskfold", "m", "m-fold2")
    config = {item.key: item.value_json for item in described.config.update}
    assert json.loads(config["optimizer"]) == {"lr": 0.1}
    assert {"commit", "versions", "device"} <= json.loads(config["run"]).keys()
    assert json.loads(config["run"])["identity"] == {"data": "d4", "folds": "f5"}
    assert [line["val/dice"] for line in history(first) if "val/dice" in line] == ["0.5"]
    assert [line["rate"] for line in history(first) if "rate" in line] == ["0.1"]
    assert [json.loads(line["samples/captions"]) for line in history(first) if "samples/captions" in line] == [
        ["car_01"]
    ]
    (artifact,) = [record.artifact for record in first if record.WhichOneof("record_type") == "artifact"]
    assert (artifact.name, artifact.type) == ("m-fold2", "model")
    assert [file.local_path for file in artifact.manifest.contents] == [str(checkpoint)]
    assert [described.run_id] == [record.run.run_id for record in second if record.WhichOneof("record_type") == "run"]
    assert [line["epoch"] for line in history(second) if "val/dice" in line] == ["1"]


def test_a_member_in_a_folder_of_members_keeps_its_checkpoint_under_a_plain_name(begun, checkpoint):
    run = begun(name="studies/linknet34+ema")
    tracker = tracker_of(offline=True)
    tracker.begin(run)
    tracker.log_checkpoint(checkpoint)
    tracker.end(finished=True)
    (records,) = kept(run)
    (artifact,) = [record.artifact for record in records if record.WhichOneof("record_type") == "artifact"]
    assert artifact.name == "studies-linknet34-ema-fold2"


@pytest.mark.hostile("wrong input")
def test_without_a_key_nobody_is_asked_and_the_run_goes_on(begun, row, caplog, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked for a key"))
    monkeypatch.setattr("getpass.getpass", lambda *_: pytest.fail("asked for a key"))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    with tracked([tracker_of()], begun().folder) as trackers:
        trackers.log_epoch(row)
    (message,) = said(caplog)
    assert message.startswith("Weights & Biases: not logged in. The run goes on without it")
    assert "wandb login" in message


def test_a_key_of_another_service_is_refused_before_the_run(begun, caplog, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "short")
    with tracked([tracker_of()], begun().folder):
        pass
    (message,) = said(caplog)
    assert "WANDB_API_KEY invalid" in message


def test_disabled_by_the_environment_nothing_is_kept(begun, row, picture, checkpoint, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = begun()
    with tracked([tracker_of()], run.folder) as trackers:
        trackers.log_epoch(row)
        trackers.log_result(lambda: {"car_01": picture}, checkpoint, epoch=0)
    assert said(caplog) == []
    assert kept(run) == []


def service():
    """Return the ids of the processes that Weights & Biases has started from this one."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, parent = (
                (folder / "cmdline").read_bytes(),
                (folder / "stat").read_text().rpartition(")")[2].split()[1],
            )
        except OSError:
            continue
        if b"wandb-core" in command and int(parent) == os.getpid():
            yield int(folder.name)


@pytest.mark.hostile("killed")
def test_its_process_killed_in_the_middle_does_not_stop_the_run(begun, row, caplog):
    with tracked([tracker_of(offline=True)], begun().folder) as trackers:
        trackers.log_epoch(row)
        (process,) = service()
        os.kill(process, signal.SIGKILL)
        for epoch in range(1, 50):
            trackers.log_epoch(row | {"epoch": epoch})
    assert len(said(caplog)) == 1
    import wandb

    with pytest.raises(ConnectionError):
        wandb.teardown()
