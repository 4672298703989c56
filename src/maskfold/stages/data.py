"""Fetch data: a competition, `maskfold data competition=<name>`, or a database, `maskfold data data=catalogue`."""

import logging
from pathlib import Path

from omegaconf import DictConfig

from maskfold.config import build
from maskfold.data.download import download
from maskfold.data.source import Source
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.terminal import RESULT

log = logging.getLogger(__name__)


def data(config: DictConfig) -> Path:
    """Download what is missing of a competition's data, or ask a catalogue's database anew; return the folder."""
    if config.competition:
        root = Path("data") / (config.folder or config.competition)
        new = download(config.competition, config.pieces or (), root)
    else:
        source: Source = build(config.data)
        if news := source.fetch():
            log.info("%s", news, extra=RESULT)
            return source.folder
        if not source.competition:
            raise MaskfoldError(
                f"data.name={source.name}: names no competition, so there is nothing to download. Name one with "
                "competition=<its name in Kaggle's addresses>."
            )
        root = source.root
        new = download(source.competition, config.pieces or source.pieces, root)
    log.info("%s: %s", root, ", ".join(path.name for path in new) or "everything is there")
    if config.competition:
        log.info("%s", _next(root), extra=RESULT)
    return root


def _next(root: Path) -> str:
    """Say how to go on with what has been unpacked."""
    sample = next((path for path in sorted(root.glob("*sample*.csv*"))), "...")
    train = next((path for path in sorted(root.glob("train*.csv*"))), "...")
    return f"next: make join SAMPLE={sample} TRAIN={train} IMAGES=... MASKS=..."


main = entry_point(data)

if __name__ == "__main__":
    main()
