"""The networks of segmentation_models_pytorch, with this package's sizes, weights and errors."""

import inspect
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

import torch
from huggingface_hub import constants
from torch import nn

from maskfold.errors import MaskfoldError
from maskfold.models.encoders import SILENCE, fit_state_dict, no_imagenet, read_state_dict
from maskfold.models.libraries import smp
from maskfold.models.network import IMAGENET_MEAN, IMAGENET_STD
from maskfold.models.same_padding import with_constant_padding
from maskfold.models.sizes import check_size
from maskfold.models.smp_stages import stages_of
from maskfold.models.timm_encoders import (
    is_timms,
    load_file,
    set_drop_path,
    sizes_taken,
    statistics_of,
    tags_of,
    window_size,
    with_tag,
)


class SMP(nn.Module):
    """Any architecture of segmentation_models_pytorch on any of its encoders.

    `(N, channels, H, W) float32 -> (N, classes, H, W)` logits, H and W multiples of `stride`.

    Args:
        architecture: `unet`, `unetplusplus`, `fpn`, `segformer`, ... in any case of letters.
        encoder: The library's name, or `tu-<name>` for an encoder of timm.
        weights: Of the encoder: `imagenet`, another set the library offers or a tag of timm's (`fb_in22k_ft_in1k`),
            None for random, or the path of a state dict (`.pth`, `.safetensors`) in the encoder's own naming or timm's.
        channels: Of the images.
        classes: Of a mask.
        drop_path_rate: The share of the encoder's last residual branch that training leaves out; stochastic depth.
            None: the encoder's own.
        img_size: `[height, width]` of the inputs, for encoders of timm that are built for a size, such as MaxViT; see
            `maskfold.models.timm_encoders.window_size`. None: the encoder's own.
        own_statistics: Normalise RGB images by the statistics that timm's weights were trained with, instead of
            ImageNet's usual ones. They are kept with the weights.
        options: The architecture's own, such as `decoder_channels`.

    Attributes:
        stride: The multiple that height and width must be.

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
        drop_path_rate: float | None = None,
        img_size: int | Sequence[int | None] | None = None,
        own_statistics: bool = False,
        **options: object,
    ) -> None:
        super().__init__()
        options = {"in_channels": channels, "classes": classes, **options}
        named, known = _named_weights(encoder, weights)
        inner = _encoder_options(encoder, drop_path_rate, img_size)
        self.network = _create(architecture, named, weights if known else None, options | inner)
        if weights is not None and not known:
            beyond = {name: value for name, value in options.items() if name not in _accepted(architecture)}
            self._load(encoder, Path(weights), {"in_chans": channels, **beyond, **inner})
        if drop_path_rate is not None:
            set_drop_path(self.network.encoder, encoder, drop_path_rate)
        with_constant_padding(self.network.encoder)  # forward() takes no size for which it would be another
        self.architecture = architecture.lower()
        self.encoder = encoder
        self.stride, self.only_size = sizes_taken(self.network.encoder, inner.get("img_size"))
        self.own_statistics = own_statistics
        if own_statistics:
            self._keep_statistics(named, channels)

    def _load(self, encoder: str, path: Path, options: dict[str, object]) -> None:
        """Load the encoder's weights from a file."""
        if is_timms(encoder):
            load_file(self.network.encoder, encoder, path, **options)
        else:
            fit_state_dict(self.network.encoder, read_state_dict(path), f"{encoder} with weights={path}")

    def _keep_statistics(self, encoder: str, channels: int) -> None:
        """Work out what takes images from the usual statistics to the encoder's own."""
        mean, std = statistics_of(encoder)
        if channels != len(mean):
            raise MaskfoldError(
                f"model.own_statistics: they are of RGB photos, and these have {channels} channels, normalised by what "
                "was counted in them. Leave own_statistics out."
            )
        usual_mean, usual_std, mean, std = (
            torch.tensor(one).view(1, -1, 1, 1) for one in (IMAGENET_MEAN, IMAGENET_STD, mean, std)
        )
        self.register_buffer("scale", usual_std / std)
        self.register_buffer("shift", (usual_mean - mean) / std)

    def decoder_stages(self) -> list[str]:
        """See `maskfold.models.deep.chosen_layers`."""
        return [f"network.decoder.{name}" for name in stages_of(self.architecture, self.network.decoder)]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits (N, classes, H, W) of normalised images (N, channels, H, W)."""
        # pyrefly: ignore[bad-argument-count]
        check_size(*images.shape[-2:], self.stride)
        if self.only_size is not None:
            self._refuse_other_sizes(*images.shape[-2:])
        return self.network(images * self.scale + self.shift if self.own_statistics else images)

    def _refuse_other_sizes(self, height: int, width: int) -> None:
        if (height, width) != self.only_size:
            only = " x ".join(map(str, self.only_size))
            raise MaskfoldError(
                f"network input of {height} x {width} (height x width): {self.encoder} was built for {only} alone. "
                "Choose a geometry that gives it, or build the network for the other size: "
                "model.img_size=[height,width]."
            )


def _named_weights(encoder: str, weights: str | Path | None) -> tuple[str, bool]:
    """Return the name that an encoder is built by, and whether the library knows weights of that name.

    Raises:
        MaskfoldError: If weights are neither: no name and no file.
    """
    if weights is None or weights == "imagenet":
        return encoder, True
    if not is_timms(encoder):
        return encoder, weights in smp.encoders.encoders.get(encoder, {}).get("pretrained_settings", {})
    if named := with_tag(encoder, weights):
        return named, True
    tags = tags_of(encoder)
    if tags and not Path(weights).exists():
        raise MaskfoldError(
            f"model.weights={weights}: no such file, and no tag of timm's for {encoder}. Weights are imagenet, null "
            f"(random), the path of a state dict, or one of the tags {', '.join(tags)}."
        )
    return encoder, False


def _encoder_options(
    encoder: str, drop_path_rate: float | None, img_size: int | Sequence[int | None] | None
) -> dict[str, object]:
    """Return what timm is told of an encoder.

    Raises:
        MaskfoldError: If a size is no right one, or is given where the encoder takes any.
    """
    options: dict[str, object] = {}
    if drop_path_rate is not None and is_timms(encoder):
        options["drop_path_rate"] = drop_path_rate
    if img_size is None:
        return options
    if not is_timms(encoder):
        raise MaskfoldError(f"model.img_size: {encoder} is built for no size. Leave img_size out.")
    side = window_size(encoder, img_size)
    return options if side is None else options | {"img_size": side}


def _create(architecture: str, encoder: str, weights: str | None, options: dict[str, object]) -> nn.Module:
    """Build a network of the library; arguments as for `SMP`.

    Raises:
        MaskfoldError: If architecture, encoder or an option is unknown, or the weights cannot be had.
    """
    _check_options(architecture, encoder, options)
    # For timm's encoders the library wants a flag where it has names for its own.
    encoder_weights = True if weights and is_timms(encoder) else weights
    try:
        with _hub(needed=weights is not None):
            return smp.create_model(architecture, encoder_name=encoder, encoder_weights=encoder_weights, **options)
    except TypeError as error:
        raise _unknown_option(encoder, options, error) from error
    except (AssertionError, KeyError, RuntimeError, ValueError) as error:
        # An unknown name, or what does not go together, in the library's words or in timm's.
        raise MaskfoldError(f"model: {error.args[0] if error.args else repr(error)}") from error
    except (OSError, HTTPException) as error:
        raise no_imagenet(encoder, error) from error


def _unknown_option(encoder: str, options: dict[str, object], error: TypeError) -> MaskfoldError:
    """Word what Python says of an option that an encoder of timm does not take."""
    names = [name for name in options if f"'{name}'" in str(error)]
    if not names:
        return MaskfoldError(f"model: {encoder} cannot be built so ({error}). Check model's options.")
    return MaskfoldError(
        f"model.{names[0]}: the encoder {encoder} has no such option. Leave it out: model.{names[0]}=null."
    )


def _check_options(architecture: str, encoder: str, options: dict[str, object]) -> None:
    """Refuse options that the library would swallow unread; it passes what it does not know on to the encoder.

    Raises:
        MaskfoldError: Naming the options the architecture has.
    """
    accepted = _accepted(architecture)
    if not accepted or is_timms(encoder):  # refused later on; timm reads, or refuses, what it is given
        return
    if unknown := sorted(set(options) - set(accepted)):
        raise MaskfoldError(f"model.{unknown[0]}: {architecture} has no such option. It has {', '.join(accepted)}.")


def _accepted(architecture: str) -> list[str]:
    """Return the names of an architecture's options; none where there is no such architecture."""
    model = smp.MODEL_ARCHITECTURES_MAPPING.get(architecture.lower())
    parameters = inspect.signature(model).parameters if model else {}
    return [name for name, parameter in parameters.items() if parameter.kind != parameter.VAR_KEYWORD]


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
