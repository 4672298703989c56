"""What a submission is worth where the truth is known after all."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from maskfold.data.loading import SUFFIXES, read_mask
from maskfold.errors import MaskfoldError, listing
from maskfold.masks.rle import decode
from maskfold.masks.scores import dice_score, iou_score
from maskfold.parallel import map_unordered
from maskfold.submission.writer import read_submission


def score_submission(submission: Path, truth: Path, *, jobs: int = 1) -> pd.DataFrame:
    """Score a submission against masks.

    Args:
        submission: `img,rle_mask`, plain or gzip-compressed.
        truth: A folder with a mask for every image of the submission and no other, named as the image is, with or
            without `_mask` at its end.
        jobs: Processes; -1 is one per core, which pays from thousands of images on.

    Returns:
        A row an image in the submission's order: `image_id`, `dice` and `iou`.

    Raises:
        MaskfoldError: If a file cannot be read, an image is there twice or in only one of the two, or a row does not
            fit its mask's size.
    """
    masks = _masks(truth)
    ids = [Path(name).stem for name, _ in read_submission(submission)]
    for wrong, what in (
        ([image_id for image_id, times in Counter(ids).items() if times > 1], "there twice"),
        (sorted(set(ids) - masks.keys()), f"without a mask in {truth}"),
        (sorted(masks.keys() - set(ids)), f"missing, but have a mask in {truth}"),
    ):
        if wrong:
            raise MaskfoldError(f"{submission}: {len(wrong)} images are {what}:\n{listing(wrong)}")
    rows = (
        (image_id, rle, masks[image_id]) for image_id, (_, rle) in zip(ids, read_submission(submission), strict=True)
    )
    scores = dict(map_unordered(_score, rows, "score", total=len(ids), jobs=jobs))
    return pd.DataFrame([(image_id, *scores[image_id]) for image_id in ids], columns=["image_id", "dice", "iou"])


def _masks(folder: Path) -> dict[str, Path]:
    """Return `image_id -> file` of a folder's masks."""
    if not folder.is_dir():
        raise MaskfoldError(f"{folder}: no such folder of true masks. Name it with truth=<folder>.")
    files = (path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES)
    return {path.stem.removesuffix("_mask"): path for path in files}


def _score(row: tuple[str, str, Path]) -> tuple[str, tuple[float, float]]:
    image_id, rle, path = row
    truth = read_mask(path)
    try:
        prediction = decode(rle, *truth.shape)
    except MaskfoldError as error:
        raise MaskfoldError(f"{image_id}: {error}") from error
    counts = [np.float64(np.count_nonzero(part)) for part in (prediction & truth, prediction, truth)]
    return image_id, (float(dice_score(*counts)), float(iou_score(*counts)))
