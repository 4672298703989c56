"""What the command says of itself: the list of stages, and the keys of one."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from maskfold.command.catalogue import Stage, about_option, options, stages
from maskfold.command.documents import Key

WIDTH = 120
_NAMES = 34  # columns for a key and its default; what is longer has a line of its own

USAGE = """\
maskfold <stage> key=value ...     run a stage; it reads and writes data/, experiments/ and submissions/ in this folder
maskfold <stage> --help            its keys, with their defaults and what they mean
maskfold completion bash|zsh       completion with the tab key, and how to set it up"""


def list_stages() -> str:
    """Return every stage in a line, by job."""
    parts = [USAGE]
    wide = max(map(len, stages()))
    for job, members in groupby(stages().values(), key=lambda stage: stage.job):
        lines = [f"  {stage.name:{wide}}  {_shortened(stage.line, WIDTH - wide - 4)}" for stage in members]
        parts.append("\n".join([job.capitalize(), *lines]))
    return "\n\n".join(parts)


def _shortened(line: str, width: int) -> str:
    """Return a line that fits, cut between two words."""
    return textwrap.shorten(line, width, placeholder=" ...", break_on_hyphens=False)


def explain(stage: Stage, overrides: Sequence[str] = ()) -> str:
    """Return every key of a stage, and every option of its groups with its keys.

    Args:
        stage: The stage.
        overrides: Groups that are named, such as `model=smp_unet` or `model`: these alone are shown.
    """
    asked = [override.partition("=")[0] for override in overrides]
    groups = [choice for choice in stage.choices if choice.group in asked or not asked]
    parts = [] if asked else ["\n".join([f"{stage.example}\n", *textwrap.wrap(stage.about, WIDTH)])]
    if stage.keys and not asked:
        parts.append("\n".join(["Keys", *_table(stage.keys)]))
    for choice in groups:
        parts.append("\n".join(_group(choice.group, choice.option, choice.comment)))
    if not asked:
        parts.append("A default of ??? must be given. Whatever has braces or spaces is quoted: 'key=[{a: 1}]'.")
    return "\n\n".join(parts)


def _group(group: str, chosen: str, comment: str) -> Iterator[str]:
    """Yield a group's line, and each of its options with the keys that stand in its file."""
    must = "to be chosen" if chosen == "???" else f"default {chosen}"
    yield f"{group}=<option>  {comment} ({must})"
    for name, option in options(group).items():
        yield from _row(f"  {'*' if name == chosen else ' '} {name}", about_option(option))
        if not option.overlay and group != "ensemble":
            yield from _table((Key(f"{group}.{key.name}", key.default, key.comment) for key in option.keys), indent=6)


def _table(keys: Iterable[Key], *, indent: int = 2) -> Iterator[str]:
    for key in keys:
        yield from _row(f"{' ' * indent}{key.name}={key.default}", key.comment)


def _row(left: str, right: str) -> Iterator[str]:
    """Yield a line of two columns, or several: neither is cut."""
    if len(left) > _NAMES and right:
        yield left
        left = ""
    lines = textwrap.wrap(right, WIDTH - _NAMES - 2) or [""]
    yield f"{left:{_NAMES}}  {lines[0]}".rstrip()
    yield from (f"{'':{_NAMES}}  {line}" for line in lines[1:])
