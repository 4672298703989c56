import errno
import io
import os

import pytest
import torch

from maskfold import files
from maskfold.engine.checkpoints import AtomicCheckpointIO, load_checkpoint
from maskfold.errors import MaskfoldError

CHECKPOINT = {"epoch": 3, "state_dict": {"weight": torch.arange(3000.0)}}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(CHECKPOINT, path)
    return path


def test_round_trip(path):
    loaded = load_checkpoint(path)
    assert loaded["epoch"] == 3
    assert torch.equal(loaded["state_dict"]["weight"], CHECKPOINT["state_dict"]["weight"])


@pytest.mark.hostile("killed")
def test_a_failure_while_writing_leaves_the_old_checkpoint(path, monkeypatch):
    def half(checkpoint, file):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KeyboardInterrupt):
        AtomicCheckpointIO().save_checkpoint({"epoch": 4}, path)
    assert load_checkpoint(path)["epoch"] == 3
    assert [entry.name for entry in path.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.hostile("full or read-only disk")
def test_a_full_disk_is_said_in_plain_words(path, monkeypatch):
    if not files.Path("/dev/full").exists():
        pytest.skip("/dev/full is a thing of Linux")
    real = files.Path.open
    monkeypatch.setattr(files.Path, "open", lambda part, mode: real(files.Path("/dev/full"), mode))
    with pytest.raises(MaskfoldError, match=r"last\.ckpt: cannot be written: No space left on device"):
        AtomicCheckpointIO().save_checkpoint(CHECKPOINT, path)
    monkeypatch.undo()
    assert load_checkpoint(path)["epoch"] == 3


class FillingDisk(io.BytesIO):
    """A file on a disk with room for torch's few words at the end, but not for the tensor before them."""

    def write(self, content: bytes) -> int:
        if len(content) > 1000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(content)


@pytest.mark.hostile("full or read-only disk")
def test_a_disk_that_becomes_full_in_the_middle_is_said_in_plain_words(path, monkeypatch):
    monkeypatch.setattr(files.Path, "open", lambda part, mode: FillingDisk())
    with pytest.raises(MaskfoldError, match=r"last\.ckpt: cannot be written: No space left on device"):
        AtomicCheckpointIO().save_checkpoint(CHECKPOINT, path)


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:100],
        lambda content: content[:-50],
        lambda content: b"",
        lambda content: b"no checkpoint at all",
        lambda content: content[:2000] + bytes(400) + content[2400:],
    ],
    ids=["beginning", "cut", "empty", "text", "overwritten"],
)
def test_damage_is_named_with_the_way_out(path, damage):
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(MaskfoldError, match=r"last\.ckpt: not a readable checkpoint .*overwrite=true"):
        load_checkpoint(path)


class Malicious:
    def __reduce__(self):
        return print, ("code was run",)


@pytest.mark.hostile("foreign files")
def test_code_inside_a_checkpoint_is_refused_and_not_run(path, capsys):
    torch.save({"epoch": Malicious()}, path)
    with pytest.raises(MaskfoldError, match="not a readable checkpoint"):
        load_checkpoint(path)
    assert "code was run" not in capsys.readouterr().out


def test_missing_checkpoint(tmp_path):
    with pytest.raises(MaskfoldError, match=r"no such checkpoint\. Train this fold first"):
        load_checkpoint(tmp_path / "best.ckpt")


def test_missing_checkpoint_is_told_with_those_that_there_are(path):
    with pytest.raises(MaskfoldError, match=r"snapshot0\.ckpt: no such checkpoint\. There are last\."):
        load_checkpoint(path.with_name("snapshot0.ckpt"))


@pytest.mark.hostile("damaged files")
def test_a_file_with_something_else_in_it_is_no_checkpoint(path):
    torch.save(torch.zeros(3), path)
    with pytest.raises(MaskfoldError, match="not a checkpoint"):
        load_checkpoint(path)
