import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import coloured_squares
from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.recognition.distillation import DistilledObjective, soft_losses
from maskfold.recognition.objective import ClassObjective
from maskfold.runs.checkpoint_hash import checkpoint_hash
from maskfold.runs.run_folder import RunFolder
from maskfold.stages.train import train

LOGITS = torch.log(torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]))


class Shapes(nn.Module):
    """A teacher that always answers 0.9 and 0.1 of two classes, and remembers the sizes it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.log(torch.tensor([0.9, 0.1])))
        self.sides: list[int] = []

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.sides.append(image.shape[-1])
        return self.bias.expand(len(image), 2)


def objective(weight: float = 0.25) -> DistilledObjective:
    return DistilledObjective(ClassObjective(3), teacher=Shapes(), size=8, weight=weight, temperature=1)


def batch(side: int = 4) -> dict[str, torch.Tensor]:
    return {"target": torch.tensor([0, 1]), "image": torch.zeros((2, 3, side, side), dtype=torch.uint8)}


def test_a_student_that_says_the_same_loses_nothing_and_another_its_divergence_times_the_squared_temperature():
    taught = torch.log(torch.tensor([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]]))

    assert soft_losses(LOGITS, taught, 1).tolist() == pytest.approx(
        [0, 0.4 * np.log(0.2 / 0.1) + 0.6 * np.log(0.6 / 0.8)], abs=1e-6
    )
    # At T = 2 probabilities go as their roots; 4 times the divergence.
    student, teacher = (np.sqrt(one) / np.sqrt(one).sum() for one in ([0.1, 0.1, 0.8], [0.2, 0.2, 0.6]))
    expected = 4 * (teacher * np.log(teacher / student)).sum()
    assert soft_losses(LOGITS, taught, 2)[1].item() == pytest.approx(expected, abs=1e-6)


def test_classes_that_the_teacher_does_not_know_are_learned_from_labels_alone():
    # Of the first two alone the student says 5 to 3, and 1 to 1.
    divergence = [0.9 * np.log(0.9 / 0.625) + 0.1 * np.log(0.1 / 0.375), 0.9 * np.log(1.8) + 0.1 * np.log(0.2)]
    labels = [-np.log(0.5), -np.log(0.1)]

    losses = objective().losses(LOGITS, batch())
    expected = [0.75 * label + 0.25 * soft for label, soft in zip(labels, divergence, strict=True)]
    assert losses.tolist() == pytest.approx(expected, abs=1e-5)
    assert objective().eval().losses(LOGITS, batch()).tolist() == pytest.approx(labels)


def test_the_teacher_is_shown_its_own_size_and_is_no_part_of_what_is_trained_or_kept():
    distilled = objective()
    distilled.train().losses(LOGITS.clone().requires_grad_(), batch()).sum().backward()
    distilled.losses(LOGITS, batch(8))
    (teacher,) = distilled._teachers

    assert teacher.sides == [8, 8]
    assert not teacher.training
    assert teacher.bias.grad is None
    assert not [*distilled.parameters()]
    assert not distilled.state_dict()


def overrides(*more: str) -> list[str]:
    return ["fold=0", *coloured_squares.DATA, *coloured_squares.SMALL, "audit=false", "trainer.max_epochs=1", *more]


def test_a_run_learns_from_the_run_of_its_fold_and_takes_over_what_that_has_seen(trained_recogniser):
    train(compose("train", overrides("name=small", "distill=experiments/squares", "framing.size=12")))

    teacher, run = (RunFolder(Path(f"experiments/{name}/fold0")) for name in ("squares", "small"))
    assert json.loads(run.run.read_text())["identity"]["teacher"] == checkpoint_hash(teacher.best)
    assert not [key for key in torch.load(run.best, weights_only=True)["state_dict"] if "teacher" in key]


@pytest.mark.hostile("leaks")
def test_a_teacher_that_has_seen_what_the_fold_is_validated_on_is_refused(trained_recogniser):
    with pytest.raises(MaskfoldError, match=r"distill: the network of experiments/squares/fold1/.* has learned from"):
        train(compose("train", overrides("name=small", "distill=experiments/squares/fold1")))
    with pytest.raises(MaskfoldError, match="distill=experiments/none: neither a checkpoint nor"):
        train(compose("train", overrides("name=small", "distill=experiments/none")))
