"""Batches whose photos are mixed in pairs: mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019)."""

import torch
from torchvision.transforms import v2


class Mixing:
    """Mixes every batch, by mixup or CutMix.

    Args:
        classes: C.
        mixup: Both parameters of mixup's Beta distribution; 0 for no mixup.
        cutmix: Those of CutMix's; 0 for no CutMix. With both, each batch is mixed by one of the two at random.
    """

    def __init__(self, *, classes: int, mixup: float = 0.0, cutmix: float = 0.0) -> None:
        kinds = [(v2.MixUp, mixup), (v2.CutMix, cutmix)]
        self.ways = [kind(alpha=alpha, num_classes=classes) for kind, alpha in kinds if alpha > 0]

    def __call__(self, image: torch.Tensor, target: torch.Tensor, *, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a mixed batch: `(N, 3, H, W) float32` and soft targets `(N, C) float32`.

        Args:
            image: `(N, 3, H, W)`, uint8 or float32.
            target: `(N,) int64`.
            seed: What everything random follows from, whatever was drawn before: a run that goes on mixes as one that
                was never interrupted.
        """
        devices = [image.device] if image.is_cuda else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            way = self.ways[int(torch.randint(len(self.ways), ()))]
            return way(image.float(), target)
