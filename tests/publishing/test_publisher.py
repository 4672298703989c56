"""Publishing: in a folder, in memory and in a bucket; killed in the middle, and two at once."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from maskfold.config import compose
from maskfold.errors import MaskfoldError
from maskfold.publishing.publisher import publish_model
from maskfold.runs.provenance import Provenance, write_provenance
from maskfold.stages.publish import publish
from maskfold.storage import FolderStorage, open_storage
from maskfold.storage.address import AddressStorage
from maskfold.storage.published import MANIFEST, open_published
from s3_server import BUCKET, S3Server, serving

MADE = "2026-03-04T05:06:07+00:00"


def export(folder: Path, weights: bytes = b"weights") -> Path:
    """Write what an export leaves, with small files."""
    contents = {"model.onnx": b"graph of " + weights, "model.safetensors": weights}
    for name, content in contents.items():
        FolderStorage(folder).write(name, content)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    write_provenance(FolderStorage(folder), Provenance(kind="model", name="shop", files=hashes, made=MADE))
    return folder


@pytest.fixture
def model(tmp_path) -> Path:
    return export(tmp_path / "exports" / "any")


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[S3Server]:
    with serving(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(params=["folder", "memory", "s3"])
def to(request, tmp_path, monkeypatch) -> str:
    """A folder or an address to publish to, empty."""
    monkeypatch.setenv("MASKFOLD_CACHE", str(tmp_path / "cache"))
    if request.param == "folder":
        return str(tmp_path / "models")
    if request.param == "memory":
        import fsspec

        fsspec.filesystem("memory").store.clear()
        return "memory://bucket/models"
    request.getfixturevalue("server").use(monkeypatch, AWS_MAX_ATTEMPTS="2")
    return f"s3://{BUCKET}/{request.node.originalname}"


class KilledError(Exception):
    """Stands for a kill."""


def die_at(name: str, patch: pytest.MonkeyPatch) -> None:
    """Have the writing of a file end everything."""
    for kind in (FolderStorage, AddressStorage):
        write = kind.write

        def killed(self, file: str, content: bytes, write=write) -> None:
            if file == name:
                raise KilledError
            write(self, file, content)

        patch.setattr(kind, "write", killed)


@pytest.mark.hostile("killed")
def test_a_version_is_whole_or_absent_and_a_killed_publisher_goes_on(model, to, monkeypatch):
    with monkeypatch.context() as patch:
        die_at("model.safetensors", patch)
        with pytest.raises(KilledError):
            publish_model(str(model), to, version="2026-03")
    with pytest.raises(MaskfoldError, match="not published to its end"):
        open_published(f"{to}/shop/2026-03")
    with pytest.raises(MaskfoldError, match=r"somebody else has begun to publish other files as this version"):
        publish_model(str(export(model.with_name("other"), b"others")), to, version="2026-03")

    done = publish_model(str(model / "model.onnx"), to, version="2026-03")

    assert done.address == f"{to}/shop/2026-03"
    assert done.sent == ("model.safetensors", "provenance.json")  # by name: PROVENANCE.md, model.onnx were there
    published = open_published(f"{to}/shop")
    assert [item.name for item in published.items()] == [
        "PROVENANCE.md",
        "model.onnx",
        "model.safetensors",
        "provenance.json",
    ]
    assert published.read("model.onnx") == (model / "model.onnx").read_bytes()
    assert published.local("model.safetensors").read_bytes() == b"weights"
    listed = json.loads(open_storage(done.address).read(MANIFEST))["files"]["model.safetensors"]
    assert listed == {"sha256": hashlib.sha256(b"weights").hexdigest(), "size": 7}
    assert publish_model(str(model), to, version="2026-03").sent == ()
    with pytest.raises(MaskfoldError, match=r"published with other files \(PROVENANCE\.md, model\.onnx"):
        publish_model(str(export(model.with_name("other"), b"others")), to, version="2026-03")


def test_a_version_is_called_by_when_the_model_was_made_and_what_is_in_it(model, tmp_path):
    one = publish_model(str(model), str(tmp_path / "models")).manifest.version
    other = publish_model(str(export(tmp_path / "b", b"others")), str(tmp_path / "models")).manifest.version

    assert {one.partition("-")[0], other.partition("-")[0]} == {"20260304T050607"}
    assert one != other
    lines = "".join(
        f"{hashlib.sha256((model / name).read_bytes()).hexdigest()}  {name}\n"
        for name in ("PROVENANCE.md", "model.onnx", "model.safetensors", "provenance.json")
    )
    assert one.partition("-")[2] == hashlib.sha256(lines.encode()).hexdigest()[:8]


def test_what_else_lies_in_an_export_is_published_with_it(model, tmp_path):
    (model / "gate").mkdir()
    (model / "gate" / "gate.csv").write_text("sku,before,after\n")
    (model / "classes.parquet").write_bytes(b"classes")
    config = compose("publish", [f"exported={model}", f"to={tmp_path}/models", "version=1", "name=till"])
    publish(config)

    published = open_published(f"{tmp_path}/models/till")
    assert published.read("gate/gate.csv") == b"sku,before,after\n"
    assert published.read("classes.parquet") == b"classes"


@pytest.mark.hostile("damaged files")
def test_what_is_no_whole_export_is_not_published(model, tmp_path):
    (model / "model.onnx").write_bytes(b"half")
    with pytest.raises(MaskfoldError, match=r"model\.onnx: not the file that provenance\.json beside it tells of"):
        publish_model(str(model), str(tmp_path / "models"))
    (model / "model.onnx").unlink()
    with pytest.raises(MaskfoldError, match=r"model\.onnx: not the file that provenance\.json"):
        publish_model(str(model), str(tmp_path / "models"))
    (model / "provenance.json").unlink()
    with pytest.raises(MaskfoldError, match=r"no exported model: .* Write one with make export"):
        publish_model(str(model), str(tmp_path / "models"))
    assert not (tmp_path / "models").exists()


@pytest.mark.hostile("names and paths")
@pytest.mark.parametrize("version", ["../up", "latest", "a/b", ".hidden", "a b"])
def test_a_version_has_a_name_that_any_store_takes(version, model, tmp_path):
    with pytest.raises(MaskfoldError, match=r"version=.*: give letters, digits"):
        publish_model(str(model), str(tmp_path / "models"), version=version)


def test_a_model_at_an_address_is_brought_here_first(tmp_path):
    with pytest.raises(MaskfoldError, match=r"Copy s3://shop/exports/any here first \(`aws s3 sync"):
        publish_model("s3://shop/exports/any", str(tmp_path))


@pytest.mark.hostile("replaced files")
def test_a_file_that_changes_meanwhile_is_not_published(model, tmp_path, monkeypatch):
    read = FolderStorage.read
    changed = lambda self, name: b"changed" if name == "model.onnx" else read(self, name)  # noqa: E731
    monkeypatch.setattr(FolderStorage, "read", changed)
    with pytest.raises(MaskfoldError, match="has changed while it was published"):
        publish_model(str(model), str(tmp_path / "models"), version="1")
    assert not (tmp_path / "models/shop/1" / MANIFEST).exists()


@pytest.mark.hostile("killed")
def test_of_two_who_publish_at_once_one_gets_the_version(model, tmp_path, monkeypatch):
    """The second begins when the first has looked, and claimed nothing yet."""
    other = export(tmp_path / "b", b"others")
    create, begun = FolderStorage.create, []

    def interrupted(self: FolderStorage, name: str, content: bytes) -> bool:
        if not begun:
            begun.append(self)
            create(self, name, json.dumps({"files": "of the other"}).encode())
        return create(self, name, content)

    monkeypatch.setattr(FolderStorage, "create", interrupted)
    with pytest.raises(MaskfoldError, match="somebody else has begun"):
        publish_model(str(other), str(tmp_path / "models"), version="1")
    assert [path.name for path in (tmp_path / "models/shop/1").iterdir() if path.name[0] != "."] == []
