"""A look at every mask of a tiny set of PNG maps."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.analysis.evidence import OpenPass, Split
from maskfold.analysis.inspection import inspect
from maskfold.analysis.location import GRID
from maskfold.ensembling.tree import Leaf, open_members


def box(left: int) -> np.ndarray:
    """8x10 pixels of 20x30."""
    mask = np.zeros((20, 30), np.uint8)
    mask[6:14, left : left + 10] = 1
    return mask


def split(root: Path, *, views: list[str], last_is_empty: bool = False) -> Split:
    """Images in order of their ids, all masked at column 8; the truth of number k is k columns to the right of that."""
    rows = []
    for number, view in enumerate(views):
        image_id, truth = f"i{number:02d}", box(8 + number % 8)
        if last_is_empty and number == len(views) - 1:
            truth[:] = 0
        for folder, image in (("maps", box(8) * 255), ("masks", truth * 255)):
            (root / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(root / folder / f"{image_id}.png"), image)
        rows.append({"image_id": image_id, "view": view, "mask": str(root / "masks" / f"{image_id}.png")})
        rows[-1] |= {"height": 20, "width": 30}
    photos = pd.DataFrame(rows)
    sources = open_members([Leaf("a", Fraction(1), (root / "maps",))], photos, split="oof")
    usual = OpenPass(sources, 128, ())
    repair = OpenPass(sources, 128, (lambda probability, mask: 1 - mask,))
    scores = photos[["image_id"]].assign(repaired=photos["image_id"] == "i01")
    return Split(scores, photos, (), usual, repair)


def test_every_mask_is_looked_at(tmp_path):
    found = inspect(split(tmp_path, views=["01", "02", "01"]))

    # The truth of i02 is 2 columns aside: 2 x 8 pixels missed and as many too much, of 12 x 8. i01 is repaired, which
    # here turns its mask round: 72 of its 80 pixels are missed, and 512 of the 520 others too much.
    assert found.suspicion["image_id"].tolist() == ["i02", "i01", "i00"]
    assert found.suspicion["suspicion"].tolist() == pytest.approx([32 / 96, 16 / 88, 0])
    assert found.distances[:, 0].sum(axis=1).tolist() == [16 + 72, 16 + 512]
    assert found.distances[:, 1].sum() == 3 * 600
    assert list(found.objects) == ["01", "02"]
    assert found.objects["01"].shape == (3, *GRID)
    # Shown are 10 x 12 pixels around 8 x 10; in one of the two images 16 are missed, and in the margin 8 too much.
    assert found.objects["01"].mean(axis=(1, 2)) == pytest.approx([80 / 120, 8 / 120, 4 / 120], abs=0.002)


def test_many_views_are_one_picture_and_empty_masks_none(tmp_path):
    found = inspect(split(tmp_path, views=[f"{view:02d}" for view in range(17)], last_is_empty=True))

    assert list(found.objects) == [""]
    assert found.objects[""][0].mean() == pytest.approx(80 / 120, abs=0.002)
    assert found.suspicion["image_id"][found.suspicion.index[0]] == "i16"
