"""A small network that learns from a large one's answers as well as from labels (Hinton et al. 2015).

The teacher looks at the same cuts of the same photos as its student does, mixed ones too: a student that is asked to
agree with it on those learns more than from answers that were stored (Beyer et al., "Knowledge distillation: A good
teacher is patient and consistent", CVPR 2022), and nothing has to be kept.
"""

import torch
from torch import nn
from torch.nn import functional

from maskfold.engine.objective import Batch, Objective, Output


class DistilledObjective(Objective):
    """Another objective, and in training the cross-entropy with a teacher's softened answers beside it.

    Args:
        labels: What is learned from the labels; it measures and is monitored.
        teacher: A network that answers with logits `(N, K)` of the first K classes; the student may have more, which it
            learns from labels alone.
        size: Pixels of the square that the teacher is shown: photos are made as large for it.
        weight: Of what is learned from the teacher, 0..1; the labels have the rest.
        temperature: That both networks' logits are divided by; its square multiplies the loss, so that gradients stay
            as large whatever it is.
    """

    def __init__(self, labels: Objective, *, teacher: nn.Module, size: int, weight: float, temperature: float) -> None:
        super().__init__()
        self.labels = labels
        self.metric, self.monitor = labels.metric, labels.monitor
        self.size, self.weight, self.temperature = size, weight, temperature
        # In a list, and so no part of this module: neither checkpoints nor ranks are to carry it, nor does it train.
        self._teachers = [teacher.eval().requires_grad_(False)]

    def prepared(self, batch: Batch, *, seed: tuple[int, ...]) -> Batch:
        """See `Objective`."""
        return self.labels.prepared(batch, seed=seed)

    def losses(self, output: Output, batch: Batch) -> torch.Tensor:
        """See `Objective`."""
        own = self.labels.losses(output, batch)
        if not self.training:
            return own
        return (1 - self.weight) * own + self.weight * soft_losses(output, self._taught(batch), self.temperature)

    def measure(self, output: Output, batch: Batch) -> None:
        """See `Objective`."""
        self.labels.measure(output, batch)

    def _taught(self, batch: Batch) -> torch.Tensor:
        """Return the teacher's logits, `(N, K) float32`."""
        image = batch["image"]
        teacher = self._teachers[0].to(image.device)
        with torch.no_grad():
            if image.shape[-1] != self.size:
                image = functional.interpolate(image.float(), self.size, mode="bilinear", antialias=True)
            return teacher(image).float()


def soft_losses(logits: torch.Tensor, taught: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return each sample's divergence from the teacher's softened answer, times the squared temperature.

    It is 0 where both say the same: the cross-entropy less the teacher's own entropy, with the same gradient.

    Args:
        logits: `(N, C)`.
        taught: `(N, K)`, K at most C; of the first classes.
        temperature: T.

    Returns:
        `(N,) float32`.
    """
    student = functional.log_softmax(logits[:, : taught.shape[1]].float() / temperature, dim=1)
    teacher = functional.log_softmax(taught / temperature, dim=1)
    return functional.kl_div(student, teacher, reduction="none", log_target=True).sum(1) * temperature**2
