"""How often a classifier is right, counted so that thousands of classes cost three numbers each."""

import torch
from torchmetrics import Metric


class ClassMetrics(Metric):
    """`accuracy` (the first answer is right), `top5`, and `macro_recall`, the mean recall of classes that have photos.

    No confusion matrix: one of 13,333 classes takes 1.4 GB in every process.

    Args:
        classes: C, how many.
    """

    full_state_update = False
    photos: torch.Tensor
    first: torch.Tensor
    among_five: torch.Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        for name in ("photos", "first", "among_five"):
            self.add_state(name, torch.zeros(classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, logits: torch.Tensor, target: torch.Tensor) -> None:
        """Count a batch.

        Args:
            logits: `(N, C)`, of any floating type.
            target: `(N,) int64`, the right classes.
        """
        # In float32: what half precision holds to be equal would be counted by the order of the classes.
        best = logits.float().topk(min(5, logits.shape[1]), dim=1).indices
        right = best == target[:, None]
        for counts, hits in ((self.photos, None), (self.first, right[:, 0]), (self.among_five, right.any(1))):
            counts.index_add_(0, target, torch.ones_like(target) if hits is None else hits.to(target.dtype))

    def compute(self) -> dict[str, torch.Tensor]:
        """Return the three shares, `()` float32 each."""
        total, supported = self.photos.sum(), self.photos > 0
        recall = self.first[supported].double() / self.photos[supported]
        return {
            "accuracy": (self.first.sum() / total).float(),
            "top5": (self.among_five.sum() / total).float(),
            "macro_recall": recall.mean().float(),
        }
