"""A set of pseudo-labels on disk: what of it is believed."""

import json

import pandas as pd
import pytest

from maskfold import files
from maskfold.errors import MaskfoldError
from maskfold.pseudo.label_set import LEDGER, LabelSet


@pytest.mark.hostile("names and paths")
@pytest.mark.parametrize("mask", ["../../secret.png", "/etc/secret.png"])
def test_a_ledger_may_not_name_a_mask_outside_its_set(tmp_path, mask):
    labels = LabelSet(tmp_path)
    labels.ledger.write_text(f"{','.join(LEDGER)}\n0,a,a,a.jpg,{mask},one/fold0,1,0.1,1.0\n")
    manifest = {"ledger_sha256": files.sha256(labels.ledger), "soft": False, "folds": {}}
    labels.manifest.write_text(json.dumps(manifest))

    with pytest.raises(MaskfoldError, match=rf"ledger\.csv: mask={mask}: give the name of something inside"):
        labels.read()


@pytest.mark.hostile("stale maps")
@pytest.mark.parametrize(
    ("theirs", "ours", "said"),
    [
        ({"classes": ["a", "b"]}, ("b", "a"), "are of the classes a, b, the data has the classes b, a"),
        ({"classes": ["a", "b"]}, (), "are of the classes a, b, the data has one class"),
        ({}, ("a", "b"), "are of one class, the data has the classes a, b"),
    ],
)
def test_labels_of_other_classes_or_in_another_order_are_refused(tmp_path, theirs, ours, said):
    labels = LabelSet(tmp_path)
    manifest = {"labelled": "tiny", "soft": False, "folds": {"0": {"round": 1, "seen": []}}}
    labels.finish(pd.DataFrame(columns=LEDGER), manifest | theirs)

    with pytest.raises(MaskfoldError, match=said):
        labels.for_fold(0, data="tiny", held_out=[], classes=ours)
    assert labels.for_fold(0, data="tiny", held_out=[], classes=theirs.get("classes", ()))[0].empty
