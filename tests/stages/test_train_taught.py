"""A run that learns from an ensemble's maps of its own training photos."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from maskfold.campaign import lessons
from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.files import read_json
from maskfold.prediction.store import ORIGIN, ProbabilityStore
from maskfold.segmentation import dataset
from maskfold.stages.predict import predict
from maskfold.stages.train import train

STUDENT = Path("experiments/student/fold0")
CPU = "trainer.accelerator=cpu"


def student(*overrides: str) -> None:
    run = ["name=student", "data=carvana", "data.name=tiny", "data.root=photos", "scale=smoke", CPU]
    config = compose("train", [*run, "distill.ensemble=linknet34", *overrides])
    layer = {"_target_": "torch.nn.Conv2d", "in_channels": 3, "out_channels": 1, "kernel_size": 3, "padding": 1}
    config.model = {"_target_": "torch.nn.Sequential", "_args_": [layer]}
    train(config)


@pytest.fixture
def of_tiny(trained, monkeypatch):
    """Let the ensemble that teaches be the member `tiny`."""

    def composed(stage, overrides):
        return compose(stage, [*overrides, "ensemble.members=[{experiment: tiny}]"])

    monkeypatch.setattr(lessons, "compose", composed)


def test_a_run_on_all_photos_is_taught_by_the_maps_out_of_fold(of_tiny):
    student("fold=full")

    folds = [ProbabilityStore(Path(f"experiments/tiny/fold{fold}/predictions/oof")) for fold in (0, 1)]
    for path in Path("data/tiny/distilled/linknet34").rglob("*.png"):
        (store,) = (one for one in folds if path.stem in one.image_ids())
        np.testing.assert_array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), store.read(path.stem))
    assert len(list(Path("data/tiny/distilled/linknet34").rglob("*.png"))) == 12
    assert "distill" in read_json(STUDENT.parent / "full" / "run.json")["identity"]


@pytest.mark.hostile("stale maps")
def test_a_fold_is_taught_by_its_own_fold_of_the_ensemble_and_by_no_other_maps_later(of_tiny, monkeypatch):
    shares = []

    def noted(truth, maps, share):
        shares.append(share)
        return truth.astype(np.float32)

    monkeypatch.setattr(dataset, "blended", noted)
    with pytest.raises(MaskfoldError, match=r"(?s)no map of tiny.*make predict EXP=tiny FOLD=0 SPLIT=learned"):
        student()
    store = predict(compose("predict", ["name=tiny", "fold=0", "split=learned", CPU]))
    validated = ProbabilityStore(Path("experiments/tiny/fold0/predictions/oof")).image_ids()
    assert len(store.image_ids()) + len(validated) == 12
    assert not store.image_ids() & validated

    student("distill.share=0.3")

    assert {*shares} == {0.3}
    assert len(shares) == 4  # two steps of two photos; validation asks nobody
    written = [*Path("data/tiny/distilled/linknet34").rglob("*.png")]
    assert {path.stem for path in written} == store.image_ids()
    assert read_json(STUDENT / "run.json")["identity"]["distill"] == written[0].parent.name
    assert read_json(STUDENT / "seen.json")["round"] == 1
    predict(compose("predict", ["name=student", "fold=0", "split=oof", CPU]))  # it has seen nothing of these

    origin = store.folder / ORIGIN
    origin.write_text(origin.read_text().replace('"tta": "none"', '"tta": "hflip"'))
    with pytest.raises(MaskfoldError, match=r"distill: \w+ before, \w+ now"):
        student("distill.share=0.3")
