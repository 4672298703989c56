"""A recogniser's way from its checkpoints to answers, scores and a submission."""

import shutil
from contextlib import chdir
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss, recall_score

from coloured_squares import COLOURS
from maskfold.config import compose
from maskfold.data.class_table import ClassTable
from maskfold.errors import MaskfoldError
from maskfold.recognition import predicting
from maskfold.recognition.answers import AnswerStore
from maskfold.runs.layout import MemberFolder
from maskfold.stages.evaluate import evaluate
from maskfold.stages.predict import predict

CPU = ["trainer.accelerator=cpu", "trainer.num_workers=0", "trainer.batch_size=8"]
MEMBER = MemberFolder(Path("experiments/squares"))


def predicted(fold, split, *overrides):
    return predict(compose("predict", ["name=squares", f"fold={fold}", f"split={split}", *CPU, *overrides]))


@pytest.fixture(scope="module")
def answered_once(trained_recogniser_once, tmp_path_factory):
    """The trained member with all its answers, evaluated."""
    root = tmp_path_factory.mktemp("answered") / "work"
    shutil.copytree(trained_recogniser_once, root)
    with chdir(root):
        for fold in (0, 1):
            for split in ("oof", "test"):
                predicted(fold, split)
        evaluate(compose("evaluate", ["name=squares"]))
    return root


@pytest.fixture
def answered(answered_once, tmp_path, monkeypatch):
    copy = tmp_path / "work"
    shutil.copytree(answered_once, copy)
    monkeypatch.chdir(copy)
    return copy


def bytes_of(store):
    return {path.name: path.read_bytes() for path in store.parts()}


def test_what_was_interrupted_is_gone_on_with_to_the_same_bytes(answered, monkeypatch):
    monkeypatch.setattr(predicting, "PART", 5)
    store = predicted(0, "oof", "store=whole")
    whole = bytes_of(store)
    assert [*whole] == [f"part-0000{number}.npz" for number in range(5)]
    kept = store.parts()[0].stat().st_mtime_ns
    store.parts()[2].unlink()

    again = predicted(0, "oof", "store=whole")

    assert bytes_of(again) == whole
    assert again.parts()[0].stat().st_mtime_ns == kept
    whole, before = again.read(), AnswerStore(MEMBER.run(0).store("oof")).read()
    assert whole.image_ids.tolist() == before.image_ids.tolist()
    assert np.allclose(whole.logits, before.logits, atol=1e-5)


def test_a_mirrored_view_is_averaged_in(answered):
    mirror, both = (predicted(0, "test", f"tta={tta}", f"store={tta}") for tta in ("mirror", "hflip"))
    plain = AnswerStore(MEMBER.run(0).store("test")).read()
    dense = [by_class(answers) for answers in (plain, mirror.read(), both.read())]

    assert np.allclose(dense[2], (dense[0] + dense[1]) / 2, atol=1e-4)
    assert not np.allclose(dense[0], dense[1])


def by_class(answers):
    return np.take_along_axis(answers.logits, answers.classes.argsort(axis=1), axis=1)


def test_a_retired_product_is_never_answered_and_new_ones_behind_the_old_change_nothing(answered):
    path = answered / "data/squares/classes.parquet"
    later = ClassTable.read(path).extended(pd.DataFrame({"label": ["white"], "month": ["2026-03"]}))
    later.write(path)
    assert not predicted(0, "test").missing(["t0"])  # the same six outputs: nothing to do anew
    later.retired_in("2026-03", ["red"]).write(path)

    with pytest.raises(MaskfoldError, match="holds answers of something else"):
        predicted(0, "test")
    with pytest.raises(MaskfoldError, match="products were retired, or brought back"):
        evaluate(compose("evaluate", ["name=squares"]))
    answers = predicted(0, "test", "store=now").read()

    red = later.labels.index("red")
    assert (answers.classes[:, -1] == red).all()
    assert np.isneginf(answers.logits[:, -1]).all()
    assert answers.probabilities()[:, :5].sum(axis=1) == pytest.approx(1)


@pytest.mark.hostile("wrong input")
def test_a_network_of_other_classes_is_refused(answered):
    path = answered / "data/squares/classes.parquet"
    rows = ClassTable.read(path).rows
    moved = rows.iloc[[1, 0, *range(2, 6)]].assign(index=range(6)).reset_index(drop=True)
    path.unlink()
    ClassTable(moved).write(path)

    with pytest.raises(MaskfoldError, match=r"fold0 was trained on other classes.*number 0 is 'blue'.*'cyan' in the"):
        predicted(0, "test", "store=now")
    (answered / "experiments/squares/fold0/classes.parquet").unlink()
    with pytest.raises(MaskfoldError, match="nobody knows which products"):
        predicted(0, "test", "store=now")


def test_results_are_those_of_scikit_learn(answered):
    scores, results = pd.read_parquet(MEMBER.scores), pd.read_csv(MEMBER.results, dtype={"fold": str})
    labels = pd.read_csv("photos/labels.csv").set_index("image_id")["label"]
    truth = labels.loc[scores["image_id"]]

    assert {*scores["image_id"]} == {*labels.index[[not name.startswith("t") for name in labels.index]]} - {
        name for name in labels.index if name[-1] in "89"
    }
    pooled = results.iloc[-1]
    assert results["fold"].tolist() == ["0", "1", "all"]
    assert pooled["accuracy"] == pytest.approx(accuracy_score(truth, scores["predicted"]), abs=1e-6)
    assert pooled["accuracy"] > 0.5
    macro = recall_score(truth, scores["predicted"], average="macro")
    assert pooled["macro_recall"] == pytest.approx(macro, abs=1e-6)
    dense, order = [], []
    for fold in (0, 1):
        answers = AnswerStore(MEMBER.run(fold).store("oof")).read()
        dense.append(np.exp(by_class(answers)) / np.exp(by_class(answers)).sum(axis=1, keepdims=True))
        order += answers.image_ids.tolist()
    names = ClassTable.read(answered / "data/squares/classes.parquet").labels
    index = [names.index(label) for label in labels.loc[order]]
    expected = log_loss(index, np.concatenate(dense), labels=range(6))
    assert pooled["log_loss"] == pytest.approx(expected, abs=1e-5)
    assert (pooled["supported"], pooled["classes"]) == (6, 6)
    assert results["temperature"].between(0.02, 50).all()
    assert results["epochs"].tolist()[:2] == [3, 3]
    tables = {path.name: pd.read_csv(path) for path in (MEMBER.classes, MEMBER.months, MEMBER.coarse)}
    assert {*tables["classes.csv"]["label"]} == {*COLOURS}
    assert tables["months.csv"]["classes"].tolist() == [4, 2]
    assert tables["coarse.csv"]["photos"].tolist() == [16, 16, 16]
    assert (
        len(pd.read_csv(MEMBER.confusions)) == scores[scores["accuracy"] == 0].groupby(["label", "predicted"]).ngroups
    )


@pytest.mark.hostile("leaks")
def test_a_missing_fold_and_photos_that_were_learned_from_are_refused(answered):
    own, other = (MEMBER.run(fold).store("oof") for fold in (0, 1))
    shutil.rmtree(other)
    with pytest.raises(MaskfoldError, match=r"fold1/predictions/oof.*no such"):
        evaluate(compose("evaluate", ["name=squares"]))
    shutil.copytree(own, other)
    with pytest.raises(MaskfoldError, match="predicted out of fold twice"):
        evaluate(compose("evaluate", ["name=squares"]))
    folds = pd.read_csv("data/squares/folds.csv")
    folds.assign(fold=1 - folds["fold"]).to_csv("data/squares/folds.csv", index=False)
    with pytest.raises(MaskfoldError, match="has learned from 24"):
        predicted(1, "oof")


@pytest.mark.hostile("stale maps")
def test_answers_of_other_weights_are_refused(answered):
    path = MEMBER.run(0).best
    checkpoint = torch.load(path, weights_only=True)
    name = next(name for name in checkpoint["state_dict"] if name.endswith("head.weight"))
    checkpoint["state_dict"][name] += 1
    torch.save(checkpoint, path)

    with pytest.raises(MaskfoldError, match="come from other weights"):
        evaluate(compose("evaluate", ["name=squares"]))
