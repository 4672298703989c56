"""Findings about sizes and files that cannot be used: what the loader says of a row, and photos unlike the rest."""

import numpy as np
import pandas as pd

from maskfold.cleaning.kinds import SIZE, UNUSABLE, decision_lines, findings_of
from maskfold.data.annotations import DROP
from maskfold.data.table import SCALED, STRETCHED, problem_of

_LEAST = 64  # pixels of a photo's shorter side
_TINY = 1 / 4  # of the shorter side in the set's median
_ODD = 2  # times the longer side over the shorter one in the set's median
_ADVICE = {
    SCALED: "Masks of their photo's shape are taken, resized, with `data.resize_masks=true`.",
    STRETCHED: "Give it the mask of its own size; until then `data.on_error=skip` leaves the photo out.",
}


def unusable(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a finding for each row that no stage can read, with the loader's words.

    Args:
        rows: See `maskfold.data.table.examine`.
    """
    refused = rows[~rows["problem"].isin(["", SCALED, STRETCHED])].assign(score=np.nan)
    advice = "Mend or remove the file, or leave the photo out with `data.on_error=skip`."
    return findings_of(UNUSABLE, refused[["image_id", "score"]], advice=advice, finding=_problems(refused))


def sizes(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a finding for each mask of another size, each tiny photo, and each of another shape than the rest."""
    other = rows[rows["problem"].isin([SCALED, STRETCHED])]
    relative = other[["mask_width", "width"]].min(axis=1) / other[["mask_width", "width"]].max(axis=1)
    other = other.assign(score=relative)
    masks = [
        findings_of(SIZE, some[["image_id", "score"]], advice=_ADVICE[problem], finding=_problems(some))
        for problem in (STRETCHED, SCALED)
        for some in [other[other["problem"] == problem]]
    ]
    return pd.concat([*masks, _unlike_the_rest(rows[(rows["height"] > 0) & (rows["width"] > 0)])], ignore_index=True)


def _unlike_the_rest(rows: pd.DataFrame) -> pd.DataFrame:
    """Return findings about photos that are tiny or of an odd shape."""
    shorter, longer = rows[["height", "width"]].min(axis=1), rows[["height", "width"]].max(axis=1)
    shape = longer / shorter
    tiny, odd = (shorter < _LEAST) | (shorter < _TINY * shorter.median()), shape > _ODD * shape.median()
    score = (shorter / shorter.median()).where(tiny, shape.median() / shape)
    size = rows["width"].astype("str") + "x" + rows["height"].astype("str") + " pixels: "
    finding = size + np.where(tiny, "tiny beside the others", "another shape than the others have")
    unusual = rows.assign(score=score, finding=finding)[tiny | odd]
    lines = pd.Series(decision_lines(unusual["image_id"], DROP), index=unusual.index, dtype="str")
    unusual["decision"] = lines.where(unusual["split"] == "train", "")  # a submission needs a test photo's row
    advice = "Keep it if photos that will be predicted are like it; or drop it."
    return findings_of(SIZE, unusual[["image_id", "score", "decision"]], advice=advice, finding=unusual["finding"])


def _problems(rows: pd.DataFrame) -> pd.Series:
    return pd.Series([problem_of(row) for _, row in rows.iterrows()], index=rows.index, dtype="str")
