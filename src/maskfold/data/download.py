"""Download a competition's data with the Kaggle CLI, piece by piece or as a whole."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from maskfold.errors import MaskfoldError
from maskfold.parallel import progress

_PARTS = ".download"  # in the folder of the data: what is not whole yet


def download(competition: str, pieces: Sequence[str], root: Path) -> list[Path]:
    """Download and unpack what is not there yet; return what is new.

    Whatever is unpacked lies in `.download` until it is whole, and is moved to its place then.

    Args:
        competition: Its name in Kaggle's addresses.
        pieces: Folders and files, each of which Kaggle has as `<piece>.zip`; none for all it has in one zip, whose own
            zips are unpacked as well.
        root: Where they go.

    Raises:
        MaskfoldError: If there is no CLI, it fails, or what it brings cannot be unpacked.
    """
    parts = root / _PARTS
    if not pieces:
        there = [path for path in root.glob("*") if path.name != _PARTS]
        return [] if there and not parts.exists() else _fetch_all(competition, root)
    missing = [piece for piece in pieces if not (root / piece).exists()]
    for piece in missing:
        packed = _fetch(competition, parts / f"{piece}.zip", ["-f", f"{piece}.zip"])
        _unpack(packed, parts)
        _move(parts / piece, root / piece, packed)
        packed.unlink()
    return [root / piece for piece in missing]


def _fetch_all(competition: str, root: Path) -> list[Path]:
    """Download everything, and unpack it; killed at any moment and run again, it goes on."""
    parts = root / _PARTS
    packed = _fetch(competition, parts / f"{competition}.zip", [])
    whole = parts / "whole"
    shutil.rmtree(whole, ignore_errors=True)
    _unpack(packed, whole)
    while inner := sorted(path for path in whole.rglob("*.zip") if zipfile.is_zipfile(path)):
        for path in inner:
            _unpack(path, _folder_of(path))
            path.unlink()
    new = [path.name for path in sorted(whole.iterdir()) if not (root / path.name).exists()]
    for name in new:
        _move(whole / name, root / name, packed)
    shutil.rmtree(parts)  # while it is there, the download goes on
    return [root / name for name in new]


def _fetch(competition: str, packed: Path, options: Sequence[str]) -> Path:
    """Have the CLI download a zip, which goes on with one that it has begun; return where it is."""
    kaggle = shutil.which(
        "kaggle", path=os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    )
    if kaggle is None:
        raise MaskfoldError(
            "The Kaggle CLI is missing: pip install kaggle, put your API token into ~/.kaggle/kaggle.json (kaggle.com, "
            f"Settings, API), and accept the rules of {competition}."
        )
    command = [kaggle, "competitions", "download", "-c", competition, *options, "-p", str(packed.parent)]
    if subprocess.run(command, check=False).returncode:
        raise MaskfoldError(f"{packed.name}: the Kaggle CLI could not download it; it said why above.")
    return packed


def _folder_of(packed: Path) -> Path:
    """Return where a zip within a zip is unpacked: beside it if all it holds has its own name, otherwise below that."""
    with zipfile.ZipFile(packed) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    return packed.parent if tops == {packed.stem} else packed.with_suffix("")


def _unpack(packed: Path, folder: Path) -> None:
    """Unpack a zip."""
    try:
        with zipfile.ZipFile(packed) as archive:
            for member in progress(archive.infolist(), f"unpack {packed.name}", unit="files"):
                archive.extract(member, folder)
    except (OSError, zipfile.BadZipFile) as error:
        raise _damaged(packed, error) from error


def _move(path: Path, place: Path, packed: Path) -> None:
    """Move what is whole to its place."""
    try:
        path.rename(place)
    except OSError as error:
        raise _damaged(packed, error) from error


def _damaged(packed: Path, error: Exception) -> MaskfoldError:
    return MaskfoldError(f"{packed}: cannot be unpacked ({error}). Remove the file and run the same command again.")
