"""The networks that a recipe chooses from, the most valuable first, each of another family than the one before."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from maskfold.errors import MaskfoldError
from maskfold.recipe.machine import Device

BIG = 12.0  # GiB: GPUs below get the smaller encoders and batches


class Family(NamedTuple):
    """A network as an experiment names it.

    Attributes:
        name: What its member is called behind the data's name.
        model: The option of the group `model`.
        keys: Of the model, but for its weights.
        rate: Of learning, from random weights, in batches of four and more.
        rate_of_pairs: Likewise, in batches of two.
        why: What speaks for it.
        weights: Of the encoder: True for its pretrained ones, a file, or None where they are random.
    """

    name: str
    model: str
    keys: Mapping[str, Any]
    rate: float
    rate_of_pairs: float
    why: str
    weights: bool | str | None = None


def pretrained(device: Device) -> list[tuple[str, Family]]:
    """Return encoders, and the networks on them that are worth having with pretrained weights.

    Args:
        device: One without a GPU gets the smallest of each family.
    """
    size = 0 if device.gpu is None else 1 if device.memory < BIG else 2
    convnext = f"tu-convnext_{('nano', 'tiny', 'small')[size]}"
    efficientnet = f"tu-tf_efficientnetv2_{('b0', 's', 'm')[size]}"
    return [
        (
            convnext,
            Family(
                "unet_convnext",
                "smp_timm",
                {"encoder": convnext, "drop_path_rate": 0.1},
                *(1e-3, 3e-4),
                "A UNet on ConvNeXt, the strongest pretrained encoder of those that fit this device.",
            ),
        ),
        (
            efficientnet,
            Family(
                "unet_efficientnetv2",
                "smp_timm",
                {"encoder": efficientnet, "drop_path_rate": 0.1, "own_statistics": True},
                *(1e-3, 3e-4),
                "A UNet on EfficientNetV2: another family, whose stem has maps at half size, good for thin parts.",
            ),
        ),
        (
            "resnet34",
            Family(
                "linknet34",
                "linknet34",
                {},
                *(1e-3, 3e-4),
                "LinkNet on ResNet-34: a light decoder, quick for its score.",
            ),
        ),
    ]


def from_scratch(device: Device) -> list[Family]:
    """Return networks that learn from random weights; they are small, for so are the data where that is needed."""
    widths = [16, 32, 64, 128, 256] if device.gpu is None else [32, 64, 128, 256, 512]
    return [
        Family(
            "unet_resnet18",
            "smp_unet",
            {"architecture": "unet", "encoder": "resnet18"},
            *(1e-3, 5e-4),
            "A UNet on ResNet-18 from random weights: the best of these where epochs are few.",
        ),
        Family(
            "fpn_resnet18",
            "smp_unet",
            {"architecture": "fpn", "encoder": "resnet18"},
            *(1e-3, 5e-4),
            "A feature pyramid on ResNet-18 from random weights: nearly as good, and quicker.",
        ),
        Family(
            "unet",
            "unet_scratch",
            {"widths": widths},
            *(1e-3, 1e-3),
            "A plain UNet with batch norm: of few parameters, and made to learn from random weights.",
        ),
    ]


def at_hand(
    device: Device, *, weights: str, files: Mapping[str, str], lies_here: Callable[[str], bool]
) -> list[Family]:
    """Return the networks to choose from: pretrained ones whose weights there are, and others where those are few.

    Args:
        device: What they run on.
        weights: `auto`: those that lie here; `download`: all, the network being there; `none`: none.
        files: Of weights, by the name of a family.
        lies_here: Tells of an encoder whether its weights do.

    Raises:
        MaskfoldError: If `weights` is another word.
    """
    if weights not in ("auto", "download", "none"):
        raise MaskfoldError(
            f"weights={weights}: auto, download or none. Files are named with files={{<network>: <path>}}."
        )
    known = {"auto": lies_here, "download": lambda encoder: True, "none": lambda encoder: False}[weights]
    chosen = [
        family._replace(weights=files.get(family.name, True))
        for encoder, family in pretrained(device)
        if family.name in files or known(encoder)
    ]
    if len(chosen) < 2:  # one family alone makes no ensemble
        names = {family.name for family in chosen}
        chosen += [family for family in from_scratch(device) if family.name not in names]
    return chosen
