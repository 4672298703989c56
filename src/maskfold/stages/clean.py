"""Look for what is wrong with photos and masks: `maskfold clean data=carvana` writes a table and a page of findings."""

import logging
from pathlib import Path

from omegaconf import DictConfig

from maskfold import files
from maskfold.cleaning.findings import inspect_source
from maskfold.cleaning.label_findings import label_counts
from maskfold.config import build
from maskfold.data.annotations import DECISIONS
from maskfold.data.task import RECOGNITION
from maskfold.entry import entry_point

log = logging.getLogger(__name__)

TABLE, PAGE, CLASSES = "findings.csv", "findings.html", "classes.csv"


def clean(config: DictConfig) -> Path:
    """Write `data/<name>/findings.csv` and `findings.html`; return the path of the page."""
    from maskfold.analysis.cleaning_page import compose  # imports matplotlib

    source = build(config.data)
    inspected = inspect_source(source, jobs=config.jobs)
    path = source.folder / PAGE
    page = compose(source, inspected, images=config.images)
    files.write_text(source.folder / TABLE, inspected.findings.to_csv(index=False, lineterminator="\n"))
    files.write_text(path, page)
    if source.task == RECOGNITION:
        counts = label_counts(inspected.rows).to_csv(index=False, lineterminator="\n")
        files.write_text(source.folder / CLASSES, counts)
    counts = inspected.findings.loc[inspected.findings["settled"] == "", "kind"].value_counts(sort=False)
    lines = [f"  {count:,} {kind}" for kind, count in counts.items()]
    decide = f"Decide in {source.folder / DECISIONS}: the page collects its rows."
    log.info("\n".join([f"{path}", *(lines or ["  nothing to look at"]), decide]))
    return path


main = entry_point(clean)

if __name__ == "__main__":
    main()
