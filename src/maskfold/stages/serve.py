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
from maskfold.recognition.settings import recognises
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
        from maskfold.service.limits import ServiceLimits
        from maskfold.service.server import check_token, run
    except ModuleNotFoundError as error:
        raise MaskfoldError(f"{error.name} is not installed: pip install 'maskfold[service]'") from error

    token = _token(config.token_file)
    check_token(config.host, token)
    limits = ServiceLimits(
        **{key: config[key] for key in ("max_bytes", "max_pixels", "queue", "batch", "timeout", "threads")}
    )
    app = _counter(config, limits, token) if recognises(config.exported) else _masks(config, limits, token)
    _print_requests()
    run(app, host=config.host, port=config.port, limits=limits)


def _counter(config: DictConfig, limits: "ServiceLimits", token: str | None) -> "FastAPI":
    """Return the service of a recogniser."""
    from maskfold.recognition.recognizer import open_recognizer
    from maskfold.service.counter import create_counter
    from maskfold.service.server import hosts_of
    from maskfold.service.taps import Taps

    if config.quality is not None or config.ensemble is not None:
        raise MaskfoldError(
            f"exported={config.exported}: a recogniser answers by itself; quality= and ensemble= are of masks."
        )
    products = None if config.products is None else file_here(config.products, key="products")
    recognizer = open_recognizer(config.exported, accelerator=config.accelerator, products=products)
    taps = None
    if config.inbox is not None:
        taps = Taps(config.inbox, most=config.inbox_photos, model=recognizer.identity)
        log.info("What clerks tap is kept in %s, %d photos at most.", config.inbox, config.inbox_photos)
    log.info("%s (%s), %d products", recognizer.name, recognizer.identity, len(recognizer.labels))
    if unknown := recognizer.settings.missing:
        log.warning("%s: not known of this model, so nothing is told by it: %s.", recognizer.name, ", ".join(unknown))
    return create_counter(recognizer, limits=limits, hosts=hosts_of(config.host), token=token, taps=taps)


def _masks(config: DictConfig, limits: "ServiceLimits", token: str | None) -> "FastAPI":
    """Return the service of networks that mask photos."""
    from maskfold.cutout.matting import foreground_estimate

    if config.products is not None:
        raise MaskfoldError(f"products={config.products}: weights of products are of no use to a model of masks.")
    recipe = None if config.ensemble is None else build(config.ensemble)
    masker = open_masker(exported=config.exported, recipe=recipe, accelerator=config.accelerator)
    foreground_estimate()  # seconds, which the first photo would wait for
    log.info("%s (%s), the mean of %d", masker.name, masker.identity, len(masker.members))
    return _app(config, masker, limits, token)


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
