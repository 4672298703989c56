"""What a manifest says of the members."""

import os
from fractions import Fraction

import numpy as np
import pytest

from maskfold import files
from maskfold.ensembling.manifest import ingredients, newest_map, refuse_other_data
from maskfold.ensembling.tree import Leaf
from maskfold.errors import MaskfoldError
from maskfold.prediction.store import ProbabilityStore


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
                {"folder": str(unknown)},
            ],
        },
        {"name": "b", "weight": "1/3", "maps": [{"folder": str(unknown)}]},
    ]


def test_maps_of_other_photos_are_refused_and_those_that_do_not_say_accepted(tmp_path):
    ProbabilityStore(tmp_path / "same").claim({"data": "d1"})
    ProbabilityStore(tmp_path / "other").claim({"data": "d2"})
    refuse_other_data([Leaf("a", Fraction(1), (tmp_path / "same", tmp_path / "silent"))], "d1")

    with pytest.raises(MaskfoldError, match=r"other: its maps are of other photos \(data d2\).*\(data d1\)"):
        refuse_other_data([Leaf("a", Fraction(1), (tmp_path / "same", tmp_path / "other"))], "d1")


def test_only_maps_of_unknown_origin_are_told_apart_by_their_time(tmp_path):
    known, unknown = ProbabilityStore(tmp_path / "known"), tmp_path / "unknown"
    known.claim({"data": "d"})
    known.write("a", np.zeros((2, 2), np.uint8))
    assert newest_map([Leaf("a", Fraction(1), (known.folder,))]) == 0
    unknown.mkdir()
    for name, time in (("a.png", 5_000), ("b.png", 7_000)):
        (unknown / name).write_bytes(b"")
        os.utime(unknown / name, ns=(time, time))

    assert newest_map([Leaf("a", Fraction(1), (known.folder, unknown))]) == 7_000


def test_a_damaged_origin_is_named(tmp_path):
    files.write_text(tmp_path / "store.json", "{")

    with pytest.raises(MaskfoldError, match=r"store\.json: not a readable JSON file"):
        ingredients([Leaf("a", Fraction(1), (tmp_path,))])
