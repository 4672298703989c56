"""Competitions drawn by chance are understood rightly, or asked about: never wrongly."""

from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml

from competitions import generate, outcomes
from maskfold.errors import MaskfoldError
from maskfold.joining.guesses import Guess
from maskfold.joining.inference import Files, Given, Understanding
from maskfold.joining.join import understood, write
from maskfold.masks.rules import Rules


def files_of(competition):
    return Files(**{key: Path(value) for key, value in competition.keys.items()})


def test_competitions_are_understood_or_asked_about(tmp_path):
    counted = Counter()
    for seed in range(12):
        counted.update(of for _, of in outcomes(generate(tmp_path / f"{seed}", seed)).items())

    assert counted["wrong"] == 0
    assert counted["right"] > counted["asked"]


def test_what_is_asked_is_answered_by_the_flags_it_names(tmp_path):
    """Masks as pictures and no table: nothing tells how a submission numbers pixels."""
    competition = next(one for one in (generate(tmp_path / f"{n}", n) for n in range(20)) if not one.has_table)
    files, truth = files_of(competition), competition.rules
    with pytest.raises(MaskfoldError, match=r"(?s)Not written:.*order=columns.*start=1") as asked:
        understood(files, Given(), name=None, metric=None, competition=None)
    given = Given(order=truth.order, start=truth.start, empty=truth.empty if "empty=" in f"{asked.value}" else None)
    name, findings = understood(files, given, name=None, metric="iou", competition="some-address")

    assert name == competition.root.name
    assert {key: guess.value for key, guess in findings.rules.items()} == {
        "order": truth.order,
        "start": truth.start,
        "empty": truth.empty,
    }
    assert [findings.guesses[key].value for key in ("metric", "competition", "images")] == [
        "iou",
        "some-address",
        "images",
    ]


def test_the_file_gives_the_rules_back_and_is_not_overwritten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    competition = generate(tmp_path / "c", 3)
    keys = {"name": "c", "metric": None, "competition": None}
    name, findings = understood(files_of(competition), Given(), **keys)
    path = write(name, findings, command="maskfold join", overwrite=False)
    tree = yaml.safe_load(path.read_text())

    assert path == Path("conf/data/c.yaml")
    assert Rules(**tree["submission"]) == competition.rules
    assert tree["masks"] == {"kind": "runs", "file": "train.csv", **asdict(competition.rules)}
    assert tree["classes"] == [*competition.classes]
    assert tree["sample"] == "sample.csv"
    write(name, findings, command="maskfold join", overwrite=False)  # the same again
    findings.rules["start"] = Guess(0, "elsewhere")
    with pytest.raises(MaskfoldError, match="overwrite=true"):
        write(name, findings, command="maskfold join", overwrite=False)
    write(name, findings, command="maskfold join", overwrite=True)
    assert yaml.safe_load(path.read_text())["submission"]["start"] == 0


@pytest.mark.hostile("replaced files")
def test_what_others_wrote_is_never_overwritten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("conf/data/mine.yaml")
    path.parent.mkdir(parents=True)
    path.write_text("_target_: mine.Source\n")

    with pytest.raises(MaskfoldError, match="not of a competition"):
        write(
            "mine",
            Understanding(rules=dict.fromkeys(("order", "start", "empty"), Guess(1, ""))),
            command="",
            overwrite=True,
        )
    assert path.read_text() == "_target_: mine.Source\n"


@pytest.mark.hostile("wrong input")
def test_photos_of_another_size_and_names_of_the_package_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    competition = generate(tmp_path / "c", 3)
    files = files_of(competition)
    with pytest.raises(MaskfoldError, match="a data=pairs of its own"):
        understood(files, Given(), name="pairs", metric=None, competition=None)
    with pytest.raises(MaskfoldError, match="name=a b"):
        understood(files, Given(), name="a b", metric=None, competition=None)
    table = competition.root / "train.csv"
    first, second, *others = table.read_text().splitlines()
    table.write_text("\n".join([first, f"{second.partition(',')[0]},999999999 1", *others]))
    with pytest.raises(MaskfoldError, match=r"train\.csv, line 2: its runs end at pixel 999999999"):
        understood(files, Given(), name="c", metric=None, competition=None)
    with pytest.raises(MaskfoldError, match="order=diagonal"):
        Given(order="diagonal")
    with pytest.raises(MaskfoldError, match="images= and test= are both missing"):
        understood(replace(files, images=None, test=None), Given(), name="c", metric=None, competition=None)
