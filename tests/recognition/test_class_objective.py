import numpy as np
import pytest
import torch
from sklearn.metrics import recall_score, top_k_accuracy_score

from maskfold.errors import MaskfoldError
from maskfold.recognition.metrics import ClassMetrics
from maskfold.recognition.mixing import Mixing
from maskfold.recognition.objective import ClassObjective

LOGITS = torch.log(torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]))
BATCH = {"target": torch.tensor([0, 1])}


def test_the_loss_is_minus_the_logarithm_of_the_right_classes_probability():
    assert ClassObjective(3).losses(LOGITS, BATCH).tolist() == pytest.approx([-np.log(0.5), -np.log(0.1)])


def test_smoothing_spreads_a_share_of_the_label_over_all_classes_in_training_alone():
    objective = ClassObjective(3, smoothing=0.3)
    smoothed = -(0.8 * np.log(0.5) + 0.1 * np.log(0.3) + 0.1 * np.log(0.2))

    assert objective.losses(LOGITS, BATCH)[0].item() == pytest.approx(smoothed)
    assert objective.eval().losses(LOGITS, BATCH)[0].item() == pytest.approx(-np.log(0.5))


def test_logit_adjustment_multiplies_probabilities_by_the_shares_of_the_classes_in_training_alone():
    objective = ClassObjective(3, adjust=1, counts=[6, 3, 1])
    adjusted = 0.5 * 0.6 / (0.5 * 0.6 + 0.3 * 0.3 + 0.2 * 0.1)

    assert objective.losses(LOGITS, BATCH)[0].item() == pytest.approx(-np.log(adjusted))
    assert objective.eval().losses(LOGITS, BATCH)[0].item() == pytest.approx(-np.log(0.5))


def test_another_number_of_classes_is_refused():
    with pytest.raises(MaskfoldError, match=r"answers with \(2, 3\), and the data has 4 classes"):
        ClassObjective(4).losses(LOGITS, BATCH)


def test_metrics_are_scikit_learns():
    target, first = [0, 0, 1, 2], [0, 1, 1, 1]
    metrics = ClassMetrics(9)
    logits = torch.nn.functional.one_hot(torch.tensor(first), 9).float()
    metrics.update(logits[:2], torch.tensor(target[:2]))
    metrics.update(logits[2:], torch.tensor(target[2:]))

    values = {name: value.item() for name, value in metrics.compute().items()}
    assert values["accuracy"] == 0.5
    assert values["macro_recall"] == recall_score(target, first, average="macro", zero_division=0) == 0.5


def test_five_answers_are_counted_as_scikit_learn_counts_them():
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(200, 30)), rng.integers(0, 30, 200)
    metrics = ClassMetrics(30)
    metrics.update(torch.tensor(logits), torch.tensor(target))

    assert metrics.compute()["top5"].item() == pytest.approx(top_k_accuracy_score(target, logits, k=5))


@pytest.mark.parametrize("kinds", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.2, "cutmix": 1.0}])
def test_a_mixed_photo_and_its_label_have_the_same_shares(kinds):
    image = torch.stack([torch.full((3, 32, 32), 200), torch.full((3, 32, 32), 100)]).to(torch.uint8)
    mixed, target = Mixing(classes=4, **kinds)(image, torch.tensor([3, 1]), seed=5)

    assert torch.allclose(target.sum(1), torch.ones(2))
    # What is left of the brighter photo is what is left of its label.
    assert mixed[0].mean().item() == pytest.approx(100 + 100 * target[0, 3].item(), abs=0.01)


def test_a_mixed_batch_follows_from_its_seed_and_leaves_other_random_numbers_alone():
    objective = ClassObjective(3, mixup=1.0)
    batch = BATCH | {"image": torch.randint(256, (2, 3, 8, 8), dtype=torch.uint8)}
    torch.manual_seed(1)
    first = objective.prepared(batch, seed=(0, 1, 0))["target"]
    after = torch.rand(())
    torch.manual_seed(1)

    assert torch.equal(torch.rand(()), after)
    assert torch.equal(objective.prepared(batch, seed=(0, 1, 0))["target"], first)
    assert not torch.equal(objective.prepared(batch, seed=(0, 2, 0))["target"], first)
    assert ClassObjective(3).prepared(batch, seed=(0, 1, 0)) is batch
