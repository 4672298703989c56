"""What was learned of maps of another kind than a masker's judges none of them."""

import logging
from dataclasses import replace
from types import SimpleNamespace

import pytest

from disks import RednessMasker
from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.judged_cutouts import FolderJudge
from maskfold.quality.model import QualityModel
from maskfold.quality.predictor import RankScore, Term
from maskfold.quality.suited import read_suited
from maskfold.stages import serve
from maskfold.storage import FolderStorage

MIRROR = RankScore("mirror_dice", (Term("mirror_dice", 1.0, (0.0, 1.0), (0.0, 1.0)),))
MODEL = QualityModel("mates", MIRROR, ((0.0, 1.0), (0.0, 1.0)), threshold=0.9)


@pytest.fixture
def path(tmp_path):
    MODEL.write(tmp_path / "quality.json")
    return tmp_path / "quality.json"


@pytest.fixture
def both_views():
    masker = RednessMasker()
    masker.symmetric = True
    return masker


def test_whoever_answers_a_mirror_image_alike_is_refused_at_the_start(path, both_views, tmp_path):
    folder = FolderStorage(tmp_path)
    judge = FolderJudge(str(path), source=folder, target=folder, masker=RednessMasker())
    assert judge.wants_mirrored

    with pytest.raises(MaskfoldError, match=r"quality\.json: .*redness has the same map for both .*tta=none"):
        FolderJudge(str(path), source=folder, target=folder, masker=both_views)
    with pytest.raises(MaskfoldError, match="redness has the same map for both"):
        serve._app(compose("serve", ["exported=model.onnx", f"quality={path}"]), both_views, SimpleNamespace(), None)


def test_a_score_that_looks_at_no_mirror_image_takes_any_masker(path, both_views):
    certainty = RankScore("certainty", (Term("certainty", 1.0, (0.0, 1.0), (0.0, 1.0)),))
    replace(MODEL, predictor=certainty).write(path)

    assert read_suited(path, both_views).predictor == certainty


def test_masks_that_were_cut_elsewhere_say_nothing_of_cut_outs(path):
    replace(MODEL, cut=137).write(path)

    with pytest.raises(MaskfoldError, match=r"quality\.json: .*cut at 137 of 255, and cut-outs are cut at 128"):
        read_suited(path, RednessMasker())


def test_other_networks_are_warned_of_where_both_are_known(path, caplog):
    caplog.set_level(logging.WARNING)
    for masker in (None, RednessMasker.identity):
        replace(MODEL, masker=masker).write(path)
        read_suited(path, RednessMasker())
    assert not caplog.text

    replace(MODEL, masker="f" * 16).write(path)
    read_suited(path, RednessMasker())
    assert "was learned from other networks than these (ffffffffffffffff and 0123456789abcdef)" in caplog.text
