"""What went wrong with an address, and what to do, worded for whoever typed it."""

import os
import socket
from collections.abc import Mapping

from maskfold.credentials import censored

_KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
_UNREACHABLE = "the server{endpoint} cannot be reached. Check the network and the endpoint, then run the command again."
_BUSY = "the server is busy or has failed. Run the command again later; what was finished is kept."
_REGION = "the bucket is in another region. Set AWS_DEFAULT_REGION to its own."
_DENIED = (
    "these keys may not do this. Ask the bucket's owner to let them list it, read and write there "
    "(s3:ListBucket, s3:GetObject, s3:PutObject), or use other keys."
)
_EXPIRED = "the session of these keys is over. Log in again."
_MISSING = "nothing is there. Correct the address or the name."

# What S3 and servers like it answer with.
_CODES: Mapping[str, str] = {
    "NoSuchBucket": "there is no such bucket{endpoint}. Correct the address, or make the bucket.",
    "InvalidBucketName": "no bucket can be called so. Correct the address: s3://bucket/folder.",
    "NoSuchKey": _MISSING,
    "404": _MISSING,
    "InvalidAccessKeyId": f"the access key is not known{{endpoint}}. Set {_KEYS}, to keys of this server.",
    "InvalidClientTokenId": f"the access key is not known{{endpoint}}. Set {_KEYS}, to keys of this server.",
    "SignatureDoesNotMatch": f"the secret is not that of the access key{{endpoint}}. Set {_KEYS}, anew.",
    "ExpiredToken": _EXPIRED,
    "InvalidToken": _EXPIRED,
    "AccessDenied": _DENIED,
    "403": _DENIED,
    "RequestTimeTooSkewed": "this machine's clock differs from the server's. Set it.",
    "PermanentRedirect": _REGION,
    "301": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "SlowDown": _BUSY,
    "ServiceUnavailable": _BUSY,
    "InternalError": _BUSY,
    "500": _BUSY,
    "503": _BUSY,
}

# Errors that come before an answer, by the names of their classes: the libraries are not loaded for this.
_KINDS: Mapping[str, str] = {
    "NoCredentialsError": f"there are no keys. Set {_KEYS}; FSSPEC_S3_ANON=true reads a public bucket without any.",
    "PartialCredentialsError": f"the keys are not complete. Set {_KEYS}.",
    "ProfileNotFound": "there is no such profile in ~/.aws/config. Correct AWS_PROFILE.",
    "EndpointConnectionError": _UNREACHABLE,
    "HTTPClientError": _UNREACHABLE,  # of botocore, as the next: cut, timed out, not trusted
    "ConnectionError": _UNREACHABLE,
    "ClientError": _UNREACHABLE,  # of aiohttp; botocore's has a code
    "TimeoutError": _UNREACHABLE,
    "FSTimeoutError": _UNREACHABLE,
    "FileNotFoundError": _MISSING,
    "PermissionError": "it may not be read or written with these keys.",
}


def sentence(error: BaseException, code: str) -> str:
    """Return what is wrong and what to do about it.

    Args:
        error: As a library has raised it.
        code: What the server calls it, "" where it has not answered.
    """
    names = [kind.__name__ for kind in type(error).__mro__]
    known = _CODES.get(code) or next((_KINDS[name] for name in names if name in _KINDS), None)
    if known is None and isinstance(error, socket.gaierror):
        known = _UNREACHABLE
    if known is None:
        reason = " ".join(f"{error}".split()) or names[0]
        return f"failed ({censored(f'{code}: {reason}' if code else reason)})."
    return known.format(endpoint=_endpoint())


def is_final(error: BaseException) -> bool:
    """Return whether an error will be there again however often one asks."""
    return isinstance(error, FileNotFoundError | PermissionError)


def _endpoint() -> str:
    """Return which server is asked where the environment names one: behind "at"."""
    address = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return f" at {censored(address)}" if address else ""
