"""A bundle made: laid out, rehearsed on many photos and on few, completed with wheels, and described."""

import csv
import logging
import shutil
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

import maskfold
from maskfold import files
from maskfold.bundle import contents
from maskfold.bundle.notebook import notebook
from maskfold.bundle.packages import Package
from maskfold.bundle.run import SAMPLES
from maskfold.data.source import Source
from maskfold.ensembling.fusion import named_networks
from maskfold.ensembling.tree import Leaf
from maskfold.errors import MaskfoldError
from maskfold.runs.environment import commit, device
from maskfold.runs.origins import weights_used
from maskfold.submission.shape import sample_of, shape_of
from maskfold.submission.writer import read_lines, read_submission

log = logging.getLogger(__name__)

_FORMAT = 1
_GIGABYTE = 1e9


@dataclass(frozen=True, kw_only=True)
class Bundled:
    """What a bundle is made of.

    Attributes:
        name: The ensemble's.
        ensemble: Its configuration, resolved.
        trainer: How photos are predicted, resolved.
        members: Trained.
        source: The data whose test photos it predicts.
        data: What that was built from.
        code: Paths of modules of the user's own.
    """

    name: str
    ensemble: Mapping[str, Any]
    trainer: Mapping[str, Any]
    members: Sequence[Leaf]
    source: Source
    data: Mapping[str, Any]
    code: Sequence[str] = ()

    @property
    def runs(self) -> list:
        """The run folder of every network, each once."""
        return [*{run.path: run for run, _, _ in named_networks(self.members)}.values()]


def lay_out(folder: Path, bundled: Bundled) -> dict[str, Any]:
    """Write everything but wheels and what a rehearsal has shown; return what `bundle.json` says.

    Args:
        folder: Not there yet.
        bundled: What goes into it.

    Raises:
        MaskfoldError: If a run folder is damaged, or a path is not there.
    """
    contents.copy_code(folder / contents.CODE, bundled.code)
    contents.copy_runs(bundled.runs, folder / contents.EXPERIMENTS, half=False)
    contents.copy_script(folder)
    files.write_text(folder / contents.ENSEMBLE, yaml.safe_dump(dict(bundled.ensemble), sort_keys=False))
    files.write_text(folder / contents.NOTEBOOK, notebook(bundled.name))
    source, shape = bundled.source, shape_of(bundled.source)
    templates = [*shape.rules.columns.values()]
    return {
        "bundle": _FORMAT,
        "ensemble": bundled.name,
        "competition": source.competition,
        "test": Path(bundled.data.get("test") or "test").name,
        "sample": source.sample if source.sample is None or not Path(source.sample).is_absolute() else None,
        "id_column": next(place for place, text in enumerate(templates) if "{file}" in text or "{image_id}" in text),
        "data": contents.data_of_photos(source, bundled.data),
        "trainer": {key: "null" if value is None else value for key, value in bundled.trainer.items()},
        "trust": contents.targets_of(bundled.runs),
        "members": [
            asdict(one) for one in weights_used((run, name) for run, _, name in named_networks(bundled.members))
        ],
        "maskfold": maskfold.__version__,
        "commit": commit(),
        "device": device(),
        "python": sys.version.split()[0],
        "packages": [],
        "wheels_python": ".".join(map(str, sys.version_info[:2])),
    }


def write_facts(folder: Path, facts: Mapping[str, Any], packages: Sequence[Package] = ()) -> None:
    """Write `bundle.json`, with the packages and with the hash of every other file."""
    measured = {"packages": [asdict(one) for one in packages], "files": contents.files_of(folder)}
    files.write_json(folder / contents.FACTS, {**facts, **measured})


def photos_to_rehearse(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return rows of an image table that are spread over it: test photos, or train photos where there are none."""
    tests = table[table["split"] == "test"]
    rows = tests if len(tests) else table[table["image"].notna()]
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(int)
    return rows.iloc[places].reset_index(drop=True)


def lay_photos(folder: Path, photos: pd.DataFrame, source: Source, *, test: str, sample: str | None) -> Path:
    """Copy photos to a folder as a competition has it, with a sample submission of these photos beside it.

    Args:
        folder: Not there yet.
        photos: Rows of the image table.
        source: Of the data.
        test: What the photos' folder is called.
        sample: What the sample is called, below `folder`; None for its usual name.

    Returns:
        The photos' folder.
    """
    place = folder / test
    place.mkdir(parents=True)
    for image in photos["image"]:
        shutil.copyfile(image, place / Path(image).name)
    whole = sample_of(source)
    if whole is not None:
        path = folder / (sample or SAMPLES[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(_sample_rows(whole, photos, source))
    return place


def _sample_rows(path: Path, photos: pd.DataFrame, source: Source) -> list[Sequence[str]]:
    """Return the header and the rows of a sample that are of some photos; rows made for them where it has none."""
    rules, names = source.rules, [Path(image).name for image in photos["image"]]
    wanted = {rules.name_of(name) for name in names}
    header, *lines = read_lines(path)
    rows = [line for line in lines if rules.read(line, source.classes).photo in wanted]
    made = ([*rules.row(name, rules.empty, label)] for name in names for label in source.classes or ("",))
    return [header, *(rows or made)]


def equal_rows(submission: Path, before: Path, source: Source) -> tuple[int, int]:
    """Return how many rows of a submission another one has as well, and how many there are.

    Raises:
        MaskfoldError: If one cannot be read.
    """
    shape = shape_of(source)
    theirs = {(cells.photo, cells.label): cells.runs for cells in read_submission(before, shape)}
    rows = [*read_submission(submission, shape)]
    return sum(theirs.get((cells.photo, cells.label)) == cells.runs for cells in rows), len(rows)


def sizes_of(folder: Path) -> dict[str, int]:
    """Return the bytes of each part of a bundle, and of all."""
    parts: dict[str, int] = {}
    for path in (path for path in folder.rglob("*") if path.is_file()):
        part = path.relative_to(folder).parts[0]
        parts[part] = parts.get(part, 0) + path.stat().st_size
    return dict(sorted(parts.items())) | {"all": sum(parts.values())}


def refuse_too_large(sizes: Mapping[str, int], gigabytes: float) -> None:
    """Refuse a bundle that is larger than an upload may be.

    Raises:
        MaskfoldError: If it is, with its largest parts.
    """
    if sizes["all"] > gigabytes * _GIGABYTE:
        parts = ", ".join(f"{name} {size / _GIGABYTE:.2f} GB" for name, size in sizes.items())
        raise MaskfoldError(
            f"The bundle is larger than gigabytes={gigabytes}: {parts}. Take members out, or raise the limit if the "
            "upload has another."
        )


def take_place(part: Path, target: Path) -> None:
    """Put a finished bundle where one of before may be."""
    if target.exists():
        shutil.rmtree(target)
    part.rename(target)


def refuse_foreign(target: Path) -> None:
    """Refuse to put a bundle where something else is.

    Raises:
        MaskfoldError: If there is a folder that is no bundle.
    """
    if target.exists() and not (target / contents.FACTS).is_file():
        raise MaskfoldError(f"to={target}: something else than a bundle is there. Name another folder.")


def write_zip(folder: Path) -> Path:
    """Write a bundle as one file beside it; the same bundle gives the same bytes."""
    path = folder.with_name(f"{folder.name}.zip")
    with files.atomic_path(path) as part, zipfile.ZipFile(part, "w") as archive:
        for one in sorted(one for one in folder.rglob("*") if one.is_file()):
            archive.writestr(zipfile.ZipInfo(one.relative_to(folder).as_posix()), one.read_bytes())
    return path
