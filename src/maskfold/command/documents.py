"""The files of `conf/` read as text: keys with their defaults and comments, without Hydra's second of imports.

They are read in the form that this repository writes them: two spaces an indent, a comment behind its key.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_KEY = re.compile(r"^( *)(\w+):(?: +(.*))?$")
_CHOICE = re.compile(r"^ *- (override )?/?(\w+)(?:@\S+)?: *(.*)$")
_PARENT = re.compile(r"^ *- (\w+) *$")
_COMMENT = re.compile(r"^((?:[^'\"#]|'[^']*'|\"[^\"]*\"|(?<=\S)#)*?)(?:(?:^|\s+)# ?(.*))?$")
GLOBAL = "@package _global_"


@dataclass(frozen=True)
class Key:
    """A line `name: default # comment`; a key inside another has a dotted name, a list is no text but `[...]`."""

    name: str
    default: str
    comment: str


@dataclass(frozen=True)
class Choice:
    """A line `- group: option # comment` of a list of defaults; `override` replaces another file's choice."""

    group: str
    option: str
    comment: str
    override: bool


@dataclass(frozen=True)
class Document:
    """A file of `conf/`.

    Attributes:
        heading: The lines of comment that it begins with.
        overlay: Whether it is laid over the whole configuration, as an experiment is.
        parents: Files beside it that it builds on.
        choices: Groups in its list of defaults.
        keys: In the order they stand there; those that Hydra keeps for itself (`_target_`) are left out.
    """

    heading: tuple[str, ...]
    overlay: bool
    parents: tuple[str, ...]
    choices: tuple[Choice, ...]
    keys: tuple[Key, ...]


@cache
def read_document(path: Path) -> Document:
    """Read a file of `conf/`."""
    lines = path.read_text().splitlines()
    comments = []
    for line in lines:
        if not line.startswith("#"):
            break
        comments.append(line.lstrip("# "))
    defaults, body = _cut(lines[len(comments) :])
    choices = [Choice(group, *_valued(rest), bool(override)) for override, group, rest in _matches(_CHOICE, defaults)]
    return Document(
        heading=tuple(line for line in comments if line != GLOBAL),
        overlay=GLOBAL in comments,
        parents=tuple(name for (name,) in _matches(_PARENT, defaults)),
        choices=tuple(choices),
        keys=tuple(_keys(body)),
    )


def _cut(lines: list[str]) -> tuple[list[str], list[str]]:
    """Return the lines of the list of defaults, and all others."""
    if "defaults:" not in lines:
        return [], lines
    start = lines.index("defaults:") + 1
    end = next((number for number in range(start, len(lines)) if not lines[number].startswith(" ")), len(lines))
    return lines[start:end], lines[: start - 1] + lines[end:]


def _matches(pattern: re.Pattern, lines: list[str]) -> list[tuple[str, ...]]:
    return [match.groups() for line in lines if (match := pattern.match(line))]


def _valued(text: str) -> tuple[str, str]:
    """Cut `value # comment`."""
    match = _COMMENT.match(text)
    return (match[1].strip(), match[2] or "") if match else (text, "")


def _keys(lines: list[str]) -> list[Key]:
    """Return the keys; one that only holds others is not a key of its own."""
    keys: list[Key] = []
    inside: list[tuple[int, str]] = []  # the keys around the line: indent and name
    listed = None  # the indent of the list that the line may belong to
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if listed is not None and indent >= listed:
            continue
        listed = indent if line.lstrip().startswith("- ") else None
        match = _KEY.match(line)
        if listed is not None or not match:
            continue
        inside = [(depth, name) for depth, name in inside if depth < indent]
        name = ".".join([*(name for _, name in inside), match[2]])
        if inside and keys and keys[-1].name == name.rpartition(".")[0]:
            keys.pop()
        inside.append((indent, match[2]))
        keys.append(Key(name, *_valued(match[3] or "")))
    return [
        Key(key.name, key.default or "[...]", key.comment)
        for key in keys
        if not key.name.rpartition(".")[2].startswith("_")
    ]
