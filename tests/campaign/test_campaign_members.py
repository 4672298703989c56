"""A campaign does not go on with maps that were predicted otherwise than it would predict them."""

from pathlib import Path

import pandas as pd
import pytest

from maskfold.campaign.members import Member
from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ProbabilityStore

TILE = {"_target_": "maskfold.data.geometry.Tile", "height": 512, "width": 512, "overlap": 128}


@pytest.mark.hostile("stale maps")
@pytest.mark.parametrize(
    ("origin", "asked", "message"),
    [
        ({"tta": "d4"}, {}, "predicted with tta=d4, and the others would be with tta=none"),
        ({"tta": "none", "geometry": {"height": 1024}}, {}, r"predicted with geometry=\{'height': 1024\}, .* with"),
        ({"tta": "none"}, {"overlap": 256}, r"geometry=\{\}, and the others would be with geometry=\{'overlap': 256\}"),
        ({"tta": "none", "geometry": {"overlap": 256}}, {"overlap": 256, "height": 512}, None),  # as in training
        ({"tta": "none"}, {"overlap": 128, "width": None}, None),
    ],
)
def test_maps_of_other_views_or_windows_are_refused(origin, asked, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = {"tta": "none", "geometry": TILE}
    table = pd.DataFrame({"image_id": [], "image": []})
    member = Member("one", (0,), config, (), 1, {}, [], table)
    store = Path("experiments/one/fold0/predictions/oof")
    ProbabilityStore(store).claim({"data": "d", "checkpoint": "c"} | origin)

    if message is None:
        member.refuse_other_maps(None, asked)
    else:
        with pytest.raises(MaskfoldError, match=message):
            member.refuse_other_maps(None, asked)
