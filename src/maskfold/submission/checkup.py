"""Which submission is expected: the ids and sizes of its own data, unless they are said; and what is wrong with it."""

from pathlib import Path
from typing import Any

import pandas as pd

from maskfold import files
from maskfold.config import build
from maskfold.errors import MaskfoldError
from maskfold.prediction.splits import photos_of
from maskfold.runs.contents import refuse_other_contents
from maskfold.runs.ensemble_folder import result_of
from maskfold.submission.doctor import Report, examine
from maskfold.trust import vetted


def check_up(
    submission: Path,
    *,
    data: dict[str, Any] | None = None,
    sample: str | Path | None = None,
    height: int | None = None,
    width: int | None = None,
) -> Report:
    """Return what is wrong with a submission.

    Args:
        submission: The file.
        data: The source of the photos that it is of; None for what the manifest beside it names.
        sample: A submission with the names that are expected; None for that of the data, if there is one.
        height: Of all photos, pixels; with `width` the data is not looked at.
        width: Likewise.

    Raises:
        MaskfoldError: If nobody says what it is of, only one of `height` and `width` is given, or photos have been
            replaced since it was made.
    """
    if bool(height) != bool(width):
        raise MaskfoldError("Give both height= and width=, or neither to look the sizes up in the data.")
    own_sample = None if sample is None else Path(sample)
    if height and width:
        return examine(submission, own_sample, sizes=(height, width))
    source = build(data_of_submission(submission) if data is None else data)
    table = source.load()
    if data is None:
        _refuse_replaced(submission, table)
    default = source.root / "sample_submission.csv"
    sizes = {row.image_id: (row.height, row.width) for row in table.itertuples()}
    return examine(submission, own_sample or (default if default.exists() else None), sizes=sizes)


def _refuse_replaced(submission: Path, table: pd.DataFrame) -> None:
    """Refuse a submission whose masks are of other files than the photos are now."""
    path = result_of(submission).manifest
    manifest = files.read_json(path)
    if "contents" in manifest:
        again = f"`make ensemble ENS={manifest['ensemble']['name']}`"
        refuse_other_contents(manifest, photos_of(table, manifest["split"]), where=path, again=again)


def data_of_submission(submission: Path) -> dict[str, Any]:
    """Return the data that the manifest beside a submission names.

    Raises:
        MaskfoldError: If there is no manifest, or it names none.
    """
    manifest = result_of(submission).manifest
    if not manifest.exists():
        raise MaskfoldError(
            f"{manifest}: missing, so say what {submission} is of: data=carvana, or height= and width=."
        )
    source = files.read_json(manifest).get("source")
    if source is None:
        raise MaskfoldError(f"{manifest}: does not name its data, so say what {submission} is of: data=carvana.")
    return vetted(source, "data", manifest)
