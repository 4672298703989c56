"""The folder of one (member, fold): what was run, how it went, and whether it is finished."""

import importlib.metadata
import logging
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml

from maskfold import files
from maskfold.errors import MaskfoldError, listing

log = logging.getLogger(__name__)

# Keys that may differ between two starts of one run: they change how fast it goes or who watches, not what comes out.
FREE_KEYS = ("overwrite", "tracker", "trainer.num_workers", "trainer.accelerator")
PACKAGES = ("maskfold", "torch", "torchvision", "lightning", "segmentation-models-pytorch", "albumentations", "numpy")


class RunFolder:
    """`experiments/<member>/fold<k>/` and the names of what lies in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.run = path / "run.json"
        self.metrics = path / "metrics.csv"
        self.checkpoints = path / "checkpoints"
        self.best = self.checkpoints / "best.ckpt"
        self.last = self.checkpoints / "last.ckpt"
        self.predictions = path / "predictions"
        self.finished = path / "finished"

    def begin(self, config: dict[str, Any], *, identity: dict[str, str], overwrite: bool) -> None:
        """Make the folder this run's, or find that it already is.

        Args:
            config: The resolved configuration.
            identity: What else makes a run what it is: fingerprints of data and folds.
            overwrite: Remove everything an earlier run left here first.

        Raises:
            MaskfoldError: If something was trained here with another configuration, other data or other folds, or the
                folder's own files are damaged.
        """
        if overwrite:
            self.finished.unlink(missing_ok=True)  # first: without it nothing here is taken for finished
            files.clear(self.path)
        begun = self.config.exists() and self.run.exists()
        if begun and (self.metrics.exists() or self.checkpoints.exists()):
            self.refuse_other(config, identity)
            return
        files.write_text(self.config, yaml.safe_dump(config, sort_keys=False))
        files.write_json(self.run, {"identity": identity, **environment(), "seed": config["seed"]})

    def refuse_other(self, config: dict[str, Any], identity: dict[str, str] | None = None) -> None:
        """Refuse to take what was trained here for a run of another configuration, or of another identity if given.

        Raises:
            MaskfoldError: If they differ; the message names the keys.
        """
        known = files.read_json(self.run)["identity"]
        before = dict(flatten(self.read_config())) | known
        now = dict(flatten(config)) | (known if identity is None else identity)
        differing = [
            f"{key}: {before.get(key, 'absent')} before, {now.get(key, 'absent')} now"
            for key in sorted(before.keys() | now.keys())
            if before.get(key) != now.get(key) and not key.startswith(FREE_KEYS)
        ]
        if differing:
            raise MaskfoldError(
                f"{self.path} was trained with another configuration:\n{listing(differing)}\n"
                "Give this run a folder of its own with name=..., or replace the old one with overwrite=true."
            )

    def read_config(self) -> dict[str, Any]:
        """Return the run's resolved configuration.

        Raises:
            MaskfoldError: If there is no run here, or its configuration is damaged.
        """
        if not self.config.is_file():
            raise MaskfoldError(f"{self.path}: no run here ({self.config.name} is missing). Train this fold first.")
        try:
            config = yaml.safe_load(self.config.read_text())
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise MaskfoldError(f"{self.config}: damaged ({error}). Train this fold with overwrite=true.") from error
        if not isinstance(config, dict):
            raise MaskfoldError(f"{self.config}: damaged (no keys in it). Train this fold with overwrite=true.")
        return config

    def summary(self) -> dict[str, Any]:
        """Return what `finish` was given."""
        return files.read_json(self.run)["best"]

    def costs(self) -> dict[str, Any]:
        """Return `epochs`, `seconds`, `images_per_second`, `peak_memory_mb` and `device` of the training so far.

        Raises:
            MaskfoldError: If no epoch has been finished.
        """
        if not self.metrics.exists():
            raise MaskfoldError(f"{self.metrics}: missing; no epoch of this fold has been finished. Train it first.")
        epochs = pd.read_csv(self.metrics)
        return {
            "epochs": len(epochs),
            "seconds": round(epochs["seconds"].sum()),
            "images_per_second": round(epochs["images_per_second"].median(), 2),
            "peak_memory_mb": int(epochs["peak_memory_mb"].max()),
            "device": files.read_json(self.run)["device"],
        }

    def finish(self, best: dict[str, Any]) -> None:
        """Add the best epoch's metrics to `run.json` and mark the run as finished."""
        files.write_json(self.run, files.read_json(self.run) | {"best": best})
        files.write_text(self.finished, "")


def flatten(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield `(dotted key, leaf)` of nested dictionaries; a list is a leaf, an empty dictionary has none."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def environment() -> dict[str, Any]:
    """Return the commit, the machine and the versions of the packages that decide a run's numbers."""
    return {
        "commit": commit(),
        "python": sys.version.split()[0],
        "machine": platform.machine(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def commit() -> str:
    """Return the commit of this checkout, with `-dirty` behind it when files differ, or `unknown` outside git."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
