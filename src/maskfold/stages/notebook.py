"""Run the error analysis: `maskfold notebook ensemble=linknet34`; it takes what the report takes."""

import logging
from pathlib import Path

from omegaconf import DictConfig

from maskfold.analysis.gathering import recogniser_folder
from maskfold.analysis.notebook import execute
from maskfold.config import SUBMISSIONS, build, overrides_of, resolved
from maskfold.entry import entry_point
from maskfold.places import NOTEBOOK, RECOGNITION_NOTEBOOK
from maskfold.runs.ensemble_folder import EnsembleFolder

log = logging.getLogger(__name__)


def notebook(config: DictConfig) -> Path:
    """Write the error analysis, executed, into the folder that the report is in; return its path."""
    ensemble = None if config.ensemble is None else resolved(config.ensemble)
    folder, kind = recogniser_folder(ensemble, config.name), RECOGNITION_NOTEBOOK
    if folder is None:
        folder, kind = EnsembleFolder(SUBMISSIONS / build(ensemble).name).path, NOTEBOOK
    path = folder / kind.name
    execute(kind, path, parameters={"REPORT": overrides_of(config)}, folder=Path.cwd())
    log.info("%s", path)
    return path


main = entry_point(notebook)

if __name__ == "__main__":
    main()
