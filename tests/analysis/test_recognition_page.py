"""The report on a recogniser that was really trained, of photos among which one has a wrong label."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.places import RECOGNITION_NOTEBOOK
from maskfold.stages.evaluate import evaluate
from maskfold.stages.predict import predict
from maskfold.stages.report import report


@pytest.fixture(scope="module")
def reported(trained_recogniser_once, tmp_path_factory):
    """A folder with reports; `blue0` is labelled red, and the frozen red and violet photos are of unknown products."""
    import shutil

    root = tmp_path_factory.mktemp("reported") / "work"
    shutil.copytree(trained_recogniser_once, root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        labels = pd.read_csv("photos/labels.csv")
        labels.loc[labels["image_id"] == "blue0", ["label", "coarse"]] = ["red", "warm"]
        frozen = labels["split"] == "test"
        labels.loc[frozen & (labels["label"] == "red"), "label"] = "rose <b>"
        labels.loc[frozen & (labels["label"] == "violet"), ["label", "coarse"]] = ["tar", "oil"]
        labels.to_csv("photos/labels.csv", index=False)
        for split in ("oof", "test"):
            for fold in (0, 1):
                options = [f"fold={fold}", f"split={split}", "trainer.accelerator=cpu", "trainer.num_workers=0"]
                predict(compose("predict", ["name=squares", *options]))
        evaluate(compose("evaluate", ["name=squares", "jobs=1"]))
        report(compose("report", ["name=squares", "images=2"]))
    return root / "experiments/squares"


def text(path: Path) -> str:
    page = re.sub(r"<style>.*?</style>|<script>.*?</script>|<[^>]*>", " ", path.read_text(), flags=re.DOTALL)
    return " ".join(page.split())


def test_every_section_is_there_and_nothing_from_elsewhere(reported):
    page = (reported / "report.html").read_text()

    headings = re.findall(r"<h2>([^<]*)", page)
    assert headings == [
        "How often it is right",
        "By the month in which products were added",
        "By coarse class, the weakest first",
        "Class by class",
        "Pairs that are confused",
        "Calibration",
        "Unknown products",
        "The worst answers",
        "Labels that look wrong",
    ]
    assert {*re.findall(r"(?:src|href)=\"(?!data:|#)([^\"]*)", page)} == {"labels.html"}
    assert "6 of 6 classes that have photos" in text(reported / "report.html")


def test_unknown_products_are_measured_by_fold_kind_and_score(reported):
    table = pd.read_csv(reported / "unknown.csv")

    assert table["fold"].tolist() == ["all"] * 8 + ["0"] * 8 + ["1"] * 8
    assert {*zip(table["kind"], table["unknown"], strict=True)} == {("near", 2), ("far", 2)}
    assert table["auroc"].between(0, 1).all()


def test_a_wrong_label_stands_in_front_with_the_line_that_corrects_it(reported):
    ranked = pd.read_csv(reported / "labels.csv")

    assert ranked.loc[0, ["image_id", "label", "suggested"]].tolist() == ["blue0", "red", "blue"]
    page = (reported / "labels.html").read_text()
    assert 'data-lines="blue0,label=blue"' in page
    assert page.index('data-lines="blue0,label=blue"') < page.index('data-lines="blue0,keep"')


def test_what_was_decided_is_not_asked_again(reported, monkeypatch):
    monkeypatch.chdir(reported.parents[1])
    monkeypatch.setattr(
        "maskfold.analysis.recognition_evidence.neighbour_votes", lambda *_, **__: pd.Series(dtype=float)
    )
    decisions = Path("data/squares/decisions.csv")
    decisions.write_text("image_id,decision\nblue0,keep\n")

    report(compose("report", ["name=squares", "images=1"]))
    decisions.unlink()

    assert "blue0" not in pd.read_csv(reported / "labels.csv")["image_id"].tolist()
    assert "Settled: 1 photo decided blue0 keep" in text(reported / "labels.html")


def test_the_notebook_runs_on_it_from_top_to_bottom(reported, monkeypatch):
    monkeypatch.chdir(reported.parents[1])
    shown = []
    monkeypatch.setattr("maskfold.analysis.show.display", shown.append)
    document = json.loads(RECOGNITION_NOTEBOOK.read_text())
    names: dict = {}

    for cell in document["cells"]:
        if cell["cell_type"] == "code":
            told = 'REPORT = ["name=squares", "images=1"]' if cell["metadata"].get("tags") else "".join(cell["source"])
            exec(told, names)

    assert len(shown) > 15
    assert not any(cell.get("outputs") for cell in document["cells"])


@pytest.mark.hostile("wrong input")
def test_what_cannot_be_looked_at_is_said(reported, monkeypatch):
    monkeypatch.chdir(reported.parents[1])

    with pytest.raises(MaskfoldError, match="Say what to look at"):
        report(compose("report", []))
    with pytest.raises(MaskfoldError, match="no fold has been trained"):
        report(compose("report", ["name=nobody"]))
