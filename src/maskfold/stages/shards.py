"""Write labelled photos as shards, a folder a month: `maskfold shards data=label_table data.root=/photos`."""

import logging
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from omegaconf import DictConfig

from maskfold.config import build
from maskfold.data.source import Source
from maskfold.data.task import RECOGNITION
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError
from maskfold.files import locked
from maskfold.shards.source import ShardedPhotos
from maskfold.shards.writing import Written, write_shards
from maskfold.storage import is_address
from maskfold.terminal import RESULT, counted, readable, show_table

log = logging.getLogger(__name__)

_STATES = {"kept": "as it was", "written": "written", "table": "its table written, the photos as they were"}


def shards(config: DictConfig) -> list[Written]:
    """Write the photos of a data set as shards, and return what has become of each month."""
    source: Source = build(config.data)
    if source.task != RECOGNITION or isinstance(source, ShardedPhotos):
        what = "is in shards already" if isinstance(source, ShardedPhotos) else "has masks, which are not put in shards"
        raise MaskfoldError(
            f"data {source.name} {what}: choose data with a label for each photo, data=label_table, data=class_folders "
            "or another."
        )
    root = config.to or f"shards/{source.name}"
    table = source.as_found(jobs=config.jobs)
    how = {"chunk_bytes": config.chunk_mb * 10**6, "months": config.months, "jobs": config.jobs}
    with _held(root):
        months = write_shards(table, root, **how)
    rows = [
        [one.month, f"{one.photos:,}", readable(one.bytes), f"{one.chunks:,}", _STATES[one.state]] for one in months
    ]
    show_table(["month", "photos", "size", "chunks", "state"], rows)
    photos = counted(sum(one.photos for one in months), "photo")
    log.info("%s: %s in shards; train on them with data=shards data.root=%s", root, photos, root, extra=RESULT)
    return months


def _held(root: str) -> AbstractContextManager[None]:
    """Keep other writers out of a folder; at an address each file is whole, whoever has written it."""
    return nullcontext() if is_address(root) else locked(Path(root))


main = entry_point(shards)

if __name__ == "__main__":
    main()
