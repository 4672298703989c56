"""Look at an ensemble: `maskfold report ensemble=linknet34` writes one HTML file."""

import logging
from pathlib import Path

from omegaconf import DictConfig

from maskfold import files
from maskfold.analysis.gathering import gather
from maskfold.config import SUBMISSIONS, resolved
from maskfold.entry import entry_point
from maskfold.runs.ensemble_folder import EnsembleFolder

log = logging.getLogger(__name__)


def report(config: DictConfig) -> Path:
    """Write `submissions/<ensemble>/report.html`; return its path."""
    from maskfold.analysis.report import compose  # imports matplotlib

    evidence = gather(resolved(config.ensemble))
    path = EnsembleFolder(SUBMISSIONS / evidence.name).report
    files.write_text(path, compose(evidence, images=config.images, jobs=config.jobs))
    log.info("%s", path)
    return path


main = entry_point(report)

if __name__ == "__main__":
    main()
