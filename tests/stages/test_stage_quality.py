"""The stage that says how good masks are without their truth."""

import json
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ProbabilityStore
from maskfold.quality.measures import measure
from maskfold.quality.model import QualityModel
from maskfold.quality.routes import mean_map, proposals, read_routes
from maskfold.stages.quality import quality

PHOTOS, TEST = 24, 4
QUALITY = Path("submissions/mates/quality")


def draw(root: Path) -> None:
    """Draw squares, and maps of two mates which find less and less of them, and agree less and less."""
    for folder in (
        "photos/images",
        "photos/masks",
        "photos/test",
        *(f"{m}/{s}" for m in "ab" for s in ("oof", "test")),
    ):
        (root / folder).mkdir(parents=True)
    for number in range(PHOTOS + TEST):
        name, split = f"p{number:02}", "oof" if number < PHOTOS else "test"
        truth = cv2.rectangle(np.zeros((30, 40), np.uint8), (5, 5), (34, 24), 255, -1)
        photo = np.dstack([truth // 2 + number] * 3)
        cv2.imwrite(str(root / "photos" / ("images" if split == "oof" else "test") / f"{name}.png"), photo)
        if split == "oof":
            cv2.imwrite(str(root / "photos" / "masks" / f"{name}.png"), truth)
        for mate, worse in (("a", 1.0), ("b", 0.6)):
            lost = round(worse * (number % PHOTOS) * 0.8)
            found = cv2.rectangle(np.zeros((30, 40), np.uint8), (5, 5), (34 - lost, 24), 255, -1)
            doubt = cv2.GaussianBlur(found, (0, 0), 0.5 + lost / 8)
            ProbabilityStore(root / mate / split).write(name, doubt)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A working folder with photos, maps, and what the stage has made of them."""
    root = tmp_path_factory.mktemp("quality")
    with chdir(root):
        draw(Path())
        quality(config())
    return root


def config(*overrides: str, **recipe):
    data = ["data=pairs", "data.root=photos", "data.images=images", "data.masks=masks", "data.test=test"]
    composed = compose("quality", ["ensemble=linknet34", "jobs=1", "alpha=0.2", "level=0.7", *data, *overrides])
    node = {"_target_": "maskfold.ensembling.recipe.Recipe", "name": "mates"}
    members = [{"maps": "a/{split}"}, {"maps": "b/{split}"}]
    composed.ensemble = node | {"members": members} | recipe
    return composed


def test_routes_name_maps_that_are_there_and_whose_measures_give_the_score(learned, monkeypatch):
    monkeypatch.chdir(learned)
    routes = read_routes(QUALITY / "routes.parquet")
    model = QualityModel.read(QUALITY / "quality.json")

    row = next(routes[routes["image_id"] == "p03"].itertuples())
    maps = proposals(row, QUALITY)

    assert len(routes) == PHOTOS
    assert [*maps] == ["a/{split}", "b/{split}"]
    verdict = model.assess(measure(mean_map(row, QUALITY), members=[*maps.values()], threshold=model.cut))
    assert (verdict.score, verdict.iou, verdict.route) == (row.score, row.iou, row.route)
    assert json.loads(row.maps)[0]["path"] == "../../../a/oof/p03.b2nd"
    assert (QUALITY / row.photo).samefile("photos/images/p03.png")


def test_better_masks_score_higher_and_true_iou_is_kept(learned):
    kept = pd.read_parquet(learned / QUALITY / "measures.parquet")

    assert kept["score"].corr(kept["true_iou"], method="spearman") > 0.95
    # Of p00 nothing is lost: 30 x 20 pixels, and the blur leaves the contour where it is.
    assert kept.set_index("image_id").loc["p00", "true_iou"] == 1
    assert kept["estimated_iou"].sub(kept["true_iou"]).abs().mean() < 0.1


def test_the_file_says_what_is_promised_and_what_to_compare_later_months_with(learned):
    content = json.loads((learned / QUALITY / "quality.json").read_text())

    promise, reference = content["promise"], content["reference"]
    # (1 - 0.2)^14 = 0.044: fourteen photos at least, one of each group.
    assert (promise["by"], promise["needed"], promise["photos"]) == ("certificate", 14, PHOTOS)
    assert (len(reference["score_edges"]), len(reference["score_shares"])) == (9, 10)
    assert sum(reference["score_shares"]) == pytest.approx(1)
    assert reference["review_share"] <= reference["review_share_upper"] <= 1


def test_the_page_says_what_is_promised_and_shows_what_was_misjudged(learned):
    content = json.loads((learned / QUALITY / "quality.json").read_text())
    page = (learned / QUALITY / "quality.html").read_text()

    assert content["promise"]["words"] in page
    assert all(f"<td>{name}</td>" in page for name in ("mean_rank", "soft_dice", "ridge"))
    assert page.count('class="case"') >= 1


def test_test_photos_are_judged_by_what_was_learned(learned, monkeypatch):
    monkeypatch.chdir(learned)
    routes = quality(config("split=test"))

    assert [*routes["image_id"]] == ["p24", "p25", "p26", "p27"]  # as little is lost as of the first four
    assert {*routes["route"]} == {"ship"}
    assert len(read_routes(QUALITY / "test" / "routes.parquet")) == TEST
    assert len(read_routes(QUALITY / "routes.parquet")) == PHOTOS


def test_masks_are_judged_where_cut_outs_are_cut(learned, monkeypatch, caplog):
    monkeypatch.chdir(learned)
    before = pd.read_parquet(QUALITY / "measures.parquet")

    quality(config(threshold=240))

    assert QualityModel.read(QUALITY / "quality.json").cut == 128
    columns = ["true_iou", "measure.soft_dice", "measure.area"]
    assert pd.read_parquet(QUALITY / "measures.parquet")[columns].equals(before[columns])
    assert "mates: threshold=240 is of submissions. Quality is of masks cut at 128 of 255" in caplog.text


def test_test_photos_of_other_networks_are_warned_of(learned, monkeypatch, caplog):
    monkeypatch.chdir(learned)
    model = QualityModel.read(QUALITY / "quality.json")
    monkeypatch.setattr("maskfold.stages.quality.identity_where_trained", lambda recipe: "a" * 16)
    for masker, warned in ((None, False), ("a" * 16, False), ("b" * 16, True)):
        caplog.clear()
        replace(model, masker=masker).write(QUALITY / "quality.json")
        quality(config("split=test"))
        assert ("was learned from other networks than these (bbbb" in caplog.text) == warned
    model.write(QUALITY / "quality.json")


def test_money_and_named_scores(learned, monkeypatch):
    monkeypatch.chdir(learned)
    routes = quality(config("predictor=soft_dice", "review_cost=1", "bad_cost=4"))
    content = json.loads((QUALITY / "quality.json").read_text())

    assert content["predictor"]["name"] == "soft_dice"
    assert (content["promise"]["by"], content["promise"]["allowed"]) == ("cost", 0.25)
    kept = pd.read_parquet(QUALITY / "measures.parquet").set_index("image_id")
    shipped = routes.loc[routes["route"] == "ship", "image_id"]
    assert 0 < len(shipped) < PHOTOS
    assert (kept.loc[shipped, "true_iou"] < 0.7).mean() <= 0.25


@pytest.mark.hostile("killed")
def test_what_a_killed_run_has_measured_is_gone_on_with(learned, monkeypatch):
    monkeypatch.chdir(learned)
    before = pd.read_parquet(QUALITY / "measures.parquet")
    monkeypatch.setattr("maskfold.quality.measuring.CHUNK", 5)
    calls = []

    def die_at_third(*arguments, **options):
        calls.append(1)
        if len(calls) == 11:
            raise KeyboardInterrupt
        return measure(*arguments, **options)

    monkeypatch.setattr("maskfold.quality.measuring.measure", die_at_third)
    with pytest.raises(KeyboardInterrupt):
        quality(config())
    assert len([*(QUALITY / "parts").rglob("*.parquet")]) == 2
    quality(config())
    assert len(calls) == 11 + PHOTOS - 10
    assert not (QUALITY / "parts").exists()
    columns = ["image_id", "true_iou", "measure.soft_dice"]
    assert pd.read_parquet(QUALITY / "measures.parquet")[columns].equals(before[columns])


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["review_cost=1"], "review_cost and bad_cost go together"),
        (["review_cost=2", "bad_cost=1"], "a review pays only where"),
        (["alpha=1"], "alpha"),
        (["predictor=sofdice"], "predictor=sofdice: these can be had of the maps: auto, soft_dice, pairwise_dice"),
        (["mirror=oof_mirror"], "a/{split} is a folder of maps, with none of the mirror images"),
        (["split=train"], "split=train"),
    ],
)
def test_what_is_asked_for_wrongly_is_named(learned, monkeypatch, overrides, message):
    monkeypatch.chdir(learned)
    with pytest.raises(MaskfoldError, match=message):
        quality(config(*overrides))


def test_test_photos_before_anything_was_learned_are_told_so(learned, monkeypatch):
    monkeypatch.chdir(learned)
    with pytest.raises(MaskfoldError, match=r"other/quality/quality.json: no such file. Run make quality first"):
        quality(config("split=test", name="other"))
