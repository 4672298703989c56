"""The stage on a member that was really trained, and training on what it leaves."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold import files
from maskfold.config import compose
from maskfold.data.loading import read_mask
from maskfold.errors import MaskfoldError
from maskfold.files import read_json
from maskfold.masks.unconfidence import unconfidence
from maskfold.prediction.store import ProbabilityStore
from maskfold.pseudo.label_set import LabelSet
from maskfold.runs.lineage import Lineage, read_lineage, sights, write_lineage
from maskfold.stages.folds import folds
from maskfold.stages.predict import predict
from maskfold.stages.pseudo import pseudo
from maskfold.stages.train import train

SET = Path("data/tiny/pseudo/linknet34")
DATA = ["data=carvana", "data.name=tiny", "data.root=photos"]
AGAIN = ["data=pairs", "data.root=again", "data.images=null", "data.test=test"]
EMPTY = np.zeros((40, 60), np.uint8)  # a map of nothing


def make_sure(member: str) -> None:
    """Put maps into a member's stores that it is mostly sure of: a network of two steps is sure of nothing."""
    for fold in (0, 1):
        store = ProbabilityStore(Path(f"experiments/{member}/fold{fold}/predictions/test"))
        for number, image_id in enumerate(sorted(store.paths())):
            probability = np.full((40, 60), 10, np.uint8)
            probability[10:30, 10:40] = 240 - fold
            probability[10, 10 : 11 + (5 * number + 3 * fold) % 17] = 110  # unsure of another number of pixels in each
            store.write(image_id, probability)


@pytest.fixture(autouse=True)
def sure(trained) -> None:
    make_sure("tiny")


def make(*overrides: str) -> None:
    pseudo(compose("pseudo", ["ensemble=linknet34", "ensemble.members=[{experiment: tiny}]", *overrides]))


def student(name: str, fold: int = 0, *overrides: str) -> None:
    run = [f"name={name}", f"fold={fold}", *DATA, "scale=smoke", "trainer.accelerator=cpu"]
    config = compose("train", [*run, *overrides])
    layer = {"_target_": "torch.nn.Conv2d", "in_channels": 3, "out_channels": 1, "kernel_size": 3, "padding": 1}
    config.model = {"_target_": "torch.nn.Sequential", "_args_": [layer]}
    train(config)


def test_each_fold_learns_from_its_own_network_alone(trained):
    make("quantile=1.0")
    ledger = pd.read_csv(SET / "ledger.csv")
    assert ledger.groupby("fold")["teachers"].unique().map(list).to_dict() == {0: ["tiny/fold0"], 1: ["tiny/fold1"]}
    assert len(ledger) == 16  # four cars, two views, two folds
    assert set(ledger["round"]) == {1}
    assert set(ledger["weight"]) == {0.5}
    assert {*zip(ledger["height"], ledger["width"], strict=True)} == {(40, 60)}
    for row in ledger.itertuples():
        own = ProbabilityStore(Path(f"experiments/tiny/fold{row.fold}/predictions/test")).read(row.image_id)
        np.testing.assert_array_equal(cv2.imread(str(SET / row.mask), cv2.IMREAD_UNCHANGED), own)
        assert row.unconfidence == pytest.approx(unconfidence(own))
    assert cv2.imread(str(SET / "labels.jpg")) is not None


def test_only_the_share_asked_for_is_labelled(trained):
    make("quantile=0.25")
    ledger = pd.read_csv(SET / "ledger.csv")
    assert ledger["fold"].value_counts().to_dict() == {0: 2, 1: 2}
    assert {path.stem for path in (SET / "fold0").iterdir()} == set(ledger.loc[ledger["fold"] == 0, "image_id"])
    sure = ledger.loc[ledger["fold"] == 0, "unconfidence"].max()
    store = ProbabilityStore(Path("experiments/tiny/fold0/predictions/test"))
    others = set(store.paths()) - set(ledger.loc[ledger["fold"] == 0, "image_id"])
    assert all(unconfidence(store.read(image_id)) >= sure for image_id in others)


def test_hard_labels_are_masks(trained):
    make("quantile=1.0", "soft=false", "ensemble.threshold=100")
    store = ProbabilityStore(Path("experiments/tiny/fold1/predictions/test"))
    for path in (SET / "fold1").iterdir():
        np.testing.assert_array_equal(read_mask(path), store.read(path.stem) >= 100)


def test_hard_labels_are_post_processed_by_cluster(trained):
    step = "{_target_: maskfold.ensembling.empty.EmptyRule, presence: 255}"  # which no map here reaches
    by_cluster = f"{{_target_: maskfold.ensembling.recipe.ByCluster, clusters: [vans], step: {step}}}"
    chosen = "quantile=1.0", "soft=false", f"ensemble.postprocess=[{by_cluster}]"
    with pytest.raises(MaskfoldError, match="make clusters DATA=tiny"):
        make(*chosen)
    van, *others = sorted(ProbabilityStore(Path("experiments/tiny/fold1/predictions/test")).paths())
    Path("data/tiny/clusters.csv").write_text(f"image_id,cluster\n{van},vans\n{others[0]},cars\n")

    make(*chosen)

    masks = {path.stem: read_mask(path).any() for path in (SET / "fold1").iterdir()}
    assert masks == {van: False} | dict.fromkeys(others, True)
    assert read_json(SET / "manifest.json")["clusters"].startswith("2 clusters")


def test_hard_labels_by_a_step_that_looks_at_some_members_are_refused(trained):
    step = "{_target_: maskfold.ensembling.postprocess.LargestComponent}"
    by_members = f"{{_target_: maskfold.ensembling.recipe.ByMembers, members: [{{experiment: tiny}}], step: {step}}}"
    with pytest.raises(MaskfoldError, match=r"soft=false: .*looks at some of the members"):
        make("soft=false", f"ensemble.postprocess=[{by_members}]")
    make(f"ensemble.postprocess=[{by_members}]")


def test_a_whole_set_is_left_alone_and_another_is_refused(trained):
    make()
    before = {path: path.read_bytes() for path in SET.rglob("*") if path.is_file()}
    make()
    assert {path: path.read_bytes() for path in SET.rglob("*") if path.is_file()} == before
    with pytest.raises(MaskfoldError, match=r"holds pseudo-labels of other members, photos or choices"):
        make("quantile=0.9")
    make("quantile=0.9", "overwrite=true")
    assert read_json(SET / "manifest.json")["quantile"] == 0.9


def test_training_takes_the_labels_of_its_fold_and_remembers_them(trained, monkeypatch):
    make("quantile=1.0", "weight=0.25")
    seen = []

    def remember(_config, _parts, rows, *_):
        seen.append(rows.training)
        return {"epoch": 0, "val/dice": 0.0}

    monkeypatch.setattr("maskfold.stages.train._fit", remember)
    monkeypatch.setattr("maskfold.stages.train._tell", lambda *_: None)
    student("student", 0, f"pseudo={SET}")
    (rows,) = seen
    told = rows[rows["soft"]]
    assert len(told) == 8
    assert set(told["weight"]) == {0.25}
    assert {Path(mask).parent.name for mask in told["mask"]} == {"fold0"}
    assert set(rows.loc[~rows["soft"], "weight"]) == {1.0}
    own, teacher = (read_lineage(Path(f"experiments/{name}/fold0")) for name in ("student", "tiny"))
    assert (own.round, own.held_out) == (1, teacher.held_out)
    assert set(own.seen) == set(teacher.seen) | set(sights(told))


def test_a_second_round_is_made_by_students(trained):
    make("quantile=1.0")
    for fold in (0, 1):
        student("student", fold, f"pseudo={SET}")
        predict(compose("predict", ["name=student", f"fold={fold}", "trainer.accelerator=cpu"]))
    make_sure("student")
    make("ensemble.name=second", "ensemble.members=[{experiment: student}]")
    assert set(pd.read_csv("data/tiny/pseudo/second/ledger.csv")["round"]) == {2}


@pytest.mark.hostile("leaks")
def test_a_student_on_another_split_is_refused(trained):
    make()
    folds(compose("folds", [*DATA, "folds.k=3", "folds.seed=5", "overwrite=true"]))
    with pytest.raises(
        MaskfoldError, match=r"(?s)has seen \d+ groups and images that fold 0 of this split is validated on"
    ):
        student("student", 0, f"pseudo={SET}")


def test_a_fold_without_teachers_is_refused(trained):
    make("ensemble.members=[{experiment: tiny, folds: [1]}]")
    with pytest.raises(MaskfoldError, match=r"has labels for fold 1, none for fold 0"):
        student("student", 0, f"pseudo={SET}")


@pytest.mark.hostile("stale maps")
def test_labels_of_other_data_are_refused(trained):
    for fold in (0, 1):
        run = Path(f"experiments/tiny/fold{fold}")
        write_lineage(run, Lineage("people", 0, read_lineage(run).seen, read_lineage(run).held_out))
    make()
    with pytest.raises(MaskfoldError, match=r"networks trained on people, this run trains on tiny"):
        student("student", 0, f"pseudo={SET}")


@pytest.mark.hostile("damaged files")
def test_a_changed_ledger_and_a_missing_set_are_refused(trained):
    make()
    with pytest.raises(MaskfoldError, match=r"nowhere: no whole set of pseudo-labels"):
        student("student", 0, "pseudo=nowhere")
    ledger = SET / "ledger.csv"
    ledger.write_text(ledger.read_text().replace("tiny/fold0", "tiny/fold1"))
    with pytest.raises(MaskfoldError, match=r"ledger\.csv: missing or changed"):
        student("student", 0, f"pseudo={SET}")


def test_maps_of_unknown_origin_may_not_teach(trained):
    shutil.copytree("experiments/tiny/fold0/predictions/test", "mate/maps/test")
    with pytest.raises(MaskfoldError, match="nobody knows what this network was trained on"):
        make("ensemble.members=[{experiment: tiny}, {maps: mate/maps/test}]")


def test_another_grouping_of_the_same_photos_does_not_hide_a_leak(trained):
    make()
    write_folds_by_photo()
    with pytest.raises(MaskfoldError, match=r"(?s)has seen \d+ groups and images.*\n  image 0"):
        student("student", 0, f"pseudo={SET}", "data=pairs", "data.images=train", "data.masks=train_masks")


def write_folds_by_photo() -> None:
    """Split by photos, each a group of its own: one of every car into either fold."""
    ids = sorted(path.stem for path in Path("photos/train").iterdir())
    rows = [f"{image_id},{image_id},{number % 2}\n" for number, image_id in enumerate(ids)]
    Path("data/tiny/folds.csv").write_text("".join(["image_id,group,fold\n", *rows]))


@pytest.mark.hostile("killed")
def test_a_set_that_is_being_replaced_is_not_taken_for_whole(trained, monkeypatch):
    make()

    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("maskfold.pseudo.label_set.LabelSet.begin", killed)
    with pytest.raises(KeyboardInterrupt):
        make("quantile=0.9", "overwrite=true")
    monkeypatch.undo()
    with pytest.raises(MaskfoldError, match="no whole set of pseudo-labels"):
        student("student", 0, f"pseudo={SET}")
    make()
    assert (SET / "manifest.json").exists()


def test_photos_of_a_validated_group_are_no_lessons(trained):
    """A test photo of a car that fold 0 is validated on is labelled for fold 1 alone."""
    run = Path("experiments/tiny/fold0")
    mine, test_car = read_lineage(run), f"{6:012x}"
    write_lineage(run, Lineage("tiny", 0, mine.seen, (*mine.held_out, f"group {test_car}")))
    make("quantile=1.0")
    ledger = pd.read_csv(SET / "ledger.csv", dtype={"group": str})
    assert ledger.loc[ledger["group"] == test_car, "fold"].tolist() == [1, 1]


@pytest.mark.hostile("leaks")
@pytest.mark.parametrize("copied", ["{}", "copy_of_{}"])
def test_a_photo_that_a_fold_is_validated_on_is_no_lesson_in_another_group_or_under_another_name(trained, copied):
    """The training photos once more, as photos to label: every fold may learn from those of the other fold alone."""
    folder, stores = Path("again/test"), [Path(f"experiments/tiny/fold{fold}/predictions/again") for fold in (0, 1)]
    folder.mkdir(parents=True)
    for path in Path("photos/train").iterdir():
        copy = Path(shutil.copy(path, folder / copied.format(path.name)))
        for store in stores:
            ProbabilityStore(store).write(copy.stem, np.where(np.arange(60) < 30, 10, 240).astype(np.uint8) + EMPTY)

    make("quantile=1", "ensemble.members=[{experiment: tiny, store: again}]", *AGAIN)

    split = pd.read_csv("data/tiny/folds.csv").set_index("image_id")["fold"]
    ledger = pd.read_csv("data/again/pseudo/linknet34/ledger.csv")
    taught = ledger["image_id"].str.removeprefix("copy_of_").map(split)
    assert len(ledger) == 12
    assert (taught != ledger["fold"]).all()


@pytest.mark.hostile("leaks")
@pytest.mark.parametrize("known", [True, False])
def test_training_leaves_out_a_lesson_that_it_is_validated_on_by_its_content(trained, known):
    """A set of an older version has no hashes of its photos: they are looked at."""
    make("quantile=1.0")
    labels = LabelSet(SET)
    ledger, manifest = labels.read()
    if not known:
        ledger = ledger.drop(columns=["image_hash", "mask_hash"])
        ledger.to_csv(SET / "ledger.csv", index=False)
        files.write_json(SET / "manifest.json", manifest | {"ledger_sha256": files.sha256(SET / "ledger.csv")})
    photo = "photos/test/000000000007_01.jpg"

    rows, _ = labels.for_fold(0, data="tiny", held_out=[f"content {files.sha256(Path(photo))[:16]}"])

    assert len(rows) == 7
    assert photo not in set(rows["image"])


@pytest.mark.hostile("damaged files")
def test_a_label_that_is_not_the_one_that_was_written_is_refused(trained):
    make("quantile=1.0")
    first, second = sorted((SET / "fold0").iterdir())[:2]
    first.write_bytes(second.read_bytes())
    second.unlink()

    with pytest.raises(
        MaskfoldError, match=rf"2 photos or labels are damaged.*\n  {first}\n  {second}\n.*overwrite=true"
    ):
        student("student", 0, f"pseudo={SET}")
    LabelSet(SET).for_fold(1, data="tiny", held_out=[])


@pytest.mark.hostile("replaced files")
def test_a_photo_that_was_replaced_since_it_was_labelled_is_neither_learned_nor_called_finished(trained):
    make("quantile=1.0")
    photo, other = Path("photos/test/000000000007_01.jpg"), Path("photos/test/000000000008_01.jpg")
    LabelSet(SET).for_fold(1, data="tiny", held_out=[])  # what was seen is remembered, and asked for again
    photo.write_bytes(other.read_bytes())

    with pytest.raises(MaskfoldError, match=rf"1 photos or labels are damaged.*\n  {photo}\n"):
        LabelSet(SET).for_fold(1, data="tiny", held_out=[])
    for fold in (0, 1):
        run = Path(f"experiments/tiny/fold{fold}/predictions/test")
        (run / "000000000007_01.b2nd").unlink()
        predict(compose("predict", ["name=tiny", f"fold={fold}", "split=test", "trainer.accelerator=cpu"]))
    with pytest.raises(MaskfoldError, match="holds pseudo-labels of other members, photos or choices"):
        make("quantile=1.0")


@pytest.mark.hostile("stale maps")
def test_after_a_failure_scores_are_not_reused_for_new_maps(trained):
    """No photo is sure of an object at first; then there are others in the same store, of the same origin."""
    before = {path: path.read_bytes() for path in Path("experiments/tiny").rglob("*.b2nd")}
    for path in before:
        ProbabilityStore(path.parent).write(path.stem, EMPTY)
    with pytest.raises(MaskfoldError, match="nothing to learn from"):
        make("quantile=1.0")

    for path, content in before.items():
        files.write_bytes(path, content)
    make("quantile=1.0")

    ledger = pd.read_csv(SET / "ledger.csv")
    maps = {fold: ProbabilityStore(Path(f"experiments/tiny/fold{fold}/predictions/test")) for fold in (0, 1)}
    scores = [unconfidence(maps[row.fold].read(row.image_id)) for row in ledger.itertuples()]
    assert ledger["unconfidence"].tolist() == pytest.approx(scores)
