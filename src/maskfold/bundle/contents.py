"""What lies in a bundle, and how it gets there: code, run folders without what only training needs, configuration."""

import importlib.metadata
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

import maskfold
from maskfold import files
from maskfold.bundle import run, watch
from maskfold.data.source import Source
from maskfold.engine.checkpoints import load_checkpoint
from maskfold.engine.task import AUXILIARY, NETWORK
from maskfold.errors import MaskfoldError
from maskfold.places import CONF
from maskfold.runs.run_folder import RunFolder
from maskfold.trust import KINDS

FACTS, SCRIPT, REHEARSAL, PAGE = run.FACTS, "run.py", "rehearsal.json", "README.md"
NOTEBOOK, ENSEMBLE, CODE, WHEELS, EXPERIMENTS = "submission.ipynb", "ensemble.yaml", "code", "wheels", "experiments"
_NEEDED = ("construction", "network")  # of a checkpoint, beside its weights, to rebuild its network
_PARTS = ("model", "geometry", "preprocess")  # of a run's configuration, which its prediction builds


def copy_code(folder: Path, own: Sequence[str] = ()) -> None:
    """Copy this package, its configuration and its metadata to a folder for Python's search path.

    Args:
        folder: Not there yet.
        own: Modules and packages of the user's own that networks or steps are built from, by their paths.

    Raises:
        MaskfoldError: If one of these is not there.
    """
    package, without = Path(maskfold.__file__).parent, shutil.ignore_patterns("__pycache__", "*.pyc", ".*")
    shutil.copytree(package, folder / package.name, ignore=without)
    shutil.copytree(CONF, folder / package.name / "conf", ignore=without, dirs_exist_ok=True)
    about = folder / f"{package.name}-{maskfold.__version__}.dist-info"
    files.write_text(about / "METADATA", _metadata(package.name))
    for path in map(Path, own):
        if path.is_dir():
            shutil.copytree(path, folder / path.resolve().name, ignore=without)
        elif path.is_file():
            shutil.copyfile(path, folder / path.name)
        else:
            raise MaskfoldError(f"code={path}: no such file or folder. Name your own modules by their paths.")


def _metadata(name: str) -> str:
    """Return what says which version a copy of the package is of, for whoever asks Python."""
    try:
        text = importlib.metadata.distribution(name).read_text("METADATA")
    except importlib.metadata.PackageNotFoundError:
        text = None
    return text or f"Metadata-Version: 2.1\nName: {name}\nVersion: {maskfold.__version__}\n"


def copy_runs(runs: Iterable[RunFolder], folder: Path, *, half: bool) -> None:
    """Copy what predictions need of run folders: the configuration, and the best weights alone.

    Args:
        runs: Finished, in `experiments/`.
        folder: The bundle's `experiments/`.
        half: Store weights as float16.

    Raises:
        MaskfoldError: If a run folder is damaged, or would have something built that is no part of a prediction.
    """
    for one in runs:
        config = one.read_config()
        for kind in (kind for kind in _PARTS if config.get(kind) is not None):
            one.part(kind)  # refuses what may not be built
        target = RunFolder(folder / one.path.parent.name / one.path.name)
        target.checkpoints.mkdir(parents=True, exist_ok=True)
        for path in (one.config, one.run, one.finished):
            shutil.copyfile(path, target.path / path.name)
        torch.save(without_training(load_checkpoint(one.best), half=half), target.best)


def without_training(checkpoint: Mapping[str, Any], *, half: bool = False) -> dict[str, Any]:
    """Return what `maskfold.prediction.members.load_network` looks at in a checkpoint, and nothing else.

    Args:
        checkpoint: As Lightning writes it.
        half: Turn weights, not counts, into float16.
    """
    parts = (NETWORK, f"{NETWORK}{AUXILIARY}")
    weights = {
        name: value.half() if half and value.is_floating_point() else value.clone()
        for name, value in checkpoint["state_dict"].items()
        if name.startswith(parts[0]) and not name.startswith(parts[1])
    }
    return {key: checkpoint[key] for key in _NEEDED if key in checkpoint} | {"state_dict": weights}


def targets_of(runs: Iterable[RunFolder]) -> list[str]:
    """Return the classes that networks and the ways to them are built from and that are none of the usual packages."""
    named = {target for one in runs for kind in _PARTS for target in _targets(one.read_config().get(kind))}
    usual = tuple(f"{package}." for kind in _PARTS for package in KINDS[kind].packages)
    return sorted(target for target in named if not target.startswith(usual))


def _targets(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        yield from (value for key, value in tree.items() if key == "_target_")
    for part in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from _targets(part)


def data_of_photos(source: Source, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return data of photos in one folder, read and submitted as a source's are; without `root`, `test` and `sample`.

    Args:
        source: Whose test photos an ensemble predicts here.
        data: What it was built from.
    """
    common = ("on_error", "max_pixels")
    return {
        "_target_": "maskfold.data.sources.Pairs",
        "name": source.name,
        "images": None,
        "masks": None,
        "group": "(.*)",
        "classes": [*source.classes] or None,
        "exclusive": source.exclusive,
        "channels": source.channels,
        "submission": asdict(source.rules),
        **{key: data[key] for key in common if key in data},
    }


def files_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the size and the SHA-256 of every file of a bundle but `FACTS`, by its path inside."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / FACTS)
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": files.sha256(path)}
        for path in paths
    }


def copy_script(folder: Path) -> None:
    """Copy the script that predicts."""
    shutil.copyfile(run.__file__, folder / SCRIPT)


def copy_watch(folder: Path) -> None:
    """Copy what watches processes to a folder that Python is to begin with."""
    shutil.copyfile(watch.__file__, folder / "sitecustomize.py")
