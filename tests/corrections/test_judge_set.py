"""The judge set: frozen by its contents, and of photos that nobody has seen."""

import json

import pandas as pd
import pytest

from maskfold.corrections.judge_set import freeze, refuse_seen
from maskfold.errors import MaskfoldError
from maskfold.runs.lineage import Lineage, write_lineage
from maskfold.runs.run_folder import RunFolder

PHOTOS = pd.DataFrame(
    {
        "image_id": ["a", "b"],
        "group": ["ga", "gb"],
        "image_hash": ["1" * 32, "2" * 32],
        "mask_hash": ["3" * 32, "4" * 32],
    }
)


def test_it_is_frozen_once_whatever_the_order_of_the_rows(tmp_path):
    first = freeze(PHOTOS, tmp_path, anew=False)

    assert json.loads((tmp_path / "judge.json").read_text())["judge"] == first
    assert freeze(PHOTOS.iloc[::-1].reset_index(drop=True), tmp_path, anew=False) == first


@pytest.mark.hostile("replaced files")
@pytest.mark.parametrize(
    ("other", "message"),
    [
        (PHOTOS.assign(image_hash=["1" * 32, "9" * 32]), "b: another photo"),
        (PHOTOS.assign(mask_hash=["9" * 32, "9" * 32]), "a: another mask\n  b: another mask"),
        (PHOTOS.assign(group="g"), "a: another group"),
        (PHOTOS.assign(cluster=[None, "light"]), "b: another cluster"),
        (PHOTOS[:1], "b: not there any more"),
        (pd.concat([PHOTOS, PHOTOS[:1].assign(image_id="c")], ignore_index=True), "c: new"),
    ],
)
def test_another_set_is_refused_by_what_differs_until_it_is_frozen_anew(tmp_path, other, message):
    first = freeze(PHOTOS, tmp_path, anew=False)

    with pytest.raises(MaskfoldError, match=message):
        freeze(other, tmp_path, anew=False)
    second = freeze(other, tmp_path, anew=True)
    assert second != first
    assert freeze(other, tmp_path, anew=False) == second


@pytest.mark.hostile("damaged files", cases=3)
def test_a_damaged_record_is_no_reason_to_judge_by_anything(tmp_path):
    for text in ("{", '{"photos": {"a": []}}', '{"judge": "f"}'):
        (tmp_path / "judge.json").write_text(text)
        with pytest.raises(MaskfoldError, match=r"judge\.json: damaged, so nobody knows what was judged by"):
            freeze(PHOTOS, tmp_path, anew=False)


@pytest.mark.hostile("leaks")
@pytest.mark.parametrize("sight", ["image b", "group gb", "content " + "2" * 16])
@pytest.mark.parametrize("how", ["seen", "held_out"])
def test_what_was_learned_from_or_chose_the_best_epoch_is_seen_by_id_group_or_content(tmp_path, sight, how):
    sides = {"seen": (), "held_out": ()} | {how: (sight,)}
    write_lineage(tmp_path, Lineage("other", 0, **sides))

    with pytest.raises(MaskfoldError, match=r"it has learned from 1 of the 2 photos .*\n  b \(group gb\)\n"):
        refuse_seen(RunFolder(tmp_path), "it", PHOTOS)


def test_what_nobody_has_seen_is_fine(tmp_path):
    write_lineage(tmp_path, Lineage("other", 0, ("image c", "group gc"), ("content " + "5" * 16,)))

    sights = refuse_seen(RunFolder(tmp_path), "it", PHOTOS)

    assert sights == ("image c", "group gc", "content " + "5" * 16)
