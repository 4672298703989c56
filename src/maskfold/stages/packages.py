"""Generate labelled photos of grocery packages: `maskfold packages products=[35,5] unknown=3`."""

import logging
from pathlib import Path

from omegaconf import DictConfig

from maskfold.config import resolved
from maskfold.entry import entry_point
from maskfold.studio.packages import generate_packages

log = logging.getLogger(__name__)


def packages(config: DictConfig) -> Path:
    """Generate a set of packages, or finish one that was begun; return its folder."""
    arguments = resolved(config)
    made = generate_packages(Path(arguments.pop("root")), **arguments)
    log.info(
        "%s: %d products (%s by month), %d photos of each to learn from and %d to test with; %d unknown products",
        *(made.root, made.known, ", ".join(map(str, made.products)), made.photos, made.test_photos, made.unknown),
    )
    return made.root


main = entry_point(packages)

if __name__ == "__main__":
    main()
