"""Which layers of the decoders of segmentation_models_pytorch are stages that deep supervision can listen to."""

from torch import nn

# Blocks behind one another, the last of which the answer is made of.
_CHAINS = {"unet": "blocks", "manet": "blocks", "linknet": "blocks", "dpt": "fusion_blocks"}
# Blocks beside one another, each for a size.
_LEVELS = {"upernet": "fpn_conv_blocks", "segformer": "mlp_stage"}
# Layers with names of their own, as far as a decoder has them.
_NAMED = {
    "fpn": ("p2", "p3", "p4", "p5"),
    "pan": ("gau2", "gau3", "fpa"),
    "deeplabv3": ("aspp",),
    "deeplabv3plus": ("aspp",),
    "pspnet": ("psp",),
}


def stages_of(architecture: str, decoder: nn.Module) -> list[str]:
    """Return the names of a decoder's stages, the finest first; none of an architecture that is not known.

    Args:
        architecture: The library's name, in small letters.
        decoder: As the library builds it.
    """
    children = dict(decoder.named_children())
    if architecture == "unetplusplus":  # the answers of the smaller UNets inside (Zhou et al. 2018), all at half size
        return [f"blocks.x_{depth}_{decoder.depth - 1}" for depth in range(decoder.depth)]
    if architecture in _CHAINS:
        blocks = _CHAINS[architecture]
        return [f"{blocks}.{number}" for number in reversed(range(len(children[blocks]) - 1))]
    if architecture in _LEVELS:
        blocks = _LEVELS[architecture]
        return [f"{blocks}.{number}" for number in reversed(range(len(children[blocks])))]
    return [name for name in _NAMED.get(architecture, ()) if name in children]
