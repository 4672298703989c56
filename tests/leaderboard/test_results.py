"""Out-of-fold scores belong to a submission only if the very same chain made both."""

import copy
import json
from pathlib import Path

import pandas as pd
import pytest

from maskfold import files
from maskfold.errors import MaskfoldError
from maskfold.leaderboard.results import judged_by, member_names, read_out_of_fold, read_result, short_hash

MAPS = [{"folder": "f0", "data": "x", "checkpoint": "c0", "tta": "hflip"}, {"folder": "f1", "checkpoint": "c1"}]
MANIFEST = {
    "ensemble": {"name": "both", "threshold": 128},
    "members": [{"name": "linknet34", "weight": "1/2", "maps": MAPS}, {"name": "mates", "weight": "1/2", "maps": [{}]}],
    "repair_members": [{"name": "linknet34", "weight": "1", "maps": MAPS}],
}


@pytest.fixture
def submission(tmp_path) -> Path:
    """A submission with its out-of-fold scores."""
    path = tmp_path / "both/submission.csv.gz"
    oof = copy.deepcopy(MANIFEST)
    oof["members"][0]["maps"][0] |= {"folder": "oof0", "data": "y"}  # of another split, and so of other photos
    for folder, manifest in ((path.parent, MANIFEST), (path.parent / "oof", oof)):
        files.write_bytes(folder / path.name, str(folder).encode())
        write(folder / "manifest.json", manifest)
    pd.DataFrame({"image_id": ["a"], "group": ["a"], "dice": [0.9]}).to_parquet(path.parent / "oof/scores.parquet")
    return path


def write(path: Path, manifest: dict) -> None:
    sha256 = files.sha256(path.with_name("submission.csv.gz"))
    files.write_json(path, manifest | {"submission_sha256": sha256})


def test_the_scores_of_the_same_chain_are_read(submission):
    scores, oof = read_out_of_fold(submission, read_result(submission))

    assert scores["dice"].tolist() == [0.9]
    assert oof["members"][0]["maps"][0]["folder"] == "oof0"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda oof: oof["ensemble"].update(threshold=100), r"oof: of another recipe than .*both/submission\.csv\.gz"),
        (lambda oof: oof["members"][0]["maps"][1].update(checkpoint="c2"), "oof: linknet34 was not the same"),
        (lambda oof: oof["members"][0]["maps"].pop(), "oof: linknet34 was not the same"),
        (lambda oof: oof["members"][1].update(weight="1/3"), "oof: mates was not the same"),
        (lambda oof: oof["repair_members"][0]["maps"][0].update(tta="none"), "oof: linknet34 was not the same"),
    ],
)
def test_scores_of_another_chain_are_refused(submission, change, message):
    path = submission.parent / "oof/manifest.json"
    oof = json.loads(path.read_text())
    change(oof)
    write(path, oof)

    with pytest.raises(MaskfoldError, match=message) as refused:
        read_out_of_fold(submission, read_result(submission))
    assert "`make ensemble ENS=both ARGS=split=oof`" in str(refused.value)


def test_what_is_not_there_or_of_another_file_is_refused(submission):
    (submission.parent / "oof/submission.csv.gz").write_bytes(b"half of a new one")
    with pytest.raises(MaskfoldError, match=r"oof/manifest\.json: is about another file"):
        read_out_of_fold(submission, read_result(submission))

    (submission.parent / "oof/manifest.json").unlink()
    with pytest.raises(MaskfoldError, match=r"both/oof: no out-of-fold result\. `make ensemble"):
        read_out_of_fold(submission, read_result(submission))

    (submission.parent / "manifest.json").unlink()
    with pytest.raises(MaskfoldError, match=r"both/manifest\.json: missing"):
        read_result(submission)


def test_members_are_named_with_their_folds():
    assert member_names(MANIFEST) == "linknet34 x2, mates"


def test_the_hash_is_the_beginning_of_the_files(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")

    assert short_hash(tmp_path / "a") == "ba7816bf8f01"  # FIPS 180-2, the example of SHA-256


def test_older_manifests_are_judged_by_dice():
    assert judged_by({"source": {"root": "photos"}}).title == "Dice"
    assert judged_by({"source": {"metric": "pooled_dice"}}).column == "pooled_dice"


@pytest.mark.parametrize("manifest", [{}, {"source": None}, {"source": {"name": "carvana"}}])
def test_what_says_nothing_of_its_metric_is_judged_by_dice(manifest):
    assert judged_by(manifest).metric == "dice"
