"""Write a network or an ensemble's mean as one ONNX file: `maskfold export name=linknet34 fold=0`."""

import hashlib
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from maskfold.config import EXPERIMENTS, build
from maskfold.corrections.contenders import best_run
from maskfold.corrections.used import networks_card
from maskfold.ensembling.fusion import fusible, named_networks
from maskfold.ensembling.recipe import Recipe
from maskfold.ensembling.tree import Leaf
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.export.graph import Graph
from maskfold.export.layout import EXPORTS, MODEL, WEIGHTS
from maskfold.export.making import onnx_file, required, weights_file
from maskfold.export.parity import refuse_other_maps, trial_sizes
from maskfold.export.session import OnnxMasker
from maskfold.maskers import identity_of, members_of_one_object
from maskfold.networks import branches_of
from maskfold.prediction.members import load_network
from maskfold.prediction.network_masker import NetworkMasker
from maskfold.recognizers import RecognizerOptions, is_recognition, recognizer_files
from maskfold.runs.layout import MemberFolder, fold_name, fold_of
from maskfold.runs.provenance import write_provenance
from maskfold.schemas import ALL
from maskfold.storage import Storage, open_storage
from maskfold.terminal import RESULT, counted

log = logging.getLogger(__name__)


def export(config: DictConfig) -> Storage:
    """Write the ONNX file, the weights and the card of where they come from; return where they are."""
    for package in ("onnx", "onnxscript", "onnxruntime", "safetensors"):
        required(package)
    recipe = _recipe(config)
    trained = fusible(
        Recipe(name=recipe.name, members=recipe.members, mean=recipe.mean), split="test", experiments=EXPERIMENTS
    )
    if is_recognition(trained):
        return _export_recognizer(config, recipe, trained)
    if config.int8:
        raise MaskfoldError("int8=true: whole numbers are for recognisers, and this masks photos. Leave int8 out.")
    members = members_of_one_object(recipe)
    storage = open_storage(config.out or str(EXPORTS / recipe.name))
    networks = [(run, member) for run, _, member in named_networks(members)]
    log.info("%s: %s into one file, some seconds each", recipe.name, counted(len(networks), "network"))
    contents = {WEIGHTS: _weights(members), MODEL: _model(recipe.name, members)}
    for name, content in contents.items():
        storage.write(name, content)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    write_provenance(storage, networks_card(recipe.name, members, hashes))
    size = len(contents[MODEL]) / 1e6
    log.info(
        "%s/%s: %.1f MB, %s", storage.text.rstrip("/"), MODEL, size, counted(len(networks), "network"), extra=RESULT
    )
    return storage


def _export_recognizer(config: DictConfig, recipe: Recipe, members: Sequence[Leaf]) -> Storage:
    """Write all files of a recogniser, and last the card of where they come from; return where they are."""
    options = {key: config[key] for key in ("prototypes", "wrong", "int8", "calibration")}
    contents = recognizer_files(members, name=recipe.name, options=RecognizerOptions(**options))
    storage = open_storage(config.out or str(EXPORTS / recipe.name))
    for name, content in contents.items():
        storage.write(name, content)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    write_provenance(storage, networks_card(recipe.name, members, hashes))
    sizes = ", ".join(f"{name} {len(content) / 1e6:.1f} MB" for name, content in contents.items() if ".onnx" in name)
    log.info("%s: %s", storage.text.rstrip("/"), sizes, extra=RESULT)
    return storage


def _recipe(config: DictConfig) -> Recipe:
    """Return what is exported, a single member as an ensemble of one."""
    if (config.ensemble is None) == (config.name is None):
        raise MaskfoldError(
            "Name what is exported: ensemble=<name> (make export ENS=...), or name=<member> (make export EXP=...); "
            "one of the two."
        )
    if config.ensemble is not None:
        if config.fold is not None:
            raise MaskfoldError(
                f"fold={config.fold}: an ensemble says itself which folds are in it. Leave fold out, or name a member."
            )
        return build(config.ensemble)
    if config.fold == ALL:
        return Recipe(name=config.name, members=[{"experiment": config.name}])
    fold = fold_of(best_run(MemberFolder(EXPERIMENTS / config.name), config.fold))
    name = f"{config.name}_{fold_name(fold)}"
    return Recipe(name=name, members=[{"experiment": config.name, "folds": [fold]}])


def _model(name: str, members: Sequence[Leaf]) -> bytes:
    """Return the ONNX file, whose maps are those of the networks.

    Raises:
        MaskfoldError: If they are not.
    """
    identity = identity_of(members)
    branches = branches_of(members)
    content = onnx_file(Graph(branches), name=name, identity=identity)
    networks = NetworkMasker(branches, name=name, identity=identity, accelerator="cpu")
    sizes = trial_sizes([branch.geometry for branch in branches])
    with tempfile.TemporaryDirectory(prefix="maskfold-") as place:
        path = Path(place, MODEL)
        path.write_bytes(content)
        apart = refuse_other_maps(OnnxMasker(path, accelerator="cpu"), networks, sizes)
    shown = ", ".join(f"{width}x{height}" for height, width in sizes)
    log.info("%s: maps of photos of %s are at most %d of 255 levels apart from the networks' own", name, shown, apart)
    return content


def _weights(members: Sequence[Leaf]) -> bytes:
    """Return the weights of all networks, and how each is built and shown its photos."""
    facts, networks = {}, []
    for run, share, member in named_networks(members):
        prefix, trained = f"{member}.{fold_name(fold_of(run))}", run.read_config()
        facts[prefix] = {key: trained[key] for key in ("model", "geometry", "preprocess", "tta")} | {"share": share}
        networks.append((prefix, load_network(run.best)))
    return weights_file(networks, facts)


main = entry_point(export)

if __name__ == "__main__":
    main()
