"""A recogniser's way from its checkpoints to answers, scores and a submission."""

import shutil
from contextlib import chdir
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf
from sklearn.metrics import accuracy_score, log_loss, recall_score

from coloured_squares import COLOURS, draw_square
from maskfold.campaign.jobs import member_jobs
from maskfold.campaign.members import find_members
from maskfold.config import compose
from maskfold.data.class_table import ClassTable
from maskfold.errors import MaskfoldError
from maskfold.leaderboard.results import judged_by, read_out_of_fold, read_result
from maskfold.recognition import predicting
from maskfold.recognition.answers import AnswerStore
from maskfold.runs.layout import MemberFolder
from maskfold.stages.card import card
from maskfold.stages.doctor import doctor
from maskfold.stages.ensemble import ensemble
from maskfold.stages.evaluate import evaluate
from maskfold.stages.predict import predict
from maskfold.stages.runs import runs
from maskfold.stages.score import score

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


def merged(split="test", *, members=({"experiment": "squares"},), **recipe):
    config = compose("ensemble", ["ensemble=linknet34", f"split={split}"])
    target = {"_target_": "maskfold.ensembling.recipe.Recipe", "name": "squares", "members": [*members]}
    config.ensemble = OmegaConf.create(target | recipe)
    return ensemble(config)


def test_an_ensemble_is_the_mean_of_its_folds_in_the_order_of_the_sample(answered, capsys):
    oof, test = merged("oof"), merged()
    submission = Path("submissions/squares/submission.csv.gz")
    rows = pd.read_csv(submission)
    assert rows.columns.tolist() == ["id", "label"]
    assert rows["id"].tolist() == ["t5", "t4", "t3", "t2", "t1", "t0"]

    dense = []
    for fold in (0, 1):
        answers = AnswerStore(MEMBER.run(fold).store("test")).read(test["image_id"].tolist())
        dense.append(np.exp(by_class(answers)) / np.exp(by_class(answers)).sum(axis=1, keepdims=True))
    mean, names = np.mean(dense, axis=0), ClassTable.read(answered / "data/squares/classes.parquet").labels
    assert test["predicted"].tolist() == [names[place] for place in mean.argmax(axis=1)]
    assert test["probability"].tolist() == pytest.approx(mean.max(axis=1).tolist(), abs=1e-6)
    assert test.set_index("image_id").loc[rows["id"], "predicted"].tolist() == rows["label"].tolist()
    assert test["label"].notna().sum() == 12  # the frozen ones
    own = pd.read_parquet(MEMBER.scores).set_index("image_id")
    assert oof.set_index("image_id")["accuracy"].mean() == own["accuracy"].mean()
    before = submission.read_bytes()
    merged()
    assert submission.read_bytes() == before

    cv, _ = read_out_of_fold(submission, read_result(submission))
    assert judged_by(read_result(submission)).total(cv) == own["accuracy"].mean()
    assert doctor(compose("doctor", [f"submission={submission}"])).ok
    truth = pd.read_csv("photos/truth.csv").set_index("id")["label"]
    scores = score(compose("score", [f"submission={submission}", "truth=photos/truth.csv"]))
    right = (truth.loc[rows["id"]].to_numpy() == rows["label"].to_numpy()).mean()
    assert scores["accuracy"].mean() == right
    assert f"accuracy {right:.6f}" in capsys.readouterr().out


def test_probabilities_of_every_label_are_written_where_the_sample_asks_for_them(answered):
    header = ["id", *sorted(COLOURS, reverse=True)]
    Path("photos/sample_submission.csv").write_text(f"{','.join(header)}\nt1,0,0,0,0,0,1\nt0,0,0,0,0,0,1\n")
    merged(members=[{"experiment": "squares", "folds": [1], "weight": 2}, {"experiment": "squares", "folds": [0]}])
    submission = Path("submissions/squares/submission.csv.gz")
    rows = pd.read_csv(submission)

    assert rows.columns.tolist() == header
    assert rows["id"].tolist() == ["t1", "t0"]
    assert rows[header[1:]].sum(axis=1).tolist() == pytest.approx([1, 1], abs=1e-6)
    one, other = (AnswerStore(MEMBER.run(fold).store("test")).read(["t0"]) for fold in (1, 0))
    names = ClassTable.read(answered / "data/squares/classes.parquet").labels
    blue = [
        answers.probabilities()[0, answers.classes[0].tolist().index(names.index("blue"))] for answers in (one, other)
    ]
    assert rows.loc[1, "blue"] == pytest.approx((2 * blue[0] + blue[1]) / 3, abs=1e-6)
    assert doctor(compose("doctor", [f"submission={submission}"])).ok


def test_an_ensemble_of_recognisers_does_nothing_with_masks(answered):
    with pytest.raises(MaskfoldError, match="are for masks"):
        merged(empty={"presence": 200, "least_area": 0.1})


@pytest.mark.hostile("replaced files")
def test_answers_of_photos_that_were_replaced_since_are_refused(answered):
    draw_square(Path("photos/test/t3.png"), "red", 1000)

    with pytest.raises(MaskfoldError, match="1 photos are not the files any more"):
        merged()


def test_a_campaign_finds_the_member_done_and_merges(answered):
    data = ["data=label_table", "data.root=photos", "data.name=squares"]
    (member,) = find_members([[{"experiment": "squares"}]], data)
    member.refuse_other_runs()
    member.refuse_other_maps("none")
    jobs = {job.name: job for job in member_jobs(member, predict=())}

    assert all(job.done() for job in jobs.values())
    assert jobs["squares.fold0.oof"].progress() == "100%"
    MEMBER.run(0).store("oof").joinpath("part-00000.npz").unlink()
    assert [name for name, job in jobs.items() if not job.done()] == ["squares.fold0.oof", "squares.evaluate"]


def test_two_members_are_compared_and_listed(answered, capsys):
    shutil.copytree("experiments/squares", "experiments/other")
    runs(compose("runs", []))
    runs(compose("runs", ["compare=[other,squares]"]))

    page = Path("experiments/squares/against_other.html").read_text()
    assert "violet; other: " in page
    assert "squares/fold0" in capsys.readouterr().out


def test_a_card_has_a_recogniser_s_scores(answered):
    card(compose("card", ["name=squares"]))

    page = MEMBER.own_page.read_text()
    assert "| fold | images | accuracy | top-5 accuracy | macro recall | classes with support | of |" in page
