"""New products join a trained recogniser: without a training, by a fine-tune, and through the gate."""

import json
import shutil
from contextlib import chdir
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from mlflow import MlflowClient

from coloured_squares import DATA, LATE, SMALL, draw_square, draw_squares
from maskfold.config import compose
from maskfold.corrections.growth import refuse_known, unknown_photos
from maskfold.data.class_table import ClassTable
from maskfold.data.loading import content_hash
from maskfold.engine.checkpoints import load_checkpoint
from maskfold.errors import MaskfoldError
from maskfold.recognition.prototypes import Prototypes
from maskfold.runs.layout import MemberFolder
from maskfold.stages import grow as stage
from maskfold.stages.enroll import _refuse_without_photos, enroll
from maskfold.stages.folds import folds
from maskfold.stages.grow import grow
from maskfold.stages.train import train

FIRST, SECOND = "2026-01", "2026-02"
COSINE = ["model.head=cosine", "trainer.max_epochs=12"]
HERE = ["trainer.accelerator=cpu", "trainer.num_workers=0"]


def split(month):
    folds(compose("folds", [*DATA, f"data.until={month}", "folds=by_label", "folds.k=2", "twins=0", "overwrite=true"]))


@pytest.fixture(scope="module")
def begun(made_once):
    """Four products of the first month, learned by one fold of a member; two more are there a month later."""

    def make(root):
        with chdir(root):
            draw_squares(Path("photos"))
            split(FIRST)
            train(compose("train", ["name=squares", *DATA, f"data.until={FIRST}", *SMALL, *COSINE, "audit=false"]))

    return made_once("growing", make)


@pytest.fixture
def place(begun, empty_database, tmp_path, monkeypatch):
    """A copy of it as the current directory, with an empty registry; stages run in this process."""
    work = tmp_path / "work"
    shutil.copytree(begun, work)
    shutil.copy(empty_database, work / "mlflow.db")
    monkeypatch.chdir(work)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{work}/mlflow.db")
    ran = []

    def run_stage(name, overrides):
        ran.append(name)
        if name == "folds":
            assert compose(name, overrides).data.until == SECOND
            return split(SECOND)
        own = [*HERE, *SMALL, *COSINE, "audit=false"] if name == "train" else HERE
        overrides = [override for override in overrides if not override.startswith("experiment=")]
        return getattr(import_module(f"maskfold.stages.{name}"), name)(compose(name, [*overrides, *own]))

    monkeypatch.setattr(stage, "run_stage", run_stage)
    return ran


def retire(*labels):
    Path("data/squares/retired.csv").write_text("label,month\n" + "".join(f"{label},{SECOND}\n" for label in labels))


def head(run):
    state = load_checkpoint(run.best)["state_dict"]
    return {name.rpartition(".")[2]: tensor for name, tensor in state.items() if ".head." in name}


def growing(*overrides):
    return compose("grow", ["name=squares", f"month={SECOND}", *HERE, *overrides])


def champion():
    client = MlflowClient()
    number = client.get_registered_model("recogniser").aliases["champion"]
    return client.get_model_version("recogniser", number)


def test_new_products_get_rows_without_a_training_and_old_rows_stay(place):
    split(SECOND)
    settings = compose("enroll", ["name=squares", f"month={SECOND}", "way=rows", *HERE])
    run = enroll(settings)
    before, after = head(MemberFolder(Path("experiments/squares")).run(0)), head(run)

    assert run.path == Path("experiments/squares_2026-02_enrolled/fold0")
    assert ClassTable.read(run.path / "classes.parquet").labels == ["blue", "cyan", "green", "red", *LATE]
    assert torch.equal(after["weight"][:4], before["weight"])
    assert torch.equal(after["centre"], before["centre"])
    assert after["gain"][:4].tolist() == [1, 1, 1, 1]
    prototypes = Prototypes.read(run.path / "prototypes.safetensors")
    long = before["weight"].norm(dim=1).mean()
    assert after["weight"][4:].numpy() == pytest.approx(prototypes.matrix[4:] * long.item(), rel=1e-5)
    record = json.loads((run.path / "run.json").read_text())
    # Of each label eight train photos, a half of them validated on: 24 and 24.
    assert (record["training_photos"], record["enrolled"]) == (48, "rows")
    assert (
        "group olive0" in json.loads(run.lineage.read_text())["seen"] + json.loads(run.lineage.read_text())["held_out"]
    )
    written = run.best.stat().st_mtime_ns
    assert enroll(settings).best.stat().st_mtime_ns == written  # finished


def test_a_linear_head_gets_rows_of_one_making_for_all_and_those_without_photos_keep_their_numbers(place):
    shutil.rmtree("experiments/squares")
    train(compose("train", ["name=squares", *DATA, f"data.until={FIRST}", *SMALL, "audit=false"]))
    split(SECOND)
    retire("cyan", "olive")  # a product that it knows, and a new one: neither has photos
    run = enroll(compose("enroll", ["name=squares", f"month={SECOND}", "way=prototypes", *HERE]))
    weights = head(run)

    assert {"weight", "gain", "centre", "scale", "seen"} == weights.keys()
    assert weights["weight"].shape == (6, 16)
    prototypes = Prototypes.read(run.path / "prototypes.safetensors")
    assert prototypes.classes.tolist() == [0, 2, 3, 5]
    rows = torch.nn.functional.normalize(weights["weight"], dim=1).numpy()
    assert rows[prototypes.classes] == pytest.approx(prototypes.matrix, abs=1e-5)
    assert load_checkpoint(run.best)["construction"]["classes"] == 6
    assert load_checkpoint(run.best)["construction"]["head"] == "cosine"


def test_a_product_whose_number_came_before_its_month_gets_its_row_when_it_is_sold(place):
    split(SECOND)
    retire("olive")
    first = enroll(compose("enroll", ["name=squares", f"month={SECOND}", "to=first", "way=rows", *HERE]))
    Path("data/squares/retired.csv").unlink()
    run = enroll(compose("enroll", ["name=first", f"month={SECOND}", "to=second", "way=rows", *HERE]))
    before, after = head(first)["weight"], head(run)["weight"]

    assert torch.equal(after[[0, 1, 2, 3, 5]], before[[0, 1, 2, 3, 5]])
    own = Prototypes.read(run.path / "prototypes.safetensors").matrix[4]
    assert torch.nn.functional.normalize(after[4], dim=0).numpy() == pytest.approx(own, abs=1e-5)


def test_a_month_without_new_products_is_refused(place):
    with pytest.raises(MaskfoldError, match="no product is new"):
        enroll(compose("enroll", ["name=squares", f"month={FIRST}", *HERE]))


@pytest.mark.hostile("wrong input")
def test_one_photo_of_a_new_product_is_enough_and_none_is_refused():
    classes = ClassTable.empty().extended(pd.DataFrame({"label": ["ale", "bread"]}))
    photos = pd.DataFrame({"label": ["ale", "bread"]})
    _refuse_without_photos(photos, classes, np.array([True, False]), "2026-02")
    with pytest.raises(
        MaskfoldError, match=r"1 new products have no photos outside .*\n  bread\nOne photo there is the"
    ):
        _refuse_without_photos(photos[:1], classes, np.array([True, False]), "2026-02")


def test_a_fine_tune_shows_new_products_whole_and_a_few_old_photos_and_becomes_champion(place):
    for number in range(3):
        draw_square(Path(f"strangers/{number}.png"), "blue", seed=1000 + number)
    grow(growing("replay=2", "unknown=strangers", "product_photos=1"))
    run = MemberFolder(Path("experiments/squares_2026-02")).run(0)
    record = json.loads((run.path / "growth.json").read_text())

    assert place == ["folds", "train"]
    assert (record["passed"], record["promoted"], record["reasons"]) == (True, True, [])
    # Four of each new product and two of each old one, in twelve epochs.
    assert record["costs"]["images"] == (2 * 4 + 4 * 2) * 12
    assert record["figures"]["photos"] == 12
    assert record["figures"]["unknown_photos"] == 3
    assert any("cannot exclude" in note for note in record["notes"])
    assert champion().tags["member"] == "squares_2026-02"
    assert champion().tags["validation"] == "passed"
    assert len(pd.read_csv(run.path / "growth_products.csv")) == 6

    assert grow(growing("replay=2")).number == str(champion().version)  # all is done
    assert place == ["folds", "train"]


def test_a_fine_tune_of_an_enrolled_champion_has_its_model_whatever_the_experiment_says(place, monkeypatch):
    split(SECOND)
    run = enroll(compose("enroll", ["name=squares", f"month={SECOND}", "to=resnet18_grocery", *HERE]))
    ran = {}
    monkeypatch.setattr(stage, "run_stage", ran.__setitem__)
    challenger = MemberFolder(Path("experiments/next")).run(0)
    stage._prepare(compose("grow", ["name=resnet18_grocery", f"month={SECOND}"]), [*DATA], run, challenger)
    model = compose("train", ran["train"]).model  # of the experiment resnet18_grocery: 512 wide, with a linear head

    assert (model.head, model.width, model.architecture, model.weights) == ("cosine", 16, "test_resnet", None)


def test_a_challenger_that_forgets_is_refused_with_every_reason_and_the_champion_stays(place):
    copies = 5  # of each frozen photo: enough to prove what a naive fine-tune loses
    labels = pd.read_csv("photos/labels.csv", dtype="str")
    frozen = labels[(labels["split"] == "test") & labels["label"].notna()]
    rows = []
    for number in range(copies):
        for row in frozen.to_dict("records"):
            name = f"{row['image_id']}_{number}"
            photo = np.frombuffer(Path("photos", row["path"]).read_bytes(), np.uint8)
            Path("photos/test", f"{name}.png").write_bytes(photo.tobytes() + bytes([number]))  # another content
            rows.append(row | {"image_id": name, "path": f"test/{name}.png"})
    pd.concat([labels, pd.DataFrame(rows)]).to_csv("photos/labels.csv", index=False)

    with pytest.raises(MaskfoldError) as refusal:
        grow(growing("replay=0", "product_photos=10"))

    assert "the champion stays version 1 (squares/fold0)" in str(refusal.value)
    assert "macro recall of 4 old products" in str(refusal.value)
    assert any(f"  {label}: recall" in str(refusal.value) for label in ("blue", "cyan", "green", "red"))
    assert champion().tags["member"] == "squares"
    record = json.loads(Path("experiments/squares_2026-02/fold0/growth.json").read_text())
    assert (record["passed"], record["promoted"]) == (False, False)
    assert record["confused"][0]["rate"] > 0


@pytest.mark.hostile("wrong input")
def test_what_a_growth_cannot_begin_with_is_refused(place):
    with pytest.raises(MaskfoldError, match="level=half: there are enroll, finetune, full"):
        grow(growing("level=half"))
    with pytest.raises(MaskfoldError, match="experiments/other/fold0: not trained to its end"):
        grow(compose("grow", ["name=other", f"month={SECOND}", *HERE]))


@pytest.mark.hostile("leaks")
def test_photos_that_a_network_or_the_data_knows_are_not_unknown(place):
    run = MemberFolder(Path("experiments/squares")).run(0)
    table = pd.DataFrame({"image_id": ["t0"], "image_hash": [content_hash("photos/test/t0.png")]})
    draw_square(Path("strangers/new.png"), "blue", seed=1000)
    refuse_known(unknown_photos("strangers"), table, [run])
    shutil.copy("photos/test/t0.png", "strangers/a.png")
    shutil.copy("photos/red/red0.png", "strangers/b.png")
    with pytest.raises(MaskfoldError, match="2 of 3 photos") as refusal:
        refuse_known(unknown_photos("strangers"), table, [run])
    assert "strangers/a.png: a photo of the data" in str(refusal.value)
    assert "strangers/b.png: seen by experiments/squares/fold0" in str(refusal.value)
    assert "new.png" not in str(refusal.value)


@pytest.mark.hostile("replaced files")
def test_a_class_table_with_moved_numbers_is_refused_before_anything_is_trained(place):
    split(SECOND)
    path = Path("data/squares/classes.parquet")
    table = pd.read_parquet(path)
    table["label"] = table["label"].iloc[[1, 0, *range(2, len(table))]].to_numpy()
    table.to_parquet(path, index=False)

    with pytest.raises(MaskfoldError, match="2 classes would be lost or get another number"):
        train(
            compose(
                "train",
                ["name=next", *DATA, *SMALL, *COSINE, "audit=false", "start_from=experiments/squares", "replay=2"],
            )
        )
