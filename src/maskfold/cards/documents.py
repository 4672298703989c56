"""The documents that have generated blocks, and what each kind of block is made from.

| block | content |
|---|---|
| `configuration` | in a card: what the experiment of its folder's name is made of |
| `scores` | in a card: the `published.csv` beside it, and the learning curve |
| `members`, `members except demo_*` | all members side by side |
| `table docs/measured/bench.csv`, `table x.csv name,seconds` | a committed CSV file, all columns or those named |
| `keys` | every command with its keys and groups, as `conf/` has them |

Paths are seen from the current directory, which is the repository's root.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pandas as pd

from maskfold.cards import markdown, scores
from maskfold.cards.blocks import block
from maskfold.cards.reference import keys_reference
from maskfold.command.catalogue import options, stages
from maskfold.errors import MaskfoldError
from maskfold.runs.layout import OWN_PAGE, RESULTS, MemberFolder, measured_folders, member_folders
from maskfold.runs.results import of_folds

KINDS = "configuration, scores, members [except <name> ...], table <csv> [<column>,<column>], keys"


@dataclass(frozen=True)
class NetworkFacts:
    """What a card says of an experiment: its table of parts, and how many parameters its network has."""

    configuration: str
    parameters: int


def members(experiments: Path) -> list[str]:
    """Return the names of the folders that have a card."""
    return [folder.name for folder in member_folders(experiments)]


def documents(experiments: Path, names: Iterable[str]) -> list[Path]:
    """Return the cards of these members, and every other document that may have blocks."""
    others = [Path("README.md"), experiments / "README.md", *sorted(Path("docs").rglob("*.md"))]
    cards = [MemberFolder(experiments / name).card for name in names]
    return [path for path in (*cards, *others) if path.exists()]


def own_table() -> str:
    """Return the page of all members that were measured here, before its block is written."""
    return "\n\n".join(["# Measured here", "Your own runs; git leaves this page out.", block("members")]) + "\n"


def first_card(name: str, overlay: str | None) -> str:
    """Return the card of a member that has none yet.

    Args:
        name: The member's.
        overlay: The text of its experiment, which opens with its command and its idea as comments; None for a member
            that was trained under a name of its own.
    """
    parts = [f"# {name}", block("scores")]
    if overlay is not None:
        comments = [line.removeprefix("# ") for line in overlay.splitlines() if line.startswith("# ")]
        command, *idea = [line for line in comments if not line.startswith("@")]
        parts[1:1] = [f"`{command}`", *filter(None, ["\n".join(idea)]), block("configuration")]
    return "\n\n".join(parts) + "\n"


def scored_logs(member: MemberFolder) -> dict[int, pd.DataFrame]:
    """Return by fold the `metrics.csv` of a member's folds that were scored; none unless all of them are here."""
    if not member.results.exists():
        return {}
    results = _read(member.results, None)
    folds = [int(fold) for fold in of_folds(results)["fold"]]
    paths = {fold: member.run(fold).metrics for fold in folds}
    here = all(path.exists() for path in paths.values())
    return {fold: pd.read_csv(path) for fold, path in paths.items()} if here else {}


@dataclass(frozen=True)
class Blocks:
    """Writes the blocks of one document: `what -> content`.

    Args:
        document: Its path.
        experiments: The folder of all members.
        network: What is known of an experiment by its name; None where there is no experiment of that name.
    """

    document: Path
    experiments: Path
    network: Callable[[str], NetworkFacts | None]

    def __call__(self, what: str) -> str:
        """Return a block's content.

        Raises:
            MaskfoldError: If there is no such kind of block, or what it is made from is missing.
        """
        match what.split():
            case ["configuration"]:
                return self._configuration()
            case ["scores"]:
                return self._scores()
            case ["members"] | ["members", "except", *_]:
                return self._members(what.split()[2:])
            case ["keys"]:
                return keys_reference(stages().values(), options)
            case ["table", path, *columns] if len(columns) < 2:
                return markdown.csv_table(_read(Path(path), columns[0].split(",") if columns else None))
        raise MaskfoldError(f"{what}: no such block. There are: {KINDS}.")

    @property
    def _member(self) -> MemberFolder:
        """The member whose card this is."""
        return MemberFolder(self.document.parent)

    def _configuration(self) -> str:
        name = self._member.name
        network = self.network(name)
        if network is None:
            raise MaskfoldError(f"conf/experiment/{name}.yaml does not exist. Take this block out of the card.")
        return network.configuration

    def _scores(self) -> str:
        member = self._member
        results, curve = self._results(member), member.own_curve if self._is_own else member.curve
        shown = f"\n\n![Learning curve of {member.name}]({curve.name})" if curve.exists() else ""
        return not_measured(member.name) if results is None else scores.score_table(results) + shown

    @property
    def _is_own(self) -> bool:
        """Whether the document is of what was measured here; no other shows that."""
        return self.document.name == OWN_PAGE

    def _results(self, member: MemberFolder) -> pd.DataFrame | None:
        path = member.results if self._is_own else member.published
        return _read(path, None) if path.exists() else None

    def _members(self, excepted: list[str]) -> str:
        folders = measured_folders(self.experiments) if self._is_own else member_folders(self.experiments)
        pages = {folder.name: folder.own_page if self._is_own else folder.card for folder in folders}
        shown = {folder.name: folder for folder in folders if not any(fnmatch(folder.name, part) for part in excepted)}
        networks = {name: self.network(name) for name in shown}
        return scores.member_table(
            {name: self._results(folder) for name, folder in shown.items()},
            parameters={name: network.parameters for name, network in networks.items() if network is not None},
            links={name: os.path.relpath(pages[name], self.document.parent) for name in shown},
        )


def not_measured(name: str) -> str:
    """Say which commands measure a member."""
    return (
        f"Not measured. `make train EXP={name} FOLD=all`, `make predict EXP={name} FOLD=all SPLIT=oof` and "
        f"`make evaluate EXP={name}` leave `{RESULTS}` here. `make card EXP={name}` makes a page of it; "
        "`ARGS=publish=true` writes it into this card."
    )


def _read(path: Path, columns: list[str] | None) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise MaskfoldError(f"{path}: not a readable CSV file ({error}). Put it there, or mend the block.") from error
    missing = [column for column in columns or [] if column not in table]
    if missing:
        raise MaskfoldError(f"{path}: no column {', '.join(missing)}. There are {', '.join(table)}.")
    return table if columns is None else table[columns]
