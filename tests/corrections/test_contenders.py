"""Which run of a member is judged, and where its maps lie."""

from pathlib import Path

import pandas as pd
import pytest

from contenders import plant
from maskfold.corrections.contenders import JudgeSet, best_run
from maskfold.data.sources import Pairs
from maskfold.errors import MaskfoldError
from maskfold.runs.layout import MemberFolder

OPTIONS = {"precision": "32-true", "accelerator": "cpu", "batch_size": 4}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_without_a_fold_the_finished_one_with_the_best_validation_score_is_taken():
    for fold, score in enumerate((0.8, 0.95, float("nan"), 1.0)):
        plant("m", 60, fold=fold, score=score)
    member = MemberFolder(Path("experiments/m"))
    member.run(3).finished.unlink()

    assert best_run(member, None).path.name == "fold1"
    assert best_run(member, 0).path.name == "fold0"
    with pytest.raises(MaskfoldError, match="fold 3 is not trained to its end"):
        best_run(member, 3)


def test_maps_of_another_network_preparation_or_precision_lie_elsewhere():
    judge = JudgeSet(Pairs(root="judge"), pd.DataFrame(), "f00")
    one, same, other = plant("one", 60), plant("same", 60), plant("other", 61)
    turned = plant("turned", 60)
    turned.config.write_text(turned.config.read_text().replace("tta: none", "tta: hflip"))
    changed = JudgeSet(judge.source, judge.photos, "f01")

    folders = [judge.store_of(run, OPTIONS).folder for run in (one, other, turned)]
    folders += [
        judge.store_of(one, OPTIONS | {"precision": "bf16-mixed"}).folder,
        changed.store_of(one, OPTIONS).folder,
    ]

    assert len({*folders}) == 5
    assert judge.store_of(same, OPTIONS | {"batch_size": 1}).folder == folders[0]
    assert folders[0].parent == Path("data/judge/judged")
