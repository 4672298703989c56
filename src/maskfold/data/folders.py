"""What lies in a folder of photos or masks: its images by name, and what is there besides."""

import logging
import os
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from maskfold.data.loading import SUFFIXES
from maskfold.errors import MaskfoldError, listing
from maskfold.files import is_file_name

NO_IMAGES = pd.DataFrame(columns=["stem", "path"], dtype="str")  # of a folder that is not there

_log = logging.getLogger(__name__)


class Stray(NamedTuple):
    """What cannot be an image of the data set though it could be meant as one: where it is, and why."""

    path: str
    reason: str

    def __str__(self) -> str:
        """Return a line that can be printed whatever the path is made of."""
        return f"{self.path if is_file_name(self.path) else ascii(self.path)}: {self.reason}"


def list_images(
    folder: Path, strays: list[Stray], *, known: Collection[Path] = (), suffixes: tuple[str, ...] = SUFFIXES
) -> pd.DataFrame:
    """Return a folder's image files in the order of the names: `stem`, the name without suffix, and `path`.

    Hidden entries are passed over; files that are no images are passed over with a line in the log.

    Args:
        folder: The folder, which is there.
        strays: Links to nothing, folders with images in them, and images whose names no table can hold are added.
        known: Folders that are read by themselves.
        suffixes: Of images, in small letters.

    Raises:
        MaskfoldError: If several files have one name.
    """
    names, passed_over = [], []
    with os.scandir(folder) as entries:
        for entry in (entry for entry in entries if not entry.name.startswith(".")):
            reason = _why_stray(entry, known, suffixes)
            if reason:
                passed_over.append(Stray(entry.path, reason))
            elif entry.is_file():
                names.append(entry.name)
    strays += sorted(passed_over)
    _tell_of_others(folder, [name for name in names if not _is_image(name, suffixes)])
    text = pd.Series(sorted(name for name in names if _is_image(name, suffixes)), dtype="str")
    prefix = str(folder / "name").removesuffix("name")
    images = pd.DataFrame({"stem": text.str.replace(r"\.[^.]*$", "", regex=True), "path": prefix + text})
    refuse_doubles(images["stem"], images["path"])
    return images


def _why_stray(entry: os.DirEntry, known: Collection[Path], suffixes: tuple[str, ...]) -> str:
    """Return why an entry of a folder cannot be an image that it could be meant as; "" for all others."""
    if entry.is_dir():
        inside = None if _is_known(Path(entry.path), known) else _some_image(entry.path)
        return f"a folder with images in it, such as {inside}; only files beside it are looked at" if inside else ""
    if entry.is_symlink() and not entry.is_file():
        return f"a link to {os.readlink(entry.path)}, where no file is"
    if _is_image(entry.name, suffixes) and not is_file_name(entry.name):
        return "its name is not UTF-8, or has a line break or the like, which no table can hold; rename it"
    return ""


def _is_known(folder: Path, known: Collection[Path]) -> bool:
    own = folder.resolve()
    return any(own == other or own in other.parents for other in (path.resolve() for path in known))


def _some_image(folder: str) -> str | None:
    """Return the name of an image in a folder or below it, if there is one."""
    names = (name for _, _, names in os.walk(folder) for name in names)
    return next((ascii(name) for name in names if _is_image(name) and not name.startswith(".")), None)


def _is_image(name: str, suffixes: tuple[str, ...] = SUFFIXES) -> bool:
    return name.lower().endswith(suffixes)


def _tell_of_others(folder: Path, names: list[str]) -> None:
    others = Counter(Path(name).suffix for name in sorted(names))
    if others:
        kinds = ", ".join(f"{count} {ascii(suffix)[1:-1] or 'without suffix'}" for suffix, count in others.items())
        _log.warning("%s: passed over files that are not images: %s.", folder, kinds)


def refuse_doubles(names: pd.Series, paths: pd.Series) -> None:
    """Refuse files of one name, since photos, masks and maps are identified by their names.

    Raises:
        MaskfoldError: If there are such; the message lists them.
    """
    is_double = names.duplicated(keep=False)
    if is_double.any():
        doubles = pd.DataFrame({"name": names, "path": paths})[is_double].sort_values("name", kind="stable")
        raise MaskfoldError(
            f"{doubles['name'].nunique()} names belong to several files, but a name (without suffix) stands for one "
            f"image. Rename or remove some of:\n{listing(list(doubles['path']))}"
        )
