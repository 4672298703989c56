"""Run the error analysis: `python -m maskfold.stages.notebook ensemble=linknet34`; it takes what the report takes."""

import logging
import sys
from pathlib import Path

from hydra.errors import HydraException

from maskfold.analysis.notebook import execute
from maskfold.config import SUBMISSIONS, build, compose, quiet_console
from maskfold.errors import MaskfoldError
from maskfold.runs.ensemble_folder import EnsembleFolder

NOTEBOOK = Path(__file__).parents[3] / "notebooks" / "error_analysis.ipynb"

log = logging.getLogger(__name__)


def notebook(overrides: list[str]) -> Path:
    """Write `submissions/<ensemble>/error_analysis.ipynb`, executed; return its path.

    Args:
        overrides: What `make report` would be told, such as `ensemble=linknet34` and `images=3`.
    """
    name = build(compose("report", overrides).ensemble).name
    path = EnsembleFolder(SUBMISSIONS / name).path / NOTEBOOK.name
    execute(NOTEBOOK, path, parameters={"REPORT": overrides}, folder=Path.cwd())
    log.info("%s", path)
    return path


if __name__ == "__main__":
    quiet_console()
    try:
        notebook(sys.argv[1:])
    except (MaskfoldError, HydraException) as error:
        sys.exit(f"\n{error}")
