"""Remove the background of every photo: `maskfold cutout source=photos target=cutouts ensemble=linknet34`."""

import csv
import io
import logging
from contextlib import nullcontext
from pathlib import Path, PurePath

from omegaconf import DictConfig

from maskfold.config import build, resolved
from maskfold.cutout.batch import Batch, Cutting
from maskfold.cutout.deciding import REJECTED
from maskfold.cutout.options import CutoutOptions
from maskfold.cutout.sheet import PAGE, sheet
from maskfold.cutout_card import batch_card
from maskfold.entry import entry_point
from maskfold.errors import MaskfoldError, listing
from maskfold.files import locked
from maskfold.judged_cutouts import FolderJudge, FolderReviews, write_batch_routes
from maskfold.maskers import open_masker
from maskfold.runs.provenance import write_provenance
from maskfold.storage import FolderStorage, Storage, is_address, open_storage
from maskfold.terminal import RESULT, counted

log = logging.getLogger(__name__)

FAILURES = "failures.csv"
_OPTIONS = CutoutOptions.__dataclass_fields__


def cutout(config: DictConfig) -> Batch:
    """Cut out every photo that is not cut out yet; return what there is then.

    Raises:
        MaskfoldError: If the keys contradict each other; at the end, if photos have failed.
    """
    keys = resolved(config)
    options = CutoutOptions(**{key: value for key, value in keys.items() if key in _OPTIONS})
    refuse_inside(config.source, config.target)
    if config.hold and not config.quality:
        raise MaskfoldError("hold=true holds what a quality.json does not ship: give quality=<quality.json> too.")
    source, target = open_storage(config.source), open_storage(config.target)
    model = {"exported": config.exported, "recipe": None if config.ensemble is None else build(config.ensemble)}
    masker = open_masker(**model, accelerator=config.accelerator)
    beside = {"source": source, "target": target, "masker": masker, "hold": config.hold}
    judge = FolderJudge(config.quality, **beside) if config.quality else None
    reviews = FolderReviews(target.folder) if isinstance(target, FolderStorage) else None
    more = {key: keys[key] for key in ("replace_suffix", "max_pixels", "jobs")}
    with locked(target.folder) if isinstance(target, FolderStorage) else nullcontext():
        batch = Cutting(source, target, masker, options, judge=judge, reviews=reviews, **more).run()
        target.write(FAILURES, failures_table(batch.failures))
        if judge:
            write_batch_routes(target, batch.entries)
        target.write(PAGE, sheet(batch, source, target).encode())
        name = PurePath(target.text).name
        write_provenance(target, batch_card(batch.entries, name=name, options=options, masker=masker, **model))
    log.info("%s: %s", target.text, _said(batch), extra=RESULT)
    _refuse_failures(batch, target)
    return batch


def refuse_inside(source: str, target: str) -> None:
    """Refuse to write cut-outs among the photos, where the next run would cut them out too."""
    inside = f"{target}/".startswith(f"{source.rstrip('/')}/")
    if not is_address(source) and not is_address(target):
        inside = Path(target).resolve().is_relative_to(Path(source).resolve())
    if inside:
        raise MaskfoldError(f"target={target} is inside source={source}: give a folder outside of it.")


def failures_table(failures: dict[str, str]) -> bytes:
    """Return the reasons by photo as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("photo", "reason"), *failures.items()])
    return text.getvalue().encode(errors="backslashreplace")


def _said(batch: Batch) -> str:
    rejected = sum(reason == REJECTED for reason in batch.held.values())
    parts = [f"{counted(batch.made, 'cut-out')} made", f"{batch.kept:,} kept"]
    parts += [f"{len(batch.held) - rejected:,} held for review"] * (len(batch.held) > rejected)
    parts += [f"{rejected:,} rejected in review"] * (rejected > 0)
    return f"{', '.join(parts)}, {len(batch.failures):,} failed: look at {PAGE}"


def _refuse_failures(batch: Batch, target: Storage) -> None:
    if batch.failures:
        reasons = [f"{photo!a}: {reason}" for photo, reason in batch.failures.items()]
        raise MaskfoldError(
            f"{counted(len(reasons), 'photo')} could not be cut out; all others are. {target.text}/{FAILURES} has "
            f"them:\n{listing(reasons)}"
        )


main = entry_point(cutout)

if __name__ == "__main__":
    main()
