"""Correct masks in the browser, the worst first: `maskfold review routes=routes.parquet`."""

import getpass
import logging

from omegaconf import DictConfig

from maskfold import files
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.review.desk import ReviewDesk
from maskfold.storage import file_here
from maskfold.terminal import counted

log = logging.getLogger(__name__)


def review(config: DictConfig) -> None:
    """Serve the screen until it is stopped; the folder is this process's alone meanwhile."""
    try:
        from maskfold.review.server import create_app, serve
    except ImportError as error:
        raise MaskfoldError(f"review needs {error.name}: pip install 'maskfold[review]'.") from error

    desk = ReviewDesk(
        file_here(config.routes, key="routes"),
        reviewer=config.reviewer or getpass.getuser(),
        show=config.show,
        order=config.order,
        threshold=config.threshold,
    )
    log.info("%s: %s, %d done", config.routes, counted(len(desk), "photo"), desk.done)
    with files.locked(desk.reviews.folder):
        serve(create_app(desk), host=config.host, port=config.port)
    log.info("%s: %d of %d done", desk.reviews.folder, desk.done, len(desk))


main = entry_point(review)

if __name__ == "__main__":
    main()
