"""Download a competition's data with the Kaggle CLI, piece by piece."""

import shutil
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path

from maskfold.errors import MaskfoldError


def download(competition: str, pieces: Sequence[str], root: Path) -> list[Path]:
    """Download and unpack the pieces that are not there yet; return those that are new.

    A piece is unpacked in `.download` and moved to its place when it is whole.

    Args:
        competition: Its name in Kaggle's addresses.
        pieces: Folders and files, each of which Kaggle has as `<piece>.zip`.
        root: Where they go.

    Raises:
        MaskfoldError: If there is no CLI, or it fails.
    """
    kaggle = shutil.which("kaggle")
    if kaggle is None:
        raise MaskfoldError(
            "The Kaggle CLI is missing: pip install kaggle, put your API token into ~/.kaggle/kaggle.json (kaggle.com, "
            f"Settings, API), and accept the rules of {competition}."
        )
    missing = [piece for piece in pieces if not (root / piece).exists()]
    for piece in missing:
        _fetch(kaggle, competition, piece, root)
    return [root / piece for piece in missing]


def _fetch(kaggle: str, competition: str, piece: str, root: Path) -> None:
    parts = root / ".download"
    packed = parts / f"{piece}.zip"
    command = [kaggle, "competitions", "download", "-c", competition, "-f", packed.name, "-p", str(parts)]
    if subprocess.run(command, check=False).returncode:
        raise MaskfoldError(f"{packed.name}: the Kaggle CLI could not download it; it said why above.")
    try:
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(parts)
        (parts / piece).rename(root / piece)
    except (OSError, zipfile.BadZipFile) as error:
        raise MaskfoldError(
            f"{packed}: cannot be unpacked ({error}). Remove the file and run the same command again."
        ) from error
    packed.unlink()
