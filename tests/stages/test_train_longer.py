"""Trained longer, and begun with the weights of another run: what comes out, and what is refused."""

import json

import pandas as pd
import pytest
import torch

from maskfold.campaign.members import find_members
from maskfold.config import compose
from maskfold.engine.checkpoints import load_checkpoint
from maskfold.errors import MaskfoldError
from maskfold.runs.lineage import read_lineage
from maskfold.runs.run_folder import RunFolder
from maskfold.stages.train import train

SMALL = ["experiment=demo_unet", "scale=smoke", "model.widths=[4,8]", "trainer.accelerator=cpu"]


@pytest.fixture
def run(tmp_path, workplace):
    """Train with overrides; return the run's folder."""

    def start(name: str, *overrides: str, fold: int = 0) -> RunFolder:
        train(compose("train", [*SMALL, *workplace, f"name={name}", f"fold={fold}", *overrides]))
        return RunFolder(tmp_path / "experiments" / name / f"fold{fold}")

    return start


def weights(path):
    return load_checkpoint(path)["state_dict"]


def test_the_last_state_is_dropped_when_a_run_is_finished_unless_it_is_to_be_kept(run):
    assert not run("dropped", "trainer.max_epochs=1").last.exists()
    kept = run("kept", "trainer.max_epochs=1", "keep_last=true")
    assert kept.last.exists()
    for _ in range(2):
        run("kept", "trainer.max_epochs=1")  # finished: nothing is done, and nothing is taken away
    assert kept.last.exists()


@pytest.mark.hostile("killed")
def test_the_last_state_that_a_killed_run_left_is_dropped_by_the_next_start(run):
    dropped = run("dropped", "trainer.max_epochs=1")
    dropped.last.write_text("finished, and killed before this was dropped")
    run("dropped", "trainer.max_epochs=1", "keep_last=true")
    assert dropped.last.exists()
    run("dropped", "trainer.max_epochs=1")
    assert not dropped.last.exists()


def test_two_epochs_and_one_more_are_what_three_would_have_been(run):
    longer = run("longer", "trainer.max_epochs=2", "keep_last=true")
    run("longer", "trainer.max_epochs=3", "keep_last=true")
    whole = run("whole", "trainer.max_epochs=3", "keep_last=true")

    for name in ("best", "last"):
        one, other = weights(longer.checkpoint(name)), weights(whole.checkpoint(name))
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert pd.read_csv(longer.metrics)["epoch"].tolist() == [0, 1, 2]
    assert longer.finished.exists()
    assert longer.read_config()["trainer"]["max_epochs"] == 3
    with pytest.raises(MaskfoldError, match=r"trainer\.max_epochs: 3 before, 2 now"):
        run("longer", "trainer.max_epochs=2")


def test_longer_without_the_last_state_names_both_ways_out(run):
    run("short", "trainer.max_epochs=1")
    with pytest.raises(MaskfoldError, match=r"keep_last=true(.|\n)*start_from=\S*short/fold0(.|\n)*overwrite=true"):
        run("short", "trainer.max_epochs=2")


def test_a_schedule_that_is_stretched_over_all_epochs_cannot_be_made_longer(run):
    run("cosine", "schedule=cosine", "trainer.max_epochs=1", "keep_last=true")
    with pytest.raises(MaskfoldError, match=r"schedule\.T_max: 1 before, 2 now"):
        run("cosine", "schedule=cosine", "trainer.max_epochs=2")


@pytest.mark.parametrize("stretched", [["schedule=warmup_cosine"], ["mixing.mixup=1"]])
def test_what_follows_from_the_number_of_epochs_cannot_be_made_longer(run, stretched):
    run("stretched", *stretched, "trainer.max_epochs=1", "keep_last=true")
    with pytest.raises(MaskfoldError, match=r"trainer\.max_epochs: 1 before, 2 now"):
        run("stretched", *stretched, "trainer.max_epochs=2")


@pytest.fixture
def first(run):
    """A finished run of fold 0."""
    return run("first", "trainer.max_epochs=1")


def test_a_run_begins_with_the_weights_of_another_and_remembers_what_that_has_seen(run, first, tmp_path):
    # A rate so small that the weights stay where they began.
    still = ["trainer.max_epochs=1", "'schedule.phases=[{epochs: 1, rate: 1.0e-12}]'", "seed=7"]
    tuned = run("tuned", *[one.strip("'") for one in still], f"start_from={first.path.parent}")

    began, ended = weights(first.best), weights(tuned.best)
    learned = [key for key in began if key.endswith("weight")]
    assert all(torch.allclose(began[key], ended[key], atol=1e-6) for key in learned)
    assert set(read_lineage(first.path).seen) <= set(read_lineage(tuned.path).seen)
    assert len(json.loads(tuned.run.read_text())["identity"]["start"]) == 64
    assert tuned.read_config()["start_from"] == str(first.path.parent)


def test_a_campaign_takes_a_finished_run_that_began_with_another_for_what_it_is(run, first):
    tuned = run("tuned", "trainer.max_epochs=1", f"start_from={first.path.parent}")
    (member,) = find_members([[{"experiment": "tuned", "folds": [0]}]], [])

    member.refuse_other_runs()

    replaced = load_checkpoint(first.best)
    torch.save(replaced | {"epoch": 7}, first.best)
    with pytest.raises(MaskfoldError, match=r"tuned/fold0 was trained with another configuration:\n  start: "):
        member.refuse_other_runs()
    assert tuned.finished.exists()


def test_a_campaign_hands_a_new_limit_of_pixels_on_to_a_finished_run(run, workplace):
    finished = run("demo_unet", "trainer.max_epochs=1")
    overrides = [*SMALL[1:], *workplace, "trainer.max_epochs=1", "data.max_pixels=5000"]
    (member,) = find_members([[{"experiment": "demo_unet", "folds": [0]}]], overrides)

    member.refuse_other_runs()

    assert finished.part("data")["max_pixels"] == 5000


@pytest.mark.hostile("leaks")
@pytest.mark.parametrize("of", ["fold0", "fold0/checkpoints/best.ckpt"])
def test_a_start_that_has_seen_the_validation_photos_is_refused(run, first, of):
    with pytest.raises(MaskfoldError, match=r"has learned from .* validated on:\n(.|\n)*same fold and split"):
        run("tuned", "trainer.max_epochs=1", f"start_from={first.path.parent}/{of}", fold=1)


@pytest.mark.hostile("leaks")
def test_a_start_of_which_nobody_knows_what_it_has_seen_is_refused(run, first):
    first.lineage.unlink()
    with pytest.raises(MaskfoldError, match=r"seen\.json: missing, so nobody knows"):
        run("tuned", f"start_from={first.path}")


def test_what_is_no_start_is_refused_by_name(run, first):
    with pytest.raises(MaskfoldError, match=r"start_from=nowhere: neither a checkpoint nor the folder of a run"):
        run("tuned", "start_from=nowhere")
    with pytest.raises(MaskfoldError, match=r"best\.ckpt is of another network than this run's\.\n.*\n"):
        run("tuned", f"start_from={first.path}", "model.widths=[4,16]")
    first.finished.unlink()
    with pytest.raises(MaskfoldError, match=r"first/fold0 is not finished\. Finish it first"):
        run("tuned", f"start_from={first.path}")
