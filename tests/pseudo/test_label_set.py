"""A set of pseudo-labels on disk: what of it is believed."""

import json

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
