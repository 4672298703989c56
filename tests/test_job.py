"""A job takes what it needs from elsewhere, ends when it is done or asked to, and says why it has failed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maskfold import job as jobs
from maskfold.errors import MaskfoldError
from maskfold.job import JobCommands, work

ENTRY = Path(__file__).parents[1] / "docker" / "train.sh"


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch, tmp_path) -> None:
    for name in (jobs.KEEP, jobs.MODEL, jobs.PUBLISH, jobs.FAILURE, jobs.EVERY):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(jobs.ML, str(tmp_path / "ml"))
    monkeypatch.chdir(tmp_path)


def sagemaker(root: Path, *channels: str, **given: object) -> Path:
    """Make the folders that SageMaker makes."""
    ml = root / "ml"
    for folder in ("input/config", "checkpoints", "model", *(f"input/data/{name}" for name in channels)):
        (ml / folder).mkdir(parents=True)
    hyperparameters = {key.replace("__", "."): value for key, value in given.items()}
    (ml / "input/config/hyperparameters.json").write_text(json.dumps(hyperparameters))
    return ml


class Noted(JobCommands):
    """Writes down commands in place of running them."""

    def __init__(self, *statuses: int) -> None:
        super().__init__()
        self.commands: list[list[str]] = []
        self.statuses = [*statuses]

    def run(self, command: list[str]) -> int:
        self.commands.append([*command])
        return self.statuses.pop(0) if self.statuses else 0


def test_a_command_without_a_word_of_elsewhere_runs_as_it_is():
    job = Noted()
    assert work(job, ["python", "-m", "maskfold", "train", "fold=0"]) == 0
    assert job.commands == [["python", "-m", "maskfold", "train", "fold=0"]]


def test_a_model_is_exported_and_published_when_its_training_is_done(monkeypatch):
    monkeypatch.setenv(jobs.MODEL, "out")
    monkeypatch.setenv(jobs.PUBLISH, "s3://shop/models")
    train = ["torchrun", "-m", "maskfold.stages.train", "experiment=linknet34", "fold=3"]
    job = Noted()
    assert work(job, train) == 0
    assert [command[3:] for command in job.commands[1:]] == [
        ["export", "name=linknet34", "fold=3", "out=out"],
        ["publish", "exported=out", "to=s3://shop/models"],
    ]
    for failing in (Noted(1), Noted(0, 1)):
        assert work(failing, train) == 1
    assert [len(one.commands) for one in (Noted(), failing)] == [0, 2]
    other = Noted()
    work(other, ["python", "-m", "maskfold", "predict", "name=linknet34"])
    assert len(other.commands) == 1


def test_sagemakers_hyperparameters_and_channels_become_keys(tmp_path):
    given = {"experiment": '"linknet34"', "trainer__max_epochs": "3", "freeze": '["encoder.conv1"]', "fold": 1}
    ml = sagemaker(tmp_path, "training", "weights", **given, sagemaker_program='"train.py"')
    job = Noted()
    work(job, ["python", "-m", "maskfold", "train"])
    assert job.commands[0][4:] == [
        "experiment=linknet34",
        "trainer.max_epochs=3",
        'freeze=["encoder.conv1"]',
        "fold=1",
        f"data.root={ml}/input/data/training",
    ]
    assert job.commands[1][3:] == ["export", "name=linknet34", "fold=1", f"out={ml}/model"]
    assert Path.cwd() == ml / "checkpoints"


@pytest.mark.parametrize(
    ("channels", "given", "root"),
    [
        (["photos"], {}, "photos"),
        (["photos", "weights"], {}, None),
        (["training"], {"data__root": "/elsewhere"}, None),
        ([], {}, None),
    ],
)
def test_photos_are_in_the_only_channel_or_where_they_are_said_to_be(channels, given, root, tmp_path):
    ml = sagemaker(tmp_path, *channels, **given)
    assert jobs._data(ml) == ([f"data.root={ml}/input/data/{root}"] if root else [])


@pytest.mark.hostile("wrong input")
def test_what_is_no_hyperparameter_is_refused_by_name(tmp_path):
    ml = sagemaker(tmp_path, **{"a b": "1"})
    with pytest.raises(MaskfoldError, match="'a b' is no key"):
        work(Noted(), ["train"])
    (ml / "input/config/hyperparameters.json").write_text("[")
    with pytest.raises(MaskfoldError, match=r"hyperparameters\.json: no hyperparameters"):
        work(Noted(), ["train"])


@pytest.fixture
def entry(tmp_path) -> dict[str, str]:
    """An environment in which `python` is this one for the job, and a shell that acts as a training for all else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "python"
    script.write_text(f"""#!/bin/sh
[ "$2" = maskfold.job ] && exec {sys.executable} "$@"
mkdir -p experiments/a/fold0/checkpoints
echo "$@" > seen
[ -n "$FAILS" ] && {{ echo "the disk is full" >&2; exit 1; }}
trap 'echo state > experiments/a/fold0/checkpoints/last.ckpt; exit 143' TERM
touch begun
while :; do sleep 0.02; done
""")
    script.chmod(0o755)
    return os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.hostile("killed")
def test_the_entry_ends_on_sigterm_behind_a_checkpoint_that_another_machine_has(entry, tmp_path):
    ml = sagemaker(tmp_path, "training", experiment="linknet34")
    kept = tmp_path / "kept"
    process = subprocess.Popen([ENTRY, "train"], env=entry | {jobs.KEEP: str(kept)})
    while not (ml / "checkpoints/begun").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)

    assert process.wait(20) == 143
    assert (kept / "experiments/a/fold0/checkpoints/last.ckpt").read_text() == "state\n"
    said = (ml / "checkpoints/seen").read_text().split()
    assert said == ["-m", "maskfold", "train", "experiment=linknet34", f"data.root={ml}/input/data/training"]
    assert not (ml / "output/failure").exists()


def test_the_cause_of_a_failure_is_not_what_torchrun_says_of_it():
    said = ["epoch 1/3\n", "data.root=x: no such folder.\n"]
    torchrun = ["E1122 05:26:17.1 2042 torch/distributed/elastic/multiprocessing/api.py:984] failed\n", "Root Cause\n"]
    assert jobs.cause([*said, *torchrun]) == "epoch 1/3\ndata.root=x: no such folder."
    assert jobs.cause(said) == "epoch 1/3\ndata.root=x: no such folder."
    assert jobs.cause(torchrun).endswith("Root Cause")


def test_the_last_words_of_a_job_that_fails_are_where_failures_are_looked_for(entry, tmp_path):
    ml = sagemaker(tmp_path, experiment="linknet34")
    failed = subprocess.run([ENTRY, "train"], env=entry | {"FAILS": "yes"}, capture_output=True, text=True)

    assert failed.returncode == 1
    assert "the disk is full" in failed.stderr
    assert (ml / "output/failure").read_text() == "the disk is full"
