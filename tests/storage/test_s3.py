"""Buckets of a real S3 server over HTTP, which checks its keys, and connections to it that are cut."""

import hashlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from maskfold.errors import MaskfoldError
from maskfold.storage import address, open_storage
from s3_server import BUCKET, Proxy, S3Server, serving

PHOTOS = f"s3://{BUCKET}/shop"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[S3Server]:
    with serving(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def asked(server, tmp_path, monkeypatch) -> S3Server:
    """The server, asked by this process with keys that may do everything."""
    server.use(monkeypatch, AWS_MAX_ATTEMPTS="2")
    monkeypatch.setenv("MASKFOLD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(address, "PAUSE_S", 0.01)
    return server


@pytest.fixture
def proxy(asked, monkeypatch) -> Iterator[Proxy]:
    """The server behind a proxy that is still faithful."""
    between = Proxy(asked)
    monkeypatch.setenv("AWS_ENDPOINT_URL", between.address)
    yield between
    between.close()


def uploads(server: S3Server) -> list[str]:
    """Return the names of files of which parts have come."""
    return [upload["Key"] for upload in server.client().list_multipart_uploads(Bucket=BUCKET).get("Uploads", ())]


@pytest.mark.hostile("secrets")
def test_a_bucket_is_a_storage_for_whoever_has_its_keys(asked, monkeypatch):
    storage = open_storage(PHOTOS)
    storage.write("b/2.jpg", b"two")
    storage.write("a [1]*?#é.png", b"one")

    assert [(item.name, item.size) for item in storage.items()] == [("a [1]*?#é.png", 3), ("b/2.jpg", 3)]
    assert storage.read("a [1]*?#é.png") == b"one"
    assert storage.local("b/2.jpg").read_bytes() == b"two"
    assert [storage.exists(name) for name in ("b/2.jpg", "b", "c")] == [True, False, False]
    assert asked.client().head_object(Bucket=BUCKET, Key="shop/b/2.jpg")["ContentType"] == "image/jpeg"
    with pytest.raises(MaskfoldError, match=r"^s3://nowhere/a/x: there is no such bucket"):
        open_storage("s3://nowhere/a").read("x")
    sent = storage._remote.was_sent_with
    assert [sent("b/2.jpg", digest) for digest in (hashlib.sha256(b"two").hexdigest(), "0" * 64)] == [True, False]
    assert not sent("none.jpg", "0" * 64)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    for act in (
        lambda wrong: wrong.read("b/2.jpg"),
        lambda wrong: [*wrong.items()],
        lambda wrong: wrong.write("x", b""),
    ):
        with pytest.raises(MaskfoldError, match="the secret is not that of the access key") as refused:
            act(open_storage(PHOTOS))
        assert "not-the-secret" not in str(refused.value)
        assert asked.key not in str(refused.value)


@pytest.mark.slow
@pytest.mark.hostile("secrets")
def test_each_refusal_is_named(asked, monkeypatch):
    open_storage(PHOTOS).write("a.jpg", b"one")
    reading = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}
    reader = asked.user("reader", {"Version": "2012-10-17", "Statement": [reading]})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", reader[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", reader[1])
    assert open_storage(PHOTOS).read("a.jpg") == b"one"
    with pytest.raises(MaskfoldError, match=r"shop/b\.jpg: these keys may not do this.*s3:PutObject"):
        open_storage(PHOTOS).write("b.jpg", b"")
    with pytest.raises(MaskfoldError, match=r"shop/none\.jpg: nothing is there"):
        open_storage(PHOTOS).read("none.jpg")

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAUNKNOWNUNKNOWN")
    with pytest.raises(MaskfoldError, match=rf"the access key is not known at {asked.address}"):
        open_storage(PHOTOS).read("a.jpg")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(MaskfoldError, match="there are no keys"):
        open_storage(PHOTOS).read("a.jpg")
    monkeypatch.setenv("AWS_PROFILE", "none")
    with pytest.raises(MaskfoldError, match="there is no such profile"):
        open_storage(PHOTOS).read("a.jpg")
    monkeypatch.delenv("AWS_PROFILE")
    asked.use(monkeypatch, AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_MAX_ATTEMPTS="1")
    with pytest.raises(MaskfoldError, match=r"the server at http://127\.0\.0\.1:9 cannot be reached"):
        open_storage(PHOTOS).read("a.jpg")


@pytest.mark.slow
def test_more_files_than_a_page_has_are_all_listed_in_order(asked):
    client = asked.client()
    names = sorted(f"{number % 7}/{number:04d}.jpg" for number in range(1100))
    for name in names:
        client.put_object(Bucket=BUCKET, Key=f"many/{name}", Body=b"")
    client.put_object(Bucket=BUCKET, Key="many/", Body=b"")
    client.put_object(Bucket=BUCKET, Key="many/.hidden/x.jpg", Body=b"")
    client.put_object(Bucket=BUCKET, Key="many/../x.jpg", Body=b"")

    assert [item.name for item in open_storage(f"s3://{BUCKET}/many").items()] == names


@pytest.mark.slow
@pytest.mark.hostile("endless and hanging")
def test_a_connection_cut_midway_is_taken_up_again_or_named(asked, proxy, tmp_path):
    content = os.urandom(3_000_000)
    open_storage(PHOTOS).write("large.jpg", content)
    proxy.cut_after = 300_000

    storage = open_storage(PHOTOS)
    assert storage.read("large.jpg") == content
    assert storage.local("large.jpg").read_bytes() == content

    proxy.cut_after, proxy.total, proxy._answered = None, 1_200_000, 0
    with pytest.raises(MaskfoldError, match=r"large\.jpg: the connection was cut: [\d,]+ of 3,000,000 bytes") as cut:
        storage.read("large.jpg")
    come = int(re.search(r"cut: ([\d,]+) of", str(cut.value))[1].replace(",", ""))
    assert 1_190_000 < come < 1_200_000  # the rest is headers


@pytest.mark.slow
@pytest.mark.hostile("killed")
def test_an_upload_killed_midway_leaves_nothing(asked, proxy):
    for size in (30_000_000, 130_000_000):  # at once, in parts
        proxy.stall_after = 20_000_000
        proxy.stalled.clear()
        code = f"from maskfold.storage import open_storage; open_storage({PHOTOS!r}).write('killed.bin', bytes({size}))"
        environment = asked.environment(AWS_ENDPOINT_URL=proxy.address, PYTHONPATH=os.environ.get("PYTHONPATH", ""))
        writer = subprocess.Popen([sys.executable, "-c", code], env=environment)
        assert proxy.stalled.wait(60)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        proxy.stall_after = None

        assert not open_storage(PHOTOS).exists("killed.bin")
    assert uploads(asked) == ["shop/killed.bin"]
    open_storage(PHOTOS).write("killed.bin", bytes(110_000_000))
    assert uploads(asked) == []


@pytest.mark.slow
@pytest.mark.hostile("endless and hanging")
def test_an_upload_in_parts_is_whole_or_its_parts_are_removed(asked, proxy):
    content = os.urandom(1_000_000) * 110
    storage = open_storage(PHOTOS)
    storage.write("model.onnx", content)

    assert storage.read("model.onnx") == content
    assert "-" in next(item.version for item in storage.items() if item.name == "model.onnx")  # came in parts

    proxy.cut_questions_after = 1_000_000
    with pytest.raises(MaskfoldError, match=r"other\.onnx: the server at .* cannot be reached"):
        open_storage(PHOTOS).write("other.onnx", content)
    proxy.cut_questions_after = None
    assert not storage.exists("other.onnx")
    assert uploads(asked) == []


@pytest.mark.slow
@pytest.mark.hostile("damaged files")
def test_bytes_that_others_wrote_are_checked_by_the_entity_tag_and_ours_by_their_sha256(asked):
    client = asked.client()
    client.put_object(Bucket=BUCKET, Key="shop/theirs.jpg", Body=b"theirs")
    assert open_storage(PHOTOS).read("theirs.jpg") == b"theirs"

    client.put_object(Bucket=BUCKET, Key="shop/false.jpg", Body=b"false", Metadata={"sha256": "0" * 64})
    assert open_storage(PHOTOS).read("false.jpg") == b"false"  # its tag is right, which is enough

    encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "key"}
    client.put_object(Bucket=BUCKET, Key="shop/encrypted.jpg", Body=b"encrypted", **encrypted)
    assert open_storage(PHOTOS).read("encrypted.jpg") == b"encrypted"
