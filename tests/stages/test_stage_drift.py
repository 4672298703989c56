"""The stage that says what has moved: its record, its command, and that it only prints that."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest

from maskfold.config import compose
from maskfold.corrections.audit_sample import draw_audit
from maskfold.corrections.decisions import audit_path, read_decisions
from maskfold.corrections.month import read_month
from maskfold.data.ledger import typed
from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ProbabilityStore
from maskfold.quality.model import QualityModel
from maskfold.quality.predictor import RankScore, Term
from maskfold.quality.reference import reference_of
from maskfold.quality.routes import read_routes
from maskfold.stages.drift import drift
from maskfold.stages.review import review as review_stage
from maskfold.stages.store import store
from stored import box, review, route


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The current folder, with a promise about 200 photos of even scores, a quarter of which did not ship."""
    monkeypatch.chdir(tmp_path)
    scores = np.linspace(0, 1, 200)
    model = QualityModel(
        ensemble="shop",
        predictor=RankScore("mean_rank", (Term("soft_dice", 1.0, (0.0, 1.0), (0.0, 1.0)),)),
        calibration=((0.0, 1.0), (0.5, 1.0)),
        threshold=0.25,
        promise={"level": 0.9, "alpha": 0.02, "granted": True},
        reference=reference_of(scores, scores >= 0.25, None),
    )
    model.write(Path("quality.json"))
    return tmp_path


def run(routes, *keys):
    return {one.what: one for one in drift(compose("drift", ["quality=quality.json", f"routes={routes}", *keys]))}


def test_alarms_and_one_command_are_printed_and_kept_and_nothing_is_trained(place, caplog):
    routes = route(Path("out"), dict.fromkeys("abcdef", "ship") | {"f": "review"})
    draw_audit(routes, read_decisions(routes).decisions, 1.0, typed([]))
    # Masks of the columns 10 to 40 and so on shipped: one was right, one 30 of 60 columns, one no mask at all.
    review(audit_path(routes), "a", "accepted", box(10, 40))
    review(audit_path(routes), "b", "corrected", box(10, 71))
    review(audit_path(routes), "c", "rejected")
    Path("store/snapshots").mkdir(parents=True)
    Path("store/snapshots/2026-11.parquet").touch()

    with caplog.at_level("INFO"):
        moved = run(routes)

    assert moved["bad among shipped"].now == "2 of 3"
    assert moved["bad among shipped"].value == pytest.approx(0.094299, abs=1e-6)  # Clopper and Pearson's 2 of 3
    assert "; 2 drawn and not looked at" in moved["bad among shipped"].note
    assert moved["scores"].is_alarm  # 0 to .5 by tenths
    assert "ALARM bad among shipped: 0.0943 above 0.0200" in caplog.text
    record = json.loads(Path("out/drift.json").read_text())
    assert [row["what"] for row in record["comparisons"] if row["alarm"]] == ["scores", "bad among shipped"]
    folds, train = record["retrain"].split(" && ")
    assert record["retrain"] in caplog.text
    assert shlex.split(folds) == ["make", "folds", "DATA=store", "ARGS=data.root=store data.snapshot=2026-11"]
    assert shlex.split(train)[:4] == ["make", "train", "EXP=linknet34", "FOLD=all"]
    compose("train", ["experiment=linknet34", *shlex.split(train)[4].removeprefix("ARGS=").split()])
    assert not Path("experiments").exists()


def test_one_month_is_compared_with_its_own_audit(place):
    made = ["2026-10-31T23:30:00-02:00", "2026-10-02T00:00:00+00:00", "2026-10-03T00:00:00+00:00"]  # the first: 11
    routes = route(Path("out"), {"a": "ship", "b": "ship", "c": "review"}, made=made)
    draw_audit(routes, read_decisions(routes).decisions, 1.0, typed([]))
    review(audit_path(routes), "b", "rejected")

    for keys, held, audit, month in (
        ((), "0.0%", "-", "2026-11"),
        (("month=2026-10",), "50.0%", "1 of 1", "2026-10"),
        (("month=all",), "33.3%", "1 of 1", "all"),
    ):
        moved = run(routes, *keys)
        assert (moved["not shipped"].now, moved["bad among shipped"].now) == (held, audit)
        assert json.loads(Path("out/drift.json").read_text())["month"] == month
    with pytest.raises(MaskfoldError, match=r"month=2026-12: .*no photos of it\. It has those of 2026-10, 2026-11"):
        run(routes, "month=2026-12")


def test_a_threshold_chosen_by_money_is_not_held_to_a_promise_it_never_shipped_under(place):
    content = json.loads(Path("quality.json").read_text())
    Path("quality.json").write_text(json.dumps(content | {"promise": content["promise"] | {"by": "cost"}}))
    routes = route(Path("out"), {"a": "ship"})
    draw_audit(routes, read_decisions(routes).decisions, 1.0, typed([]))
    review(audit_path(routes), "a", "rejected")

    audit = run(routes)["bad among shipped"]

    assert not audit.is_alarm
    assert audit.promised == "nothing: chosen by money"
    assert audit.now == "1 of 1"


@pytest.mark.hostile("stale maps", cases=3)
def test_an_audit_judges_the_map_that_shipped_and_no_other_photo_or_size(place, caplog):
    routes = route(Path("out"), dict.fromkeys("abc", "ship"))
    draw_audit(routes, read_decisions(routes).decisions, 1.0, typed([]))
    for name in "abc":  # a new model's maps, of another size even
        ProbabilityStore(Path("out/maps")).write(name, np.zeros((8, 12), np.uint8))
    review(audit_path(routes), "a", "corrected", box(10, 70))
    review(audit_path(routes), "b", "accepted", box(10, 41), photo_hash="0" * 32)
    review(audit_path(routes), "c", "accepted", box(10, 42)[:32])

    month, _ = read_month(routes, cut=128)

    assert month.audited == [0.5]  # columns 10 to 40 shipped, to 70 are right
    assert month.unaudited == 2
    assert "b of the audit does not count: its review is of another photo" in caplog.text
    assert "c of the audit does not count: its maps are of another size" in caplog.text


def test_of_an_inbox_nothing_is_compared_and_of_cut_outs_that_all_went_to_review_everything(place, caplog):
    routes = route(Path("out"), dict.fromkeys("ab", "review"))
    assert run(routes)["not shipped"].is_alarm  # none ships any more
    caplog.clear()
    hashes = read_routes(routes)["photo_hash"].tolist()
    route(Path("out"), dict.fromkeys("ab", "review"), image_id=hashes)  # as the service calls them

    (photos,) = run(routes).values()

    assert (photos.now, photos.is_alarm) == ("2 for review", False)
    assert photos.note.startswith("an inbox has the photos for review alone, so nothing is compared")
    assert "ALARM" not in caplog.text
    route(Path("out"), {"a": "review", "b": "ship"}, image_id=hashes)
    assert "not shipped" in run(routes)


@pytest.mark.hostile("wrong input", cases=3)
def test_routes_at_an_address_are_refused_with_the_way_to_bring_them_here(place):
    for stage, keys in ((review_stage, []), (store, []), (drift, ["quality=quality.json"])):
        config = compose(stage.__name__, ["routes=s3://shop/inbox/routes.parquet", *keys])
        with pytest.raises(MaskfoldError, match=r"`aws s3 sync s3://shop/inbox inbox`.*routes=inbox/routes.parquet"):
            stage(config)


@pytest.mark.hostile("foreign files", cases=2)
def test_a_promise_without_its_photos_is_refused(place):
    content = json.loads(Path("quality.json").read_text())
    other_edges = content["reference"] | {"score_edges": [0.5]}
    for reference, says in (({}, "KeyError"), (other_edges, "do not belong together")):
        Path("quality.json").write_text(json.dumps(content | {"reference": reference}))
        with pytest.raises(MaskfoldError, match=rf"json: does not say how its photos were distributed.*{says}"):
            run("nowhere")
