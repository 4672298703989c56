"""How large the service's environment is beside the whole one: `docs/measured/slim.csv`.

    .venv/bin/python tests/benchmarks/study_slim.py [<environment of requirements-service.txt>]

Without one it makes it, which takes a minute and the network. A file is counted once, as the disk holds it.
"""

import csv
import os
import platform
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from slim_environment import ROOT, make, packages

_LARGEST = 8  # packages that get a row


def main() -> None:
    """Measure both and write the table."""
    with tempfile.TemporaryDirectory() as folder:
        slim = Path(sys.argv[1]) if sys.argv[1:] else make(Path(folder) / "environment")
        rows = [
            ("the whole", "all", megabytes(packages(Path(sys.prefix)))),
            ("the service", "all", megabytes(packages(slim))),
        ]
        parts = sorted(((megabytes(path), path.name) for path in packages(slim).iterdir()), reverse=True)
    rows += [("the service", name, size) for size, name in parts[:_LARGEST]]
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    with (ROOT / "docs" / "measured" / "slim.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["environment", "what", "mb", "machine"])
        table.writerows((*row, machine) for row in rows)


def megabytes(path: Path) -> int:
    """Return the bytes on disk of a file or a folder, in millions."""
    below = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names] or [str(path)]
    sizes = {(status.st_dev, status.st_ino): status.st_blocks * 512 for status in map(os.lstat, below)}
    return round(sum(sizes.values()) / 1e6)


if __name__ == "__main__":
    main()
