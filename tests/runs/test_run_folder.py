import json

import pytest
import torch

from maskfold.errors import MaskfoldError
from maskfold.runs.monitor import Monitor
from maskfold.runs.run_folder import FREE_KEYS, RunFolder, flatten

CONFIG = {
    "name": "linknet34",
    "seed": 0,
    "overwrite": False,
    "data": {"name": "photos"},
    "trainer": {"batch_size": 4, "num_workers": None, "accelerator": "auto"},
    "tracker": {},
    "task": {"_target_": "maskfold.recognition.objective.Recognition"},
    "deep": 0,
    "balance": 0,
    "cluster_weights": {},
    "freeze": ["stem"],
    "start_from": None,
    "replay": None,
}
IDENTITY = {"data": "abc", "folds": "def"}
DICE = Monitor(name="val/dice", mode="max", label="validation Dice")
ERROR = Monitor(name="val/error", mode="min", label="validation error")


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "linknet34" / "fold0")
    folder.path.mkdir(parents=True)
    folder.begin(CONFIG, identity=IDENTITY)
    return folder


def changed(**keys):
    """A copy of CONFIG with dotted keys (`trainer__batch_size`) changed."""
    config = {key: dict(value) if isinstance(value, dict) else value for key, value in CONFIG.items()}
    for key, value in keys.items():
        *parents, last = key.split("__")
        node = config
        for parent in parents:
            node = node[parent]
        node[last] = value
    return config


def test_folder_says_what_was_run(folder):
    assert folder.read_config() == CONFIG
    run = json.loads(folder.run.read_text())
    assert run["identity"] == IDENTITY
    assert run["seed"] == 0
    assert run["versions"]["torch"] == torch.__version__.split("+")[0]
    assert run["device"] == (torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu")


def test_same_run_goes_on(folder):
    folder.metrics.write_text("epoch\n0\n")
    folder.begin(CONFIG, identity=IDENTITY)
    assert folder.metrics.exists()


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("config", "identity", "told"),
    [
        (changed(seed=1), IDENTITY, "seed: 0 before, 1 now"),
        (changed(trainer__batch_size=8), IDENTITY, "trainer.batch_size: 4 before, 8 now"),
        (changed(trainer__patience=2), IDENTITY, "trainer.patience: absent before, 2 now"),
        (CONFIG, IDENTITY | {"data": "xyz"}, "data: abc before, xyz now"),
        (CONFIG, IDENTITY | {"folds": "xyz"}, "folds: def before, xyz now"),
    ],
)
def test_another_run_is_refused_by_key_with_both_ways_out(folder, config, identity, told):
    folder.metrics.write_text("epoch\n0\n")
    with pytest.raises(MaskfoldError) as refusal:
        folder.begin(config, identity=identity)
    message = str(refusal.value)
    assert told in message
    assert "name=" in message
    assert "overwrite=true" in message
    assert folder.read_config() == CONFIG


def test_what_changes_no_result_may_differ(folder):
    config = changed(trainer__num_workers=8, trainer__accelerator="cpu")
    config["tracker"] = {"wandb": {"project": "maskfold"}}
    folder.checkpoints.mkdir()
    folder.begin(config, identity=IDENTITY)
    assert folder.read_config() == config
    assert set(FREE_KEYS) == {
        "overwrite",
        "keep_last",
        "keep_best",
        "audit",
        "tracker",
        "trainer.num_workers",
        "trainer.load_timeout",
        "trainer.rank_timeout",
        "trainer.bucket_mb",
        "trainer.save_every",
        "trainer.restart_epoch",
        "trainer.accelerator",
        "data.max_pixels",
        "data.submission",
        "data.sample",
        "data.competition",
    }


def test_a_finished_run_takes_over_how_its_data_is_read_and_stays_as_it_was_trained(folder):
    folder.checkpoints.mkdir()
    folder.finish({"epoch": 0, "val/dice": 0.9}, monitor=DICE)
    config = changed(data__max_pixels=200, data__root="https://me:word@photos.org", trainer__accelerator="cpu")
    with pytest.raises(MaskfoldError, match=r"data\.root: absent before"):
        folder.begin(config, identity=IDENTITY)
    folder.begin(changed(data__max_pixels=200, trainer__accelerator="cpu"), identity=IDENTITY)
    assert folder.read_config() == changed(data__max_pixels=200)


def test_what_is_as_it_was_is_not_written_again(folder):
    folder.checkpoints.mkdir()
    written = folder.config.stat().st_ino
    folder.begin(CONFIG, identity=IDENTITY)
    assert folder.config.stat().st_ino == written


@pytest.mark.hostile("secrets")
def test_no_credential_is_written_where_a_free_key_is_taken_over(folder):
    folder.checkpoints.mkdir()
    folder.begin(changed(tracker={"mlflow": {"uri": "https://me:word@tracker.org"}}), identity=IDENTITY)
    assert "tracker.org" in folder.config.read_text()
    assert "word" not in folder.config.read_text()


@pytest.mark.hostile("killed")
@pytest.mark.parametrize("lost", ["config", "run"])
def test_a_checkpoint_that_nobody_knows_the_configuration_of_is_no_run_to_go_on_with(folder, lost):
    folder.checkpoints.mkdir()
    folder.last.write_text("of another configuration")
    getattr(folder, lost).unlink()
    with pytest.raises(MaskfoldError, match=rf"{lost}\.[a-z]+: missing, so nobody knows .*overwrite=true"):
        folder.begin(changed(seed=1), identity=IDENTITY)


@pytest.mark.parametrize("written", [("config",), ("config", "run")])
def test_a_run_of_which_nothing_came_gives_way_to_another(folder, written):
    for name in {"config", "run"} - {*written}:
        getattr(folder, name).unlink()
    folder.begin(changed(seed=1), identity=IDENTITY)
    assert folder.read_config()["seed"] == 1


def test_finish_keeps_the_best_epoch_and_is_the_last_thing_written(folder):
    assert not folder.finished.exists()
    folder.finish({"epoch": 3, "val/error": 0.9}, monitor=ERROR)
    assert folder.finished.exists()
    assert folder.summary() == {"epoch": 3, "val/error": 0.9}
    assert folder.monitor() == ERROR


def test_a_run_that_does_not_say_what_chose_its_best_epoch_was_judged_by_dice(folder):
    assert folder.monitor() == DICE


@pytest.mark.hostile("damaged files")
def test_no_run_and_damaged_files_are_named(folder, tmp_path):
    with pytest.raises(MaskfoldError, match=r"no run here .*Train this fold first"):
        RunFolder(tmp_path / "none").read_config()
    folder.config.write_text("name: [unclosed")
    folder.metrics.write_text("epoch\n0\n")
    with pytest.raises(MaskfoldError, match=r"config\.yaml: damaged"):
        folder.begin(CONFIG, identity=IDENTITY)
    folder.config.write_text("")
    with pytest.raises(MaskfoldError, match=r"config\.yaml: damaged"):
        folder.read_config()
    folder.run.write_text("{")
    with pytest.raises(MaskfoldError, match=r"run\.json"):
        folder.summary()


def test_costs_are_summed_over_the_epochs(folder):
    with pytest.raises(MaskfoldError, match="no epoch of this fold"):
        folder.costs()
    folder.metrics.write_text(
        "epoch,seconds,images_per_second,peak_memory_mb\n0,10.2,1.5,100\n1,10.4,2.5,300\n2,10.0,9,200\n"
    )
    expected = {"epochs": 3, "seconds": 31, "images_per_second": 2.5, "peak_memory_mb": 300}
    assert expected.items() <= folder.costs().items()


def test_flatten():
    tree = {"a": 1, "b": {"c": [1, 2], "d": {"e": None}}, "empty": {}}
    assert dict(flatten(tree)) == {"a": 1, "b.c": [1, 2], "b.d.e": None}


@pytest.mark.hostile("secrets")
def test_a_part_whose_secret_was_not_kept_is_not_built(tmp_path):
    folder = RunFolder(tmp_path / "fold0")
    folder.path.mkdir()
    source = {"_target_": "maskfold.data.sources.Pairs", "mirrors": [{"access_token": "abcd"}]}
    folder.begin(CONFIG | {"data": source}, identity=IDENTITY)

    with pytest.raises(
        MaskfoldError, match=r"config\.yaml: data\.mirrors\.0\.access_token has \*\*\* in it.*data=\.\.\."
    ):
        folder.part("data")
