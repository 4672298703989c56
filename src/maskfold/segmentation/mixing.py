"""Training batches whose photos are mixed in pairs: mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019) for masks.

Masks are never averaged: what mixup has made is compared with each of its two masks, and the two losses are added by
their shares. That is right for any loss, also for one that counts pixels (Dice) or sorts them (Lovasz) and knows no
half ones; of cross-entropy it is the same as the loss against the averaged mask.

N is the number of samples, H, W are height and width.
"""

import numpy as np
import torch

from maskfold.engine.objective import Batch
from maskfold.errors import MaskfoldError

OTHER_MASK = "other_mask"  # of a batch mixed by mixup: each sample's second mask
SHARES = "shares"  # and `(N, 2) float32`, how much the losses against the first and the second count

_TAG = 0x6D6978  # sets these draws apart from those of single samples, which follow from the same numbers


class MaskMixing:
    """Mixes batches, by mixup or CutMix.

    Args:
        mixup: Both parameters of mixup's Beta distribution; 0 for no mixup.
        cutmix: Those of CutMix's; 0 for no CutMix. With both, each batch is mixed by one of the two at random.
        share: Of the samples: the probability that one is mixed.
        until: The share of the epochs after which nothing is mixed any more.
        seed: The run's.
    """

    def __init__(
        self, *, mixup: float = 0.0, cutmix: float = 0.0, share: float = 1.0, until: float = 1.0, seed: int = 0
    ) -> None:
        self.ways = [(way, alpha) for way, alpha in ((_mixed, mixup), (_cut, cutmix)) if alpha > 0]
        self.share = share
        self.until = until
        self.seed = seed

    def __call__(self, batch: Batch, *, seed: tuple[int, ...], epochs: int | None) -> Batch:
        """Return a mixed batch; one that is not to be mixed as it is.

        Args:
            batch: `image (N, channels, H, W)`, uint8 or float32; `mask (N, C, H, W) uint8`; `weight (N,) float32`,
                which may be absent.
            seed: The epoch first, then whatever else tells the batch from others: all that is drawn follows from these
                and the run's seed, on every device alike, so that a run that goes on mixes as one that was never
                interrupted.
            epochs: How many the run has; None if nobody knows.

        Returns:
            Of CutMix a batch like the one given: a box of another sample is in image and mask, and its area weighs the
            two weights. Of mixup `image` is float32, with `OTHER_MASK` and `SHARES`, and without `weight`, which the
            shares hold.
        """
        count = len(batch["image"])
        if not self.ways or count < 2 or (epochs is not None and seed[0] / epochs >= self.until):
            return batch
        rng = np.random.default_rng((self.seed, *seed, _TAG))
        way, alpha = self.ways[rng.integers(len(self.ways))]
        partner = _partners(rng, count)
        own = np.where(rng.random(count) < self.share, rng.beta(alpha, alpha, count), 1.0)
        return way(batch, torch.from_numpy(partner).to(batch["image"].device, non_blocking=True), own, rng)


def refuse_single(mixing: object, *, batch_size: int) -> None:
    """Refuse batches of one photo, which has nobody to be mixed with.

    Args:
        mixing: That of an objective, which may have none, or another task's.
        batch_size: Photos in a batch, in each process.

    Raises:
        MaskfoldError: If photos are to be mixed, and batches are such.
    """
    if isinstance(mixing, MaskMixing) and mixing.ways and batch_size < 2:
        raise MaskfoldError(
            "mixing: a batch of one photo has nobody to be mixed with. Set trainer.batch_size=2 or more, or leave "
            "mixing.mixup and mixing.cutmix at 0."
        )


def _partners(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw for each sample another one to be mixed with, each once and never itself: one round through all of them."""
    order = rng.permutation(count)
    partner = np.empty(count, np.int64)
    partner[order] = np.roll(order, 1)
    return partner


def _weights(batch: Batch) -> torch.Tensor:
    return batch.get("weight", torch.ones(len(batch["image"]), device=batch["image"].device))


def _mixed(batch: Batch, partner: torch.Tensor, own: np.ndarray, _rng: np.random.Generator) -> Batch:
    """Mix by mixup: images are averaged, and the losses against both masks will be."""
    image, mask, weight = batch["image"].float(), batch["mask"], _weights(batch)
    share = torch.from_numpy(own.astype(np.float32)).to(image.device, non_blocking=True)
    of_image = share.view(-1, 1, 1, 1)
    # A sample that is left alone takes nothing of its partner, not even what is no number there.
    mixed = torch.where(of_image == 1, image, of_image * image + (1 - of_image) * image[partner])
    shares = torch.stack([share * weight, (1 - share) * weight[partner]], dim=1)
    kept = {name: value for name, value in batch.items() if name != "weight"}
    return kept | {"image": mixed, OTHER_MASK: mask[partner], SHARES: shares}


def _cut(batch: Batch, partner: torch.Tensor, own: np.ndarray, rng: np.random.Generator) -> Batch:
    """Mix by CutMix: a box is taken from another sample, out of image and mask alike."""
    image, mask, weight = batch["image"], batch["mask"], _weights(batch)
    height, width = image.shape[-2:]
    boxes = np.stack([*_spans(rng, own, height), *_spans(rng, own, width)], axis=1)
    top, bottom, left, right = torch.from_numpy(boxes).to(image.device, non_blocking=True).T.view(4, -1, 1, 1, 1)
    rows = torch.arange(height, device=image.device).view(1, 1, -1, 1)
    columns = torch.arange(width, device=image.device).view(1, 1, 1, -1)
    inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    taken = inside.float().mean(dim=(1, 2, 3))
    return batch | {
        "image": torch.where(inside, image[partner], image),
        "mask": torch.where(inside, mask[partner], mask),
        "weight": (1 - taken) * weight + taken * weight[partner],
    }


def _spans(rng: np.random.Generator, own: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw where boxes begin and end along a side, `(N,) int64` each; what would lie beyond the photo is cut off."""
    length = np.rint(side * np.sqrt(1 - own)).astype(np.int64)
    first = rng.integers(side, size=len(own)) - length // 2
    return first.clip(0, side), (first + length).clip(0, side)
