"""What a run was made with: commit, machine, device, versions."""

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

COMMIT = "MASKFOLD_COMMIT"  # environment: what an image was built from, in which there is no git
PACKAGES = ("maskfold", "torch", "torchvision", "lightning", "segmentation-models-pytorch", "albumentations", "numpy")


def environment() -> dict[str, Any]:
    """Return the commit, the machine and the versions of the packages that decide a run's numbers."""
    return {
        "commit": commit(),
        "python": sys.version.split()[0],
        "machine": platform.machine(),
        "device": device(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def device() -> str:
    """Return the name of the GPU that torch would take, else `cpu`.

    Whatever trains has imported torch by then; a process that has not is not kept waiting for it.
    """
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch is not None and torch.cuda.is_available() else "cpu"


def commit() -> str:
    """Return the commit of this checkout, with `-dirty` behind it when files differ, or `unknown` outside git.

    Where the environment has `MASKFOLD_COMMIT`, it is that.
    """
    if given := os.environ.get(COMMIT):
        return given
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
