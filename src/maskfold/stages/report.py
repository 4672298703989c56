"""Look at an ensemble: `maskfold report ensemble=linknet34` writes one HTML file; `name=`: at a recogniser's member."""

import logging
from pathlib import Path

from omegaconf import DictConfig

from maskfold import files
from maskfold.analysis.gathering import gather, gather_recognised
from maskfold.analysis.recognition_evidence import RecognitionEvidence
from maskfold.config import SUBMISSIONS, resolved
from maskfold.entry import entry_point
from maskfold.runs.ensemble_folder import EnsembleFolder

log = logging.getLogger(__name__)


def report(config: DictConfig) -> Path:
    """Write `report.html` into the folder of an ensemble, or of a recogniser's member; return its path."""
    ensemble = None if config.ensemble is None else resolved(config.ensemble)
    recognised = gather_recognised(ensemble, config.name)
    if recognised is not None:
        return _on_recogniser(recognised, images=config.images)
    from maskfold.analysis.report import compose  # imports matplotlib

    evidence = gather(ensemble)
    path = EnsembleFolder(SUBMISSIONS / evidence.name).report
    files.write_text(path, compose(evidence, images=config.images, jobs=config.jobs))
    log.info("%s", path)
    return path


def _on_recogniser(evidence: RecognitionEvidence, *, images: int) -> Path:
    """Write the report, and the page and the table of labels that look wrong."""
    from maskfold.analysis.labels_page import compose as compose_labels
    from maskfold.analysis.recognition_page import compose

    pages = evidence.pages
    files.write_text(pages.suspects, evidence.suspects.round(6).to_csv(index=False))
    files.write_text(pages.labels, compose_labels(evidence, images=max(images, LABELS)))
    files.write_text(pages.report, compose(evidence, images=images, labels_page=pages.labels.name))
    log.info("%s; %s, %s", pages.report, pages.labels.name, pages.suspects.name)
    return pages.report


LABELS = 40  # photos on the page of labels, at least: it is gone through one by one

main = entry_point(report)

if __name__ == "__main__":
    main()
