"""A checkpoint is read for its hash once, and again when it has changed."""

import hashlib

from maskfold import files
from maskfold.runs.checkpoint_hash import checkpoint_hash


def test_a_checkpoint_is_hashed_once_until_it_changes(tmp_path, monkeypatch):
    path = tmp_path / "best.ckpt"
    path.write_bytes(b"weights")
    real, hashed = files.sha256, []
    monkeypatch.setattr(files, "sha256", lambda one: hashed.append(one) or real(one))

    assert [checkpoint_hash(path), checkpoint_hash(path)] == [hashlib.sha256(b"weights").hexdigest()] * 2
    assert hashed == [path]

    path.write_bytes(b"of size")
    assert checkpoint_hash(path) == hashlib.sha256(b"of size").hexdigest()
    (tmp_path / "best.sha256.json").write_text("{")
    assert checkpoint_hash(path) == hashlib.sha256(b"of size").hexdigest()


def test_a_folder_that_cannot_be_written_to_has_hashes_too(tmp_path):
    path = tmp_path / "best.ckpt"
    path.write_bytes(b"weights")
    (tmp_path / ".best.sha256.json.part").symlink_to("/dev/full")

    assert checkpoint_hash(path) == hashlib.sha256(b"weights").hexdigest()
