"""The store: what gets in, what never does, what counts, and what a kill leaves."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from maskfold.config import build, compose
from maskfold.corrections.judged_photos import Candidate, compare_with_judge
from maskfold.data.ledger import Ledger, ledger_counts, training_pairs
from maskfold.data.snapshots import read_snapshot
from maskfold.errors import MaskfoldError
from maskfold.files import locked
from maskfold.quality.routes import read_routes
from maskfold.stages.store import store
from maskfold.storage import FolderStorage
from stored import box, draw_photo, forget, review, route

NOTHING = {"auto": 0, "accepted": 0, "corrected": 0, "manual": 0, "rejected": 0}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def composed():
    return compose("store", ["jobs=1", "audit=0"])


@pytest.fixture
def fill(composed):
    """Return a function that runs the stage; `data` is taken from another composition."""

    def run(routes=None, **keys):
        config = composed.copy()
        config.routes = None if routes is None else str(routes)
        for key, value in keys.items():
            config[key] = value
        return store(config)

    return run


def pairs():
    """Return what is learned from by what photos were called."""
    return training_pairs(Ledger("store").read()).set_index("image_id")


def mask_of(row):
    return cv2.imread(f"store/versions/{row['mask']}", cv2.IMREAD_GRAYSCALE)


def test_shipped_accepted_and_corrected_photos_get_in_and_others_do_not(place, fill):
    routes = route(place / "out", dict.fromkeys("abcdef", "review") | {"a": "ship", "f": "reject"}, cluster="shoe")
    review(routes, "b", "corrected", box(5, 20))
    review(routes, "c", "accepted", box(10, 42))
    review(routes, "d", "rejected")

    assert fill(routes) == NOTHING | {"auto": 1, "corrected": 1, "accepted": 1, "rejected": 1}  # e waits for a person

    rows = pairs()
    assert rows["source"].to_dict() == {"a": "auto", "b": "corrected", "c": "accepted"}
    assert rows["weight"].to_dict() == {"a": 0.5, "b": 1, "c": 1}
    assert rows.loc["b", ["model", "score", "cluster", "reviewer", "seconds", "pixels_changed"]].to_list() == [
        *("m1", 0.1, "shoe", "ann", 8.5, 120)
    ]
    assert np.array_equal(mask_of(rows.loc["a"]), box(10, 40) * 255)  # its map, cut at one half
    assert np.array_equal(mask_of(rows.loc["b"]), box(5, 20) * 255)
    for folder, column in (("images", "photo"), ("versions", "mask")):
        stored = sorted(path.name for path in Path("store", folder).iterdir())
        assert stored == sorted(rows[column])
        assert all(name[:64] == hashlib.sha256(Path("store", folder, name).read_bytes()).hexdigest() for name in stored)
    assert ledger_counts("store") == NOTHING | {"auto": 1, "corrected": 1, "accepted": 1, "rejected": 1}


def test_the_same_again_adds_nothing_and_neither_do_routes_made_anew(place, fill):
    names = {"a": "ship", "b": "review"}
    routes = route(place / "out", names)
    review(routes, "b", "corrected", box(5, 20))
    fill(routes)
    before = contents(Path("store"))

    fill(routes)
    route(place / "out", names, month=12)
    fill(routes)

    assert contents(Path("store")) == before


def test_the_newest_review_counts_the_older_stays_and_a_network_never_overrules_a_person(place, fill):
    routes = route(place / "out", {"a": "review", "b": "ship"})
    review(routes, "a", "corrected", box(5, 20), day=10)
    fill(routes)
    review(routes, "a", "corrected", box(5, 30), day=12)
    fill(routes)
    older = route(place / "again", {"a": "review"})
    review(older, "a", "accepted", box(5, 90), day=11)
    fill(older)
    fill(route(place / "later", {"a": "ship"}, month=12))

    ledger = Ledger("store").read()
    assert len(ledger[ledger["image_id"] == "a"]) == 2
    assert np.array_equal(mask_of(pairs().loc["a"]), box(5, 30) * 255)
    assert len([*Path("store/versions").iterdir()]) == 3
    photo = pairs().loc["a", "photo"][:64]
    assert np.array_equal(cv2.imread(f"store/masks/{photo}.png", 0), box(5, 30) * 255)  # for data=pairs

    review(routes, "a", "rejected", day=13)
    fill(routes)
    assert [*pairs().index] == ["b"]


@pytest.mark.hostile("damaged files", cases=6)
def test_what_cannot_be_used_is_named_and_left_out(place, fill, caplog):
    routes = route(place / "out", dict.fromkeys("abcdefg", "ship") | {"f": "review"})
    photos = place / "out/photos"
    content = (photos / "a.png").read_bytes()
    route(place / "out", dict.fromkeys("abcdefg", "ship") | {"f": "review"}, photo_hash=None)
    (photos / "a.png").write_bytes(content[: len(content) // 2])
    (photos / "b.png").unlink()
    cv2.imwrite(str(photos / "c.png"), np.zeros((20, 20, 3), np.uint8))
    (photos / "d.png").write_text("no photo")
    (place / "out/maps/e.b2nd").write_bytes(b"no map")
    review(routes, "f", "corrected", box(5, 20))
    (place / "out/reviews/f.png").write_bytes(b"another mask")

    assert fill(routes) == NOTHING | {"auto": 1}

    text = caplog.text
    assert "6 photos left out" in text
    for said in ("a: ", "b: ", "c: mask and photo are of different sizes, 96x64 and 20x20", "d: ", "e: "):
        assert f"\n  {said}" in text
    assert "f: its mask is not the one that the review was kept with" in text


@pytest.mark.hostile("replaced files", cases=2)
def test_a_photo_that_was_replaced_after_it_was_routed_is_left_out(place, fill, caplog):
    routes = route(place / "out", {"a": "ship", "b": "review"})
    draw_photo(place / "out/photos/a.png", 77)
    review(routes, "b", "corrected", box(5, 20), photo_hash="0" * 32)

    assert fill(routes) == NOTHING
    assert caplog.text.count("another photo than the one that was routed") == 2


@pytest.mark.hostile("leaks", cases=3)
def test_what_the_judge_set_has_never_gets_in(place, fill, caplog):
    routes = route(place / "out", dict.fromkeys("abcd", "ship"), group=[None, None, "sofa", None])
    for name, seed, lighter in (("same", 0, 0), ("like", 1, 6), ("sofa", 50, 0)):
        draw_photo(place / "judge/images" / f"{name}.png", seed, lighter=lighter)
        draw_photo(place / "judge/masks" / f"{name}.png", 0)
        cv2.imwrite(str(place / "judge/masks" / f"{name}.png"), box(5, 20) * 255)

    assert fill(routes, judge="judge") == NOTHING | {"auto": 1}

    assert [*pairs().index] == ["d"]
    assert "a: a near-copy of same, which the judge set has" in caplog.text
    assert "b: a near-copy of like, which the judge set has" in caplog.text
    assert "c: of group sofa, which the judge set has" in caplog.text


@pytest.mark.hostile("leaks", cases=3)
def test_what_was_stored_before_the_judge_set_was_named_is_rejected(place, fill, caplog):
    routes = route(place / "out", dict.fromkeys("abcd", "ship") | {"b": "review"}, group=[None, None, "sofa", None])
    review(routes, "b", "corrected", box(5, 20))
    for name, seed, lighter in (("same", 0, 0), ("like", 1, 6), ("sofa", 50, 0)):
        draw_photo(place / "judge/images" / f"{name}.png", seed, lighter=lighter)
        draw_photo(place / "judge/masks" / f"{name}.png", 0)
        cv2.imwrite(str(place / "judge/masks" / f"{name}.png"), box(5, 20) * 255)
    fill(routes)
    assert len(pairs()) == 4

    for _ in range(2):
        assert fill(routes, judge="judge") == NOTHING | {"auto": 1, "rejected": 3}

    assert [*pairs().index] == ["d"]
    ledger = Ledger("store").read()
    assert len(ledger) == 7
    assert {*ledger.loc[ledger["source"] == "rejected", "reviewer"]} == {"judge set"}
    assert "b: a near-copy of like, which the judge set has: in the store before, now rejected" in caplog.text


@pytest.mark.hostile("leaks")
def test_photos_that_stay_at_an_address_are_compared_by_group_and_bytes(place):
    (place / "judge/masks").mkdir(parents=True)
    for name, seed in (("same", 0), ("sofa", 50)):
        draw_photo(place / "judge/images" / f"{name}.png", seed)
        cv2.imwrite(str(place / "judge/masks" / f"{name}.png"), box(5, 20) * 255)
    content = hashlib.sha256((place / "judge/images/same.png").read_bytes()).hexdigest()
    judge = compose("store", ["data=pairs", "data.root=judge"]).data
    candidates = [Candidate(content, None, None), Candidate("1" * 64, None, "sofa"), Candidate("2" * 64, None, "lamp")]

    compared = compare_with_judge(candidates, build(judge), jobs=1)

    assert {*compared.judged} == {content, "1" * 64}


def test_a_share_of_what_shipped_is_drawn_for_an_audit_the_same_each_time(place, fill):
    routes = route(place / "out", dict.fromkeys("abcdefgh", "ship") | {"h": "review"})
    lowest = min("abcdefg", key=lambda name: hashlib.sha256((place / f"out/photos/{name}.png").read_bytes()).digest())

    for _ in range(2):
        fill(routes, audit=0.000001)  # none by chance, so the first in the order: one a month

    audit = read_routes(place / "out/audit/routes.parquet")  # its files are found from there
    assert audit[["image_id", "route"]].to_numpy().tolist() == [[lowest, "review"]]
    assert pairs()["audit"].to_dict() == {name: name == lowest for name in "abcdefg"}

    review(place / "out/audit/routes.parquet", lowest, "corrected", box(5, 20))
    counts = fill(routes, audit=0.000001)
    assert counts == NOTHING | {"auto": 6, "corrected": 1}
    assert pairs().loc[lowest, "audit"]


def test_a_snapshot_stands_whatever_is_added_later_and_is_made_again(place, fill):
    routes = route(place / "out", {"a": "review", "b": "ship"})
    review(routes, "a", "corrected", box(5, 20))
    fill(routes, snapshot=today())
    snapshot = Path(f"store/snapshots/{today()}.parquet")
    before = snapshot.read_bytes()

    snapshot.unlink()
    fill(snapshot=today())
    assert snapshot.read_bytes() == before
    review(routes, "a", "corrected", box(5, 30), day=12)
    fill(routes, snapshot=today())

    assert snapshot.read_bytes() == before
    assert {*read_snapshot("store", today())["mask"]} != {*pairs()["mask"]}


def today():
    return f"{pd.Timestamp.now('UTC'):%Y-%m-%d}"


def test_labelled_pairs_come_in_by_hand_and_give_way_to_a_review(place, fill):
    routes = route(place / "out", {"a": "review"})
    review(routes, "a", "corrected", box(5, 20))
    for name, seed in (("a", 0), ("old", 60)):
        draw_photo(place / "labelled/images" / f"{name}_1.png", seed)
        (place / "labelled/masks").mkdir(exist_ok=True)
        cv2.imwrite(str(place / "labelled/masks" / f"{name}_1.png"), box(0, 9) * 255)
    data = compose("store", ["data=pairs", "data.root=labelled", "data.group='(.*)_1'"]).data

    fill(data=data)
    assert pairs()["group"].to_dict() == {"a_1": "a", "old_1": "old"}
    fill(routes, data=data)
    fill(routes, data=data)

    assert pairs()["source"].to_dict() == {"a": "corrected", "old_1": "manual"}
    assert len(Ledger("store").read()) == 3


class Killed(BaseException):
    """What nothing catches."""


def contents(folder):
    """Return a store's files by name, those of the ledger without the time in it."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)).split("Z-")[-1]: path.read_bytes() for path in paths}


@pytest.mark.hostile("killed")
def test_killed_before_any_write_the_same_command_goes_on(place, fill, monkeypatch):
    routes = route(place / "out", {"a": "ship"})
    whole, writing = FolderStorage.write, []

    def counting(storage, name, content):
        writing.append(name)
        whole(storage, name, content)

    monkeypatch.setattr(FolderStorage, "write", counting)
    fill(routes, audit=0.5, snapshot=today())
    expected, audit = contents(Path("store")), (place / "out/audit/routes.parquet").read_bytes()
    assert len(writing) == 6  # the beginning of a ledger; mask, photo, and the mask by its name; rows; a snapshot

    for kill in range(len(writing)):
        forget(place / "store")
        forget(place / "out/audit")
        writing.clear()

        def dying(storage, name, content, kill=kill):
            if len(writing) == kill:
                raise Killed
            counting(storage, name, content)

        monkeypatch.setattr(FolderStorage, "write", dying)
        with pytest.raises(Killed):
            fill(routes, audit=0.5, snapshot=today())
        monkeypatch.setattr(FolderStorage, "write", whole)
        fill(routes, audit=0.5, snapshot=today())
        assert contents(Path("store")) == expected, kill
        assert (place / "out/audit/routes.parquet").read_bytes() == audit


@pytest.mark.hostile("killed")
def test_two_writers_at_once_are_refused_in_a_folder(place, fill):
    routes = route(place / "out", {"a": "ship"})
    with locked(Path("store")), pytest.raises(MaskfoldError, match="store: another run is writing here"):
        fill(routes)


@pytest.mark.hostile("damaged files", cases=2)
def test_a_damaged_part_of_the_ledger_is_named(place, fill):
    fill(route(place / "out", {"a": "ship"}))
    (part,) = [path for path in Path("store/ledger").iterdir() if "begun" not in path.name]
    rows = pd.read_parquet(part)
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(MaskfoldError, match=rf"{part.name}: damaged, or no part of a ledger"):
        ledger_counts("store")
    rows.assign(photo="../../secret.png").to_parquet(part)
    with pytest.raises(MaskfoldError, match="no name of a photo or mask"):
        ledger_counts("store")


@pytest.mark.hostile("wrong input", cases=5)
def test_what_is_asked_for_wrongly_is_named(place, fill):
    with pytest.raises(MaskfoldError, match="routes: not given"):
        fill()
    with pytest.raises(MaskfoldError, match=r"nothing: no store here\. `make store"):
        ledger_counts("nothing")
    fill(route(place / "out", {"a": "ship"}))
    for name, says in (
        ("november", "give a month"),
        ("2999-01", "has not begun"),
        ("2001-01", "nothing had been"),
    ):
        with pytest.raises(MaskfoldError, match=says):
            fill(snapshot=name)
