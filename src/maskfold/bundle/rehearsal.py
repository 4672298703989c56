"""A bundle run where there is no network: what it wrote, how long it took, what it imported, and who reached out."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from maskfold.bundle.contents import SCRIPT, copy_watch
from maskfold.bundle.watch import MODULES, NETWORK, SEEN
from maskfold.errors import MaskfoldError, listing

# Of the environment, what says where libraries and the device are; nothing else gets into a rehearsal.
_KEPT = ("PATH", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "OMP_NUM_THREADS")
_WAYS = (("unshare", "--net"), ("unshare", "--map-root-user", "--net"))  # a network of its own, which leads nowhere
_LINES = 12  # that are shown of what a failed rehearsal said


@dataclass(frozen=True)
class Rehearsed:
    """How a rehearsal went.

    Attributes:
        submission: What was written, CSV.
        photos: How many were predicted.
        seconds: From the start of the script to its end.
        installing: Seconds of that for wheels.
        modules: The outermost names of what its processes imported.
        cut: How the network was cut off.
    """

    submission: bytes
    photos: int
    seconds: float
    installing: float
    modules: frozenset[str]
    cut: str


@dataclass(frozen=True)
class Forecast:
    """How long a bundle will take, on a straight line through two rehearsals.

    Attributes:
        start: Seconds until the first photo.
        per_photo: Seconds a photo.
        photos: Of the hidden test set.
        hours: For all of them.
        limit: Hours that there are.
    """

    start: float
    per_photo: float
    photos: int
    hours: float
    limit: float

    @property
    def fits(self) -> bool:
        """Whether there is time enough."""
        return self.hours <= self.limit

    def facts(self) -> dict[str, float | int | bool]:
        """Return all of it, rounded."""
        return {key: round(value, 4) for key, value in asdict(self).items()} | {"fits": self.fits}


def forecast(many: tuple[int, float], few: tuple[int, float], *, photos: int, limit: float) -> Forecast:
    """Lay a straight line through the seconds of two rehearsals, one of many photos and one of few.

    Where the fewer photos took as long as the many, or there were as few, nothing tells the start from the photos: all
    of the time then counts as the photos'.

    Args:
        many: Photos and seconds.
        few: Likewise.
        photos: Of the hidden test set.
        limit: Hours.
    """
    slope = (many[1] - few[1]) / (many[0] - few[0]) if many[0] > few[0] else 0.0
    if slope <= 0:
        slope = many[1] / many[0]
    start = max(many[1] - slope * many[0], 0.0)
    return Forecast(start, slope, photos, (start + slope * photos) / 3600, limit)


def cut_off() -> tuple[tuple[str, ...], str]:
    """Return the command that a process without a network begins with, and how that is called.

    Where the system gives no network of its own, Python alone is watched: code that is not Python's could reach out.
    """
    for way in _WAYS:
        if shutil.which(way[0]) and subprocess.run([*way, "true"], capture_output=True, check=False).returncode == 0:
            return way, "a network namespace of its own, and Python's sockets watched"
    return (), "Python's sockets watched"


def rehearse(bundle: Path, photos: Path, arguments: Sequence[str] = ()) -> Rehearsed:
    """Run a bundle's script on a folder of photos: no network, an empty environment, a fresh working folder.

    Args:
        bundle: The folder, whole.
        photos: A folder of photos, with the sample submission beside it where the data has one.
        arguments: Others of the script.

    Raises:
        MaskfoldError: If the script fails, something reached for the network, or the bundle was written to.
    """
    before = _stamps(bundle)
    with tempfile.TemporaryDirectory(prefix="maskfold-rehearsal-") as name:
        place = Path(name)
        seen, first, home = (place / part for part in ("seen", "first", "home"))
        for folder in (seen, first, home):
            folder.mkdir()
        copy_watch(first)
        own = {"HOME": home, "TMPDIR": home, "PYTHONPATH": first, SEEN: seen}
        environment = {key: os.environ[key] for key in _KEPT if key in os.environ}
        environment |= {"LANG": "C.UTF-8", "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        environment |= {key: str(path) for key, path in own.items()}
        way, cut = cut_off()
        given = [f"photos={photos.absolute()}", *arguments]
        with _read_only(bundle):
            script = [sys.executable, "-s", "-B", str(bundle.absolute() / SCRIPT), *given]
            run = subprocess.run(
                [*way, *script], cwd=home, env=environment, capture_output=True, text=True, check=False
            )
        _refuse_reaching(seen / NETWORK)
        if run.returncode:
            said = (run.stdout + run.stderr).strip().splitlines()[-_LINES:]
            raise MaskfoldError(
                f"{bundle / SCRIPT} fails in the rehearsal, with status {run.returncode}:\n" + "\n".join(said)
            )
        if _stamps(bundle) != before:
            raise MaskfoldError(f"{bundle}: its rehearsal wrote into it, where a Kaggle notebook could not.")
        answer = json.loads(run.stdout.splitlines()[-1])
        modules = (json.loads(path.read_text()) for path in sorted(seen.glob(f"{MODULES}-*.json")))
        return Rehearsed(
            (home / answer["submission"]).read_bytes(),
            sum(1 for _ in photos.iterdir()),
            answer["seconds"]["all"],
            answer["seconds"]["installing"],
            frozenset(name for names in modules for name in names),
            cut,
        )


def _refuse_reaching(log: Path) -> None:
    """Refuse a rehearsal in which something wanted another machine."""
    if not log.exists():
        return
    seen = [json.loads(line) for line in log.read_text().splitlines()]
    lines = dict.fromkeys(f"{one['address']} ({one['event']}), wanted by {one['by']}" for one in seen)
    raise MaskfoldError(
        f"The bundle reached for the network, which there is none of where it is to run:\n{listing([*lines])}\n"
        "Have what is fetched be in a file: weights by file or none, no version checks; or leave the member out."
    )


@contextmanager
def _read_only(bundle: Path) -> Iterator[None]:
    """Take the right to write away from a bundle for a while, from those whom that binds."""
    folders = [bundle, *(path for path in bundle.rglob("*") if path.is_dir())]
    modes = {folder: folder.stat().st_mode for folder in folders}
    for folder in folders:
        folder.chmod(modes[folder] & ~0o222)
    try:
        yield
    finally:
        for folder in folders:
            folder.chmod(modes[folder])


def _stamps(bundle: Path) -> dict[Path, tuple[int, int]]:
    """Return the size and time of change of everything in a bundle."""
    return {path: (stat.st_size, stat.st_mtime_ns) for path in bundle.rglob("*") for stat in [path.lstat()]}
