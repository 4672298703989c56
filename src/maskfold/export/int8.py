"""An exported recogniser in whole numbers of 8 bits, for counters whose processors are slow with floats."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from maskfold.errors import MaskfoldError
from maskfold.export.making import required
from maskfold.prediction.onnx_file import PHOTOS

_IN_FLOATS = (".embedding.", ".head.")  # the last layers: little work, and cosines are compared to two digits
_MATRIX = ("Gemm", "MatMul")
_AT_ONCE = 8


def write_int8(model: Path, target: Path, photos: np.ndarray) -> None:
    """Write an exported file's static quantisation: weights by channel, activations by what photos bring about.

    Args:
        model: The file in floats.
        target: Where the other goes.
        photos: `(N, S, S, 3) uint8` of the kind that will be answered, framed; a hundred are enough.

    Raises:
        MaskfoldError: If onnxruntime cannot express it.
    """
    quantization = required("onnxruntime.quantization")
    prepared = target.with_suffix(".prepared")
    facts = required("onnx").load(model, load_external_data=False).metadata_props
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.ERROR)  # it warns, by the root's own logger, of what has just been done
    try:
        required("onnxruntime.quantization.shape_inference").quant_pre_process(
            str(model), str(prepared), skip_symbolic_shape=True
        )
        quantization.quantize_static(
            str(prepared),
            str(target),
            _Shown(photos),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=_last_layers(prepared),
        )
    except Exception as error:  # onnxruntime's have no class of their own
        reason = " ".join(str(error).split())[:300]
        raise MaskfoldError(f"int8=true: this network cannot be quantised ({reason}). Export it without.") from error
    finally:
        root.setLevel(before)
        prepared.unlink(missing_ok=True)
    _say(target, {one.key: one.value for one in facts})


def _last_layers(model: Path) -> list[str]:
    """Return the names of the nodes of a network's embedding and head."""
    graph = required("onnx").load(model).graph
    return [
        node.name
        for node in graph.node
        if node.op_type in _MATRIX and any(part in name for name in node.input for part in _IN_FLOATS)
    ]


def _say(target: Path, facts: dict[str, str]) -> None:
    """Have a file say of itself what the one in floats does, and nothing else."""
    onnx = required("onnx")
    proto = onnx.load(target)
    del proto.metadata_props[:]
    for key, value in facts.items():
        proto.metadata_props.add(key=key, value=value)
    onnx.save(proto, target)


class _Shown:
    """Photos as onnxruntime's calibration asks for them, a few at a time."""

    def __init__(self, photos: np.ndarray) -> None:
        self._batches: Iterator[np.ndarray] = (
            photos[begin : begin + _AT_ONCE] for begin in range(0, len(photos), _AT_ONCE)
        )

    def get_next(self) -> dict[str, Any] | None:
        """Return the next batch by its input's name; None where there are no more."""
        batch = next(self._batches, None)
        return None if batch is None else {PHOTOS: batch}
