"""The reference of every command and key in Markdown, made of what `conf/` says: `docs/reference/keys.md`."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby

from maskfold.cards import markdown
from maskfold.command.catalogue import Stage, about_option
from maskfold.command.documents import Document, Key

_CODE = re.compile(r"(`[^`]*`)")
_UNSHOWN = "ensemble"  # trees, each of its own: an option is read in its file


def keys_reference(stages: Iterable[Stage], options: Callable[[str], Mapping[str, Document]]) -> str:
    """Return a section for every stage, by job, and behind them one for every group.

    Args:
        stages: Those of one job together.
        options: Returns a group's options by name.
    """
    stages = [*stages]
    parts = []
    for job, members in groupby(stages, key=lambda stage: stage.job):
        parts.append(f"## {job.capitalize()}")
        parts += [part for stage in members for part in _stage(stage)]
    parts.append("## Groups")
    for group in dict.fromkeys(group for stage in stages for group in stage.groups):
        parts += _group(group, options(group))
    return "\n\n".join(parts)


def _stage(stage: Stage) -> Iterator[str]:
    yield f"### maskfold {stage.name}"
    yield f"```sh\n{stage.example}\n```"
    yield _prose(stage.about)
    if stage.keys:
        yield _table({"key": _code(key.name for key in stage.keys), **_columns(stage.keys)})
    if stage.choices:
        links = [f"[`{choice.group}=`](#{choice.group})" for choice in stage.choices]
        chosen = _code(choice.option for choice in stage.choices)
        about = [_prose(choice.comment) for choice in stage.choices]
        yield _table({"group": links, "default": chosen, "what it chooses": about})


def _group(group: str, options: Mapping[str, Document]) -> Iterator[str]:
    """Yield a heading, a table of a group's options, and one of the keys that they have."""
    yield f"### `{group}=`"
    about = [_prose(about_option(option)) for option in options.values()]
    yield _table({"option": _code(options), "what it is": about})
    shown = {name: option for name, option in options.items() if not option.overlay and group != _UNSHOWN}
    keys = [Key(f"{group}.{key.name}", key.default, key.comment) for one in shown.values() for key in one.keys]
    of_option = [f"`{name}`" for name, option in shown.items() for _ in option.keys]
    if keys:
        yield _table({"option": of_option, "key": _code(key.name for key in keys), **_columns(keys)})


def _columns(keys: Iterable[Key]) -> dict[str, list[str]]:
    keys = [*keys]
    return {"default": _code(key.default for key in keys), "meaning": [_prose(key.comment) for key in keys]}


def _table(columns: Mapping[str, Iterable[str]]) -> str:
    return markdown.table({header: [*cells] for header, cells in columns.items()})


def _code(names: Iterable[str]) -> list[str]:
    return [f"`{name}`" for name in names]


def _prose(text: str) -> str:
    """Keep what Markdown would take for marks of its own, outside of code, as it stands: `<name>`, `(.*)`."""
    parts = _CODE.split(text)
    return "".join(
        part if number % 2 else part.replace("<", "&lt;").replace("*", "\\*") for number, part in enumerate(parts)
    )
