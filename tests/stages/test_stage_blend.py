"""The stage that fits an ensemble's weights."""

import json
import logging
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml

from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.stages.blend import blend


@pytest.fixture
def mates(trained) -> list[dict]:
    """Two folders of out-of-fold maps from other code: one nearly right, one nearly random."""
    rng = np.random.default_rng(0)
    for name, noise in (("good", 20), ("bad", 120)):
        Path(name).mkdir()
        for image_id in pd.read_csv("data/tiny/folds.csv")["image_id"]:
            mask = cv2.imread(f"photos/train_masks/{image_id}_mask.png", cv2.IMREAD_GRAYSCALE)
            noisy = 100 + mask / 5.0 + rng.normal(0, noise, mask.shape)
            cv2.imwrite(f"{name}/{image_id}.png", noisy.clip(0, 255).astype(np.uint8))
    return [{"experiment": "tiny"}, {"members": [{"maps": "good", "weight": 2}, {"maps": "bad"}]}]


def config(members: list[dict], *overrides: str):
    composed = compose("blend", ["ensemble=linknet34", "k=3", "jobs=1", *overrides])
    composed.ensemble = {"_target_": "maskfold.ensembling.recipe.Recipe", "name": "both", "members": members}
    return composed


@pytest.mark.parametrize("method", ["greedy", "nnls"])
def test_weights_that_gain_are_shown_as_yaml_and_kept(mates, method, caplog):
    with caplog.at_level(logging.INFO):
        result = blend(config(mates, f"method={method}"))

    assert result.accepted
    kept = json.loads(Path("submissions/both/blend.json").read_text())
    assert kept["accepted"] is True
    assert kept["method"] == method
    assert [row["member"] for row in kept["table"]] == ["tiny", "good", "bad", "ensemble as it is"]
    assert [row["weight"] for row in kept["table"]] == [0.5, 0.3333, 0.1667, 1.0]
    assert np.argmax([row["fitted"] for row in kept["table"][:3]]) == 1
    weights = {node.get("maps", node.get("experiment")): node["weight"] for node in kept["members"]}
    assert max(weights, key=weights.get) == "good"
    pasted = yaml.safe_load(caplog.text.split("conf/ensemble/both.yaml:\n")[1])
    assert pasted["members"] == kept["members"]
    blend(config(pasted["members"], "data=carvana", "data.root=photos"))  # what is pasted is a tree again


def test_members_left_out_are_to_be_taken_out_of_the_steps_as_well(mates, caplog):
    composed = config([{"experiment": "tiny"}, {"maps": "good"}, {"maps": "bad"}], "method=greedy")
    step = {"_target_": "maskfold.ensembling.postprocess.LargestComponent"}
    by_members = {"_target_": "maskfold.ensembling.recipe.ByMembers", "members": [{"experiment": "tiny"}], "step": step}
    composed.ensemble = {**composed.ensemble, "postprocess": [by_members]}
    with caplog.at_level(logging.INFO):
        blend(composed)

    assert "They leave out tiny, which a step of post-processing names: take them out" in caplog.text


def test_the_datas_metric_is_fitted_and_where_it_cannot_be_that_is_said(mates, caplog):
    caplog.set_level(logging.INFO)
    data = ["data=carvana", "data.root=photos", "data.name=tiny"]
    blend(config(mates, *data, "data.metric=iou"))
    kept = json.loads(Path("submissions/both/blend.json").read_text())
    assert kept["iou"] > 0
    assert "iou" in kept["table"][0]
    assert "fitted and judged by Dice" not in caplog.text

    blend(config(mates, *data, "data.metric=surface_dice"))
    assert (
        "surface Dice does not follow from counts of pixels: the weights are fitted and judged by Dice." in caplog.text
    )
    assert "dice" in json.loads(Path("submissions/both/blend.json").read_text())


def test_within_the_noise_nothing_is_recommended(mates, caplog):
    with caplog.at_level(logging.INFO):
        result = blend(config([{"maps": "good"}, {"maps": "good"}], "data=carvana", "data.root=photos"))

    assert not result.accepted
    assert "within the noise. Keep the ensemble" in caplog.text
    assert "conf/ensemble" not in caplog.text


def test_members_of_different_images_are_refused_by_name(mates):
    lost = sorted(Path("bad").iterdir())[3]
    lost.unlink()

    with pytest.raises(
        MaskfoldError, match=rf"bad, out of fold: 1 of 12 images have no map:\n  {lost.stem}\n.*same data"
    ):
        blend(config(mates))


def test_what_is_asked_for_wrongly_is_named(mates):
    with pytest.raises(MaskfoldError, match="method=ridge is unknown"):
        blend(config(mates, "method=ridge"))
    with pytest.raises(MaskfoldError, match="k=50: there are only 6 groups"):
        blend(config(mates, "k=50"))
