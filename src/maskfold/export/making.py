"""A graph becomes one ONNX file, and the weights in it a file of safetensors."""

import json
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

import torch

import maskfold
from maskfold.data.geometry import Geometry, Tile
from maskfold.errors import MaskfoldError
from maskfold.export.graph import Graph
from maskfold.export.layout import IDENTITY, MAPS, MEMBERS, NAME, OUT, PHOTOS, SYMMETRIC, VERSION
from maskfold.prediction.branches import is_symmetric

_LARGEST = 2**31 - 2**24  # bytes: a protocol buffer holds less than 2 GiB


def onnx_file(graph: Graph, *, name: str, identity: str) -> bytes:
    """Return a graph as an ONNX file, all weights in it.

    Args:
        graph: The networks.
        name: What answers call it.
        identity: As of a `Masker`.

    Raises:
        MaskfoldError: If a package is missing, the weights are more than one such file holds, or a network cannot be
            expressed.
    """
    height, width = _traced([branch.geometry for branch in graph.branches])
    facts = {NAME: name, IDENTITY: identity, MEMBERS: json.dumps(graph.members)}
    facts[SYMMETRIC] = json.dumps(is_symmetric(graph.branches))
    return module_file(
        graph,
        name=name,
        photo=(height, width),
        fixed=False,
        outputs=(MAPS, OUT),
        facts=facts,
        otherwise="Mask photos with the networks themselves: ensemble=<name>.",
    )


def module_file(
    module: torch.nn.Module,
    *,
    name: str,
    photo: tuple[int, int],
    fixed: bool,
    outputs: Sequence[str],
    facts: Mapping[str, str],
    otherwise: str,
) -> bytes:
    """Return a module that takes photos `(N, H, W, 3) uint8` as an ONNX file, all weights in it.

    Args:
        module: It, with its networks as `networks`.
        name: What messages call it.
        photo: Height and width of the photos that it is followed with.
        fixed: Whether all photos are of that size.
        outputs: The names of its outputs.
        facts: What the file says of itself.
        otherwise: What to do where it cannot be expressed.

    Raises:
        MaskfoldError: If a package is missing, the weights are more than one such file holds, or a network cannot be
            expressed.
    """
    for package in ("onnx", "onnxscript"):
        required(package)
    size = sum(value.numel() * value.element_size() for value in module.state_dict().values())
    if size > _LARGEST:
        raise MaskfoldError(
            f"{name}: the weights of {len(module.networks)} networks come to {size / 2**30:.1f} GiB, and one ONNX file "
            "holds less than 2. Export fewer of them: some folds (folds: [0, 1] of an ensemble's member), or one."
        )
    try:
        with _quietly(), torch.no_grad():
            proto = program(module, photo, fixed=fixed, outputs=outputs)
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        raise MaskfoldError(f"{name}: a network cannot be expressed in ONNX: {reason}. {otherwise}") from error
    _forget_where(proto)
    for key, value in (facts | {VERSION: maskfold.__version__}).items():
        proto.metadata_props.add(key=key, value=value)
    return proto.SerializeToString()


def program(module: torch.nn.Module, photo: tuple[int, int], *, fixed: bool, outputs: Sequence[str]) -> Any:
    """Return what torch's exporter makes of a module, an ONNX `ModelProto`; see `module_file`."""
    names = ("photos",) if fixed else ("photos", "height", "width")
    sizes = {axis: torch.export.Dim(name, min=1) for axis, name in enumerate(names)}
    return torch.onnx.export(
        module.eval(),
        (torch.zeros((2, *photo, 3), dtype=torch.uint8),),
        dynamo=True,
        input_names=[PHOTOS],
        output_names=[*outputs],
        dynamic_shapes=(sizes,),
        verbose=False,
    ).model_proto


def _traced(geometries: Sequence[Geometry]) -> tuple[int, int]:
    """Return the size of photos to follow through a graph, of which it keeps nothing if no number of parts is 1.

    A photo of a single window would be taken to mean that all photos are.
    """
    windows = [(one.height, one.width) for one in geometries if isinstance(one, Tile)]
    return tuple(2 * max(sides) + 6 for sides in zip(*windows, (32, 42), strict=True))


def _forget_where(proto: Any) -> None:
    """Take out what the exporter notes of each node: lines of source, with the paths of this machine."""
    del proto.metadata_props[:]
    graphs = [proto.graph, *proto.functions]
    for graph in graphs:
        parts = [*graph.node, *graph.value_info, *getattr(graph, "initializer", ())]
        parts += [*getattr(graph, "input", ()), *getattr(graph, "output", ())] if graph is proto.graph else []
        for part in (graph, *parts):
            part.ClearField("doc_string")
            if hasattr(part, "metadata_props"):
                part.ClearField("metadata_props")


def weights_file(networks: Iterable[tuple[str, torch.nn.Module]], facts: Mapping[str, Any]) -> bytes:
    """Return the weights of some networks as a file of safetensors.

    Args:
        networks: Of each what its weights' names begin with, and itself.
        facts: What is told of them; each value becomes JSON.

    Raises:
        MaskfoldError: If safetensors is not installed.
    """
    save = required("safetensors.torch").save
    tensors = {
        f"{prefix}.{key}": value.detach().cpu().contiguous().clone()
        for prefix, network in networks
        for key, value in network.state_dict().items()
    }
    return save(tensors, metadata={key: json.dumps(value) for key, value in facts.items()})


def required(package: str) -> ModuleType:
    """Import a package that only exports need.

    Raises:
        MaskfoldError: If it is not installed; the message says how it is.
    """
    try:
        return import_module(package)
    except ImportError as error:
        missing = package.partition(".")[0]
        raise MaskfoldError(
            f"{missing} is not installed, which exports need: pip install 'maskfold[export]'."
        ) from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the exporter's remarks on its own parts from users."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "torch.export", "onnx_ir")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
