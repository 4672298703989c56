"""Which packages a bundle needs where it runs, which of them a Kaggle notebook has, and wheels of the others."""

import importlib.metadata
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.tags import sys_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from maskfold.errors import MaskfoldError

OWN = "maskfold"
_WHOLE = ("torch", "torchvision")  # an image that has them has what they depend on, for its own device
DOWNLOAD = "download"  # in place of a folder of wheels
# Of what predictions import, what Kaggle's image has: its own list of 2026-05, of Python 3.12 and torch 2.10
# (github.com/Kaggle/docker-python, installed_cpu_packages.txt). It has no hydra-core, lightning, pandera, simplejpeg,
# imagecodecs, imgaug and segmentation-models-pytorch.
_LISTED = """
    albucore albumentations annotated-types antlr4-python3-runtime attrs blosc2 certifi charset-normalizer click
    cloudpickle contourpy cycler einops filelock fonttools fsspec h11 httpcore httpx huggingface-hub idna jinja2 joblib
    kiwisolver lightning-utilities markdown-it-py markupsafe matplotlib mdurl mpmath msgpack mypy-extensions ndindex
    networkx numexpr numpy omegaconf opencv-python opencv-python-headless packaging pandas pillow platformdirs psutil
    py-cpuinfo pyarrow pydantic pydantic-core pygments pyparsing python-dateutil pytorch-lightning pytz pyyaml regex
    requests rich safetensors scikit-image scikit-learn scipy setuptools six stringzilla sympy threadpoolctl tifffile
    timm torch torchmetrics torchvision tqdm typeguard typing-extensions typing-inspect typing-inspection tzdata urllib3
"""
KAGGLE = frozenset(_LISTED.split())


@dataclass(frozen=True)
class Package:
    """A package that a bundle needs.

    Attributes:
        name: Its distribution's.
        version: The one that it was rehearsed with.
        in_image: Whether the image of the notebook has one.
        wheel: Its wheel's path inside the bundle, if there is one.
    """

    name: str
    version: str
    in_image: bool
    wheel: str | None = None

    @property
    def lacking(self) -> bool:
        """Whether nothing says where it would come from."""
        return not self.in_image and self.wheel is None


def needed(modules: Collection[str], image: Collection[str]) -> list[Package]:
    """Return the packages that a rehearsal has imported, of those that this package depends on, by name.

    What else it has imported, plugins of Hydra for one, was there by chance.

    Args:
        modules: The outermost names of what was imported.
        image: Canonical names of the packages that the notebook's image has.
    """
    distributions = importlib.metadata.packages_distributions()
    imported = {canonicalize_name(one) for module in modules for one in distributions.get(module, ())}
    names = sorted((imported & _dependencies()) - {OWN})
    return [Package(name, importlib.metadata.version(name), name in image) for name in names]


def _dependencies() -> set[str]:
    """Return the canonical names of all that this package depends on, itself and through others, without its extras."""
    names, waiting = set[str](), [(OWN, frozenset({""}))]
    asked: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        names.add(name)
        asked.add((name, extras))
        for requirement in () if name in _WHOLE else _requirements(name, extras):
            one = (canonicalize_name(requirement.name), frozenset({"", *requirement.extras}))
            waiting += [one] if one not in asked else []
    return names


def _requirements(name: str, extras: Iterable[str]) -> list[Requirement]:
    try:
        lines = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    parsed, environment = [Requirement(line) for line in lines], default_environment()
    return [
        one
        for one in parsed
        if one.marker is None or any(one.marker.evaluate({**environment, "extra": extra}) for extra in extras)
    ]


def image_packages(listed: str | None) -> Collection[str]:
    """Return the canonical names of what an image has.

    Args:
        listed: A file with what `pip freeze` says there; None for Kaggle's own list.

    Raises:
        MaskfoldError: If the file is not there, or lists nothing.
    """
    if listed is None:
        return KAGGLE
    path = Path(listed)
    if not path.is_file():
        raise MaskfoldError(
            f"image={listed}: no such file. Write what `pip freeze` says in a notebook there to a file."
        )
    lines = path.read_text().splitlines()
    names = {canonicalize_name(match[1]) for line in lines if (match := re.match(r"([\w.-]+)\s*(==|@)", line.strip()))}
    if not names:
        raise MaskfoldError(f"image={listed}: no line of it is package==version, as `pip freeze` writes them.")
    return names


def with_wheels(packages: Sequence[Package], source: str | None, folder: Path, *, python: str | None) -> list[Package]:
    """Return packages with the wheels of those that an image lacks, brought to a bundle.

    Args:
        packages: What is needed.
        source: A folder of wheels, `download` for PyPI, or None for no wheels.
        folder: The bundle's `wheels/`.
        python: The image's Python, such as 3.12; None for the one at work.

    Raises:
        MaskfoldError: If there is no such folder, a download fails, or a wheel is of another version or Python.
    """
    wanted = [one for one in packages if not one.in_image]
    if source is None or not wanted:
        return [*packages]
    folder.mkdir(parents=True, exist_ok=True)
    if source == DOWNLOAD:
        _download(wanted, folder, python)
        there = wheels_in([folder])
    else:
        if not Path(source).is_dir():
            raise MaskfoldError(f"wheels={source}: no such folder. Name a folder of wheels, or {DOWNLOAD}.")
        there = wheels_in([Path(source)])
    placed = []
    for one in packages:
        wheel = None if one.in_image else _fitting(one, there, python)
        if wheel is not None and wheel.parent != folder:
            shutil.copyfile(wheel, folder / wheel.name)
        placed.append(replace(one, wheel=wheel and f"{folder.name}/{wheel.name}"))
    return placed


def _download(packages: Sequence[Package], folder: Path, python: str | None) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    other = ["--python-version", python, "--implementation", "cp"] if python else []
    names = [f"{one.name}=={one.version}" for one in packages]
    command = [*pip, "--only-binary", ":all:", *other, "--dest", str(folder), *names]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        reason = (run.stderr.strip().splitlines() or ["pip says nothing"])[-1]
        raise MaskfoldError(
            f"wheels={DOWNLOAD}: {reason}. Bring the wheels of {', '.join(names)} to a folder: wheels=<folder>."
        )


def wheels_in(folders: Iterable[Path]) -> list[Path]:
    """Return the wheels in some folders and below."""
    return sorted(path for folder in folders if folder.is_dir() for path in folder.rglob("*.whl"))


def cached_wheels() -> list[Path]:
    """Return the wheels that pip has built here and kept; those that it downloaded it keeps in a form of its own."""
    command = [sys.executable, "-m", "pip", "cache", "dir"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    return wheels_in([Path(run.stdout.strip()) / "wheels"]) if run.returncode == 0 and run.stdout.strip() else []


def _fitting(package: Package, wheels: Sequence[Path], python: str | None) -> Path | None:
    """Return the wheel of a package in its own version that an interpreter takes."""
    return next((path for path in wheels if is_wheel_of(path, package, python)), None)


def is_wheel_of(path: Path, package: Package, python: str | None) -> bool:
    """Return whether a file is a package's wheel, of its version, that fits.

    Args:
        path: The file.
        package: The package.
        python: As `with_wheels` takes it. Of another Python than the one at work, its name alone is looked at.
    """
    try:
        name, version, _, tags = parse_wheel_filename(path.name)
    except InvalidWheelFilename:
        return False
    if name != package.name or version != Version(package.version):
        return False
    if python is None:
        return not tags.isdisjoint(sys_tags())
    own = f"cp{python.replace('.', '')}"
    return any(tag.interpreter in (own, "py3", "py2.py3") or tag.abi == "abi3" for tag in tags)
