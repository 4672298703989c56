"""What a recogniser learns: the right class of each photo, judged by how often it is the first."""

from collections.abc import Sequence

import torch
from torch.nn import functional

from maskfold.engine.objective import Batch, Objective, Output
from maskfold.errors import MaskfoldError
from maskfold.recognition.metrics import ClassMetrics
from maskfold.recognition.mixing import Mixing
from maskfold.runs.monitor import Monitor


class ClassObjective(Objective):
    """Compares logits `(N, C)` with a batch's `target (N,) int64`, by cross-entropy.

    Args:
        classes: C.
        smoothing: The share of each label that is spread over all classes (Szegedy et al. 2016).
        adjust: Logit adjustment for rare classes (Menon et al. 2021): so many times the logarithm of a class's share of
            the training photos is added to its logit in training, and not in prediction.
        counts: Photos of each class in training, C numbers; needed by `adjust`.
        mixup: See `Mixing`.
        cutmix: Likewise.
        seed: The run's.
    """

    def __init__(
        self,
        classes: int,
        *,
        smoothing: float = 0.0,
        adjust: float = 0.0,
        counts: Sequence[int] | None = None,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.classes = classes
        self.smoothing = smoothing
        self.metric = ClassMetrics(classes)
        self.monitor = Monitor(name="val/accuracy", mode="max", label="validation accuracy")
        self.mixing = Mixing(classes=classes, mixup=mixup, cutmix=cutmix) if mixup or cutmix else None
        self.seed = seed
        prior = None
        if adjust and counts is not None:
            # A class without photos counts as if it had one: the logarithm of none is no number.
            shares = torch.tensor(counts, dtype=torch.float64).clamp(min=1)
            prior = (adjust * (shares / shares.sum()).log()).float()
        self.register_buffer("prior", prior, persistent=False)

    def prepared(self, batch: Batch, *, seed: tuple[int, ...]) -> Batch:
        """See `Objective`; mixes photos where that is asked for."""
        if self.mixing is None:
            return batch
        image, target = self.mixing(batch["image"], batch["target"], seed=hash((self.seed, *seed)) % 2**63)
        return batch | {"image": image, "target": target}

    def losses(self, output: Output, batch: Batch) -> torch.Tensor:
        """See `Objective`.

        Raises:
            MaskfoldError: If the network answers with another number of classes than the data has.
        """
        if not isinstance(output, torch.Tensor) or output.ndim != 2 or output.shape[1] != self.classes:
            shape = tuple(output.shape) if isinstance(output, torch.Tensor) else f"{len(output)} outputs"
            raise MaskfoldError(
                f"The network answers with {shape}, and the data has {self.classes} classes: a logit for each is "
                "expected, (N, C). Choose model=classifier, or a model with a like number of classes."
            )
        logits = output.float()
        if self.prior is not None and self.training:
            logits = logits + self.prior
        return functional.cross_entropy(logits, batch["target"], reduction="none", label_smoothing=self._smoothing)

    @property
    def _smoothing(self) -> float:
        return self.smoothing if self.training else 0.0

    def measure(self, output: Output, batch: Batch) -> None:
        """See `Objective`."""
        self.metric.update(output, batch["target"])
