"""A competition's findings as a file of configuration, each key with what it was inferred from."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from maskfold.errors import MaskfoldError
from maskfold.files import CONTROL, is_utf8
from maskfold.joining.guesses import CERTAIN, Guess
from maskfold.joining.inference import Understanding

TARGET = "maskfold.data.competition.Competition"
_RULES = ("order", "start", "empty")
_PLAIN = re.compile(r"[A-Za-z_][\w./-]*", re.ASCII)
_LINE_ENDS = re.compile(f"{CONTROL}|[\u2028\u2029]")
_LONGEST = 160  # characters of a comment


def common_root(paths: Sequence[Path]) -> Path:
    """Return the folder that holds all of some files and folders; it is relative if all of them are."""
    around = [path.parent for path in paths]
    if any(path.is_absolute() for path in around):
        around = [path.absolute() for path in around]
    return Path(os.path.commonpath([os.path.normpath(path) for path in around]))


def named_from(root: Path, path: Path) -> str:
    """Return a path as it is named from a root: relative below it, else absolute."""
    inside = Path(os.path.relpath(path, root))
    return (path.absolute() if ".." in inside.parts else inside).as_posix()


def below(root: Path, value: Any) -> Any:
    """Return a value with every path in it as it is named from a root."""
    if isinstance(value, Path):
        return Path(os.path.relpath(value, root)).as_posix()
    if isinstance(value, Mapping):
        return {key: below(root, each) for key, each in value.items()}
    return value


def as_yaml(findings: Understanding, *, command: str) -> str:
    """Write findings as an option of the group `data`.

    Args:
        findings: Of every key, nothing left open.
        command: What was typed.

    Raises:
        MaskfoldError: If a name in them cannot stand in a configuration.
    """
    lines = [f"# {_one_line(command)}", "# What the files of a competition say, and what each was inferred from."]
    lines += [f"_target_: {TARGET}"]
    for key, guess in findings.guesses.items():
        lines += _lines(key, guess)
    lines += ["submission: # how it is written", "  columns:"]
    lines += [line for name, guess in findings.columns.items() for line in _lines(name, guess, "    ")]
    lines += [line for key in _RULES for line in _lines(key, findings.rules[key], "  ")]
    text = "\n".join(lines) + "\n"
    if "${" in text or not is_utf8(text):
        raise MaskfoldError(
            "A name in these files has ${ in it, or is not UTF-8, which a configuration cannot hold. Rename it."
        )
    return text


def _lines(key: str, guess: Guess, indent: str = "") -> Iterator[str]:
    """Yield a key with its value and a comment; a dictionary's keys have a line each."""
    sure = "" if guess.sure == CERTAIN else f"{guess.sure}: "
    comment = _one_line(f"{sure}{guess.source}")
    if isinstance(guess.value, Mapping):
        yield f"{indent}{_scalar(key)}: # {comment}"
        yield from (f"{indent}  {_scalar(name)}: {_flow(value)}" for name, value in guess.value.items())
    else:
        yield f"{indent}{_scalar(key)}: {_flow(guess.value)} # {comment}"


def _flow(value: Any) -> str:
    """Write a value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """Write a scalar, in quotes unless it is the very same text without."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and yaml.safe_load(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def _one_line(text: str) -> str:
    """Return text for a comment, in which nothing begins a new line."""
    line = " ".join(_LINE_ENDS.sub(" ", text).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 4]} ..."
