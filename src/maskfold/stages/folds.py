"""Write the split of a data set: `maskfold folds data=carvana`."""

import logging
from pathlib import Path

from omegaconf import DictConfig

from maskfold.config import build
from maskfold.data.folds import split_path, write_folds
from maskfold.entry import entry_point

log = logging.getLogger(__name__)


def folds(config: DictConfig) -> Path:
    """Assign every training image of a source to a fold; return the path of the split."""
    source = build(config.data)
    assigned = build(config.folds)(source.load())
    path = split_path(source)
    write_folds(path, assigned, overwrite=config.overwrite)
    sizes = assigned.groupby("fold").agg(images=("image_id", "size"), groups=("group", "nunique"))
    log.info("%s\n%s", path, sizes.to_string())
    return path


main = entry_point(folds)

if __name__ == "__main__":
    main()
