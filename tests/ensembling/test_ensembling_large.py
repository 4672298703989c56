"""Very large pictures are merged by bands to what they would be in one piece; small ones stand for them here."""

from dataclasses import replace
from fractions import Fraction
from functools import partial

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold import arrays
from maskfold.data import windows
from maskfold.data.windows import open_mask
from maskfold.ensembling.evaluation import score_images
from maskfold.ensembling.large import merge_bands
from maskfold.ensembling.mean_map import MeanOnDisk, open_mean
from maskfold.ensembling.merge import MergeJob, _chunks, merge, read_masks
from maskfold.ensembling.postprocess import FillHoles
from maskfold.ensembling.recipe import to_mask
from maskfold.ensembling.tree import Leaf, MemberMaps
from maskfold.errors import MaskfoldError
from maskfold.masks.metrics import METRICS_BY_NAME
from maskfold.masks.rules import Rules
from maskfold.masks.unconfidence import unconfidence
from maskfold.prediction.store import ProbabilityStore

HEIGHT, WIDTH = 40, 50


@pytest.fixture
def small_bands(monkeypatch) -> None:
    monkeypatch.setattr(windows, "LARGE", 1000)
    monkeypatch.setattr(windows, "BAND", 7)


def probability(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)


@pytest.fixture
def table(tmp_path) -> pd.DataFrame:
    """Two photos with two members' maps, of which one has a mask."""
    for seed, image_id in enumerate("ab"):
        for member in range(2):
            ProbabilityStore(tmp_path / f"m{member}").write(image_id, probability(seed + 10 * member))
    (tmp_path / "a.b2nd").write_bytes(arrays.encode((probability(0) > 120).astype(np.uint8)))
    masks = [str(tmp_path / "a.b2nd"), None]
    return pd.DataFrame({"image_id": ["a", "b"], "mask": masks, "height": HEIGHT, "width": WIDTH})


def sources(folder) -> tuple[MemberMaps, ...]:
    weights = Fraction(1, 3), Fraction(2, 3)
    return tuple(MemberMaps(Leaf(f"m{m}", weights[m], (folder / f"m{m}",)), None) for m in range(2))


def merged(folder, table: pd.DataFrame, parts: str, steps=()) -> tuple[pd.DataFrame, list]:
    job = MergeJob(sources(folder), 128, steps, folder / parts)
    rows = merge(job, table, description="merge", jobs=1)
    return rows, [*read_masks(job, job, table, pd.Series([False] * len(table)))]


def test_scores_and_runs_are_those_of_the_picture_in_one_piece(table, tmp_path, request):
    rows, masks = merged(tmp_path, table, "whole")
    request.getfixturevalue("small_bands")

    by_bands, same_masks = merged(tmp_path, table, "bands")

    assert same_masks == masks
    assert len(masks[0][0]) > 100
    near_boundary = ["boundary_iou", "trimap_dice"]
    pd.testing.assert_frame_equal(by_bands.drop(columns=near_boundary), rows.drop(columns=near_boundary))
    assert by_bands[near_boundary].isna().all(axis=None)
    assert rows["dice"].notna().tolist() == [True, False]


@pytest.mark.parametrize("rules", [Rules(), Rules(order="columns", start=0, empty="-")])
def test_several_classes_have_counts_and_runs_of_their_own(tmp_path, small_bands, rules):
    maps = [
        np.stack([probability(seed), probability(seed + 1), np.zeros((HEIGHT, WIDTH), np.uint8)]) for seed in (0, 5)
    ]
    mean = np.rint((maps[0].astype(float) + maps[1]) / 2 + 1e-9).astype(np.uint8)
    mask, truth = (mean >= 128).astype(np.uint8), (maps[0] >= 100).astype(np.uint8)
    (tmp_path / "truth.b2nd").write_bytes(arrays.encode(truth))

    counted = merge_bands(
        MeanOnDisk(maps, [1, 1]),
        partial(to_mask, threshold=128),
        open_mask(tmp_path / "truth.b2nd", (HEIGHT, WIDTH)),
        rules,
    )

    assert counted.runs == tuple(rules.text(plane) for plane in mask)
    assert counted.runs[2] == rules.empty
    assert counted.overlap.tolist() == [
        [int((one & other).sum()), int(one.sum()), int(other.sum())] for one, other in zip(mask, truth, strict=True)
    ]
    assert counted.areas.tolist() == mask.mean(axis=(1, 2)).tolist()
    assert counted.unsureness == [unconfidence(part) for part in (mean, *mean)]


@pytest.mark.parametrize("exclusive", [False, True])
def test_several_classes_are_merged_by_bands_as_in_one_piece(tmp_path, request, exclusive):
    maps = [np.stack([probability(seed + plane) for plane in range(3)]) for seed in (0, 5)]
    for member, one in enumerate(maps):
        ProbabilityStore(tmp_path / f"m{member}").write("a", one)
    (tmp_path / "a.b2nd").write_bytes(arrays.encode((maps[0] > 120).astype(np.uint8)))
    table = pd.DataFrame([{"image_id": "a", "mask": str(tmp_path / "a.b2nd"), "height": HEIGHT, "width": WIDTH}])
    names = ("x", "y", "z")
    of_classes = tuple(replace(source, classes=names) for source in sources(tmp_path))
    rules = Rules(columns={"id": "{image_id}_{class}", "runs": "{runs}"}, order="columns")
    options = {"classes": names, "exclusive": exclusive, "metric": METRICS_BY_NAME["pooled_dice"], "rules": rules}
    jobs = [MergeJob(of_classes, (100, 128, 150), (), tmp_path / parts, **options) for parts in ("whole", "bands")]
    rows = [merge(jobs[0], table, description="merge", jobs=1)]
    request.getfixturevalue("small_bands")

    rows.append(merge(jobs[1], table, description="merge", jobs=1))

    near_boundary = [column for column in rows[0] if column.startswith(("boundary_iou", "trimap_dice"))]
    told = [one.drop(columns=near_boundary) for one in rows]
    assert {"pooled_dice.y", "area.z", "unconfidence.x"} <= {*told[0]}
    pd.testing.assert_frame_equal(told[1], told[0])
    masks = [[*read_masks(job, job, table, pd.Series([False]))] for job in jobs]
    assert masks[1] == masks[0]
    assert len(masks[0][0]) == 3


def test_a_step_that_needs_the_whole_mask_is_refused_by_name(table, tmp_path, small_bands):
    with pytest.raises(MaskfoldError, match=r"a has more than .* step FillHoles needs .* ensemble\.postprocess=\[\]"):
        merged(tmp_path, table, "bands", steps=(FillHoles(),))


def test_a_map_that_has_not_its_photos_size_is_named(table, tmp_path):
    ProbabilityStore(tmp_path / "m1").write("a", np.zeros((HEIGHT, WIDTH + 1), np.uint8))

    with pytest.raises(MaskfoldError, match=r"m1: its map of a has 51x40 pixels, that in .*m0 has 50x40"):
        open_mean(sources(tmp_path), "a", size=(HEIGHT, WIDTH))


@pytest.mark.parametrize("metric", ["dice", "pooled_dice", "surface_dice"])
def test_out_of_fold_scores_at_every_threshold_are_those_of_one_piece(table, tmp_path, request, metric):
    source = sources(tmp_path)[0]
    rows = table[:1].assign(group="g", view="", fold=0)
    known = METRICS_BY_NAME[metric]
    whole, at_cuts = score_images(source, rows, metric=known, jobs=1)
    request.getfixturevalue("small_bands")

    scores, by_bands = score_images(source, rows, metric=known, jobs=1)

    assert by_bands.values.shape == at_cuts.values.shape
    told = ["unconfidence", "dice", "iou"] + [metric] * (metric == "pooled_dice")
    pd.testing.assert_frame_equal(scores[told], whole[told])
    if metric == "surface_dice":  # of which counts tell nothing
        assert scores[metric].isna().all()
        assert not by_bands.weights.any()
    else:
        np.testing.assert_allclose(by_bands.values, at_cuts.values)
        np.testing.assert_allclose(by_bands.weights, at_cuts.weights)
    assert scores.columns.tolist() == whole.columns.tolist()


def test_a_very_large_picture_is_a_chunk_of_its_own(small_bands):
    heights = [HEIGHT if number in (3, 4, 19, 39) else 5 for number in range(40)]
    table = pd.DataFrame({"image_id": range(40), "height": heights, "width": WIDTH})

    chunks = [(int(chunk["image_id"].iloc[0]), len(chunk)) for chunk in _chunks(table)]

    # Sixteen small ones at most, from the first row on.
    assert chunks == [(0, 3), (3, 1), (4, 1), (5, 11), (16, 3), (19, 1), (20, 12), (32, 7), (39, 1)]
    assert [len(chunk) for chunk in _chunks(table.assign(height=5))] == [16, 16, 8]
    assert _chunks(table[:0]) == []
