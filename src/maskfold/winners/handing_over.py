"""What goes with the code of winners: entry points, settings, requirements, and what lies where."""

import importlib.metadata
import json
import os
import platform
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
from packaging.requirements import Requirement

from maskfold.runs.ensemble_folder import EnsembleFolder
from maskfold.runs.layout import EXPERIMENTS, FULL, SUBMISSIONS
from maskfold.terminal import readable
from maskfold.winners.facts import MemberFacts
from maskfold.winners.summary import Pack
from maskfold.winners.words import bullets, to_write

_DEEP = 4  # folders in one another that are listed
_LEFT_OUT = ("__pycache__", "wandb", "mlruns", "multirun", "node_modules")


def machine() -> dict[str, str]:
    """Return what is known of this machine."""
    return {
        "System": platform.platform(),
        "Processor": platform.processor() or platform.machine(),
        "Cores": str(os.cpu_count()),
        "Memory": readable(psutil.virtual_memory().total),
        "Python": platform.python_version(),
    }


def entry_points(pack: Pack) -> str:
    """Return `entry_points.md`: every command from the raw data to the submission, in order."""
    name, data = pack.name, pack.data
    fetch = ["maskfold", "data", f"competition={data['competition']}"] if data.get("competition") else None
    first = next((pack.commands[str(run.path)].first for member in pack.members for run in member.runs), None)
    on = [one for one in (first.overrides if first else ()) if one.partition("=")[0].split(".")[0] in ("data", "folds")]
    members = [member for member in pack.members if member.runs]
    runs = [str(run.path) for member in members for run in member.runs]
    train = [*dict.fromkeys(line for run in runs for line in pack.commands[run].lines)]
    predict = [command for member in members for command in _predictions(member)]
    evaluate = [f"maskfold evaluate name={member.name}" for member in members if member.of_folds]
    if not any(member.of_all_photos for member in members):
        evaluate.append(f"maskfold ensemble ensemble={name} split=oof")
    parts = {
        "1. Prepare the data": [shlex.join(fetch)] * bool(fetch) + [shlex.join(["maskfold", "folds", *on])],
        "2. Train every network": train,
        "3. Predict": predict,
        "4. Score out of fold": evaluate or ["# nothing: networks of all photos have no score"],
        "5. Average, post-process, write the submission": [
            f"maskfold ensemble ensemble={name}",
            f"maskfold doctor submission={EnsembleFolder(SUBMISSIONS / name).test.submission}",
        ],
    }
    if pack.in_one_pass:
        bundle = [f"maskfold bundle ensemble={name}", f"python bundles/{name}/run.py photos=<folder>"]
        parts["New photos, without a training"] = bundle
    start = "# Entry points\n\nIn the folder of the repository, after `make setup`; `maskfold` is `.venv/bin/maskfold`."
    blocks = [f"## {title}\n\n```sh\n" + "\n".join(lines) + "\n```" for title, lines in parts.items()]
    return "\n\n".join([start, *blocks]) + "\n"


def _predictions(member: MemberFacts) -> list[str]:
    """Return the commands that make a member's maps: those of its folds, then those of its network of all photos."""
    folds = [f"maskfold predict name={member.name} fold=all split={split}" for split in ("oof", "test")]
    full = f"maskfold predict name={member.name} fold={FULL} split=test"
    return folds * member.of_folds + [full] * member.of_all_photos


def settings(pack: Pack) -> str:
    """Return `SETTINGS.json`: where data, models and submissions are, by the names that Kaggle's guidelines use."""
    name = pack.data.get("name")
    paths = {
        "RAW_DATA_DIR": pack.data.get("root"),
        "CLEAN_DATA_DIR": f"data/{name}" if name else None,
        "MODEL_DIR": str(EXPERIMENTS),
        "CHECKPOINT_DIR": f"{EXPERIMENTS}/<member>/fold<k>/checkpoints",
        "LOGS_DIR": f"{EXPERIMENTS}/<member>/fold<k>/metrics.csv",
        "SUBMISSION_DIR": f"{SUBMISSIONS}/{pack.name}",
    }
    return json.dumps(paths, indent=2) + "\n"


def requirements() -> str:
    """Return `requirements.txt`: what the package depends on directly, in the versions at work."""
    lines = []
    for text in importlib.metadata.requires("maskfold") or []:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        lines.append(f"{requirement.name}=={importlib.metadata.version(requirement.name)}")
    return "\n".join(sorted(lines, key=str.lower)) + "\n"


def directory_structure(root: Path) -> str:
    """Return `directory_structure.txt`: the folders, with how many files are in each; hidden ones are left out."""
    return "\n".join(_folders(root, 0)) + "\n"


def _folders(folder: Path, depth: int) -> Iterator[str]:
    entries = sorted(folder.iterdir()) if os.access(folder, os.R_OK) else []
    files = sum(1 for entry in entries if entry.is_file())
    yield f"{'  ' * depth}{folder.name if depth else '.'}/" + (f"  ({files} files)" if files else "")
    inner = [one for one in entries if one.is_dir() and not one.name.startswith(".") and one.name not in _LEFT_OUT]
    if depth < _DEEP:
        for one in inner:
            yield from _folders(one, depth + 1)


def _listed(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def readme(pack: Pack, names: Sequence[str]) -> str:
    """Return `README.md`: hardware, software, and what each file beside it is.

    Args:
        pack: The facts.
        names: Of the files beside it.
    """
    trained = {f"{one.name}, trained with": _listed(one.versions) for one in pack.members if one.runs}
    files = "\n".join(f"- `{name}`" for name in names)
    return (
        f"# {pack.name}: how to make it again\n\nThe commands are in [entry_points.md](entry_points.md), the model in "
        f"[model_summary.md](model_summary.md).\n\n{files}\n\n## Hardware and system\n\n{bullets(pack.machine)}\n\n"
        "## Software\n\n`pip install -r requirements.txt`, which are the versions at work here.\n\n"
        f"{bullets(trained)}\n\n## Side effects and assumptions\n\nNothing is written to the raw data. `SETTINGS.json` "
        "says where things are; the commands take other places by their keys (`data.root=`). A finished run is not "
        f"trained again unless `overwrite=true` is given.\n\n{to_write('Anything that a host has to know besides.')}\n"
    )
