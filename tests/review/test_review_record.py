"""Reviews are whole or absent: what a kill leaves behind is looked at again."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from maskfold import files
from maskfold.errors import MaskfoldError
from maskfold.review.record import Draft, Review, ReviewFolder

REVIEW = Review(
    image_id="shoes/left",
    decision="corrected",
    seconds=7.5,
    pixels_changed=3,
    reviewer="ada",
    began_from="mean",
    photo_hash="p" * 32,
    mask_hash=None,
    made="2026-11-02T10:00:00+00:00",
    actions=4,
)
DRAFT = Draft(
    image_id="shoes/left",
    seconds=3.0,
    actions=2,
    began_from="linknet34",
    photo_hash="p" * 32,
    base_hash="b" * 32,
    mask_hash="",
    made="2026-11-02T09:59:00+00:00",
)
MASK = np.array([[0, 1, 1], [0, 0, 1]], np.uint8)


@pytest.fixture
def folder(tmp_path):
    return ReviewFolder(tmp_path / "reviews")


def test_a_review_comes_back_with_the_hash_of_its_png_and_its_draft_is_gone(folder):
    folder.write_draft(DRAFT, MASK)
    kept = folder.write(REVIEW, MASK)

    path = folder.folder / "shoes" / "left.png"
    assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED).tolist() == [[0, 255, 255], [0, 0, 255]]
    assert kept == replace(REVIEW, mask_hash=files.sha256(path)[:32])
    assert folder.reviews() == {"shoes/left": kept}
    assert folder.mask("shoes/left").tolist() == MASK.tolist()
    assert folder.draft("shoes/left") is None
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["left.json", "left.png"]


def test_a_draft_goes_on_where_it_was_left(folder):
    assert folder.draft("shoes/left") is None

    folder.write_draft(DRAFT, 1 - MASK)
    folder.write_draft(replace(DRAFT, seconds=4.0), MASK)

    draft, mask = folder.draft("shoes/left")
    assert (draft.seconds, draft.base_hash, mask.tolist()) == (4.0, "b" * 32, MASK.tolist())
    assert folder.reviews() == {}


def test_of_what_is_rejected_no_mask_is_kept(folder):
    folder.write(REVIEW, MASK)
    folder.write(replace(REVIEW, decision="rejected"), None)

    assert folder.review("shoes/left").decision == "rejected"
    assert not folder.mask_path("shoes/left").exists()


@pytest.mark.hostile("killed")
def test_a_kill_between_mask_and_record_leaves_a_photo_that_is_not_done(folder, monkeypatch):
    folder.write(REVIEW, MASK)
    folder.write_draft(DRAFT, 1 - MASK)
    with monkeypatch.context() as patch:
        patch.setattr(files, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            folder.write(REVIEW, 1 - MASK)

    assert folder.review("shoes/left") is None
    assert folder.reviews() == {}
    assert folder.draft("shoes/left")[1].tolist() == (1 - MASK).tolist()


@pytest.mark.hostile("names and paths")
@pytest.mark.parametrize("image_id", ["../left", "/etc/left", "left.draft", ""])
def test_a_name_that_leads_out_of_the_folder_or_is_a_drafts_is_refused(folder, image_id):
    with pytest.raises(MaskfoldError, match="image_id"):
        folder.write(replace(REVIEW, image_id=image_id), MASK)


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize(
    ("content", "word"), [("{}", "lacks"), ('{"image_id"', "not a readable"), ("other", "record of shoes/right")]
)
def test_a_record_that_is_none_is_named(folder, content, word):
    folder.write(REVIEW, MASK)
    path = folder.record_path("shoes/left")
    path.write_text(path.read_text().replace("shoes/left", "shoes/right") if content == "other" else content)

    with pytest.raises(MaskfoldError, match=word):
        folder.reviews()


def test_a_decision_has_a_mask_unless_it_is_rejected(folder):
    for decision, mask in (("corrected", None), ("rejected", MASK), ("maybe", MASK)):
        with pytest.raises(MaskfoldError, match=decision):
            folder.write(replace(REVIEW, decision=decision), mask)
