"""Out-of-fold scores against brute force, and their means over images."""

from fractions import Fraction

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold import arrays, files
from maskfold.data.loading import read_mask
from maskfold.ensembling.evaluation import CutScores, facts_of, score_images, summarise
from maskfold.ensembling.tree import Leaf, open_members
from maskfold.errors import MaskfoldError
from maskfold.masks.metrics import METRICS_BY_NAME, Metric
from maskfold.prediction.store import ProbabilityStore


@pytest.fixture
def rows(tmp_path) -> pd.DataFrame:
    """Seven images in two folds; the last has an empty mask."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(7):
        image_id, fold = f"i{number}", int(number >= 4)
        mask = rng.random((6, 9)) < (0.5 if number < 6 else 0)
        probability = np.clip(mask * 60 + rng.integers(70, 150, mask.shape), 0, 255).astype(np.uint8)
        ProbabilityStore(tmp_path / f"fold{fold}").write(image_id, probability)
        cv2.imwrite(str(tmp_path / f"{image_id}.png"), mask.astype(np.uint8) * 255)
        rows.append(
            {"image_id": image_id, "group": f"g{number // 2}", "view": "01", "fold": fold, "height": 6, "width": 9}
        )
    table = pd.DataFrame(rows)
    return table.assign(mask=[str(tmp_path / f"{image_id}.png") for image_id in table["image_id"]])


def brute_force(tmp_path, row: tuple, threshold: int) -> tuple[float, float]:
    predicted = ProbabilityStore(tmp_path / f"fold{row.fold}").read(row.image_id) >= threshold
    actual = cv2.imread(row.mask, cv2.IMREAD_GRAYSCALE) > 0
    both, either = (predicted & actual).sum(), (predicted | actual).sum()
    if either == 0:
        return 1.0, 1.0
    return 2 * both / (predicted.sum() + actual.sum()), both / either


def boundary_iou(tmp_path, row: tuple) -> float:
    """In 6x9 the band is one pixel wide: a mask's rim is what one erosion takes away."""
    masks = (
        ProbabilityStore(tmp_path / f"fold{row.fold}").read(row.image_id) >= 128,
        cv2.imread(row.mask, cv2.IMREAD_GRAYSCALE) > 0,
    )
    kernel = np.ones((3, 3), np.uint8)
    eroded = (cv2.erode(np.pad(mask, 1).astype(np.uint8), kernel)[1:-1, 1:-1] > 0 for mask in masks)
    one, other = (mask & ~inner for mask, inner in zip(masks, eroded, strict=True))
    return (one & other).sum() / (one | other).sum() if (one | other).any() else 1.0


def scored(tmp_path, rows: pd.DataFrame, metric="dice", classes=(), exclusive=False) -> tuple[pd.DataFrame, CutScores]:
    leaf = Leaf("a", Fraction(1), (tmp_path / "fold0", tmp_path / "fold1"))
    (source,) = open_members([leaf], rows, split="oof")
    whole = {"metric": METRICS_BY_NAME[metric], "classes": classes, "exclusive": exclusive}
    return score_images(source, rows, **whole, jobs=1)


def test_each_image_at_every_threshold_is_what_brute_force_counts(rows, tmp_path):
    rows = rows.sample(frac=1, random_state=0).reset_index(drop=True)

    scores, at_cuts = scored(tmp_path, rows)

    assert scores["image_id"].tolist() == rows["image_id"].tolist() == at_cuts.image_ids.tolist()
    assert at_cuts.values.shape == (7, 1, 255)
    for number, row in enumerate(rows.itertuples()):
        for threshold in range(1, 256):
            assert at_cuts.values[number, 0, threshold - 1] == pytest.approx(brute_force(tmp_path, row, threshold)[0])
        dice, iou = brute_force(tmp_path, row, 128)
        assert scores["dice"][number] == pytest.approx(dice)
        assert scores["iou"][number] == pytest.approx(iou)
        assert scores["boundary_iou"][number] == pytest.approx(boundary_iou(tmp_path, row))


def test_means_are_over_the_images_of_a_fold_and_of_all(rows, tmp_path):
    scores, at_cuts = scored(tmp_path, rows)

    summary = summarise(scores, at_cuts).set_index("fold")

    assert summary.index.tolist() == ["0", "1", "all"]
    assert summary["images"].tolist() == [4, 3, 7]
    assert summary["groups"].tolist() == [2, 2, 4]
    for fold, part in (("0", rows[:4]), ("1", rows[4:]), ("all", rows)):
        means = [np.mean([brute_force(tmp_path, row, t)[0] for row in part.itertuples()]) for t in range(256)]
        ious = [brute_force(tmp_path, row, 128)[1] for row in part.itertuples()]
        assert summary.loc[fold, "dice"] == round(means[128], 6)
        assert summary.loc[fold, "iou"] == round(np.mean(ious), 6)
        boundary = [boundary_iou(tmp_path, row) for row in part.itertuples()]
        assert summary.loc[fold, "boundary_iou"] == round(np.mean(boundary), 6)
        assert summary.loc[fold, "best_threshold"] == 1 + int(np.argmax(np.round(means[1:], 12)))
        assert summary.loc[fold, "best_dice"] == round(max(means[1:]), 6)


def test_a_map_and_a_mask_that_cannot_belong_together(rows, tmp_path):
    (tmp_path / "i0.png").write_bytes(b"no mask")

    with pytest.raises(MaskfoldError, match=r"i0\.png"):
        scored(tmp_path, rows)


def write_second_class(tmp_path, rows: pd.DataFrame) -> pd.DataFrame:
    """Make each mask a stack of itself and its left columns, and each map one of itself and its contrary."""
    for row in rows.itertuples():
        mask = (cv2.imread(row.mask, cv2.IMREAD_GRAYSCALE) > 0).astype(np.uint8)
        left = mask * (np.arange(mask.shape[1]) < 4).astype(np.uint8)
        files.write_bytes(tmp_path / f"{row.image_id}.b2nd", arrays.encode(np.stack([mask, left])))
        store = ProbabilityStore(tmp_path / f"fold{row.fold}")
        probability = store.read(row.image_id)
        store.write(row.image_id, np.stack([probability, 255 - probability]))
    return rows.assign(mask=[str(tmp_path / f"{image_id}.b2nd") for image_id in rows["image_id"]])


def pairs_of(tmp_path, rows: pd.DataFrame) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the map and the mask of each image, `(2, H, W)`."""
    stores = [ProbabilityStore(tmp_path / f"fold{fold}") for fold in rows["fold"]]
    maps = [store.read(image_id) for store, image_id in zip(stores, rows["image_id"], strict=True)]
    return [*zip(maps, map(read_mask, rows["mask"]), strict=True)]


def marks_by_hand(pairs: list[tuple[np.ndarray, np.ndarray]], metric: Metric, threshold: int) -> np.ndarray:
    """Return value and weight of each image and class, `(N, C, 2)`."""
    return np.array(
        [
            [metric.of_masks((plane >= threshold).astype(np.uint8), truth) for plane, truth in zip(*pair, strict=True)]
            for pair in pairs
        ]
    )


@pytest.mark.parametrize("name", ["dice", "pooled_dice", "mean_precision", "surface_dice"])
def test_two_classes_by_the_datas_metric(name, rows, tmp_path):
    metric, rows = METRICS_BY_NAME[name], write_second_class(tmp_path, rows)
    scores, at_cuts = scored(tmp_path, rows, metric=name, classes=("whole", "left"))

    summary = summarise(scores, at_cuts).set_index("fold")

    assert list(summary)[2] == name  # what sums a member up stands first
    pairs = pairs_of(tmp_path, rows)
    half, at_all = marks_by_hand(pairs, metric, 128), [marks_by_hand(pairs, metric, cut) for cut in at_cuts.cuts]
    for label, of in (("", slice(None)), (".whole", slice(0, 1)), (".left", slice(1, 2))):
        values, weights = half[:, of].reshape(-1, 2).T
        assert summary.loc["all", name + label] == round((values * weights).sum() / weights.sum(), 6)
        totals = []
        for marks in at_all:
            values, weights = marks[:, of].reshape(-1, 2).T
            totals.append((values * weights).sum() / weights.sum())
        assert summary.loc["all", f"best_{name}{label}"] == round(max(totals), 6)
        best = summary.loc["all", f"best_threshold{label}"]
        assert totals[np.flatnonzero(at_cuts.cuts == best)[0]] == pytest.approx(max(totals))
    values, weights = half[3].T
    expected = (values * weights).sum() / weights.sum()
    assert scores[name][3] == pytest.approx(expected)
    assert scores[f"{name}.left"][3] == pytest.approx(half[3, 1, 0])


def test_a_map_of_one_class_is_not_scored_against_a_mask_of_two(rows, tmp_path):
    mask = np.zeros((2, 6, 9), np.uint8)
    files.write_bytes(tmp_path / "i0.b2nd", arrays.encode(mask))
    rows.loc[0, "mask"] = str(tmp_path / "i0.b2nd")

    with pytest.raises(MaskfoldError, match="i0: its map has 1 classes, its mask 2"):
        scored(tmp_path, rows, classes=("whole", "left"))


def test_classes_that_never_overlap_are_scored_without_overlaps_at_every_threshold(rows, tmp_path):
    rows = write_second_class(tmp_path, rows)

    _, at_cuts = scored(tmp_path, rows, classes=["whole", "left"], exclusive=True)

    overlaps = 0
    for number, (probability, mask) in enumerate(pairs_of(tmp_path, rows)):
        for cut in (60, 90, 128, 150):
            claims = probability >= cut
            overlaps += claims.all(axis=0).sum()
            claims[1] &= ~(claims[0] & (probability[0] >= probability[1]))
            claims[0] &= ~(claims[1] & (probability[1] > probability[0]))
            both = 2.0 * (claims & (mask > 0)).sum(axis=(1, 2))
            total = claims.sum(axis=(1, 2)) + mask.sum(axis=(1, 2))
            expected = [both[plane] / total[plane] if total[plane] else 1 for plane in (0, 1)]
            assert at_cuts.values[number, :, cut - 1].tolist() == pytest.approx(expected)
    assert overlaps > 0


def test_scores_are_of_the_clusters_of_their_photos_where_these_are_known():
    photos = pd.DataFrame({"image_id": ["a", "b"]})
    one, other = (facts_of(photos.assign(cluster=names)) for names in (["x", "y"], ["y", "x"]))

    assert [*facts_of(photos)] == ["contents"]  # as without clusters ever since
    assert one["contents"] == other["contents"]
    assert one["clusters"] != other["clusters"]
