"""What a network was, what its training began with, and the terms that those weights are under.

It is what their publishers say, for whoever has to decide; it decides nothing.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

NONE = "none: random weights"
UNKNOWN = "unknown: ask whoever the weights are from"
_IMAGENET = "learned on ImageNet, whose photos are given for research that is not commercial"
# By the library that an encoder is from. Each publisher leaves it to the user whether the terms of the photos hold for
# weights: https://docs.pytorch.org/vision/stable/models.html and the note on licences in timm's README.
TORCHVISION = f"BSD 3-Clause (torchvision's); {_IMAGENET}"
TIMM = f"that of the model's card at huggingface.co/timm (the code's is Apache 2.0); {_IMAGENET}"
SMP = f"that of the encoder in segmentation_models_pytorch's list (the code's is MIT); {_IMAGENET}"
SEGFORMER = f"NVIDIA's for SegFormer, for research and evaluation alone; {_IMAGENET}"
_SHOWN = ("architecture", "encoder", "size")


def architecture_of(model: Mapping[str, Any]) -> str:
    """Return a network in a few words, such as `LinkNet (resnet34)`.

    Args:
        model: How it was built, `model` of a run's configuration.
    """
    name = str(model.get("_target_", "network")).rpartition(".")[2]
    details = [str(model[key]) for key in _SHOWN if model.get(key) is not None]
    return f"{name} ({', '.join(details)})" if details else name


def encoder_weights_of(model: Mapping[str, Any], start_from: object = None) -> str:
    """Return what a training began with: `random`, `imagenet`, or the name of a file or run.

    Args:
        model: As for `architecture_of`.
        start_from: `start_from` of the same configuration.
    """
    if start_from is not None:
        return f"start_from={start_from}"
    return "random" if model.get("weights") is None else str(model["weights"])


def licence_of(model: Mapping[str, Any], start_from: object = None) -> str:
    """Return the terms of what a training began with; of a file nobody knows them, and it says so.

    Args:
        model: As for `architecture_of`.
        start_from: As for `encoder_weights_of`.
    """
    weights = encoder_weights_of(model, start_from)
    if weights == "random":
        return NONE
    timms = str(model.get("encoder")).startswith("tu-") and not Path(weights).suffix  # by one of its tags
    if weights != "imagenet" and not (timms and start_from is None):
        return UNKNOWN
    if not str(model.get("_target_", "")).endswith(".SMP"):
        return TORCHVISION
    encoder = str(model.get("encoder"))
    if encoder.startswith("mit_"):
        return SEGFORMER
    return TIMM if encoder.startswith("tu-") else SMP
