"""A classifier of thousands of classes: any timm network, an embedding, and a head with a row for each class."""

from difflib import get_close_matches
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from maskfold.errors import MaskfoldError, listing
from maskfold.models.encoders import fit_state_dict, no_imagenet, read_state_dict
from maskfold.models.libraries import timm

_MOMENTUM = 0.01  # of the running mean of embeddings
_SCALE = 16.0  # of cosines, before it is learned


class Classifier(nn.Module):
    """Photos in, logits out, by way of an embedding.

    The embedding is a linear layer without activation: behind a ReLU all embeddings point one way, and the mean of a
    new class's is close to everything. That is how PaddleClas recognises 50,000 products as well.

    Args:
        architecture: timm's name of a network.
        classes: C, how many.
        width: D, numbers in an embedding; None for the network's own features.
        head: `linear`, or `cosine` (see `CosineHead`), to whose rows new classes can be added without training.
        weights: `imagenet`, None for random ones, or the path of a state dict of the network, with or without its own
            classifier.
        drop_path: The share of residual branches that training leaves out, stochastic depth; in networks that have it.

    Attributes:
        growing: Names of the weights that have a row for each class.

    Raises:
        MaskfoldError: If there is no such network, its weights cannot be had, or an argument is out of range.
    """

    growing = ("head.weight", "head.bias", "head.gain")

    def __init__(
        self,
        *,
        architecture: str,
        classes: int,
        width: int | None = 512,
        head: str = "linear",
        weights: str | Path | None = None,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        if classes < 2:
            raise MaskfoldError(f"model.classes={classes}: a classifier needs two classes or more to tell apart.")
        if head not in HEADS:
            raise MaskfoldError(f"model.head={head}: there are {', '.join(HEADS)}.")
        self.encoder = timm_encoder(architecture, weights, drop_path=drop_path)
        features = self.encoder.num_features
        self.embedding = nn.Linear(features, width) if width else nn.Identity()
        self.head = HEADS[head](width or features, classes)

    @property
    def width(self) -> int:
        """D, numbers in an embedding."""
        return self.head.in_features

    def embed(self, image: torch.Tensor) -> torch.Tensor:
        """Map normalised photos `(N, 3, H, W) float32` to embeddings `(N, D)`."""
        return self.embedding(self.encoder(image))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map normalised photos `(N, 3, H, W) float32` to logits `(N, C)`."""
        return self.head(self.embed(image))


class CosineHead(nn.Module):
    """`scale * gain * cos(embedding - centre, row)` for each class's row.

    The centre is the running mean of the embeddings that training has seen; without it all embeddings share one large
    part, and the cosines of all classes are alike. The scale is learned. The gain is 1, but for rows that were not
    learned and are closer to their photos than those that were, see `maskfold.recognition.enrolment`.

    Args:
        in_features: D, numbers in an embedding.
        out_features: C, classes.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = nn.Parameter(nn.init.normal_(torch.empty(out_features, in_features)) / in_features**0.5)
        self.scale = nn.Parameter(torch.tensor(_SCALE))
        self.register_buffer("centre", torch.zeros(in_features))
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("gain", torch.ones(out_features))

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        """Map embeddings `(N, D)` to logits `(N, C) float32`."""
        embedding = embedding.float()
        if self.training:
            self._follow(embedding.detach())
        # Cosines in half precision would round neighbours among thousands of classes to one value.
        with torch.autocast(embedding.device.type, enabled=False):
            centred = functional.normalize(embedding - self.centre, dim=1)
            return self.scale * (centred @ functional.normalize(self.weight, dim=1).T) * self.gain

    def _follow(self, embedding: torch.Tensor) -> None:
        """Move the centre towards a batch's mean: the plain mean of the first batches, then a running one."""
        self.seen += 1
        share = (1 / self.seen).clamp(min=_MOMENTUM)
        self.centre.lerp_(embedding.mean(0), share)


HEADS = {"linear": nn.Linear, "cosine": CosineHead}


def timm_encoder(architecture: str, weights: str | Path | None, *, drop_path: float = 0.0) -> nn.Module:
    """Build a network of timm without its classifier: `(N, 3, H, W) -> (N, features)`.

    Args:
        architecture: timm's name.
        weights: `imagenet`, None for random ones, or the path of a state dict; torchvision's are read too where the
            names are the same, as those of ResNets are.
        drop_path: Stochastic depth.

    Raises:
        MaskfoldError: If there is no such network, or its weights cannot be had.
    """
    if not timm.is_model(architecture):
        near = get_close_matches(architecture, timm.list_models(), 8, 0.3)
        raise MaskfoldError(
            f"model.architecture={architecture}: timm has no such network. Some near it:\n{listing(near, 8)}"
        )
    options = {"drop_path_rate": drop_path} if drop_path else {}
    if weights == "imagenet":
        try:
            return timm.create_model(architecture, num_classes=0, pretrained=True, **options)
        except (OSError, RuntimeError) as error:  # whatever its hub raises where there is no network
            raise no_imagenet(architecture, str(error).partition("\n")[0]) from error
    encoder = timm.create_model(architecture, num_classes=0, **options)
    if weights is not None:
        fit_state_dict(encoder, read_state_dict(Path(weights)), f"{architecture} with weights={weights}")
    return encoder
