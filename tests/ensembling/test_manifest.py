"""What a manifest says of the members."""

import hashlib
import os
from fractions import Fraction

import pytest

from maskfold import files
from maskfold.ensembling.manifest import ingredients, maps_of, refuse_other_data
from maskfold.ensembling.tree import Leaf
from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ProbabilityStore

NOTHING = hashlib.sha256(b"").hexdigest()


def test_members_weights_and_the_origin_of_every_store(tmp_path):
    known, unknown = tmp_path / "known", tmp_path / "unknown"
    ProbabilityStore(known).claim({"data": "d", "checkpoint": "c", "tta": "none"})
    unknown.mkdir()

    assert ingredients([Leaf("a", Fraction(2, 3), (known, unknown)), Leaf("b", Fraction(1, 3), (unknown,))]) == [
        {
            "name": "a",
            "weight": "2/3",
            "maps": [
                {"folder": str(known), "data": "d", "checkpoint": "c", "tta": "none"},
                {"folder": str(unknown), "content": NOTHING},
            ],
        },
        {"name": "b", "weight": "1/3", "maps": [{"folder": str(unknown), "content": NOTHING}]},
    ]


@pytest.mark.hostile("stale maps")
def test_the_same_maps_with_another_mean_or_temperature_are_another_result(tmp_path):
    usual, tempered, by_logits = (
        Leaf("a", Fraction(1), (tmp_path,), **how) for how in ({}, {"temperature": 1.3}, {"mean": "logit"})
    )

    assert [{*node} - {"name", "weight", "maps"} for node in ingredients([usual, tempered, by_logits])] == [
        set(),
        {"temperature"},
        {"mean"},
    ]


def test_maps_of_other_photos_are_refused_and_those_that_do_not_say_accepted(tmp_path):
    ProbabilityStore(tmp_path / "same").claim({"data": "d1"})
    ProbabilityStore(tmp_path / "other").claim({"data": "d2"})
    refuse_other_data([Leaf("a", Fraction(1), (tmp_path / "same", tmp_path / "silent"))], "d1")

    with pytest.raises(MaskfoldError, match=r"other: its maps are of other photos \(data d2\).*\(data d1\)"):
        refuse_other_data([Leaf("a", Fraction(1), (tmp_path / "same", tmp_path / "other"))], "d1")


@pytest.mark.hostile("stale maps")
def test_maps_of_unknown_origin_are_known_by_their_content_whatever_the_clock_says(tmp_path):
    folder = tmp_path / "unknown"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"one")
    (before,) = maps_of([folder])
    os.utime(folder / "a.png", (1, 1))
    assert maps_of([folder]) == [before]

    (folder / "a.png").write_bytes(b"two")
    os.utime(folder / "a.png", (1, 1))
    (changed,) = maps_of([folder])
    (folder / "a.png").rename(folder / "b.png")
    (renamed,) = maps_of([folder])
    assert len({one["content"] for one in (before, changed, renamed)}) == 3


def test_a_missing_folder_has_no_content(tmp_path):
    assert maps_of([tmp_path / "gone"]) == [{"folder": str(tmp_path / "gone"), "content": ""}]


def test_a_damaged_origin_is_named(tmp_path):
    files.write_text(tmp_path / "store.json", "{")

    with pytest.raises(MaskfoldError, match=r"store\.json: not a readable JSON file"):
        ingredients([Leaf("a", Fraction(1), (tmp_path,))])
