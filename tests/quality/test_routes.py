"""routes.parquet: what is written is read, what is wrong is named, and maps come back as they were."""

import json
from fractions import Fraction

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ProbabilityStore
from maskfold.quality.routes import (
    COLUMNS,
    ROUTES,
    append_routes,
    maps_text,
    mean_map,
    parse_maps,
    proposals,
    read_routes,
    write_routes,
)


def row(image_id="a", **changes):
    """Return a good row, with changes."""
    maps = maps_text([("one", f"maps/one/{image_id}.b2nd", 1), ("two", f"maps/two/{image_id}.b2nd", 3)])
    good = {"image_id": image_id, "photo": f"{image_id}.jpg", "photo_hash": None, "maps": maps, "score": 0.5}
    good |= {"iou": float("nan"), "cluster": None, "group": "g", "route": "review", "reason": "below the threshold"}
    return good | {"model": "0123456789abcdef", "made": "2026-11-22T00:00:00+00:00", "measure.area": 0.25} | changes


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a photo and two maps of two pixels."""
    (tmp_path / "a.jpg").write_bytes(b"photo")
    ProbabilityStore(tmp_path / "maps" / "one").write("a", np.array([[0, 100]], np.uint8))
    ProbabilityStore(tmp_path / "maps" / "two").write("a", np.array([[200, 102]], np.uint8))
    return tmp_path


def table(*rows):
    return pd.DataFrame([*rows])


def test_what_is_written_is_read(folder):
    write_routes(folder / ROUTES, table(row()))

    read = read_routes(folder / ROUTES)

    assert [*read.columns] == [*COLUMNS, "measure.area"]
    one = read.iloc[0]
    assert (one["image_id"], one["route"], one["measure.area"]) == ("a", "review", 0.25)
    assert pd.isna(one["cluster"])
    assert np.isnan(one["iou"])


def test_maps_come_back_by_name_and_as_their_weighted_mean(folder):
    write_routes(folder / ROUTES, table(row()))
    (one,) = read_routes(folder / ROUTES).itertuples()

    maps = proposals(one, folder)

    assert {name: values.tolist() for name, values in maps.items()} == {"one": [[0, 100]], "two": [[200, 102]]}
    # (0 + 3 * 200) / 4 = 150; (100 + 3 * 102) / 4 = 101.5, rounded up
    assert mean_map(one, folder).tolist() == [[150, 102]]


def test_shares_stand_as_whole_numbers_and_one_of_0_is_shown_without_counting():
    assert json.loads(maps_text([("a", "a.png", Fraction(1, 6)), ("b", "b.png", Fraction(1, 3))]))[1]["weight"] == 2
    assert [one.weight for one in parse_maps(maps_text([("a", "a.png", 1), ("b", "b.png", 0)]))] == [1, 0]


def test_rows_are_added_and_a_photo_keeps_its_newest(folder):
    append_routes(folder / ROUTES, table(row("a"), row("b")))
    append_routes(folder / ROUTES, table(row("a", route="ship")))

    read = read_routes(folder / ROUTES, look_for_files=False)

    assert dict(zip(read["image_id"], read["route"], strict=True)) == {"b": "review", "a": "ship"}


@pytest.mark.hostile("names and paths")
def test_files_that_are_not_there_are_named_and_addresses_are_left_alone(folder):
    write_routes(folder / ROUTES, table(row("a"), row("b", photo="s3://bucket/b.jpg")))

    with pytest.raises(MaskfoldError, match=r"2 files.*\n.*b: maps/one/b.b2nd"):
        read_routes(folder / ROUTES)


def bad_rows():
    """Return changes that make a row wrong, each with what the message says."""
    one = {"name": "one", "path": "x.b2nd", "weight": 1}
    return [
        ({"image_id": "../../etc/passwd"}, "inside its folder"),
        ({"image_id": "/etc/passwd"}, "inside its folder"),
        ({"image_id": "a\nb"}, "line breaks"),
        ({"route": "Ship"}, "'Ship', which is none of ship, review, reject"),
        ({"photo": None}, "photo is no text"),
        ({"maps": "{}"}, "no JSON list"),
        ({"maps": "[" * 100_000}, "nested"),
        ({"maps": json.dumps([one, one])}, "two maps of one name"),
        ({"maps": json.dumps([one | {"weight": -1}])}, "weight -1"),
        ({"maps": json.dumps([one | {"weight": float("nan")}])}, "weight nan"),
        ({"maps": json.dumps([one | {"weight": True}])}, "weight True"),
        ({"maps": json.dumps([one | {"weight": 0}])}, "all weights are 0"),
        ({"maps": json.dumps([one | {"path": "a\x00b"}])}, "no text of one line"),
        ({"maps": json.dumps([one | {"more": 1}])}, "no JSON list of"),
    ]


@pytest.mark.hostile("names and paths")
@pytest.mark.parametrize(("change", "message"), bad_rows())
def test_a_wrong_row_is_refused_when_it_is_written_and_when_it_is_read(tmp_path, change, message):
    rows = table(row(**change))

    with pytest.raises(MaskfoldError, match=message):
        write_routes(tmp_path / "own.parquet", rows)
    rows.to_parquet(tmp_path / ROUTES)
    with pytest.raises(MaskfoldError, match=message):
        read_routes(tmp_path / ROUTES)
    assert not (tmp_path / "own.parquet").exists()


@pytest.mark.hostile("damaged files")
def test_a_table_that_is_none_or_cut_short_is_refused_by_name(tmp_path):
    table({"image_id": "a"}).to_parquet(tmp_path / ROUTES)
    with pytest.raises(MaskfoldError, match=r"routes.parquet: no table of routes: it lacks photo, photo_hash"):
        read_routes(tmp_path / ROUTES)
    (tmp_path / ROUTES).write_bytes((tmp_path / ROUTES).read_bytes()[:100])
    with pytest.raises(MaskfoldError, match=r"routes.parquet: damaged"):
        read_routes(tmp_path / ROUTES)
    write_routes(tmp_path / "twice.parquet", table(row("a")))
    with pytest.raises(MaskfoldError, match="a: in two rows"):
        write_routes(tmp_path / "twice.parquet", table(row("a"), row("a")))
    with pytest.raises(MaskfoldError, match="score: no numbers"):
        write_routes(tmp_path / "twice.parquet", table(row(score="high")))


@pytest.mark.hostile("foreign files")
def test_maps_that_do_not_fit_are_refused(folder):
    one = table(row()).iloc[0]
    ProbabilityStore(folder / "maps" / "two").write("a", np.zeros((2, 2), np.uint8))
    with pytest.raises(MaskfoldError, match="a: its maps have different sizes, 2x1 and 2x2"):
        proposals(one, folder)
    ProbabilityStore(folder / "maps" / "two").write("a", np.zeros((3, 1, 2), np.uint8))
    with pytest.raises(MaskfoldError, match="a map of 3 classes"):
        proposals(one, folder)
    cv2.imwrite(str(folder / "two.png"), np.zeros((1, 2), np.uint16))
    with pytest.raises(MaskfoldError, match="uint16"):
        proposals(table(row(maps=maps_text([("one", "two.png", 1)]))).iloc[0], folder)


@pytest.mark.hostile("memory")
def test_a_map_whose_header_asks_for_gigabytes_is_not_decoded(folder):
    cv2.imwrite(str(folder / "bomb.png"), np.zeros((1, 1), np.uint8))
    png = bytearray((folder / "bomb.png").read_bytes())
    png[16:24] = (20_000).to_bytes(4) * 2
    (folder / "bomb.png").write_bytes(png)

    with pytest.raises(MaskfoldError, match=r"bomb.png: very large"):
        proposals(table(row(maps=maps_text([("one", "bomb.png", 1)]))).iloc[0], folder)
