"""The documents of winners: every number is of a file, what is missing is said, commands make the runs again."""

import json
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

from maskfold.config import compose, recorded
from maskfold.errors import MaskfoldError
from maskfold.runs.run_folder import RunFolder
from maskfold.stages import winners_pack as stage
from maskfold.stages.winners_pack import winners_pack
from maskfold.winners.commands import TrainCommand

TINY = ["ensemble=linknet34", "ensemble.name=tiny", "ensemble.members=[{experiment: tiny}]"]
FOLDER = Path("submissions/tiny/winners")


@pytest.fixture
def commands(monkeypatch) -> None:
    """Take the command of a run for known, whose search composes many."""
    monkeypatch.setattr(stage, "_command", lambda run, named=None: TrainCommand((f"name={run.path.parent.name}",), ()))


def test_the_documents_hold_what_files_say_and_say_what_they_do_not(trained, commands):
    folder = Path("bundles/tiny")
    folder.mkdir(parents=True)
    line = {"start": 9.14, "per_photo": 0.77, "hours": 1.25, "photos": 5813}
    (folder / "rehearsal.json").write_text(json.dumps({"device": "cpu", "forecast": line}))
    Path("experiments/tiny/results.csv").write_text(
        "fold,images,groups,dice,seconds\n0,6,3,0.7,1\nall,12,6,0.81234,2\n"
    )

    assert winners_pack(compose("winners_pack", TINY)) == FOLDER

    summary = (FOLDER / "model_summary.md").read_text()
    parts = [f"## A{number}. " for number in range(1, 10)]
    assert [summary.count(part) for part in parts] == [1] * 9
    assert "carvana-image-masking-challenge" in summary
    assert "`tiny` alone scores 0.81234 out of fold, with 2 networks" in summary
    assert "9.1 s to start and 0.770 s a photo, so 1.25 h for 5813 photos" in summary
    assert "Its score out of fold is missing: submissions/tiny/submission.csv.gz: no submission." in summary
    assert "Missing: no submission of it in `experiments/leaderboard.csv`" in summary
    assert "**Learning" not in summary
    assert summary.count("To be written by you.") == 7
    assert yaml.safe_load((FOLDER / "configs/tiny.yaml").read_text())["trainer"]["max_epochs"] == 1
    assert json.loads((FOLDER / "SETTINGS.json").read_text())["RAW_DATA_DIR"] == "photos"
    assert "\ntorch==" in (FOLDER / "requirements.txt").read_text()
    assert "  experiments/" in (FOLDER / "directory_structure.txt").read_text()
    assert "maskfold train name=tiny" in (FOLDER / "entry_points.md").read_text()
    assert "tiny, trained with**: maskfold 0." in (FOLDER / "README.md").read_text()

    with pytest.raises(MaskfoldError, match=r"model_summary\.md: there already, maybe with your own words"):
        winners_pack(compose("winners_pack", TINY))


def test_a_mean_is_called_what_it_is_and_commands_are_those_of_its_networks(trained, commands):
    Path("experiments/tiny/full").symlink_to(Path("experiments/tiny/fold0").absolute())
    members = "ensemble.members=[{experiment: tiny, temperature: 1.5},{experiment: tiny, folds: [full]}]"
    winners_pack(compose("winners_pack", [*TINY[:2], members, "+ensemble.mean=logit"]))

    summary = (FOLDER / "model_summary.md").read_text()
    assert "The logits of probability maps are averaged" in summary
    assert "| tiny | 2 | 0.5000 | 1.5 |\n| tiny | 1 | 0.5000 | 1 |" in summary
    points = (FOLDER / "entry_points.md").read_text()
    assert "maskfold predict name=tiny fold=full split=test\n" in points
    assert "maskfold evaluate name=tiny\n" in points
    assert "split=oof\n```" not in points  # an ensemble with a network of all photos has no score
    assert "maskfold ensemble ensemble=tiny\n" in points
    assert "maskfold bundle" not in points  # which refuses a mean of logits


def test_a_soup_is_made_again_of_its_trainings(trained, monkeypatch):
    run = RunFolder(Path("experiments/tiny_soup/fold0"))
    shutil.copytree("experiments/tiny/fold0", run.path)
    about = {"runs": ["other"], "keep": None, "greedy": True, "batches": 100, "batch_size": 8}
    run.config.write_text(yaml.safe_dump(run.read_config() | {"name": "tiny_soup", "soup": about}, sort_keys=False))
    kept = [
        f"experiments/{name}/fold0/checkpoints/{kept}.ckpt" for name, kept in (("other", "best"), ("tiny", "kept-1"))
    ]
    run.note(soup={"checkpoints": [{"checkpoint": path} for path in kept]})
    monkeypatch.setattr(
        stage, "train_command", lambda run, *_, **__: TrainCommand((f"name={run.path.parent.name}",), ())
    )
    monkeypatch.setattr(stage, "options", lambda group: {})

    command = stage._command(run)

    assert command.lines == [
        "maskfold train name=tiny",
        "maskfold soup name=tiny fold=0 to=tiny_soup 'runs=[other]' greedy=true batches=100 batch_size=8",
    ]
    assert command.differing == ("experiments/other/fold0, which is not here any more",)
    assert command.first.overrides == ("name=tiny",)


def test_the_command_of_a_run_composes_its_very_configuration(trained, monkeypatch):
    run = RunFolder(Path("experiments/tiny/fold1"))
    known = stage.options
    two = {"experiment": ["demo_unet"], "data": ["carvana"]}
    monkeypatch.setattr(stage, "options", lambda group: {name: known(group)[name] for name in two[group]})

    command = stage._command(run)

    assert command.differing == ()
    words = shlex.split(command.lines[0])
    assert words[:2] == ["maskfold", "train"]
    assert {"fold=1", "name=tiny", "data.root=photos"} <= {*words}
    assert run.differing(recorded(compose("train", words[2:]))) == {}
