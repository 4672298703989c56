"""What goes to review is kept with its maps, as the screen that corrects them reads it."""

import logging
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from maskfold.data.loading import content_hash, read_image
from maskfold.errors import MaskfoldError
from maskfold.quality.routes import mean_map, proposals, read_routes
from maskfold.service.inbox import Inbox
from red_masker import photo_of


class HalfSure:
    """Sends what has less than a half of object to review, and all else to the shop."""

    wants_members, wants_mirrored, cut = False, True, 128

    def assess(self, measures):
        route = "review" if measures["area"] < 0.5 else "ship"
        return SimpleNamespace(score=measures["area"], iou=0.9, route=route, reason=f"area {measures['area']:.3f}")


def of_area(rows: int) -> bytes:
    """A photo of 10x10 whose first rows are object."""
    red = np.zeros((10, 10), np.uint8)
    red[:rows] = 200
    return photo_of(red)


@pytest.fixture
def opened(serve, masker, tmp_path):
    def begin(most: int = 10):
        return serve(quality=HalfSure(), inbox=Inbox(str(tmp_path / "inbox"), most=most, masker=masker))

    return begin


def test_a_photo_for_review_is_kept_whatever_it_was_sent_for(opened, tmp_path, masker, caplog):
    caplog.set_level(logging.INFO)
    client = opened()
    for address in ("/mask", "/mask", "/quality"):
        client.post(address, content=of_area(8))
    answer = client.post("/mask", content=of_area(3))
    client.post("/quality", files={"file": of_area(3)})  # the same photo once more

    assert answer.headers["x-maskfold-route"] == "review"
    assert answer.headers["x-maskfold-score"] == "0.3000"
    (row,) = read_routes(tmp_path / "inbox" / "routes.parquet").itertuples()
    assert (row.route, row.score, row.iou, row.reason, row.model) == ("review", 0.3, 0.9, "area 0.300", masker.identity)
    kept = tmp_path / "inbox" / row.photo
    assert kept.read_bytes() == of_area(3)
    assert row.photo_hash == content_hash(kept)
    assert read_image(kept).shape == (10, 10, 3)
    shown = proposals(row, tmp_path / "inbox")
    assert {name: int(one[0, 0]) for name, one in shown.items()} == {"mean": 200, "low": 100, "high": 200}
    assert mean_map(row, tmp_path / "inbox")[0, 0] == 200  # the members are shown, and do not count
    lines = [record.getMessage() for record in caplog.records if record.name.endswith("requests")]
    assert [line.rpartition(" ")[2] for line in lines] == ["ship"] * 3 + ["review"] * 2
    counters = client.get("/metrics").text
    assert 'maskfold_routes_total{route="ship"} 3.0' in counters
    assert 'maskfold_inbox_total{outcome="kept"} 2.0' in counters


def test_a_service_that_begins_again_goes_on_with_its_inbox(opened, tmp_path):
    opened().post("/mask", content=of_area(1))
    again = opened()
    for rows in (1, 2):
        again.post("/mask", content=of_area(rows))

    assert len(read_routes(tmp_path / "inbox" / "routes.parquet")) == 2


@pytest.mark.hostile("full or read-only disk")
def test_a_full_inbox_takes_nothing_more_and_the_answers_go_on(opened, tmp_path, caplog):
    client = opened(most=1)
    codes = [client.post("/mask", content=of_area(rows)).status_code for rows in (1, 2, 3)]

    assert codes == [200] * 3
    assert len(pd.read_parquet(tmp_path / "inbox" / "routes.parquet")) == 1
    assert len([*(tmp_path / "inbox" / "photos").iterdir()]) == 1
    assert caplog.text.count("1 photos wait for review, which is all that it takes") == 1
    assert 'maskfold_inbox_total{outcome="dropped"} 2.0' in client.get("/metrics").text


@pytest.mark.hostile("full or read-only disk")
def test_an_inbox_that_cannot_be_written_is_said_and_the_answers_go_on(opened, tmp_path, caplog):
    client = opened()
    (tmp_path / "inbox").write_text("a file where the folder should be")

    assert client.post("/mask", content=of_area(1)).status_code == 200
    assert "A photo for review could not be kept" in caplog.text
    assert 'maskfold_inbox_total{outcome="failed"} 1.0' in client.get("/metrics").text


@pytest.mark.hostile("foreign files")
def test_an_inbox_that_is_none_is_refused_at_the_start(tmp_path, masker):
    pd.DataFrame({"image_id": ["a"]}).to_parquet(tmp_path / "routes.parquet")

    with pytest.raises(MaskfoldError, match=r"routes\.parquet: no table of routes"):
        Inbox(str(tmp_path), most=1, masker=masker)
