"""Bring an exported model to an address: `maskfold publish exported=exports/shop to=s3://shop/models`."""

import logging

from omegaconf import DictConfig

from maskfold.entry import entry_point
from maskfold.publishing.publisher import Publication, publish_model
from maskfold.storage.published import MANIFEST
from maskfold.terminal import RESULT, counted, readable

log = logging.getLogger(__name__)


def publish(config: DictConfig) -> Publication:
    """Write a version of the model, its manifest last; return what was done."""
    done = publish_model(config.exported, config.to, name=config.name, version=config.version)
    size = sum(one.size for one in done.manifest.files.values())
    kept = len(done.manifest.files) - len(done.sent)
    log.info(
        "%s: %s, %s, %d of them there already; %s lists them",
        done.address,
        counted(len(done.manifest.files), "file"),
        readable(size),
        kept,
        MANIFEST,
    )
    log.info("exported=%s is this version; exported=%s the latest", done.address, _above(done.address), extra=RESULT)
    return done


def _above(address: str) -> str:
    return address.rpartition("/")[0]


main = entry_point(publish)

if __name__ == "__main__":
    main()
