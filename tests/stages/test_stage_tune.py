"""The stage that chooses thresholds, and when a photo has no object."""

import json
import logging
from pathlib import Path

import cv2
import pandas as pd
import pytest
import yaml

from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.stages.ensemble import ensemble
from maskfold.stages.tune import tune

DATA = ["data=carvana", "data.root=photos", "data.name=tiny"]


@pytest.fixture
def half_empty(trained) -> None:
    """Photos of which every second is empty, and maps of other code that have a faint false alarm on those."""
    Path("mate").mkdir()
    for number, image_id in enumerate(pd.read_csv("data/tiny/folds.csv")["image_id"]):
        path = f"photos/train_masks/{image_id}_mask.png"
        mask = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
        probability = mask if number % 2 else cv2.rectangle(mask * 0, (5, 5), (12, 12), 150, -1)
        cv2.imwrite(path, mask if number % 2 else mask * 0)
        cv2.imwrite(f"mate/{image_id}.png", probability)


def config(stage: str, *overrides: str, **recipe):
    composed = compose(stage, ["ensemble=linknet34", "jobs=1", *DATA, *overrides])
    node = {"_target_": "maskfold.ensembling.recipe.Recipe", "name": "half", "members": [{"maps": "mate"}]}
    composed.ensemble = node | recipe
    return composed


def test_rules_that_gain_are_shown_as_yaml_and_give_what_was_said(half_empty, caplog):
    before = ensemble(config("ensemble", "split=oof"))
    caplog.set_level(logging.INFO)
    result = tune(config("tune", "k=3"))

    assert result.accepted
    assert (before["dice"].mean(), result.present) == pytest.approx((0.5, 0.5))
    kept = json.loads(Path("submissions/half/tune.json").read_text())
    assert kept["metric"] == "dice"
    pasted = yaml.safe_load(caplog.messages[-1].split("conf/ensemble/half.yaml:\n")[1])
    assert pasted == kept["ensemble"]
    assert ensemble(config("ensemble", "split=oof", **pasted))["dice"].tolist() == [1.0] * 12
    assert kept["tuned"] == result.tuned == 1
    # And nothing is left to choose.
    assert not tune(config("tune", "k=3", **pasted)).accepted
    assert "within the noise. Keep the ensemble as it is." in caplog.text


def test_the_datas_metric_decides(half_empty):
    result = tune(config("tune", "k=3", "data.metric=dice_of_present"))

    # Empty photos do not count, so a rule for them is worth nothing.
    assert not result.accepted
    assert json.loads(Path("submissions/half/tune.json").read_text())["metric"] == "dice_of_present"


def test_what_is_asked_for_wrongly_is_named(half_empty):
    with pytest.raises(MaskfoldError, match="k=50: there are only 6 groups"):
        tune(config("tune", "k=50"))
    with pytest.raises(MaskfoldError, match=r"metric=dise: no such metric\. Did you mean dice"):
        tune(config("tune", "data.metric=dise"))


def test_temperatures_are_proposed_as_members_and_another_mean_is_another_result(half_empty, caplog):
    caplog.set_level(logging.INFO)
    two = [{"members": [{"maps": "mate", "weight": 2}, {"experiment": "tiny", "temperature": 3}]}]
    tune(config("tune", "k=3", "temperature=true", members=two, mean="logit"))

    kept = json.loads(Path("submissions/half/tune.json").read_text())["temperatures"]
    assert [node.get("maps", node.get("experiment")) for node in kept["members"]] == ["mate", "tiny"]
    assert [node["weight"] for node in kept["members"]] == [2, 1]
    assert [row["now"] for row in kept["table"]] == [1.0, 3.0]
    assert "Temperatures fitted on other groups gain" in caplog.text
    by_mean = {}
    for mean in ("probability", "logit", "rank"):
        recipe = {"members": kept["members"], "mean": mean}  # what is proposed is a tree again
        by_mean[mean] = ensemble(config("ensemble", "split=oof", **recipe))["unconfidence"].tolist()
        manifest = json.loads(Path("submissions/half/oof/manifest.json").read_text())
        assert manifest["ensemble"]["mean"] == mean
    assert len({*map(tuple, by_mean.values())}) == 3
    with pytest.raises(MaskfoldError, match=r"temperature=true: a mean of ranks asks for the order"):
        tune(config("tune", "temperature=true", mean="rank"))
