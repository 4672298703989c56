import hashlib

import pandas as pd
import pytest

from maskfold.errors import MaskfoldError
from maskfold.runs.contents import contents_fingerprint, hashes_of, refuse_other_contents, replaced

ROWS = pd.DataFrame(
    {
        "image_id": ["a", "b"],
        "image": ["a.jpg", "b.jpg"],
        "mask": ["a.png", None],
        "image_hash": [32 * "1", 32 * "2"],
        "mask_hash": [32 * "3", None],
    }
)


def test_files_are_known_by_sixteen_digits_of_their_hash():
    assert hashes_of(ROWS, "image") == {"a": 16 * "1", "b": 16 * "2"}
    assert hashes_of(ROWS, "mask") == {"a": 16 * "3"}
    assert hashes_of(ROWS[["image_id"]], "mask") == {}


def test_what_was_replaced_is_named_and_what_is_not_known_is_not():
    assert replaced({"a": "1", "b": "0", "c": "0"}, {"d": "1", "b": "2", "a": "1"}) == ["b"]
    assert replaced({}, {"a": "1"}) == []


def test_the_fingerprint_is_of_every_photo_and_mask_in_any_order():
    text = f'[[["a", "{16 * "1"}"], ["b", "{16 * "2"}"]], [["a", "{16 * "3"}"]]]'
    assert contents_fingerprint(ROWS) == hashlib.sha256(text.encode()).hexdigest()[:12]
    assert contents_fingerprint(ROWS[::-1]) == contents_fingerprint(ROWS)


@pytest.mark.hostile("replaced files")
def test_a_manifest_of_other_files_is_refused_and_one_that_does_not_say_is_not(tmp_path):
    where = tmp_path / "manifest.json"
    for manifest in ({}, {"contents": contents_fingerprint(ROWS)}):
        refuse_other_contents(manifest, ROWS, where=where, again="`make it`")
    with pytest.raises(MaskfoldError, match=r"manifest\.json: photos or masks have been replaced.*`make it` names"):
        refuse_other_contents({"contents": "0"}, ROWS, where=where, again="`make it`")
