"""Addresses behind the interface of folders, on fsspec's memory and on remotes that go wrong."""

import hashlib
import pickle

import pytest

from maskfold.errors import MaskfoldError
from maskfold.storage import StoredFile, address, open_storage
from maskfold.storage.address import AddressStorage


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKFOLD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(address, "PAUSE_S", 0)


@pytest.fixture
def memory():
    import fsspec

    fsspec.filesystem("memory").store.clear()
    return open_storage("memory://bucket/photos")


class Spoiled:
    """A remote with one file, `a.bin`, of which no more than `most` bytes come at once, and `total` in all.

    `damage` replaces what it fetches.
    """

    def __init__(self, content=b"", *, most=10**9, total=10**9, damage=lambda part: part):
        self.content, self.most, self.total, self.damage = content, most, total, damage
        self.asked = []

    def files(self):
        raise RuntimeError("secret=abcdefghijkl")

    def look(self, name):
        return StoredFile(name, len(self.content), hashlib.md5(self.content).hexdigest())

    def fetch(self, name, start, stop):
        self.asked.append((start, stop))
        if start >= self.total or len(self.asked) == 1:
            raise ConnectionResetError("cut")
        return self.damage(self.content[start : min(stop, start + self.most, self.total)])

    def put(self, name, content, sha256):
        self.content, self.sha256 = self.damage(content), sha256

    def was_sent_with(self, name, sha256):
        return self.sha256 == sha256

    def remove(self, name):
        self.content = b""

    def has(self, stored, *, md5, sha256):
        return stored.version == md5

    def code(self, error):
        return ""


def test_an_address_lists_reads_and_writes_as_a_folder_does(memory):
    memory.write("b/2.JPG", b"two")
    memory.write("a.png", b"one")
    memory.write("a.png", b"ones")
    memory.write(".hidden/x.png", b"")

    assert [(item.name, item.size) for item in memory.items()] == [("a.png", 4), ("b/2.JPG", 3)]
    assert [item.name for item in memory.items([".jpg"])] == ["b/2.JPG"]
    assert memory.read("a.png") == b"ones"
    assert memory.local("b/2.JPG").read_bytes() == b"two"
    assert memory.local("b/2.JPG").suffix == ".JPG"
    assert [memory.exists(name) for name in ("a.png", "b", "c")] == [True, False, False]
    assert pickle.loads(pickle.dumps(memory)).read("a.png") == b"ones"


@pytest.mark.hostile("names and paths")
def test_odd_names_are_names_and_stay_inside(memory):
    for name in ("a [1]*?.png", "é ü+%20#.png", "x@2x.png"):
        memory.write(name, name.encode())

    assert {item.name: memory.read(item.name).decode() for item in memory.items()} == {
        name: name for name in ("a [1]*?.png", "x@2x.png", "é ü+%20#.png")
    }
    for act in (memory.read, memory.local, memory.exists, lambda name: memory.write(name, b"")):
        with pytest.raises(MaskfoldError, match="inside its folder"):
            act("../secret")


@pytest.mark.hostile("wrong input")
def test_what_is_missing_is_named(memory):
    with pytest.raises(MaskfoldError, match=r"^memory://bucket/photos: nothing is there"):
        next(memory.items())
    with pytest.raises(MaskfoldError, match=r"^memory://bucket/photos/a\.png: nothing is there"):
        memory.read("a.png")


@pytest.mark.hostile("secrets")
@pytest.mark.parametrize(
    "text",
    [
        "s3://AKIAKEY:wJalrsecret@bucket/photos",
        "s3://AKIAKEY:wJalr/secret@bucket/photos",
        "s3://AKIAKEY:wJalrsecret/bucket",
        "sftp://me:wJalrsecret@host/photos",
        "gs://bucket/photos?token=wJalrsecret",
    ],
)
def test_an_address_with_a_secret_is_refused_and_not_repeated(text):
    with pytest.raises(MaskfoldError, match="has a key or a password in it") as refused:
        open_storage(text)
    assert "wJalr" not in str(refused.value)


@pytest.mark.hostile("wrong input")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gs://bucket/photos", "pip install gcsfs"),
        ("ss3://bucket/photos", "ss3:// is not understood"),
        ("s3://", "names no bucket"),
        ("https://host/photos", "no storage"),
        ("file:///photos", "give the path itself, /photos$"),
        ("local://photos", "give the path itself, photos$"),
        ("simplecache::memory://photos", "no storage"),
    ],
)
def test_what_cannot_be_opened_says_what_to_do(text, message):
    with pytest.raises(MaskfoldError, match=message):
        open_storage(text)


@pytest.mark.hostile("endless and hanging")
def test_a_cut_connection_is_taken_up_where_it_was():
    content = bytes(range(256)) * 4096
    remote = Spoiled(content, most=400_000)

    assert AddressStorage("s3://b", remote).read("a.bin") == content
    assert [start for start, _ in remote.asked] == [0, 0, 400_000, 800_000]


@pytest.mark.hostile("endless and hanging")
def test_a_connection_that_stays_cut_is_named_with_what_has_come(tmp_path):
    storage = AddressStorage("s3://b", Spoiled(bytes(2**20), most=2**17, total=300_000))

    for act in (storage.read, storage.local):
        with pytest.raises(MaskfoldError, match=r"^s3://b/a\.bin: the connection was cut: 300,000 of 1,048,576 bytes"):
            act("a.bin")
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.mark.hostile("damaged files")
def test_bytes_without_their_checksum_are_not_taken():
    storage = AddressStorage("s3://b", Spoiled(b"content", damage=lambda part: part[::-1]))

    for act in (storage.read, storage.local):
        with pytest.raises(MaskfoldError, match=r"^s3://b/a\.bin: its bytes do not have the checksum"):
            act("a.bin")


@pytest.mark.hostile("replaced files")
def test_a_file_replaced_while_it_is_read_is_read_again():
    remote = Spoiled(b"old one")

    def replaced(part):
        remote.content, remote.damage = b"new two", lambda part: part
        return b"old" + remote.content[3:]

    remote.damage = replaced

    assert AddressStorage("s3://b", remote).read("a.bin") == b"new two"


@pytest.mark.hostile("damaged files")
def test_an_upload_that_arrives_damaged_is_removed_and_refused():
    remote = Spoiled(damage=lambda part: part[:-1])

    with pytest.raises(MaskfoldError, match=r"^s3://b/a\.bin: what arrived is not what was sent"):
        AddressStorage("s3://b", remote).write("a.bin", b"content")
    assert remote.content == b""


@pytest.mark.hostile("replaced files")
def test_what_another_writer_has_put_there_meanwhile_is_left(memory, monkeypatch):
    class Overtaken(Spoiled):
        def put(self, name, content, sha256):
            super().put(name, b"theirs", hashlib.sha256(b"theirs").hexdigest())

    remote = Overtaken()
    with pytest.raises(MaskfoldError, match=r"^s3://b/a\.bin: what is there is not what was sent.*It is left as it is"):
        AddressStorage("s3://b", remote).write("a.bin", b"content")
    assert remote.content == b"theirs"

    files = type(memory._remote)
    monkeypatch.setattr(files, "put", lambda self, name, *_: self._connection().pipe_file(self._path(name), b"theirs"))
    with pytest.raises(MaskfoldError, match="It is left as it is"):
        memory.write("a.bin", b"content")
    assert memory.read("a.bin") == b"theirs"


@pytest.mark.hostile("secrets")
def test_an_error_that_nobody_has_worded_is_one_line_without_secrets():
    with pytest.raises(MaskfoldError, match=r"^s3://b: failed \(secret=\*\*\*\)\.$"):
        next(AddressStorage("s3://b", Spoiled()).items())


@pytest.mark.hostile("replaced files")
def test_a_copy_is_of_the_version_that_is_there(memory):
    memory.write("a.png", b"one")
    first = memory.local("a.png")
    memory.write("a.png", b"two")

    assert memory.local("a.png").read_bytes() == b"two"
    assert first.read_bytes() == b"one"
