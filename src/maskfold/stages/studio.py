"""Generate a labelled studio set: `maskfold studio cars=24 height=640 width=960`."""

import logging
from pathlib import Path

from omegaconf import DictConfig

from maskfold.config import resolved
from maskfold.entry import entry_point
from maskfold.studio import generate

log = logging.getLogger(__name__)


def studio(config: DictConfig) -> Path:
    """Generate a studio set, or finish one that was begun; return its folder."""
    arguments = resolved(config)
    root = Path(arguments.pop("root"))
    generate(root, **arguments)
    log.info("%s: %d cars with masks, %d without, 16 views each", root, config.cars, config.test_cars)
    return root


main = entry_point(studio)

if __name__ == "__main__":
    main()
