"""The report of an ensemble of PNG maps, made by a fabricated member and by other code, on twelve tiny photos."""

import base64
import re

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.stages.ensemble import ensemble
from maskfold.stages.report import report

DATA = ["data=studio", "data.root=photos", "data.name=photos"]
ENSEMBLE = [
    "ensemble=linknet34",
    "ensemble.name='tiny <b>'",
    "ensemble.members=[{experiment: one},{maps: 'theirs/{split}'}]",
]
CARS = {"train": ["aa", "bb", "cc"], "test": ["dd", "ee", "ff"]}


def car(shift: int) -> np.ndarray:
    """A box of 12x20 pixels in 24x36, `shift` columns from the left."""
    mask = np.zeros((24, 36), np.uint8)
    mask[6:18, shift : shift + 20] = 255
    return mask


def write(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Photos, masks, hidden truth, planted faults, and maps that are right but for aa_02, whose mask is spoilt."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for split, masks in (("train", "train_masks"), ("test", "test_truth")):
        for name in CARS[split]:
            for view in (1, 2):
                image_id, mask = f"{name}_{view:02d}", car(shift=5 + view)
                photo = cv2.cvtColor(mask // 2 + 60, cv2.COLOR_GRAY2BGR)
                write(tmp_path / "photos" / split / f"{image_id}.jpg", photo)
                doubt = 100 if image_id == "ee_01" else 0
                probability = np.where(mask > 0, 250 - doubt, rng.integers(0, 20, mask.shape)).astype(np.uint8)
                where = "oof" if split == "train" else "test"
                write(tmp_path / f"experiments/one/fold0/predictions/{where}/{image_id}.png", probability)
                write(tmp_path / f"theirs/{where}/{image_id}.png", probability)
                spoilt = car(shift=0) if image_id == "aa_02" else mask
                write(tmp_path / "photos" / masks / f"{image_id}_mask.png", spoilt)
    # But for make, columns that scores and stages have as well.
    makes = dict.fromkeys(["bb", "cc", "dd", "ee", "ff"], "y,2,0.1,7,0,1,front") | {"aa": "<i>x</i>,3,0.2,8,1,0,rear"}
    header = "id,make,fold,dice,unconfidence,weight,soft,view\n"
    (tmp_path / "photos/metadata.csv").write_text(header + "".join(f"{car},{row}\n" for car, row in makes.items()))
    (tmp_path / "photos/planted.csv").write_text(
        "image_id,group,kind,split,note\naa_02,aa,wrong_mask,train,shifted\n"
        "ee_01,ee,white_van,test,white\nee_02,ee,white_van,test,white\n"
    )


def run_ensemble(split: str) -> None:
    ensemble(compose("ensemble", [*ENSEMBLE, *DATA, f"split={split}", "jobs=1"]))


def run_report(*overrides: str) -> str:
    return report(compose("report", [*ENSEMBLE, "images=2", *overrides])).read_text()


def text(page: str) -> str:
    return " ".join(re.sub(r"<style>.*</style>|<[^>]*>", " ", page, flags=re.DOTALL).split())


def score_member(tmp_path) -> None:
    scores = pd.read_parquet("submissions/tiny <b>/oof/scores.parquet")
    scores.assign(fold=0, dice=0.5)[["image_id", "group", "fold", "dice", "iou"]].to_parquet(
        tmp_path / "experiments/one/scores.parquet"
    )
    (tmp_path / "experiments/one/results.csv").write_text("fold,dice,seconds\n0,0.5,90\nall,0.5,\n")


def test_the_whole_report(tiny, tmp_path):
    run_ensemble("test")
    run_ensemble("oof")
    score_member(tmp_path)

    page = run_report()

    said = text(page)
    # Five boxes are found, the sixth mask is 7 columns aside: 2 * 13 / 40.
    assert f"{(5 + 0.65) / 6:.5f} out-of-fold Dice" in said
    assert "1.00000 Dice of the submission against the hidden truth" in said
    assert "one 0.50000 0.50000 0.50000 to 0.50000" in said
    assert "1.5 min" in said
    assert "precision at 10 of the unconfidence ranking is 0.33; at 2, the number planted, it is 0.50" in said
    assert "the recall of the 1 planted ones among as many of the worst out-of-fold images is 1.00" in said
    assert "all are among the worst 1 of 6" in said
    assert "84 px missed, 84 px too much" in said
    assert "suspicious mask: 52 %" in said  # 168 pixels contradicted, of 27 x 12 in one or both
    assert "planted: wrong mask, shifted" in said
    assert page.index("ee_01") < page.index("The worst out-of-fold images") < page.index("aa_02")
    assert "theirs/{split}: a folder of maps from elsewhere" in said
    assert "wrong mask 1 1.00 1.00 1 of 6" in said
    assert "Suspicious masks: 1; of these, spoilt on purpose: 1, a precision of 1.00." in said
    assert "50 % are missed object, the others too much of it." in said
    assert "one 50.0 % 0.94167 0.94167 +0.00000 +0.00000 to +0.00000" in said  # the same maps twice
    assert len(re.findall(r"data:image/jpeg", page)) == 3 * 2 * 4


def test_clusters_are_shown_as_they_are_now_and_of_scores_without_accuracy_too(tiny, tmp_path, undrawn):
    run_ensemble("oof")
    scores = tmp_path / "submissions/tiny <b>/oof/scores.parquet"
    assert not {"cluster"} & {*pd.read_parquet(scores)}
    assert "By cluster" not in text(run_report())
    clusters = tmp_path / "data/photos/clusters.csv"
    clusters.write_text("image_id,cluster\naa_02,vans\n" + "".join(f"{car}_01,cars\n" for car in CARS["train"]))
    run_ensemble("oof")
    kept = pd.read_parquet(scores)
    assert kept["cluster"].fillna("-").value_counts().to_dict() == {"cars": 3, "-": 2, "vans": 1}
    kept.drop(columns="accuracy").to_parquet(scores)
    clusters.write_text(clusters.read_text().replace("vans", "a <van>"))

    said = text(run_report())

    # Of the spoilt one 13 of 27 columns are in both masks.
    assert "a &lt;van&gt; 1 1 0.48148 - 0.65000 - cars 3 3 1.00000 1.00000 to 1.00000 1.00000 -" in said
    assert "a &lt;van&gt; 1 0.0 % (0.0 to 79.3)" in said
    assert "cars 3 100.0 % (43.9 to 100.0)" in said
    assert "without a cluster 2 2 1.00000" in said
    assert "cluster a &lt;van&gt; 1 0.65000" in said  # among the lowest classes


@pytest.mark.hostile("stale maps")
def test_masks_made_by_other_clusters_are_not_reported(tiny, tmp_path, monkeypatch, undrawn):
    step = "{_target_: maskfold.ensembling.postprocess.LargestComponent}"
    by_cluster = f"{{_target_: maskfold.ensembling.recipe.ByCluster, clusters: [vans], step: {step}}}"
    monkeypatch.setattr(f"{__name__}.ENSEMBLE", [*ENSEMBLE, f"ensemble.postprocess=[{by_cluster}]"])
    clusters = tmp_path / "data/photos/clusters.csv"
    clusters.parent.mkdir(parents=True)
    clusters.write_text("image_id,cluster\naa_01,vans\n")
    run_ensemble("oof")
    assert "clusters have changed" not in text(run_report())
    clusters.write_text("image_id,cluster\naa_02,vans\n")

    with pytest.raises(MaskfoldError, match="the photos' clusters have changed since; `make ensemble"):
        run_report()


def test_names_are_escaped_in_text_and_in_charts(tiny):
    run_ensemble("oof")

    page = run_report()

    charts = "".join(base64.b64decode(code).decode() for code in re.findall(r"svg\+xml;base64,([^\"]+)", page))
    assert "Ensemble tiny &lt;b&gt;" in page
    assert "&lt;i&gt;x&lt;/i&gt;" in page
    assert "&lt;i&gt;x&lt;/i&gt;" in charts
    assert "<b>'" not in page
    assert "<i>x" not in page + charts


def test_what_is_missing_is_left_out_with_the_command_that_adds_it(tiny, undrawn):
    run_ensemble("test")

    said = text(run_report())

    assert "make ensemble ENS=tiny &lt;b&gt; ARGS=split=oof" in said
    assert "The worst out-of-fold images" not in said
    assert "The test images the ensemble is most unsure of" in said


def test_a_member_that_was_not_evaluated_is_named(tiny, undrawn):
    run_ensemble("oof")

    said = text(run_report())

    assert "experiments/one/scores.parquet is missing; make evaluate EXP=one makes it." in said
    assert "make ensemble ENS=tiny &lt;b&gt; makes it" in said


def test_scores_of_another_recipe_are_not_reported(tiny):
    run_ensemble("test")

    with pytest.raises(MaskfoldError, match=r"nothing to report(?s:.*)configuration has changed(?s:.*)oof"):
        run_report("ensemble.threshold=55")


def test_the_same_evidence_gives_the_same_bytes(tiny, undrawn):
    run_ensemble("oof")

    assert run_report() == run_report()


def test_a_gallery_shows_at_least_one_image(tiny):
    with pytest.raises(MaskfoldError, match="images=0"):
        run_report("images=0")
