"""Encoders with torchvision's names and layout, and where their weights come from."""

import pickle
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torchvision.models import get_model, get_model_weights, list_models
from torchvision.models.vgg import cfgs, make_layers

from maskfold.errors import MaskfoldError, listing

# What an encoder leaves out of the network it was trained in, by the names torchvision and others give it.
CLASSIFIER_HEADS = ("fc.", "classifier.", "last_linear.", "linear.", "head.")
UNREADABLE = (RuntimeError, EOFError, pickle.UnpicklingError, SafetensorError)  # what is said of a damaged file
RGB = 3  # channels that public weights are for
SILENCE = 20.0  # seconds without an answer after which a server counts as unreachable


def resnet_encoder(name: str, weights: str | Path | None, *, channels: int = 3) -> nn.Module:
    """Build a torchvision ResNet (ResNeXt, Wide ResNet) without its classifier.

    Args:
        name: torchvision's name: `resnet18`, `resnet34`, `resnext50_32x4d`, ...
        weights: `imagenet`, None for random weights, or the path of a state dict.
        channels: Of its images; see `load_encoder_weights` for pretrained weights of another number.

    Returns:
        A module with torchvision's parts: `conv1`, `bn1`, `relu`, `maxpool`, `layer1` ... `layer4`.

    Raises:
        MaskfoldError: If there is no such network, or its weights cannot be had.
    """
    names = list_models(include=["resnet*", "resnext*", "wide_resnet*"])
    if name not in names:
        raise MaskfoldError(f"model.encoder={name}: no such ResNet in torchvision. Choose one of {', '.join(names)}.")
    encoder = get_model(name, weights=None)
    del encoder.fc, encoder.avgpool
    encoder.conv1 = _taking(channels, encoder.conv1)
    load_encoder_weights(encoder, name, weights)
    return encoder


def vgg11_encoder(weights: str | Path | None, *, channels: int = 3) -> nn.Module:
    """Build the convolutional part of torchvision's VGG-11 (without batch normalisation) as `.features`.

    Args:
        weights: See `load_encoder_weights`.
        channels: Of its images.

    Raises:
        MaskfoldError: If the weights cannot be had.
    """
    # torchvision builds VGG only together with its 124 million classifier parameters, half a gigabyte to throw away.
    encoder = nn.Module()
    first, *others = make_layers(cfgs["A"], batch_norm=False)
    encoder.features = nn.Sequential(_taking(channels, first), *others)
    encoder.apply(initialise)
    load_encoder_weights(encoder, "vgg11", weights)
    return encoder


def _taking(channels: int, first: nn.Conv2d) -> nn.Conv2d:
    """Return a first convolution for images of that many channels; the same one if it is for as many."""
    if channels == first.in_channels:
        return first
    shape = {key: getattr(first, key) for key in ("out_channels", "kernel_size", "stride", "padding")}
    other = nn.Conv2d(channels, bias=first.bias is not None, **shape)
    initialise(other)
    return other


def inflate(weight: torch.Tensor, channels: int) -> torch.Tensor:
    """Return a first convolution's weights for images of another number of channels, as timm makes them.

    For one channel the filters are added up; for others they are repeated in turn, and scaled so that answers keep
    their size.

    Args:
        weight: `(K, C, h, w)`.
        channels: How many there are to be.
    """
    known = weight.shape[1]
    if channels == 1:
        return weight.sum(1, keepdim=True)
    turns = [channel % known for channel in range(channels)]
    return weight[:, turns] * (known / channels)


def initialise(module: nn.Module) -> None:
    """Initialise a convolution in place for a following ReLU (He et al. 2015), any other module not at all."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def load_encoder_weights(encoder: nn.Module, name: str, weights: str | Path | None) -> None:
    """Load weights into `encoder` in place; None leaves it as it is.

    Args:
        encoder: Module whose parameter names are torchvision's.
        name: torchvision's name of the network.
        weights: `imagenet` (downloaded once, then cached by torch.hub), None, or the path of a state dict. The
            classifier's entries of a whole network's state dict are passed over. Those of RGB images are inflated
            where the encoder takes others, see `inflate`.

    Raises:
        MaskfoldError: If the weights cannot be downloaded or read, or belong to another network.
    """
    if weights is None:
        return
    state = download_imagenet(name) if weights == "imagenet" else read_state_dict(Path(weights))
    fit_state_dict(encoder, state, f"{name} with weights={weights}")


def download_imagenet(name: str) -> dict[str, torch.Tensor]:
    """Fetch torchvision's first ImageNet weights of a network, from torch.hub's cache if they are there.

    Raises:
        MaskfoldError: If they cannot be had, with both ways out.
    """
    source = get_model_weights(name).IMAGENET1K_V1
    try:
        with _socket_timeout(SILENCE):
            return source.get_state_dict(check_hash=True, weights_only=True)
    except (OSError, HTTPException, *UNREADABLE) as error:
        raise no_imagenet(name, error, source.url) from error


def no_imagenet(encoder: str, reason: object, url: str | None = None) -> MaskfoldError:
    """Word the error for ImageNet weights that cannot be had, with both ways out."""
    source = f" from {url}" if url else ""
    reason = str(reason).rstrip(".")
    return MaskfoldError(
        f"the ImageNet weights of the encoder {encoder} cannot be had{source}: {reason}. Either train from random "
        "weights: model.weights=null, or bring the file here and name it: model.weights=/path/to/file.pth"
    )


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Read a state dict, tensors by parameter name, onto the CPU: one of `torch.save`, or a file of safetensors.

    Raises:
        MaskfoldError: If the file is missing, unreadable, or holds anything but a state dict.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise MaskfoldError(
            f"model.weights={path}: no such file. Weights are imagenet, null (random) or the path of a state dict."
        ) from error
    except (OSError, *UNREADABLE) as error:
        first_line = str(error).partition("\n")[0]
        raise MaskfoldError(f"{path}: not a readable state dict ({first_line}). Save one with torch.save.") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise MaskfoldError(f"{path}: holds no plain state dict of parameter names and tensors. Save that part alone.")
    return state


def fit_state_dict(
    encoder: nn.Module, state: dict[str, torch.Tensor], what: str, *, names: Mapping[str, str] | None = None
) -> None:
    """Load a state dict whose every entry but a classifier's must be the encoder's, and the other way round.

    Args:
        encoder: Changed in place.
        state: Tensors by the file's names.
        what: How messages begin.
        names: By the encoder's own name of an entry, the file's, where these are others.

    Raises:
        MaskfoldError: Naming the file's entries that are missing, foreign or of another shape.
    """
    state = {key: value for key, value in state.items() if not key.startswith(CLASSIFIER_HEADS)}
    names = names or {key: key for key in encoder.state_dict()}
    own = {names[key]: value for key, value in encoder.state_dict().items()}
    first = next((key for key, value in own.items() if value.ndim == 4), None)  # the first convolution's
    if first in state and state[first].ndim == 4 and state[first].shape[1] == RGB != own[first].shape[1]:
        state[first] = inflate(state[first], own[first].shape[1])
    counters = {key for key in own if key.endswith("num_batches_tracked")}  # files before PyTorch 0.4.1 lack them
    faults = [f"missing: {key}" for key in own if key not in state and key not in counters]
    faults += [f"foreign: {key}" for key in state if key not in own]
    faults += [
        f"{key}: {tuple(state[key].shape)} instead of {tuple(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    if faults:
        raise MaskfoldError(f"{what}: these are the weights of another network:\n{listing(faults)}")
    encoder.load_state_dict({key: state[name] for key, name in names.items() if name in state}, strict=False)


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Bound each wait of a download; torch.hub sets no limit of its own and a silent server would hold it forever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
