"""The networks of segmentation_models_pytorch, with this package's sizes, weights and errors."""

import inspect
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

import torch
from huggingface_hub import constants
from torch import nn

from maskfold.errors import MaskfoldError
from maskfold.models.encoders import SILENCE, fit_state_dict, no_imagenet, read_state_dict
from maskfold.models.sizes import check_size
from maskfold.models.smp_stages import stages_of


@contextmanager
def _missing(module: str) -> Iterator[None]:
    """Let the import of a module fail as if it were not installed, unless it has been imported already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None
    try:
        yield
    finally:
        del sys.modules[module]


with _missing("wandb"):  # timm takes two to four seconds to import it, for summaries that nobody writes here
    import segmentation_models_pytorch as smp
    import timm as timm


class SMP(nn.Module):
    """Any architecture of segmentation_models_pytorch on any of its encoders.

    `(N, channels, H, W) float32 -> (N, classes, H, W)` logits, H and W multiples of `stride`.

    Args:
        architecture: `unet`, `unetplusplus`, `fpn`, `segformer`, ... in any case of letters.
        encoder: The library's name, or `tu-<name>` for an encoder of timm.
        weights: Of the encoder: `imagenet` (or another set the library offers), None for random, or the path of a
            state dict in the encoder's own naming.
        channels: Of the images.
        classes: Of a mask.
        options: The architecture's own, such as `decoder_channels`.

    Raises:
        MaskfoldError: If architecture, encoder or an option is unknown, the weights cannot be had, or an input has a
            wrong size.
    """

    def __init__(
        self,
        *,
        architecture: str,
        encoder: str,
        weights: str | Path | None = "imagenet",
        channels: int = 3,
        classes: int = 1,
        **options: object,
    ) -> None:
        super().__init__()
        options = {"in_channels": channels, "classes": classes, **options}
        offered = smp.encoders.encoders.get(encoder, {}).get("pretrained_settings", {})
        if weights is None or weights == "imagenet" or weights in offered:
            self.network = _create(architecture, encoder, weights, options)
        else:
            state = read_state_dict(Path(weights))
            self.network = _create(architecture, encoder, None, options)
            fit_state_dict(self.network.encoder, state, f"{encoder} with weights={weights}")
        self.architecture = architecture.lower()
        self.stride = self.network.encoder.output_stride

    def decoder_stages(self) -> list[str]:
        """See `maskfold.models.deep.chosen_layers`."""
        return [f"network.decoder.{name}" for name in stages_of(self.architecture, self.network.decoder)]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, classes, H, W) of normalised images (N, channels, H, W)."""
        # pyrefly: ignore[bad-argument-count]
        check_size(*images.shape[-2:], self.stride)
        return self.network(images)


def _create(architecture: str, encoder: str, weights: str | None, options: dict[str, object]) -> nn.Module:
    """Build a network of the library; arguments as for `SMP`.

    Raises:
        MaskfoldError: If architecture, encoder or an option is unknown, or the weights cannot be had.
    """
    _check_options(architecture, encoder, options)
    # For timm's encoders the library wants a flag where it has names for its own.
    encoder_weights = True if weights and encoder.startswith("tu-") else weights
    try:
        with _hub(needed=weights is not None):
            return smp.create_model(architecture, encoder_name=encoder, encoder_weights=encoder_weights, **options)
    except (KeyError, RuntimeError) as error:  # an unknown name, in the library's words and in timm's
        raise MaskfoldError(f"model: {error.args[0]}") from error
    except (OSError, HTTPException) as error:
        raise no_imagenet(encoder, error) from error


def _check_options(architecture: str, encoder: str, options: dict[str, object]) -> None:
    """Refuse options that the library would swallow unread; it passes what it does not know on to the encoder.

    Raises:
        MaskfoldError: Naming the options the architecture has.
    """
    model = smp.MODEL_ARCHITECTURES_MAPPING.get(architecture.lower())
    if model is None or encoder.startswith("tu-"):  # refused later on; timm reads, or refuses, what it is given
        return
    accepted = [
        name
        for name, parameter in inspect.signature(model).parameters.items()
        if parameter.kind != parameter.VAR_KEYWORD
    ]
    if unknown := sorted(set(options) - set(accepted)):
        raise MaskfoldError(f"model.{unknown[0]}: {architecture} has no such option. It has {', '.join(accepted)}.")


@contextmanager
def _hub(*, needed: bool) -> Iterator[None]:
    """Let the Hugging Face hub answer from its cache alone when it is needed but cannot be reached.

    The hub's client would try again and again for half a minute before it says so.
    """
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or (needed and not _answers(constants.ENDPOINT))
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _answers(url: str) -> bool:
    """Return whether a server answers at all."""
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=SILENCE).close()
    except HTTPError:
        return True  # a refusal is an answer
    except (OSError, HTTPException):
        return False
    return True
