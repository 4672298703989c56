"""What encoders of timm need besides their name: the sizes they take, their weights' names and statistics."""

import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from math import gcd
from pathlib import Path

import torch
from torch import nn
from torch.func import functional_call

from maskfold.errors import MaskfoldError
from maskfold.models.encoders import fit_state_dict, read_state_dict
from maskfold.models.libraries import timm
from maskfold.models.sizes import check_size

PREFIX = "tu-"  # before timm's names, in segmentation_models_pytorch
_REPEATED_WINDOWS = (
    "maxvit",
    "maxxvit",
)  # families whose attention looks at windows side by side, as many as there are
_FLATTENED = re.compile(r"^([^.]+)_(\d+)\.")  # how timm renames `stages.0.` where only features are asked for
_CELL = 32  # pixels: timm makes windows of so many cells as the size has of these


def is_timms(encoder: str) -> bool:
    """Return whether an encoder's name is one of timm's."""
    return encoder.startswith(PREFIX)


def with_tag(encoder: str, weights: str | Path) -> str | None:
    """Return an encoder's name with the tag of its weights, `tu-convnext_small.fb_in1k`; None if there are no such.

    Args:
        encoder: With `PREFIX`, and perhaps another tag.
        weights: A tag, or something else.
    """
    architecture = encoder.removeprefix(PREFIX).partition(".")[0]
    return f"{PREFIX}{architecture}.{weights}" if str(weights) in tags_of(encoder) else None


def tags_of(encoder: str) -> list[str]:
    """Return the tags of the weights that timm knows of an encoder; none where it knows no such encoder."""
    architecture = encoder.removeprefix(PREFIX).partition(".")[0]
    if not timm.is_model(architecture):
        return []
    return [name.partition(".")[2] for name in timm.list_pretrained(f"{architecture}.*")]


def statistics_of(encoder: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation, in units of 8-bit values, that an encoder's weights were trained with.

    Raises:
        MaskfoldError: If timm does not say.
    """
    known = timm.get_pretrained_cfg(encoder.removeprefix(PREFIX)) if is_timms(encoder) else None
    if known is None:
        raise MaskfoldError(
            f"model.own_statistics: only timm says what its encoders' weights were trained with, and {encoder} is not "
            f"one of its encoders ({PREFIX}<name>). Leave own_statistics out."
        )
    return tuple(255 * value for value in known.mean), tuple(255 * value for value in known.std)


def window_size(encoder: str, size: int | Sequence[int | None]) -> int | list[int] | None:
    """Return timm's `img_size` for inputs of a size; None leaves the encoder as it is.

    Where windows repeat, they are the largest squares of which the input is made up, but no larger than those that the
    encoder's weights were trained with: with its own of 512, inputs of 1024 x 1024 have these, those of 640 x 640 some
    of 320.

    Args:
        encoder: With `PREFIX`.
        size: Height and width of the inputs, pixels, None of both where they are not fixed; one number is timm's own.

    Raises:
        MaskfoldError: If the size is no multiple of 32; with the nearest that are.
    """
    sides = [size, size] if isinstance(size, int) else [*size]
    if None in sides:
        return None
    if len(sides) != 2 or any(not isinstance(side, int) or side < 1 for side in sides):
        raise MaskfoldError(f"model.img_size={size}: give one number, or [height, width] in pixels.")
    height, width = (side for side in sides if side is not None)
    check_size(height, width, _CELL)
    if isinstance(size, int):
        return size
    if not encoder.removeprefix(PREFIX).startswith(_REPEATED_WINDOWS):
        return [height, width]
    known = timm.get_pretrained_cfg(encoder.removeprefix(PREFIX))
    own = known.input_size[-1] if known else max(height, width)
    return max(side for side in _divisors(gcd(height, width), _CELL) if side <= own)


def sizes_taken(encoder: nn.Module, size: int | Sequence[int] | None) -> tuple[int, tuple[int, int] | None]:
    """Return the multiple that an encoder's inputs must be, and the only size that it takes, if there is only one.

    timm says of which encoders that their inputs have a size; what these take is tried with shapes alone.

    Args:
        encoder: As segmentation_models_pytorch builds it.
        size: timm's `img_size`; None for the encoder's own.
    """
    stride = encoder.output_stride
    known = getattr(getattr(encoder, "model", None), "pretrained_cfg", None) or {}
    if not known.get("fixed_input_size"):
        return stride, None
    sides = known["input_size"][-2:] if size is None else [size, size] if isinstance(size, int) else size
    for side in _divisors(gcd(*sides), stride):
        if _takes(encoder, side, side):
            return side, None if _takes(encoder, 2 * side, 2 * side) else (side, side)
    return stride, tuple(sides) if _takes(encoder, *sides) else None


def _divisors(number: int, stride: int) -> Iterator[int]:
    """Yield the multiples of `stride` that divide a number, the smallest first."""
    return (side for side in range(stride, number + 1, stride) if number % side == 0)


@torch.no_grad()
def _takes(encoder: nn.Module, height: int, width: int) -> bool:
    """Return whether an encoder takes an input of that size, without a computation: on tensors without numbers."""
    tensors = {name: value.to("meta") for name, value in [*encoder.named_parameters(), *encoder.named_buffers()]}
    # pyrefly: ignore[bad-index]
    channels = encoder.out_channels[0]
    before = encoder.training
    try:
        functional_call(encoder.eval(), tensors, (torch.zeros(1, channels, height, width, device="meta"),))
    except (RuntimeError, ValueError, AssertionError):
        return False
    finally:
        encoder.train(before)
    return True


def set_drop_path(encoder: nn.Module, name: str, rate: float) -> None:
    """Leave residual branches out in training: the last with probability `rate`, the others less the earlier they are.

    Encoders of timm are built with it, and it is only looked whether they took notice.

    Raises:
        MaskfoldError: If the rate is out of range, or the encoder has nothing to leave out.
    """
    if not 0 <= rate < 1:
        raise MaskfoldError(f"model.drop_path_rate={rate}: it is from 0 to below 1.")
    if not is_timms(name) and hasattr(encoder, "reset_drop_path"):
        # pyrefly: ignore[not-callable]
        encoder.reset_drop_path(rate)
    if rate and not any(getattr(module, "drop_prob", 0) for module in encoder.modules()):
        raise MaskfoldError(
            f"model.drop_path_rate: the encoder {name} has no stochastic depth. Leave it out, or take an encoder that "
            f"has: most of timm's ({PREFIX}convnext_tiny), or mit_b0 to mit_b5."
        )


def load_file(encoder: nn.Module, name: str, path: Path, **options: object) -> None:
    """Load a file of weights in timm's own naming, in place.

    What the whole network has and its encoder leaves out (classifier, last norm, stages beyond its depth) is passed
    over. Tables of positions are resized where windows have another size, as timm does.

    Args:
        encoder: As segmentation_models_pytorch builds it.
        name: The encoder's, with `PREFIX`.
        path: A state dict, `.pth` or `.safetensors`.
        options: timm's, with which the encoder was built.

    Raises:
        MaskfoldError: If the file cannot be read or is of another network; it names the entries as the file does.
    """
    whole = _whole(name.removeprefix(PREFIX), options)
    shapes = whole.state_dict()
    state = _filtered(read_state_dict(path), whole)
    names = {key: _timms_name(key, shapes) for key in encoder.state_dict()}
    beyond = shapes.keys() - set(names.values())
    state = {key: value for key, value in state.items() if key not in beyond}
    fit_state_dict(encoder, state, f"{name} with weights={path}", names=names)


def _whole(name: str, options: dict[str, object]) -> nn.Module:
    """Build a whole network of timm, of shapes alone where it lets itself be built so."""
    try:
        with torch.device("meta"):
            return timm.create_model(name, **options)
    except (RuntimeError, NotImplementedError):  # what works its widths out with tensors needs their numbers
        return timm.create_model(name, **options)


def _filtered(state: dict[str, torch.Tensor], whole: nn.Module) -> dict[str, torch.Tensor]:
    """Return a file's entries as timm would load them: of other windows, or in the naming of the network's authors."""
    shapes = {key: value.shape for key, value in whole.state_dict().items()}
    adapt = getattr(sys.modules[type(whole).__module__], "checkpoint_filter_fn", None)
    if adapt is None or all(shapes.get(key) == value.shape for key, value in state.items()):
        return state
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of timm's interpolation, at torch's next versions
            return adapt(dict(state), whole)
    except (AttributeError, AssertionError, IndexError, KeyError, RuntimeError, ValueError):
        return state  # of another network altogether, which is said where it is loaded


def _timms_name(key: str, whole: dict[str, torch.Tensor]) -> str:
    """Return what timm calls an entry of an encoder: `model.stages_0.` is its `stages.0.`."""
    inner = key.removeprefix("model.")
    for name in (inner, inner.removeprefix("model."), _FLATTENED.sub(r"\1.\2.", inner)):
        if name in whole:
            return name
    return key
