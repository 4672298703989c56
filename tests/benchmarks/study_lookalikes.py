"""Three competitions in small, from their files to a checked submission: every command with its seconds.

Draws look-alikes of TGS Salt, Severstal (as it is, and on square sheets) and Contrails into a folder of their own, runs
the commands of docs/how-to/join-a-competition.md in it, and has the doctor look at the submission twice: as it was
written, and with its runs in the other order, which has to be found out. Writes docs/measured/lookalikes.csv. A CPU,
about two minutes each.

    python tests/benchmarks/study_lookalikes.py            # all
    python tests/benchmarks/study_lookalikes.py tgs        # one
"""

import gzip
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from measure import publish

from maskfold.joining.looks import look_at

sys.path.insert(0, str(Path(__file__).parents[1]))
from lookalikes import LOOKALIKES, LookAlike

PHOTOS = 80
MEMBER = "demo_unet"
SOURCE = Path(__file__).parents[2] / "src"


def commands(one: LookAlike, root: Path) -> list[list[str]]:
    """Return the commands from a competition's files to a checked submission."""
    train = " ".join([f"data={one.name}", *one.train])
    submission = f"submissions/{MEMBER}/submission.csv.gz"
    return [
        ["join", *one.join(root)],
        ["folds", f"data={one.name}", "folds.k=2"],
        ["campaign", f"ensemble={MEMBER}", f"train='{train}'"],
        ["doctor", f"submission={submission}"],
    ]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a user would, in a folder."""
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "COLUMNS": "120"}
    call = [sys.executable, "-m", "maskfold", *command]
    return subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def turned(one: LookAlike, folder: Path) -> Path:
    """Write the submission once more, its runs in the other order; return the file."""
    written = folder / f"submissions/{MEMBER}/submission.csv.gz"
    rules = one.rules
    other = replace(rules, order="rows" if rules.order == "columns" else "columns")
    sizes = {path.stem: look_at(path) for path in (folder / one.name / one.keys["test"]).iterdir()}
    header, *lines = gzip.decompress(written.read_bytes()).decode().splitlines()
    turned_lines = [header]
    for line in lines:
        cells = rules.read(line.split(","), one.classes)
        size = sizes[Path(cells.photo).stem]
        mask = rules.mask(cells.runs, size.height, size.width)
        turned_lines.append(",".join(other.row(cells.photo, other.text(mask), cells.label)))
    path = written.with_name("turned.csv.gz")
    path.write_bytes(gzip.compress("\n".join([*turned_lines, ""]).encode()))
    return path


def study(one: LookAlike) -> list[dict[str, object]]:
    """Go through one competition in a folder of its own; return a row for every command."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        one.draw(folder / one.name, PHOTOS, 0)
        rows = []
        for number, command in enumerate(commands(one, Path(one.name)), 1):
            began = time.perf_counter()
            done = run(command, folder)
            seconds = time.perf_counter() - began
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
            rows.append({"competition": one.name, "command": number, "stage": command[0], "seconds": round(seconds, 1)})
        score = pd.read_csv(folder / f"experiments/{MEMBER}/results.csv").iloc[-1][one.metric]
        wrong = run(["doctor", f"submission={turned(one, folder)}"], folder)
        print(done.stdout, wrong.stdout, sep="\n")
        findings = {"doctor_right_order": "passes", "doctor_other_order": "refuses" if wrong.returncode else "passes"}
        return [row | {"metric": one.metric, "out_of_fold": score} | findings for row in rows]


def main() -> None:
    """Go through all of them, or those that are named."""
    names = sys.argv[1:] or [*LOOKALIKES]
    publish("lookalikes", pd.DataFrame([row for name in names for row in study(LOOKALIKES[name])]), photos=PHOTOS)


if __name__ == "__main__":
    main()
