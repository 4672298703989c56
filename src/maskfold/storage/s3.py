"""Files in a bucket of S3, or of a server that speaks its language."""

import mimetypes
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from maskfold.storage.interface import StoredFile
from maskfold.storage.remote import Connection

_MD5 = re.compile("[0-9a-f]{32}")
_PART = 50 * 2**20  # bytes of a part of a large file
_SHA256 = "sha256"  # in a file's metadata
# What is answered to "unless there is one": where there is, where another asks the same, and where that is not known.
_EXISTS, _CANNOT = ("PreconditionFailed", "412", "ConditionalRequestConflict", "409"), ("NotImplemented", "501")


class S3Files:
    """A bucket, or a folder in it, as a `Remote`.

    An object appears whole when its upload is complete, and the server checks the sum that comes with it. Its entity
    tag is the MD5 of its bytes unless it came in parts or is encrypted with a key of its own; so the SHA-256 stands in
    its metadata too.
    """

    def __init__(self, connection: Connection, bucket: str, folder: str) -> None:
        """Take a filesystem of s3fs, a bucket and a folder in it, "" for all of the bucket."""
        self._connection = connection
        self._bucket = bucket
        self._prefix = f"{folder}/" if folder else ""

    def files(self) -> Iterator[StoredFile]:
        """See `Remote`: page by page, in the order of the names, as the server has them."""
        empty = True
        for page in self._pages():
            for entry in page.get("Contents", ()):
                empty = False
                if not entry["Key"].endswith("/"):  # which is how consoles make folders
                    yield StoredFile(entry["Key"].removeprefix(self._prefix), entry["Size"], _tag(entry))
        if empty and self._prefix:
            raise FileNotFoundError(self._prefix)

    def _pages(self) -> Iterator[dict[str, Any]]:
        going_on: dict[str, str] = {}
        while True:
            page = self._call("list_objects_v2", Prefix=self._prefix, **going_on)
            yield page
            if not page.get("IsTruncated"):
                return
            going_on = {"ContinuationToken": page["NextContinuationToken"]}

    def look(self, name: str) -> StoredFile | None:
        """See `Remote`."""
        try:
            head = self._head(name)
        except FileNotFoundError:
            return None
        return StoredFile(name, head["ContentLength"], _tag(head))

    def fetch(self, name: str, start: int, stop: int) -> bytes:
        """See `Remote`."""
        from fsspec.asyn import sync

        filesystem = self._connection()
        return sync(filesystem.loop, self._come, filesystem, name, f"bytes={start}-{stop - 1}")

    async def _come(self, filesystem: Any, name: str, wanted: str) -> bytes:
        """Return what comes of a range before the connection is cut; its error if that is nothing."""
        response = await filesystem._call_s3("get_object", Bucket=self._bucket, Key=self._prefix + name, Range=wanted)
        content = bytearray()
        async with response["Body"] as body:
            try:
                while part := await body.read(2**18):
                    content += part
            except Exception:  # of several libraries
                if not content:
                    raise
        return bytes(content)

    def put(self, name: str, content: bytes, sha256: str) -> None:
        """See `Remote`: at once, or in parts that become an object together; they are removed if one fails."""
        kind, _ = mimetypes.guess_type(name, strict=False)
        more = {"ContentType": kind} if kind else {}
        if len(content) >= 2 * _PART:  # below that, s3fs sends it at once
            self._forget_parts(name)
        self._connection().pipe_file(self._path(name), content, chunksize=_PART, Metadata={_SHA256: sha256}, **more)

    def create(self, name: str, content: bytes) -> bool:
        """See `Remote`: S3 refuses it where there is one; a server that cannot is asked before."""
        new = {"Key": self._prefix + name, "Body": content}
        try:
            self._call("put_object", **new, IfNoneMatch="*")
        except Exception as error:  # of whatever kind the libraries have
            if isinstance(error, FileExistsError) or _code(error) in _EXISTS:
                return False
            if _code(error) not in _CANNOT:
                raise
            if self.look(name) is not None:
                return False
            self._call("put_object", **new)
        return True

    def _forget_parts(self, name: str) -> None:
        """Remove what killed processes have left of uploads of a file, which nobody sees and somebody pays for."""
        key = self._prefix + name
        with suppress(PermissionError):  # which is one more than those that writing needs
            for upload in self._call("list_multipart_uploads", Prefix=key).get("Uploads", ()):
                if upload["Key"] == key:
                    self._call("abort_multipart_upload", Key=key, UploadId=upload["UploadId"])

    def remove(self, name: str) -> None:
        """See `Remote`."""
        self._call("delete_object", Key=self._prefix + name)

    def has(self, stored: StoredFile, *, md5: str, sha256: str) -> bool:
        """See `Remote`."""
        if stored.version == md5:
            return True
        head = self._head(stored.name)
        if kept := head.get("Metadata", {}).get(_SHA256):
            return kept == sha256
        is_md5 = _MD5.fullmatch(stored.version) and not _is_encrypted(head)
        return not is_md5 and _tag(head) == stored.version

    def was_sent_with(self, name: str, sha256: str) -> bool:
        """See `Remote`."""
        with suppress(FileNotFoundError):
            return self._head(name).get("Metadata", {}).get(_SHA256) == sha256
        return False

    def code(self, error: BaseException) -> str:
        """See `Remote`: of a question for a file's head alone the answer has no text, so the bucket is asked too."""
        code = _code(error) or ("404" if isinstance(error, FileNotFoundError) else "")
        if code in ("400", "403", "404"):
            try:
                self._call("list_objects_v2", Prefix=self._prefix, MaxKeys=1)
            except Exception as more:  # of whatever kind the libraries have
                return _code(more) or code
        return code

    def _head(self, name: str) -> dict[str, Any]:
        return self._call("head_object", Key=self._prefix + name)

    def _call(self, method: str, **arguments: Any) -> dict[str, Any]:
        return self._connection().call_s3(method, Bucket=self._bucket, **arguments)

    def _path(self, name: str) -> str:
        return f"{self._bucket}/{self._prefix}{name}"


def _tag(entry: dict[str, Any]) -> str:
    return entry["ETag"].strip('"')


def _is_encrypted(head: dict[str, Any]) -> bool:
    """Return whether an object is encrypted so that its entity tag is no MD5."""
    return "SSECustomerAlgorithm" in head or head.get("ServerSideEncryption", "").startswith("aws:kms")


def _code(error: BaseException | None) -> str:
    """Return the code of the answer that an error, or what has caused it, comes from."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(response, dict):
            return response.get("Error", {}).get("Code", "")
        error = error.__cause__
    return ""
