"""An environment with what `requirements-service.txt` names and nothing else: what the service's image holds."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "requirements-service.txt"
# None of it may be needed by whoever has an exported model.
NOT_THERE = ("torch", "torchvision", "lightning", "timm", "albumentations", "imgaug", "mlflow", "wandb", "pandera")


def pins(path: Path) -> dict[str, str]:
    """Return the version of each package that a file of requirements names."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return dict(line.split("==") for line in lines if line)


def make(folder: Path) -> Path:
    """Make the environment in a folder, with this checkout's package in it; it takes a minute and the network."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "-r", str(REQUIREMENTS)], check=True)
    subprocess.run([*install, "--no-deps", str(ROOT)], check=True)
    return folder


def packages(environment: Path) -> Path:
    """Return the folder of an environment's packages."""
    return environment / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
