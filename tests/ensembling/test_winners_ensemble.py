"""The ensemble `carvana` on planted white vans, whose roofs its networks lose in front of the white wall."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.config import build, compose
from maskfold.ensembling.merge import MergeJob, merge, read_masks
from maskfold.ensembling.recipe import ByMembers, Recipe
from maskfold.ensembling.steps import open_steps
from maskfold.ensembling.tree import leaf_nodes, leaves, open_members
from maskfold.errors import MaskfoldError
from maskfold.masks.rle import decode
from maskfold.prediction.store import ProbabilityStore
from maskfold.runs.layout import MemberFolder
from maskfold.studio.photograph import photograph, prepare

HEIGHT, WIDTH = 160, 240
CARS = {"van_05": True, "van_02": True, "car_05": False}


def recipe(*overrides: str) -> Recipe:
    return build(compose("ensemble", ["ensemble=carvana", *overrides]).ensemble)


def roof_of(mask: np.ndarray) -> np.ndarray:
    """Return the upper two fifths of a car, `(H, W)` bool."""
    rows = np.flatnonzero(mask.any(axis=1))
    roof = mask > 0
    roof[rows[0] + 2 * len(rows) // 5 :] = False
    return roof


@pytest.fixture(scope="module")
def experiments(tmp_path_factory) -> tuple[Path, pd.DataFrame]:
    """Maps of all nine members, and the image table: every network loses the vans' roofs, the LinkNets with doubts."""
    root, rows = tmp_path_factory.mktemp("vans"), []
    for number, (image_id, white_van) in enumerate(CARS.items()):
        sitting = prepare((1, 0, int(white_van)), index=number, white_van=white_van)
        truth = photograph(sitting, int(image_id[-2:]), HEIGHT, WIDTH, (1, number)).mask
        cv2.imwrite(str(root / f"{image_id}.png"), truth * 255)
        rows.append({"image_id": image_id, "mask": str(root / f"{image_id}.png"), "height": HEIGHT, "width": WIDTH})
        for member in (node["experiment"] for node in leaf_nodes(recipe().members)):
            probability = np.where(truth, np.uint8(250), np.uint8(4))
            if white_van:
                probability[roof_of(truth)] = 100 if member.startswith("linknet34") else 20
            ProbabilityStore(MemberFolder(root / member).run(0).store("test")).write(image_id, probability)
    return root, pd.DataFrame(rows)


def masks_of(recipe: Recipe, experiments: tuple[Path, pd.DataFrame], parts: Path) -> tuple[pd.DataFrame, dict]:
    """Merge all photos; return their scores by id, and their masks."""
    root, table = experiments
    where = {"split": "test", "experiments": root}
    sources = tuple(open_members(leaves(recipe.members, **where), table, split="test"))
    usual = recipe.passes.usual
    job = MergeJob(sources, usual.threshold, open_steps(usual.steps, table, **where), parts)
    scores = merge(job, table, description="merge", jobs=1)
    runs = read_masks(job, job, table, pd.Series([False] * len(table)))
    return scores.set_index("image_id"), {
        image_id: decode(rle, HEIGHT, WIDTH) for image_id, (rle,) in zip(table["image_id"], runs, strict=True)
    }


def test_white_vans_get_their_roofs_back_and_nothing_else_changes(experiments, tmp_path):
    plain, lost = masks_of(recipe("ensemble.postprocess=[]"), experiments, tmp_path / "plain")
    mended, found = masks_of(recipe(), experiments, tmp_path / "mended")
    for van in ("van_05", "van_02"):
        assert plain.loc[van, "dice"] < 0.85
        assert mended.loc[van, "dice"] > 0.97
        added = found[van] & ~lost[van]
        assert roof_of(cv2.imread(str(experiments[0] / f"{van}.png"), cv2.IMREAD_GRAYSCALE))[added > 0].mean() > 0.9
    np.testing.assert_array_equal(found["car_05"], lost["car_05"])
    assert mended.loc["car_05", "dice"] == 1


def test_the_hull_is_of_the_linknets_mean_where_the_others_would_have_lost_it(experiments, tmp_path):
    # The mean of all at the roofs, (100 + 3 x 20) / 4 = 40, is unreliable as well, but not above the cut.
    alone = recipe()
    alone.postprocess = (alone.postprocess[0].step,)
    scores, _ = masks_of(alone, experiments, tmp_path)
    assert scores.loc["van_05", "dice"] < 0.9


def test_the_step_is_the_winners():
    (by_members,) = recipe().postprocess
    names = [node["experiment"] for node in leaf_nodes(by_members.members)]
    assert names == [f"linknet34_{of}" for of in ("seed44", "seed88", "noseed", "area05", "clahe", "clahe_rmsprop")]
    step = by_members.step
    assert (step.low, step.high, step.erosion, step.min_area, step.margin, step.cut) == (30, 210, 10, 40_000, 50, 55)
    assert step.upper_half
    assert recipe().repair.worst == 0  # every image, not the worst ones


def test_members_that_the_ensemble_does_not_have_are_refused():
    with pytest.raises(
        MaskfoldError, match=r"looks at \{'experiment': 'linknet34_seed44'\}.*ensemble\.postprocess=\[\]"
    ):
        recipe("ensemble.members=[{experiment: linknet34}]")
    with pytest.raises(MaskfoldError, match="step 5: begin it with _target_"):
        ByMembers(members=[{"experiment": "a"}], step=5)
