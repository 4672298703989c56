"""Download and unpack a competition's data: `maskfold data data=carvana`."""

import logging
from pathlib import Path

from omegaconf import DictConfig

from maskfold.config import build
from maskfold.data.download import download
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError

log = logging.getLogger(__name__)

DOWNLOADABLE = "carvana"


def data(config: DictConfig) -> Path:
    """Download what is missing of the challenge's data; return its folder."""
    name = config.data.name
    if name != DOWNLOADABLE:
        raise MaskfoldError(f"data.name={name or 'null'}: only {DOWNLOADABLE} can be downloaded")
    source = build(config.data)
    new = download(config.competition, config.pieces, source.root)
    log.info("%s: %s", source.root, ", ".join(path.name for path in new) or "everything is there")
    return source.root


main = entry_point(data)

if __name__ == "__main__":
    main()
