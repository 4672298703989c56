"""What there is to choose from: stages and their jobs, groups and their options, as `conf/` has them."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from maskfold.command.documents import Choice, Document, Key, read_document
from maskfold.places import CONF, OWN_CONF, has_own_conf

JOBS = ("data", "members", "ensembles", "submissions", "cut-outs", "recognition")
_SAID = ("job", "task")  # what a line of a stage's heading may say of it
_SENTENCE = re.compile(r"(?<!et al)[.](?= |$)")
_CLAUSE = re.compile(r"[.;:](?= |$)")
_TASK = "task"  # a group whose options each bring keys and groups of their own
_COMMANDS = ("make ", "maskfold ")


@dataclass(frozen=True)
class Stage:
    """A stage as its file in `conf/` describes it.

    Attributes:
        name: The stage's.
        job: What it belongs to, one of `JOBS` or another word.
        task: The one it is for; None for any.
        example: A command.
        about: What it does.
        document: Its keys and groups.
    """

    name: str
    job: str
    task: str | None
    example: str
    about: str
    document: Document

    @property
    def line(self) -> str:
        """What it does, in a few words."""
        return _until(_CLAUSE, self.about)

    @property
    def choices(self) -> list[Choice]:
        """Its groups, each with the option that is taken; behind them those that such an option or any task brings."""
        brought = [choice for option in self._brought() for choice in option.choices]
        return [*{choice.group: choice for choice in reversed([*self.document.choices, *brought])}.values()][::-1]

    @property
    def keys(self) -> list[Key]:
        """Its keys, and those that an option which is taken brings along; what is inside a group is the group's."""
        keys = [*self.document.keys, *(key for option in self._brought() for key in option.keys)]
        keys = [*{key.name: key for key in reversed(keys)}.values()][::-1]  # one that two tasks have is the first's
        return [key for key in keys if key.name.partition(".")[0] not in self.groups]

    @property
    def groups(self) -> dict[str, str]:
        """The option that is taken of each group."""
        return {choice.group: choice.option for choice in self.choices}

    def _brought(self) -> list[Document]:
        """Return the options, of those that are taken, that are laid over the whole configuration, and all tasks."""
        taken = []
        for choice in self.document.choices:
            others = options(choice.group) if choice.group == _TASK else {}
            taken += [
                options(choice.group).get(choice.option),
                *(others[name] for name in others if name != choice.option),
            ]
        return [option for option in taken if option is not None and option.overlay]


@cache
def stages() -> dict[str, Stage]:
    """Return every stage by its name, those of one job together."""
    unsorted = [_stage(path) for path in sorted(Path(CONF).glob("*.yaml")) if path.stem != "base"]
    order = {job: number for number, job in enumerate(JOBS)}
    return {stage.name: stage for stage in sorted(unsorted, key=lambda stage: order.get(stage.job, len(JOBS)))}


def _stage(path: Path) -> Stage:
    document = read_document(path)
    example, *lines = document.heading
    said = {word: line.removeprefix(f"{word}: ") for line in lines for word in _SAID if line.startswith(f"{word}: ")}
    about = " ".join(line for line in lines if not line.startswith(tuple(f"{word}: " for word in _SAID)))
    return Stage(path.stem, said.get("job", "other stages"), said.get("task"), example, about, document)


def options(group: str) -> dict[str, Document]:
    """Return a group's options by name, with those in the current folder; none if there is no such group."""
    own = (path for path in sorted((OWN_CONF / group).glob("*.yaml")) if has_own_conf())
    return {path.stem: read_document(path.absolute()) for path in own} | _of_package(group)


@cache
def _of_package(group: str) -> dict[str, Document]:
    return {path.stem: read_document(path) for path in sorted(Path(CONF, group).glob("*.yaml"))}


def about_option(option: Document) -> str:
    """Return the first sentence of what an option's file says of it."""
    return _until(_SENTENCE, " ".join(line for line in option.heading if not line.startswith(_COMMANDS)))


def _until(end: re.Pattern, text: str) -> str:
    match = end.search(text)
    return text[: match.start()] if match else text
