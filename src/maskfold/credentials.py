"""Passwords and tokens that must not be read by whoever sees a console, a log, a run folder or a tracker."""

import logging
import os
import re
from typing import Any

HIDDEN = "***"

# Of a key, a parameter of an address or a variable. Not just any `..._token`: an empty mask's is no secret.
_SECRET = (
    r"(?:[\w.-]*(?:password|passwd|secret|signature|credential|api_?key|access_?key)[\w.-]*"
    r"|(?:[\w.-]*(?:[._-]|api|auth|access|bearer|session|tracking|hf))?(?<!empty_)token)"
)
_SECRET_NAME = re.compile(rf"(?:.*\.)?{_SECRET}", re.IGNORECASE)
# `scheme://user:password@`. A password with a / in it is not an address any more, but people write it; `host:5000/` is
# a port.
_IN_ADDRESS = re.compile(r"(\b[a-z][a-z0-9+.-]*://)(?:[^\s/'\"]*@|[^\s/:@'\"]*:(?!\d+/)[^\s'\"]*@)", re.IGNORECASE)
_GIVEN = re.compile(rf"(\b{_SECRET}=)[^\s&,;'\"\]}}]+", re.IGNORECASE)
_AUTHORIZATION = re.compile(r"(\bauthorization['\"]?\s*[:=]\s*['\"]?(?:basic|bearer)\s+)[^\s'\"]+", re.IGNORECASE)
_VARIABLE = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|_KEY$|APIKEY", re.IGNORECASE)
_LEAST = 12  # characters of a variable's value, below which it may be any word


def censored(text: str) -> str:
    """Return a text without credentials.

    Those are the ones in addresses, those behind a name such as `password=`, and the values of the environment's
    variables whose names say that they are secret.
    """
    return _censored(text, _secrets_of_environment())


def has_password(address: str) -> bool:
    """Return whether an address has a key or a password in it: `s3://key:secret@bucket`, but not `sftp://user@host`."""
    scheme, _, rest = address.partition("://")
    user, _, host = rest.partition("/")[0].rpartition("@")
    named = scheme in ("s3", "s3a") and (user != "" or ":" in host)  # a bucket has neither, a secret may have a /
    return named or ":" in user or re.search(r":(?!\d*$)", host) is not None or _GIVEN.search(address) is not None


def _censored(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    text = _IN_ADDRESS.sub(rf"\1{HIDDEN}@", text)
    text = _GIVEN.sub(rf"\1{HIDDEN}", text)
    return _AUTHORIZATION.sub(rf"\1{HIDDEN}", text)


def censored_tree(tree: Any) -> Any:
    """Return nested dictionaries and lists without credentials in their texts, or behind keys that say so."""
    return _censored_tree(tree, _secrets_of_environment())


def _censored_tree(tree: Any, secrets: list[str]) -> Any:
    if isinstance(tree, dict):
        return {
            key: HIDDEN if _is_secret(key, value) else _censored_tree(value, secrets) for key, value in tree.items()
        }
    if isinstance(tree, list):
        return [_censored_tree(value, secrets) for value in tree]
    return _censored(tree, secrets) if isinstance(tree, str) else tree


def hidden_keys(tree: Any, prefix: str = "") -> list[str]:
    """Return the dotted keys of the texts in which `censored_tree` has hidden something."""
    if isinstance(tree, dict | list):
        parts = tree.items() if isinstance(tree, dict) else enumerate(tree)
        return [name for key, part in parts for name in hidden_keys(part, f"{prefix}.{key}" if prefix else f"{key}")]
    return [prefix] if isinstance(tree, str) and HIDDEN in tree else []


class CensoringFormatter(logging.Formatter):
    """Writes messages, and the errors that come with them, without credentials."""

    def format(self, record: logging.LogRecord) -> str:
        """Return what is printed."""
        return censored(super().format(record))


def _is_secret(key: object, value: object) -> bool:
    return isinstance(value, str) and value != "" and _SECRET_NAME.fullmatch(str(key)) is not None


def _secrets_of_environment() -> list[str]:
    """Return the values of secret variables, the longest first: one may hold another. Where a secret lies is none."""
    values = {value for name, value in os.environ.items() if _VARIABLE.search(name) and len(value) >= _LEAST}
    return sorted((value for value in values if not os.path.exists(value)), key=len, reverse=True)
