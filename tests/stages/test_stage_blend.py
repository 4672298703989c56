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
from maskfold.prediction.store import ProbabilityStore
from maskfold.stages.blend import blend
from maskfold.stages.ensemble import ensemble


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


STEPS = [{"_target_": f"maskfold.ensembling.postprocess.{name}"} for name in ("FillHoles", "LargestComponent")]
SHOP = ["data=pairs", "data.root=shop", "k=3"]


@pytest.fixture
def shop(tmp_path, monkeypatch) -> None:
    """Ten plates whose maps have a hole that they have not, ten rings that have it, two plates of no known cluster."""
    monkeypatch.chdir(tmp_path)
    for folder in ("shop/images", "shop/masks", "data/shop"):
        Path(folder).mkdir(parents=True)
    lines = ["image_id,cluster"]
    for number in range(22):
        name, ring = f"photo{number:02}", number % 2 == 1 and number < 20
        mask = np.zeros((12, 12), np.uint8)
        mask[2:10, 2:10] = 255
        predicted = mask.copy()
        predicted[5:7, 5:7] = 0
        photo = np.full((12, 12, 3), number, np.uint8)
        for folder, array in (("images", photo), ("masks", predicted if ring else mask)):
            cv2.imwrite(f"shop/{folder}/{name}.png", array)
        ProbabilityStore(Path("maps")).write(name, predicted)
        if number < 20:
            lines.append(f"{name},{'rings' if ring else 'plates'}")
    Path("data/shop/clusters.csv").write_text("\n".join(lines))


def of_shop(stage, *overrides: str, steps: list[dict]):
    data = [one for one in SHOP if stage is blend or not one.startswith("k=")]
    composed = compose(stage.__name__, ["ensemble=linknet34", "jobs=1", *data, *overrides])
    members = [{"maps": "maps"}]
    recipe = {"_target_": "maskfold.ensembling.recipe.Recipe", "name": "shop", "members": members, "postprocess": steps}
    composed.ensemble = recipe
    return stage(composed)


def test_steps_are_proposed_where_they_gain_and_what_is_pasted_gives_what_was_promised(shop, caplog):
    caplog.set_level(logging.INFO)
    of_shop(blend, steps=STEPS)

    (pasted,) = [yaml.safe_load(text) for text in caplog.text.split("conf/ensemble/shop.yaml:\n")[1:]]
    limited = {"_target_": "maskfold.ensembling.recipe.ByCluster", "clusters": ["plates"], "step": STEPS[0]}
    assert pasted == {"postprocess": [limited]}
    kept = json.loads(Path("submissions/shop/blend.json").read_text())["steps"]
    assert kept["ensemble"] == pasted
    assert [(row["cluster"], row["verdict"]) for row in kept["table"]] == [
        ("plates", "on"), ("rings", "loses"), ("plates", "changes nothing"), ("rings", "changes nothing")
    ]  # fmt: skip
    # 64 pixels, of which 60 are in one mask: 120 / 124.
    assert kept["proposed"] == pytest.approx((20 + 2 * 120 / 124) / 22)
    assert "2 photos of no known cluster: steps that go by clusters are off there." in caplog.text

    scores = of_shop(ensemble, "split=oof", steps=pasted["postprocess"])
    assert scores["dice"].mean() == pytest.approx(kept["proposed"], abs=1e-12)
    assert scores.loc[scores["cluster"].isna(), "dice"].tolist() == pytest.approx([120 / 124] * 2)
    manifest = json.loads(Path("submissions/shop/oof/manifest.json").read_text())
    assert manifest["ensemble"]["postprocess"] == [limited]
    assert manifest["clusters"].startswith("2 clusters of 22 photos")

    before = of_shop(ensemble, "split=oof", steps=STEPS)
    assert before["dice"].mean() == pytest.approx(kept["present"], abs=1e-12)
    assert "clusters" not in json.loads(Path("submissions/shop/oof/manifest.json").read_text())


def test_without_clusters_steps_are_judged_on_all_photos_and_without_steps_nothing_is(shop):
    of_shop(blend, steps=[])
    assert "steps" not in json.loads(Path("submissions/shop/blend.json").read_text())
    Path("data/shop/clusters.csv").unlink()

    of_shop(blend, steps=STEPS)

    kept = json.loads(Path("submissions/shop/blend.json").read_text())["steps"]
    assert [row["cluster"] for row in kept["table"]] == ["all photos"] * 2
    assert kept["ensemble"] == {"postprocess": []}  # twelve gain and ten lose as much
    limited = {"_target_": "maskfold.ensembling.recipe.ByCluster", "clusters": ["plates"], "step": STEPS[0]}
    for stage in (blend, ensemble):
        split = ["split=oof"] if stage is ensemble else []
        with pytest.raises(MaskfoldError, match=r"make clusters DATA=shop.*data/shop/clusters\.csv"):
            of_shop(stage, *split, steps=[limited])
