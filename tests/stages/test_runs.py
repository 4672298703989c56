"""The stage that lists, compares and removes runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskfold import files
from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ProbabilityStore
from maskfold.runs.run_folder import RunFolder
from maskfold.stages.evaluate import evaluate
from maskfold.stages.runs import runs


def call(*overrides: str) -> None:
    runs(compose("runs", list(overrides)))


@pytest.fixture
def twin(trained) -> Path:
    """A second member, whose map of one photo is all wrong, and another seed in its configuration; both evaluated."""
    shutil.copytree("experiments/tiny", "experiments/twin")
    for fold in (0, 1):
        config = Path(f"experiments/twin/fold{fold}/config.yaml")
        config.write_text(config.read_text().replace("seed: 0\n", "seed: 5\n"))
    store = ProbabilityStore(Path("experiments/twin/fold0/predictions/oof"))
    image_id = sorted(store.paths())[2]
    store.write(image_id, 255 - store.read(image_id))
    for name in ("tiny", "twin"):
        evaluate(compose("evaluate", [f"name={name}", "jobs=1"]))
    return trained


def test_the_list_says_how_each_run_stands_and_survives_a_damaged_one(trained, capsys):
    shutil.copytree("experiments/tiny", "experiments/other")
    Path("experiments/other/fold0/finished").unlink()
    Path("experiments/other/fold1/config.yaml").write_text("[half")
    with files.locked(Path("experiments/tiny/fold1")):
        call()

    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if "/fold" in line}
    best = RunFolder(Path("experiments/tiny/fold0")).summary()["val/dice"]
    assert lines["tiny/fold0"][1:6] == ["tiny", "finished", "1", "Dice", f"{best:.5f}"]
    assert lines["tiny/fold1"][2] == "running"
    assert lines["other/fold0"][2:4] == ["stopped", "1/1"]
    assert lines["other/fold1"] == ["other/fold1", "damaged"]


def test_a_comparison_names_keys_gain_and_the_photos_that_changed(twin, caplog):
    with caplog.at_level("INFO"):
        call("compare=[tiny/fold0,twin/fold0]", "images=2")

    one, two = (pd.read_parquet(f"experiments/{name}/scores.parquet").query("fold == 0") for name in ("tiny", "twin"))
    change = two["dice"].to_numpy() - one["dice"].to_numpy()
    assert np.count_nonzero(change) == 1
    sentence = caplog.messages[-1]
    assert sentence.startswith(f"twin/fold0 over tiny/fold0: {change.mean():+.5f} Dice, 95 % interval ")
    better = int((change > 0).sum())
    assert sentence.endswith(f"; {better} photo{'' if better == 1 else 's'} better, {1 - better} worse")

    page = Path("experiments/twin/against_tiny_fold0.html").read_text()
    assert "<td>seed</td><td>0</td><td>5</td>" in page
    assert "<td>trainer.batch_size</td>" not in page
    assert "<td>name</td>" not in page
    changed = one["image_id"].to_numpy()[np.argmax(np.abs(change))]
    first, second = page.split('class="case"')[1:]
    assert changed in first
    assert changed not in second
    assert first.count("data:image/jpeg") == 4
    assert page.count("data:image/svg+xml") == 2
    assert "http" not in page.replace("http://www.w3.org", "")


@pytest.mark.parametrize(
    ("compare", "message"),
    [
        ("[tiny/fold0,tiny/fold1]", r"scored on no photo in common\. Compare runs of the same fold"),
        ("[tiny/fold0]", r"name two"),
        ("[tiny,tiny]", r"cannot be compared with itself"),
        ("[tiny,twim]", r"twim: no such run\. Did you mean twin\?"),
        ("[tiny,../tiny]", r"\.\./tiny: no such run"),
    ],
)
def test_what_cannot_be_compared_is_refused(twin, compare, message):
    with pytest.raises(MaskfoldError, match=message):
        call(f"compare={compare}")


@pytest.mark.hostile("stale maps")
def test_scores_of_other_maps_are_not_compared_whatever_the_clock_says(twin):
    scores, store = Path("experiments/twin/scores.parquet"), Path("experiments/twin/fold1/predictions/oof")
    maps = ProbabilityStore(store)
    image_id = next(iter(maps.paths()))
    os.utime(scores, (1, 1))
    call("compare=[tiny,twin]", "images=1")

    maps.write(image_id, 255 - maps.read(image_id))
    os.utime(store, (0, 0))
    with pytest.raises(MaskfoldError, match=r"other maps than the scores of twin are of.*`make evaluate EXP=twin`"):
        call("compare=[tiny,twin]")
    call("compare=[tiny/fold0,twin/fold0]", "images=1")  # the other fold's are as they were


@pytest.mark.hostile("damaged files")
def test_damaged_scores_are_named(twin):
    Path("experiments/twin/scores.parquet").write_bytes(b"PAR1")
    with pytest.raises(MaskfoldError, match=r"scores\.parquet: damaged.*`make evaluate EXP=twin`"):
        call("compare=[tiny,twin]")


def test_removal_asks_and_takes_the_run_alone(trained, monkeypatch):
    with pytest.raises(MaskfoldError, match=r"Remove tiny/fold0, .*B\? Nothing was removed"):
        call("remove=[tiny/fold0]")
    assert Path("experiments/tiny/fold0/finished").exists()

    monkeypatch.setattr("maskfold.stages.runs.asked", lambda question: True)
    call("remove=[experiments/tiny/fold0]")
    assert sorted(path.name for path in Path("experiments/tiny").iterdir()) == ["fold1"]
    call("remove=[tiny]", "ask=false")
    assert [*Path("experiments/tiny").iterdir()] == []


@pytest.mark.parametrize("held", ["", "predictions/oof"])
def test_what_is_running_is_never_removed(trained, held):
    with (
        files.locked(Path("experiments/tiny/fold1", held)),
        pytest.raises(MaskfoldError, match=r"tiny/fold1: running\. Wait for it, or stop it"),
    ):
        call("remove=[tiny]", "ask=false")
    assert Path("experiments/tiny/fold0/finished").exists()


def test_the_words_of_the_command_are_overrides_and_torch_is_not_loaded(monkeypatch, trained):
    from maskfold.command import main

    started = []
    monkeypatch.setattr(main.os, "execv", lambda program, words: started.append(words[3:]))
    for words in (["compare", "a/fold0", "b", "images=3"], ["remove", "a", "--yes"], ["compare=[a,b]"], []):
        main.main(["runs", *words])
    assert started == [["compare=[a/fold0,b]", "images=3"], ["remove=[a]", "ask=false"], ["compare=[a,b]"], []]

    code = (
        "import sys; from maskfold.config import compose; from maskfold.stages.runs import runs; "
        "runs(compose('runs', [])); assert not {'torch', 'matplotlib'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
