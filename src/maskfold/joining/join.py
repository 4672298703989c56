"""A competition joined: its files looked at, its configuration written, and what was understood shown."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.markup import escape
from rich.table import Table

from maskfold.errors import MaskfoldError
from maskfold.files import write_text
from maskfold.joining.guesses import ASSUMED, GIVEN, Guess, Unclear
from maskfold.joining.inference import Files, Given, Understanding, infer
from maskfold.joining.writing import TARGET, as_yaml, below, common_root, named_from
from maskfold.places import CONF, OWN_CONF
from maskfold.terminal import table_style

_OPTION = re.compile(r"\w[\w-]*", re.ASCII)
_CELL = 60  # characters of a value that is shown


def understood(
    files: Files, given: Given, *, name: str | None, metric: str | None, competition: str | None
) -> tuple[str, Understanding]:
    """Return what the data is to be called, and its findings with paths as they are named from its root.

    Args:
        files: As `infer` takes them, like `given`.
        given: What need not be inferred.
        name: Of the data; None for that of the root.
        metric: Of the competition; None for the usual one.
        competition: Its name in Kaggle's addresses, if it is known.

    Raises:
        MaskfoldError: If files are missing, damaged or contradict one another, or something has to be asked: the
            message then names all flags that are missing.
    """
    named = [path for path in (files.images, files.test, files.masks, files.train) if path is not None]
    try:
        findings = infer(files, given)
    except Unclear as unclear:
        raise _asking([unclear.question]) from unclear
    if findings.questions:
        raise _asking(findings.questions)
    root = common_root(named)
    name = _checked_name(name or root.resolve().name)
    first = {
        "root": Guess(root.as_posix(), "holds all photos, masks and tables that the command names"),
        "name": Guess(name, "the name of the option, and of the folder of its split"),
    }
    paths = {key: guess._replace(value=below(root, guess.value)) for key, guess in findings.guesses.items()}
    metrics = Guess(metric, "the command", GIVEN) if metric else Guess("dice", "no file says: metric=", ASSUMED)
    address = (
        Guess(competition, "the command", GIVEN) if competition else Guess(None, "no file says: competition=", ASSUMED)
    )
    sample = Guess(named_from(root, files.sample), "the command", GIVEN)
    findings.guesses = first | paths | {"metric": metrics, "sample": sample, "competition": address}
    return name, findings


def _asking(questions: Sequence[object]) -> MaskfoldError:
    listed = "\n".join(f"  {question}" for question in questions)
    return MaskfoldError(
        f"The files do not tell everything that scores depend on; the competition's page does. Not written:\n{listed}"
    )


def _checked_name(name: str) -> str:
    if not _OPTION.fullmatch(name):
        raise MaskfoldError(f"name={name}: give one of letters, digits, _ and -, which data=<name> will be typed with.")
    if Path(CONF).resolve() != OWN_CONF.resolve() and (Path(CONF) / "data" / f"{name}.yaml").exists():
        raise MaskfoldError(f"name={name}: the package has a data={name} of its own. Give another name=.")
    return name


def write(name: str, findings: Understanding, *, command: str, overwrite: bool) -> Path:
    """Write the option `data=<name>` into the folder of configuration here; return its file.

    Args:
        name: Of the option.
        findings: What it says.
        command: What was typed.
        overwrite: Whether to replace one that was written so before.

    Raises:
        MaskfoldError: If there is one already.
    """
    path = OWN_CONF / "data" / f"{name}.yaml"
    content = as_yaml(findings, command=command)
    if path.exists() and path.read_text() != content:
        if _target(path) != TARGET:
            raise MaskfoldError(f"{path}: there already, and not of a competition. Give another name=.")
        if not overwrite:
            raise MaskfoldError(f"{path}: there already. Give another name=, or replace it with overwrite=true.")
    write_text(path, content)
    return path


def _target(path: Path) -> Any:
    try:
        return (yaml.safe_load(path.read_text()) or {}).get("_target_")
    except (yaml.YAMLError, AttributeError, ValueError):
        return None


def draw(findings: Understanding) -> Table:
    """Return a table to print: key, value, how sure it is, and what it was inferred from."""
    table = Table("key", "value", "how sure", "inferred from", header_style="bold", **table_style())
    for row in rows(findings):
        table.add_row(*map(escape, row))
    return table


def rows(findings: Understanding) -> list[tuple[str, str, str, str]]:
    """Return the cells of that table."""
    inside = {f"submission.columns.{name}": guess for name, guess in findings.columns.items()}
    inside |= {f"submission.{key}": guess for key, guess in findings.rules.items()}
    return [
        (key, _shown(guess.value), guess.sure, guess.source) for key, guess in {**findings.guesses, **inside}.items()
    ]


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        value = ", ".join(f"{key}: {each}" for key, each in value.items() if not isinstance(each, Mapping))
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else f"{value}" or "''"
    return text if len(text) <= _CELL else f"{text[: _CELL - 4]} ..."
