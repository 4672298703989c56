"""Run the error analysis: `maskfold notebook ensemble=linknet34`; it takes what the report takes."""

import logging
from pathlib import Path

from omegaconf import DictConfig

from maskfold.analysis.notebook import execute
from maskfold.config import SUBMISSIONS, build, overrides_of
from maskfold.entry import entry_point
from maskfold.places import NOTEBOOK
from maskfold.runs.ensemble_folder import EnsembleFolder

log = logging.getLogger(__name__)


def notebook(config: DictConfig) -> Path:
    """Write `submissions/<ensemble>/error_analysis.ipynb`, executed; return its path."""
    path = EnsembleFolder(SUBMISSIONS / build(config.ensemble).name).path / NOTEBOOK.name
    execute(NOTEBOOK, path, parameters={"REPORT": overrides_of(config)}, folder=Path.cwd())
    log.info("%s", path)
    return path


main = entry_point(notebook)

if __name__ == "__main__":
    main()
