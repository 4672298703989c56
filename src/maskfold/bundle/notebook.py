"""The notebook of a bundle: it finds the bundle among the inputs, and runs its script."""

import json

_FIND = """\
import subprocess
import sys
from pathlib import Path

# The folder of the bundle: None looks for it among the inputs of the notebook.
BUNDLE = None
# What run.py takes besides: "photos=/kaggle/input/<competition>/test", "sample=...", "trainer.batch_size=8".
ARGUMENTS = []

depths = ("*", "*/*", "*/*/*", "*/*/*/*")
inputs = (path for depth in depths for path in Path("/kaggle/input").glob(f"{depth}/bundle.json"))
here = [Path("bundle.json")] if Path("bundle.json").is_file() else []
BUNDLE = Path(BUNDLE) if BUNDLE else next((path.parent for path in [*here, *inputs]), None)
assert BUNDLE is not None, "No bundle.json among the inputs: add the data set that the bundle was uploaded as."
print(BUNDLE)
"""
_RUN = 'subprocess.run([sys.executable, str(BUNDLE / "run.py"), "out=submission.csv", *ARGUMENTS], check=True)\n'


def notebook(ensemble: str) -> str:
    """Return `submission.ipynb` as text.

    Args:
        ensemble: Its name, for the heading.
    """
    cells = [
        {"cell_type": "markdown", "id": "about", "metadata": {}, "source": _lines(_about(ensemble))},
        _code("find", _FIND),
        _code("run", _RUN),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1) + "\n"


def _about(ensemble: str) -> str:
    return (
        f"# {ensemble}\n\nPredicts the competition's photos with the bundle among the inputs, without internet, "
        "and writes `submission.csv`. Everything is in `run.py` of the bundle."
    )


def _code(name: str, source: str) -> dict[str, object]:
    about = {"cell_type": "code", "id": name, "metadata": {}}
    return about | {"execution_count": None, "outputs": [], "source": _lines(source)}


def _lines(text: str) -> list[str]:
    return text.rstrip("\n").splitlines(keepends=True)
