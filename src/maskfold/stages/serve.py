"""Answer photos over HTTP: `maskfold serve exported=exports/carvana/model.onnx`."""

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from maskfold.config import build
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.maskers import open_masker
from maskfold.prediction.masker import Masker
from maskfold.quality.suited import read_suited
from maskfold.storage import file_here

if TYPE_CHECKING:
    from fastapi import FastAPI

    from maskfold.service.limits import ServiceLimits

log = logging.getLogger(__name__)

TOKEN = "MASKFOLD_TOKEN"  # environment
_REQUESTS = "maskfold.service.requests"


def serve(config: DictConfig) -> None:
    """Serve until SIGTERM or Ctrl+C; return when all that was taken in is answered."""
    try:
        from maskfold.cutout.matting import foreground_estimate
        from maskfold.service.limits import ServiceLimits
        from maskfold.service.server import check_token, run
    except ModuleNotFoundError as error:
        raise MaskfoldError(f"{error.name} is not installed: pip install 'maskfold[service]'") from error

    token = _token(config.token_file)
    check_token(config.host, token)
    limits = ServiceLimits(
        **{key: config[key] for key in ("max_bytes", "max_pixels", "queue", "batch", "timeout", "threads")}
    )
    recipe = None if config.ensemble is None else build(config.ensemble)
    masker = open_masker(exported=config.exported, recipe=recipe, accelerator=config.accelerator)
    foreground_estimate()  # seconds, which the first photo would wait for
    app = _app(config, masker, limits, token)
    _print_requests()
    log.info("%s (%s), the mean of %d", masker.name, masker.identity, len(masker.members))
    run(app, host=config.host, port=config.port, limits=limits)


def _app(config: DictConfig, masker: Masker, limits: "ServiceLimits", token: str | None) -> "FastAPI":
    from maskfold.service.api import create_app
    from maskfold.service.inbox import Inbox
    from maskfold.service.server import hosts_of

    if config.inbox is not None and config.quality is None:
        raise MaskfoldError(f"inbox={config.inbox}: without quality=<quality.json> nothing is known to need a review.")
    quality = None if config.quality is None else read_suited(file_here(config.quality, key="quality"), masker)
    inbox = None if config.inbox is None else Inbox(config.inbox, most=config.inbox_photos, masker=masker)
    if inbox is not None:
        log.info("Photos that go to review are kept in %s, %d at most.", config.inbox, config.inbox_photos)
    return create_app(masker, limits=limits, quality=quality, hosts=hosts_of(config.host), token=token, inbox=inbox)


def _token(path: str | None) -> str | None:
    """Return the token of a file, or of the environment; None where there is none."""
    if path is None:
        return os.environ.get(TOKEN) or None
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no text"
        raise MaskfoldError(f"token_file={path}: cannot be read: {reason}.") from error


def _print_requests() -> None:
    """Print a request's line as it is, with its time: on its way through the console's colours it would cost more."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger = logging.getLogger(_REQUESTS)
    logger.addHandler(handler)
    logger.propagate = False


main = entry_point(serve)

if __name__ == "__main__":
    main()
