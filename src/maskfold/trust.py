"""What a file that others may have made may have built.

Checkpoints, run folders and manifests name classes (`_target_`) that are built when they are read. A name taken at its
word would run anything: what is not a part of the expected kind, defined where such parts are, is refused unless the
user has named it.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskfold.credentials import HIDDEN, hidden_keys
from maskfold.errors import MaskfoldError
from maskfold.places import CONF, OWN
from maskfold.yaml_text import read_yaml

TRUST = "MASKFOLD_TRUST"  # environment: classes that files may have built besides, with commas between them

# Arguments of a network that would fetch or open other weights, which a checkpoint's own replace.
PRETRAINED = (
    "weights",
    "encoder_weights",
    "weights_backbone",
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "checkpoint_path",
)

METRIC = "metric"  # a kind of function: of data, and a key of stages
_DATA = "data"

_TARGET = "_target_"
_ARGS = "_args_"
_MODULES = ("torch.nn",)  # whose modules take others, and numbers, without names
_INTERPOLATION = "${"  # which OmegaConf would replace, by a node with a `_target_` if it is told to


@dataclass(frozen=True)
class Kind:
    """What a part may be.

    Attributes:
        packages: Where its class is defined: modules, or packages of them.
        base: What the class descends from.
        makers: Functions that make one besides, by the package that they are defined in.
    """

    packages: tuple[str, ...]
    base: str = "builtins.object"
    makers: tuple[str, ...] = ()

    def allows(self, target: object) -> bool:
        """Return whether a class or function makes a part of this kind, and nothing else."""
        from hydra.utils import get_object  # a tenth of a second, which every word of a completion would wait for

        if isinstance(target, type):
            return _within(target.__module__, self.packages) and issubclass(target, get_object(self.base))
        return any(target is get_object(maker) for maker in self.makers) or (bool(self.makers) and _registered(target))


# By the group of the configuration that they come from.
KINDS = {
    "model": Kind(
        packages=("maskfold.models", "segmentation_models_pytorch", "timm", "torchvision.models", "torch.nn"),
        base="torch.nn.Module",
        makers=("segmentation_models_pytorch.create_model", "timm.create_model"),
    ),
    "data": Kind(
        ("maskfold.data.sources", "maskfold.data.competition", "maskfold.data.labelled", "maskfold.shards.source"),
        "maskfold.data.source.Source",
    ),
    "framing": Kind(("maskfold.recognition.framing",)),
    "geometry": Kind(("maskfold.data.geometry",)),
    "preprocess": Kind(("maskfold.data.preprocessing",)),
    "schedule": Kind(("maskfold.engine.schedules", "torch.optim.lr_scheduler")),
}

_named: set[tuple[str, str]] = set()  # kind and class, of the configurations that this process has composed


def vetted(node: Any, kind: str, origin: Path) -> Any:
    """Return a node that a file gives to be built, if nothing is built by it but parts of its kind.

    Args:
        node: Plain dictionaries, lists and values; None stays None, of which nothing is built.
        kind: A key of `KINDS`.
        origin: The file.

    Raises:
        MaskfoldError: If it names anything else, or gives arguments without names, among which `without_pretrained`
            finds nothing; the message says how to name it oneself. Or if a password or token of it was hidden when it
            was written down.
    """
    if node is not None and (not isinstance(node, dict) or _TARGET not in node):
        raise MaskfoldError(f"{origin}: does not say what its {kind} is ({_TARGET} is missing). Take a whole copy.")
    for key in hidden_keys(node, kind):
        raise MaskfoldError(
            f"{origin}: {key} has {HIDDEN} in it: passwords and tokens are not kept, so its {kind} cannot be built "
            f"from here. Give the {kind} on the command line ({kind}=...) where the command takes it, or have its "
            "class read the value from a variable of the environment."
        )
    for text in _texts(node):
        if _INTERPOLATION in text:
            raise MaskfoldError(f"{origin}: {kind} has {text!r} in it, where only plain values are taken from a file.")
    for part in _nodes(node):
        target = part[_TARGET]
        _vet(target, kind, origin)
        if kind == _DATA:
            vet_function(part.get(METRIC), METRIC, origin)
        if part.get(_ARGS) and not (_within(target, _MODULES) or _named_by_user(kind, target)):
            raise MaskfoldError(
                f"{origin}: {target} has arguments without names ({_ARGS}) in it, of which nobody can tell what they "
                f"would open. If the file is yours, put {TRUST}={target} before the command."
            )
    return node


def without_pretrained(tree: Any) -> Any:
    """Return how a network is built, without the `PRETRAINED` arguments of it and of the networks inside it."""
    if isinstance(tree, dict):
        return {key: None if key in PRETRAINED else without_pretrained(part) for key, part in tree.items()}
    return [without_pretrained(part) for part in tree] if isinstance(tree, list | tuple) else tree


def name_parts(config: dict[str, Any]) -> None:
    """Take the classes that the user's own configuration names for named, so that files may have them built as well.

    Args:
        config: Plain, of any stage.
    """
    _named.update((kind, target) for kind in KINDS for target in _targets(config.get(kind)))
    _named.update((METRIC, name) for name in _functions(config.get(METRIC), config.get(_DATA)))


def vet_function(name: Any, kind: str, origin: Path | str) -> None:
    """Refuse the dotted name of a function that a file gives and the user has not named; others have no dot.

    Args:
        name: What the file has.
        kind: `METRIC`.
        origin: The file, or the key.

    Raises:
        MaskfoldError: Nothing was imported; the message says how to name it oneself.
    """
    if isinstance(name, str) and "." in name and not _named_by_user(kind, name):
        raise MaskfoldError(
            f"{origin}: its {kind} would be what {name} returns. Calling it runs code, and the file may be of "
            f"anybody: it was not called. If the function is your own, put {TRUST}={name} before the command, or in a "
            f"checkout have it in a file of conf/{_DATA}/."
        )


def _vet(target: Any, kind: str, origin: Path) -> None:
    from hydra.utils import get_object

    packages = KINDS[kind].packages
    if not isinstance(target, str) or not (_within(target, packages) or _named_by_user(kind, target)):
        raise _refusal(target, kind, origin)
    try:
        made_by = get_object(target)
    except Exception as error:  # whatever an import raises
        raise MaskfoldError(
            f"{origin}: its {kind} cannot be rebuilt, for there is no {target} any more. "
            "Use the code that it was trained with, whose commit is in run.json, or train it again."
        ) from error
    # The name may lead out of the package again, by way of what its modules import.
    if not KINDS[kind].allows(made_by) and not _named_by_user(kind, target):
        raise _refusal(target, kind, origin)


def _refusal(target: Any, kind: str, origin: Path) -> MaskfoldError:
    return MaskfoldError(
        f"{origin}: its {kind} would be built by {target}, which is no {kind} of {', '.join(KINDS[kind].packages)}. "
        "Building runs code, and the file may be of anybody: it was not built. If this class is your own, have it in a "
        f"file of conf/{kind}/ or conf/experiment/, or put {TRUST}={target} before the command."
    )


def _within(name: str, packages: tuple[str, ...]) -> bool:
    return f"{name}.".startswith(tuple(f"{package}." for package in packages))


def _registered(target: object) -> bool:
    """Return whether a function is one of those by which timm and torchvision make their networks."""
    module, name = (getattr(target, key, "") or "" for key in ("__module__", "__name__"))
    if _within(module, ("timm",)):
        import timm

        return timm.is_model(name) and timm.model_entrypoint(name) is target
    if _within(module, ("torchvision",)):
        from torchvision import models

        return any(models.get_model_builder(one) is target for one in models.list_models())
    return False


def _named_by_user(kind: str, target: str) -> bool:
    trusted = [name.strip() for name in os.environ.get(TRUST, "").split(",")]
    if not target or (kind, target) in _named or target in trusted:
        return bool(target)
    if kind == METRIC:
        return any(target in _functions(tree) for tree in _own_files(_DATA))
    return any(target in _targets(tree) for tree in _own_files(kind))


def _own_files(kind: str) -> Iterator[Any]:
    """Yield what the user's files of configuration have of a kind: the options of its group, and experiments."""
    from hydra.core.hydra_config import HydraConfig

    folders = {CONF}
    if HydraConfig.initialized():
        sources = HydraConfig.get().runtime.config_sources
        # What lies in the current folder may have come with the very files that are judged here.
        folders |= {source.path for source in sources if source.schema == "file" and source.provider != OWN}
    for folder in sorted(folders):
        for path in Path(folder, kind).rglob("*.yaml"):
            yield read_yaml(path.read_text())
        for path in Path(folder, "experiment").rglob("*.yaml"):
            yield (read_yaml(path.read_text()) or {}).get(kind)


def _targets(tree: Any) -> Iterator[Any]:
    """Yield every `_target_` of nested dictionaries and lists."""
    return (node[_TARGET] for node in _nodes(tree))


def _functions(*values: Any) -> Iterator[str]:
    """Yield the dotted names among metrics, and among those of data."""
    names = (value.get(METRIC) if isinstance(value, dict) else value for value in values)
    return (name for name in names if isinstance(name, str) and "." in name)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Yield every dictionary with a `_target_` in nested dictionaries and lists."""
    if isinstance(tree, dict):
        if _TARGET in tree:
            yield tree
        tree = [*tree.values()]
    if isinstance(tree, list | tuple):
        for part in tree:
            yield from _nodes(part)


def _texts(tree: Any) -> Iterator[str]:
    """Yield every text of nested dictionaries and lists, keys among them."""
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        yield from (text for pair in tree.items() for part in pair for text in _texts(part))
    elif isinstance(tree, list | tuple):
        yield from (text for part in tree for text in _texts(part))
