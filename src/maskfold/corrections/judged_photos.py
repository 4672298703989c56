"""Photos that the judge set has too: of its groups, or near-copies of its own."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from maskfold.corrections.near_copies import near_copies
from maskfold.data.headers import image_size
from maskfold.data.source import Source
from maskfold.errors import MaskfoldError

_DIGITS = 32  # of the image table


class Candidate(NamedTuple):
    """A photo that is compared with the judge set.

    Attributes:
        content: 64 digits of the SHA-256 of its bytes.
        photo: Its file; None where it would have to be fetched, of which near-copies are not looked for.
        group: Its group, None where nobody knows it.
    """

    content: str
    photo: Path | None
    group: str | None


class JudgeOverlap(NamedTuple):
    """What has come of a comparison.

    Attributes:
        judged: Why a photo must not be learned from, by its content.
        unreadable: Why a photo could not be compared, by its content.
    """

    judged: dict[str, str]
    unreadable: dict[str, str]


def compare_with_judge(candidates: Iterable[Candidate], judge: Source, *, jobs: int) -> JudgeOverlap:
    """Look which photos the judge set has too.

    Args:
        candidates: One of each content.
        judge: The judge set, whose folder keeps what was seen of photos, so that none is looked at twice.
        jobs: Processes; -1 is one per core.

    Raises:
        MaskfoldError: If the judge set cannot be used.
    """
    photos = judge.load(needs_masks=False, jobs=jobs)
    groups, hashes = {*photos["group"]}, {*photos.get("image_hash", ())}
    compared, table = JudgeOverlap({}, {}), []
    for one in candidates:
        if one.group in groups:
            compared.judged[one.content] = f"of group {one.group}, which the judge set has"
            continue
        if one.photo is None:
            if one.content[:_DIGITS] in hashes:
                compared.judged[one.content] = "a photo of the judge set, byte for byte"
            continue
        try:
            height, width = image_size(one.photo)
        except MaskfoldError as error:
            compared.unreadable[one.content] = f"{error}"
            continue
        row = {"image_id": one.content, "image": str(one.photo), "image_hash": one.content[:_DIGITS]}
        table.append(row | {"height": height, "width": width})
    if table:
        twins = near_copies(judge, photos, pd.DataFrame(table), jobs=jobs).drop_duplicates("other")
        compared.judged.update(
            (twin.other, f"a near-copy of {twin.judge}, which the judge set has") for twin in twins.itertuples()
        )
    return compared
