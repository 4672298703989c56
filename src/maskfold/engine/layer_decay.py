"""How deep in its encoder a parameter lies, read from its name: what rates that fall from layer to layer go by."""

import re
from collections.abc import Iterable

# What an encoder's parameters are named by: anywhere behind `encoder.`, or where a network is one from its first layer.
_INSIDE = re.compile(r"^(?:.*?\bencoder\.(?:model\.)*|(?=stem\.|stages\.|layer\d))(.+)$")
_NUMBER = re.compile(r"^(.*?)_?(\d+)$")  # `stages_2`, `layer3`, `patch_embed1`, and `2` behind `blocks`
_STEM = re.compile(r"(?:^|_)(?:stem|conv|bn)")  # whose numbers are of layers that come first, as in `conv1`


def layer_factors(names: Iterable[str], decay: float) -> dict[str, float]:
    """Return by what each parameter's rate is multiplied: by `decay` for every step from the decoder into the encoder.

    A step is the first number in a name: a stage of ConvNeXt, EfficientNet, MaxViT, SegFormer or a ResNet, a block of a
    vision transformer. The deepest has `decay`, the one before it `decay` squared, and what comes before the first
    (the stem) one step more. Whatever is not in the encoder keeps its rate.

    Args:
        names: Of parameters.
        decay: Above 0 and up to 1.

    Returns:
        By name the factors of those in an encoder; none where there is none.
    """
    numbers = {name: _number(inside[1]) for name in names if (inside := _INSIDE.match(name))}
    steps = {number: step for step, number in enumerate(sorted(set(numbers.values()), reverse=True), 1)}
    return {name: decay ** steps[number] for name, number in numbers.items()}


def _number(name: str) -> int:
    """Return the number of a stage or block that a parameter lies in, -1 for the stem."""
    for part in name.split("."):
        if _STEM.search(part):
            return -1
        if match := _NUMBER.match(part):
            return int(match[2])
    return -1
