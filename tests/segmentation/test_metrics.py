from datetime import timedelta
from math import log

import numpy as np
import pytest
import torch
import torch.distributed
import torch.multiprocessing

from maskfold.masks.metrics import METRICS_BY_NAME
from maskfold.segmentation.metrics import (
    SegmentationMetrics,
    bce,
    overlap_counts,
    soft_dice,
)


def test_overlap_counts_by_hand():
    prediction = torch.tensor([[[[1, 1], [0, 1]]], [[[0, 0], [0, 0]]]]).bool()
    target = torch.tensor([[[[1, 0], [1, 1]]], [[[0, 1], [0, 0]]]]).bool()
    intersection, predicted, actual = overlap_counts(prediction, target)
    assert intersection.tolist() == [2, 0]
    assert predicted.tolist() == [3, 0]
    assert actual.tolist() == [3, 1]


def test_soft_scores_by_hand():
    logits = torch.tensor([log(3), -log(3), 0, log(3)]).reshape(1, 1, 2, 2)  # 3/4, 1/4, 1/2, 3/4
    target = torch.tensor([1.0, 0, 1, 0]).reshape(1, 1, 2, 2)
    weight = torch.tensor([2, 1, 1, 0]).reshape(1, 1, 2, 2)
    assert soft_dice(logits, target, smooth=0).tolist() == pytest.approx([2 * 5 / 4 / (9 / 4 + 2)])
    assert soft_dice(logits, target, weight, smooth=0).tolist() == pytest.approx([2 * 2 / (9 / 4 + 3)])
    assert bce(logits, target).tolist() == pytest.approx([-(2 * log(3 / 4) + log(1 / 2) + log(1 / 4)) / 4])
    assert bce(logits, target, weight).tolist() == pytest.approx([-(3 * log(3 / 4) + log(1 / 2)) / 4])


def test_a_large_image_is_summed_exactly_enough():
    """A full-size photo in 16 bits: every pixel has the probability 3/4, half of them are mask."""
    logits = torch.full((1, 1, 1280, 1920), log(3)).bfloat16()
    target = torch.zeros(1, 1, 1280, 1920)
    target[..., :960] = 1
    probability = 1 / (1 + np.exp(-float(logits[0, 0, 0, 0])))
    assert soft_dice(logits, target).item() == pytest.approx(2 * probability / (2 * probability + 1), rel=1e-6)


CLASSES = ("cat", "dog", "cow")


def images(count, classes=1):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(count, classes, 8, 8, generator=generator)
    target = (torch.rand(count, classes, 8, 8, generator=generator) < 0.5).float()
    logits[0], target[0] = -1, 0  # both empty
    return logits, target


def test_metrics_are_means_over_images_not_batches():
    logits, target = images(5)
    metrics = SegmentationMetrics()
    metrics.update(logits[:4], target[:4])
    metrics.update(logits[4:], target[4:])
    values = metrics.compute()

    prediction, truth = logits.numpy() >= 0, target.numpy() == 1
    pairs = list(zip(prediction, truth, strict=True))
    dices = [2 * (p & t).sum() / (p.sum() + t.sum()) if p.any() or t.any() else 1 for p, t in pairs]
    ious = [(p & t).sum() / (p | t).sum() if p.any() or t.any() else 1 for p, t in pairs]
    assert dices[0] == 1
    assert set(values) == {"dice", "iou", "soft_dice", "bce"}
    assert values["dice"].dtype == torch.float64
    assert values["dice"].item() == pytest.approx(np.mean(dices))
    assert values["iou"].item() == pytest.approx(np.mean(ious))
    probability = 1 / (1 + np.exp(-logits.double().numpy()))
    entropies = -np.log(np.where(truth, probability, 1 - probability))
    assert values["bce"].item() == pytest.approx(entropies.mean(), rel=1e-5)
    overlap = (probability * truth).sum((1, 2, 3))
    soft = (2 * overlap + 1) / (probability.sum((1, 2, 3)) + truth.sum((1, 2, 3)) + 1)
    assert values["soft_dice"].item() == pytest.approx(soft.mean(), rel=1e-5)


def test_metrics_forget_on_reset():
    logits, target = images(3)
    metrics = SegmentationMetrics()
    metrics.update(-logits, target)
    metrics.reset()
    metrics.update(logits[:1], target[:1])
    assert metrics.compute()["dice"] == 1


def two_classes():
    """Three images of a row of four pixels, cat and dog: the first has both, the second a cat missed, the third none.

    Cats: Dice 2/3, 0, 1; dogs: 1, 1, 0 (a pixel too many in the third). IoU of cats: 1/2, 0, 1.
    """
    truth = [[[1, 0, 0, 0], [0, 0, 1, 1]], [[1, 1, 1, 1], [0, 0, 0, 0]], [[0, 0, 0, 0], [0, 0, 0, 0]]]
    found = [[[1, 1, 0, 0], [0, 0, 1, 1]], [[0, 0, 0, 0], [0, 0, 0, 0]], [[0, 0, 0, 0], [0, 0, 0, 1]]]
    target, prediction = (torch.tensor(masks, dtype=torch.float32)[:, :, None] for masks in (truth, found))
    return 4 * prediction - 2, target


def test_several_classes_by_hand():
    metrics = SegmentationMetrics(classes=("cat", "dog"))
    logits, target = two_classes()
    metrics.update(logits[:1], target[:1])
    metrics.update(logits[1:], target[1:])
    values = metrics.compute()
    assert set(values) == {"dice", "iou", "soft_dice", "bce", "dice.cat", "dice.dog"}
    assert values["dice.cat"].item() == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert values["dice.dog"].item() == pytest.approx((1 + 1 + 0) / 3)
    assert values["dice"].item() == pytest.approx((2 / 3 + 1 + 0 + 1 + 1 + 0) / 6)
    assert values["iou"].item() == pytest.approx((1 / 2 + 1 + 0 + 1 + 1 + 0) / 6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pooled_dice", 2 * (1 + 2) / ((2 + 2 + 0 + 0 + 0 + 1) + (1 + 2 + 4 + 0 + 0 + 0))),
        ("dice_of_present", (2 / 3 + 1 + 0) / 3),  # three masks have an object
        ("mean_precision", (0 + 1 + 0 + 1 + 1 + 0) / 6),  # an IoU of 0.5 is above none
        ("surface_dice", (1 + 1 + 0 + 1 + 1 + 0) / 6),  # a pixel beside the outline is within its tolerance
    ],
)
def test_what_the_data_is_scored_by_is_measured_over_all_masks(name, expected):
    metrics = SegmentationMetrics(METRICS_BY_NAME[name], classes=("cat", "dog"))
    logits, target = two_classes()
    for image in range(3):
        metrics.update(logits[image : image + 1], target[image : image + 1])
    assert metrics.compute()[name].item() == pytest.approx(expected)


def test_a_metric_of_no_mask_that_counts_is_no_number():
    metrics = SegmentationMetrics(METRICS_BY_NAME["dice_of_present"])
    metrics.update(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))
    assert metrics.compute()["dice_of_present"].isnan()


def measure_on_rank(rank, folder):
    if rank > 0:
        torch.set_num_threads(1)  # a fork has none of the threads that its parent has made, and would wait for them
    meeting = f"file://{folder}/meeting"
    limit = timedelta(seconds=60)
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2, timeout=limit)
    try:
        logits, target = images(5, len(CLASSES))
        share = slice(0, 4) if rank == 0 else slice(4, 5)
        metrics = SegmentationMetrics(METRICS_BY_NAME["pooled_dice"], classes=CLASSES)
        metrics.update(logits[share], target[share])
        torch.save(metrics.compute(), f"{folder}/rank{rank}.pt")
    finally:
        torch.distributed.destroy_process_group()


def test_ranks_with_uneven_shares_agree_with_one_process(tmp_path):
    expected = SegmentationMetrics(METRICS_BY_NAME["pooled_dice"], classes=CLASSES)
    expected.update(*images(5, len(CLASSES)))
    expected = expected.compute()
    # This process is rank 0, and forks the other: a new interpreter would take seconds to import torch.
    other = torch.multiprocessing.get_context("fork").Process(target=measure_on_rank, args=(1, str(tmp_path)))
    other.start()
    measure_on_rank(0, str(tmp_path))
    other.join()
    assert other.exitcode == 0
    for rank in range(2):
        values = torch.load(tmp_path / f"rank{rank}.pt", weights_only=True)
        for name, value in expected.items():
            assert values[name].item() == pytest.approx(value.item(), rel=1e-12), name
