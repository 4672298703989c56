"""Files are whole or absent, whatever happens while they are written; a folder has one writer at a time."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from maskfold import files
from maskfold.errors import MaskfoldError, listing


def test_a_file_appears_whole_in_folders_that_are_made(tmp_path):
    path = tmp_path / "new" / "folder" / "a.json"

    files.write_json(path, {"b": 1, "a": "ü"})

    assert path.read_text() == '{\n  "b": 1,\n  "a": "\\u00fc"\n}\n'
    assert files.read_json(path) == {"b": 1, "a": "ü"}
    assert os.listdir(path.parent) == ["a.json"]


@pytest.mark.hostile("killed")
@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failure_while_writing_keeps_the_old_file(tmp_path, failure):
    path = tmp_path / "a"
    path.write_text("old")

    def write_half():
        with files.atomic_path(path) as part:
            part.write_text("ne")
            raise failure

    with pytest.raises(failure):
        write_half()

    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.hostile("full or read-only disk")
def test_a_full_disk_keeps_the_old_file_and_says_so(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    (tmp_path / ".a.part").symlink_to("/dev/full")

    with pytest.raises(MaskfoldError, match=rf"{path}: cannot be written: No space left on device.*is kept"):
        files.write_text(path, "new")

    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.hostile("full or read-only disk")
def test_a_really_full_file_system(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small file system needs root")
    try:
        files.write_bytes(disk / "small", b"1" * 1000)
        with pytest.raises(MaskfoldError, match="No space left on device"):
            files.write_bytes(disk / "large", b"2" * 1_000_000)
        assert os.listdir(disk) == ["small"]
        assert (disk / "small").read_bytes() == b"1" * 1000
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.hostile("names and paths")
def test_a_parent_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(MaskfoldError, match=r"file/folder/a: cannot be written"):
        files.write_text(tmp_path / "file" / "folder" / "a", "")


@pytest.mark.hostile("killed")
def test_what_a_killed_run_left_is_overwritten(tmp_path):
    (tmp_path / ".a.part").write_text("left over and longer")

    files.write_text(tmp_path / "a", "new")

    assert (tmp_path / "a").read_text() == "new"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize("content", ["", '{"a": ', "[1]"])
def test_a_damaged_json_file_is_named(tmp_path, content):
    (tmp_path / "a.json").write_text(content)

    with pytest.raises(MaskfoldError, match=r"a\.json: not a readable JSON file .*Delete it and run again"):
        files.read_json(tmp_path / "a.json")


def test_a_hash_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")

    # FIPS 180-2, appendix B.1
    assert files.sha256(tmp_path / "a").startswith("ba7816bf8f01cfea414140de5dae2223")
    assert files.sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.hostile("killed")
def test_a_folder_has_one_writer_and_is_free_again_when_that_is_killed(tmp_path):
    hold = (
        "import sys, time; from pathlib import Path; from maskfold.files import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(MaskfoldError, match="another run is writing here"), files.locked(tmp_path):
            pass
        other.send_signal(signal.SIGKILL)
    with files.locked(tmp_path):
        pass


def test_a_run_waits_for_a_folder_as_long_as_its_environment_says(tmp_path, monkeypatch):
    holder = (
        "import sys, time; from pathlib import Path; from maskfold.files import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(0.5)"
    )
    monkeypatch.setenv(files.LOCK_WAIT, "20")
    with subprocess.Popen([sys.executable, "-c", holder, str(tmp_path)], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        began = time.monotonic()
        with files.locked(tmp_path):
            assert 0.1 < time.monotonic() - began < 10


@pytest.mark.hostile("full or read-only disk")
def test_a_folder_that_cannot_be_made_cannot_be_locked(tmp_path):
    (tmp_path / "file").write_text("")

    with (
        pytest.raises(MaskfoldError, match="file/folder: cannot be written to"),
        files.locked(tmp_path / "file/folder"),
    ):
        pass


def test_long_lists_are_cut_and_counted():
    assert listing(["a", "b"], limit=2) == "  a\n  b"
    assert listing(["a", "b", "c", "d"], limit=2) == "  a\n  b\n  ... and 2 more"


def test_a_forked_process_does_not_keep_the_folder_when_its_parent_lets_go(tmp_path):
    wait, go = os.pipe()
    hear, ready = os.pipe()
    with files.locked(tmp_path):
        pid = os.fork()
        if pid == 0:
            os.close(go)
            os.write(ready, b"1")
            os.read(wait, 1)  # lives on until the parent closes the other end
            os._exit(0)
        os.read(hear, 1)
    with files.locked(tmp_path):
        pass
    os.close(go)
    os.waitpid(pid, 0)
    for end in (wait, hear, ready):
        os.close(end)


@pytest.fixture
def old_run(tmp_path) -> Path:
    """A folder with a file and a folder in it."""
    folder = tmp_path / "fold0"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "last.ckpt").write_text("old")
    (folder / "config.yaml").write_text("old")
    return folder


def test_anew_begins_with_an_empty_folder_that_is_held(old_run):
    with files.locked(old_run, anew=True):
        assert os.listdir(old_run) == [files.LOCK]
        assert os.listdir(old_run.parent) == ["fold0"]
        with pytest.raises(MaskfoldError, match="another run is writing here"), files.locked(old_run):
            pass


@pytest.mark.hostile("killed")
@pytest.mark.parametrize(
    ("call", "is_done", "left"),
    [
        ("os.rename", False, [".lock", "checkpoints", "config.yaml"]),
        ("os.rename", True, None),
        ("shutil.rmtree", False, [".lock"]),
    ],
)
def test_killed_while_it_is_emptied_a_folder_has_all_or_nothing(old_run, monkeypatch, call, is_done, left):
    """Killed before a call, or behind it: `left` is what is in the folder, None where there is none."""

    def killed(path, *_, **__):
        if Path(path).exists():  # there is nothing of an earlier kill to remove
            if is_done:
                os.replace(path, *_)
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(call, killed)
        with pytest.raises(KeyboardInterrupt), files.locked(old_run, anew=True):
            pass

    assert (sorted(os.listdir(old_run)) if old_run.exists() else None) == left
    with files.locked(old_run):
        assert os.listdir(old_run.parent) == ["fold0"]


def test_a_folder_on_another_disk_is_emptied_where_it_is(old_run, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    old_run.rename(disk / "run")
    old_run.symlink_to(disk / "run")

    with files.locked(old_run, anew=True):
        assert os.listdir(disk / "run") == [files.LOCK]
        assert old_run.is_symlink()


def test_who_waited_for_a_folder_that_was_moved_away_does_not_hold_the_new_one(old_run, monkeypatch):
    """The lock that a waiting run has opened goes with the old folder; it has to hold the new one's."""
    monkeypatch.setenv(files.LOCK_WAIT, "20")
    flock, waited = files.fcntl.flock, []

    def moved_meanwhile(lock, how):
        if not waited:
            waited.append(lock)
            old_run.rename(old_run.with_name("gone"))
        flock(lock, how)

    monkeypatch.setattr(files.fcntl, "flock", moved_meanwhile)
    with files.locked(old_run):
        assert os.listdir(old_run) == [files.LOCK]


@pytest.mark.hostile("full or read-only disk")
def test_a_folder_that_cannot_be_moved_is_named(old_run, monkeypatch):
    def busy(*_):
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(os, "rename", busy)
    with (
        pytest.raises(MaskfoldError, match=r"fold0: cannot be moved.*busy.*without overwrite=true"),
        files.locked(old_run, anew=True),
    ):
        pass
    assert (old_run / "config.yaml").exists()


@pytest.mark.hostile("names and paths")
@pytest.mark.parametrize("name", ["../x", "a/../b", "/x", "", ".", "a\nb", "a\rb", "\udcff"])
def test_a_name_that_leads_out_of_its_folder_or_can_be_no_files_is_refused(name):
    with pytest.raises(MaskfoldError, match=r"^some\.key="):
        files.check_inside(name, what="some.key")


@pytest.mark.parametrize("name", ["x", "a/b.png", "...", "ü, 'é\"", " a"])
def test_other_names_are_taken_as_they_are(name):
    assert files.check_inside(name, what="some.key") == name


@pytest.mark.hostile("damaged files")
@pytest.mark.parametrize("name", ["scores.parquet", "scores.csv"])
def test_a_table_that_is_cut_short_is_named_with_what_makes_it_anew(tmp_path, name):
    path, table = tmp_path / name, pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    (table.to_parquet if name.endswith("parquet") else table.to_csv)(path, index=False)
    pd.testing.assert_frame_equal(files.read_table(path, again=""), table)
    path.write_bytes(path.read_bytes()[:-8] if name.endswith("parquet") else b"")

    with pytest.raises(MaskfoldError, match=rf"{name}: damaged, or no such table \(.*\)\. Score it again\.$"):
        files.read_table(path, again="Score it again.")
