"""The demo of recognition: what it reads off its own results; the whole of it is run by `make demo-recognition`."""

import json
import math
from pathlib import Path

import pytest

from maskfold import demo_recognition as demo


def test_results_below_their_least_and_missing_ones_fail(capsys):
    results = {"good": (0.9, 0.9), "poor": (0.79, 0.8), "none": (math.nan, 0.1)}

    assert demo.shortfalls(results) == ["poor", "none"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == " 0.900 (at least 0.90)  good"
    assert lines[1].endswith("poor  TOO LITTLE")


def test_growth_is_read_from_its_record():
    figures = {"old_macro_recall_champion": 0.9, "old_macro_recall_challenger": 0.91, "new_macro_recall": 0.8}

    results = demo.growth_results({"passed": False, "figures": figures})
    assert [value for value, _ in results.values()] == [0.0, 0.91, 0.8]
    assert demo.shortfalls(results) == ["growth accepted by the gate"]


@pytest.mark.slow
def test_the_whole_demo_passes_its_own_checks_and_goes_on_when_run_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    demo.demo_recognition()

    record = json.loads(Path("experiments", demo.GROWN, "fold0", "growth.json").read_text())
    assert record["promoted"] is True
    assert (demo.SUBMISSION.parent / "report.html").exists()
    assert [*Path(demo.PUBLISHED).rglob("manifest.json")]
    trained = Path("experiments", demo.MEMBER, "fold1", "checkpoints", "best.ckpt").stat().st_mtime_ns
    demo.demo_recognition()
    assert Path("experiments", demo.MEMBER, "fold1", "checkpoints", "best.ckpt").stat().st_mtime_ns == trained
