"""The documents that have generated blocks, and what each kind of block is made from.

| block | content |
|---|---|
| `configuration` | in a card: what the experiment of its folder's name is made of |
| `scores` | in a card: the `results.csv` beside it, and the learning curve |
| `members`, `members except demo_*` | all members side by side |
| `table docs/measured/bench.csv`, `table x.csv name,seconds` | a committed CSV file, all columns or those named |

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
from maskfold.errors import MaskfoldError
from maskfold.runs.run_folder import RunFolder

CARD = "README.md"
RESULTS = "results.csv"
CURVE = "learning_curve.svg"
KINDS = "configuration, scores, members [except <name> ...], table <csv> [<column>,<column>]"


@dataclass(frozen=True)
class NetworkFacts:
    """What a card says of an experiment: its table of parts, and how many parameters its network has."""

    configuration: str
    parameters: int


def members(experiments: Path) -> list[str]:
    """Return the names of the folders that have a card or scores."""
    return sorted({path.parent.name for name in (CARD, RESULTS) for path in experiments.glob(f"*/{name}")})


def documents(experiments: Path, names: Iterable[str]) -> list[Path]:
    """Return the cards of these members, and every other document that may have blocks."""
    others = [Path("README.md"), experiments / "README.md", *sorted(Path("docs").rglob("*.md"))]
    return [*(experiments / name / CARD for name in names), *(path for path in others if path.exists())]


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


def scored_logs(folder: Path) -> dict[int, pd.DataFrame]:
    """Return by fold the `metrics.csv` of a member's folds that were scored; none unless all of them are here."""
    results = _results(folder)
    if results is None:
        return {}
    folds = [int(fold) for fold in results["fold"] if str(fold) != scores.POOLED]
    paths = {fold: RunFolder(folder / f"fold{fold}").metrics for fold in folds}
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
            case ["table", path, *columns] if len(columns) < 2:
                return markdown.csv_table(_read(Path(path), columns[0].split(",") if columns else None))
        raise MaskfoldError(f"{what}: no such block. There are: {KINDS}.")

    def _configuration(self) -> str:
        name = self.document.parent.name
        network = self.network(name)
        if network is None:
            raise MaskfoldError(f"conf/experiment/{name}.yaml does not exist. Take this block out of the card.")
        return network.configuration

    def _scores(self) -> str:
        folder = self.document.parent
        results = _results(folder)
        curve = f"\n\n![Learning curve of {folder.name}]({CURVE})" if (folder / CURVE).exists() else ""
        return not_measured(folder.name) if results is None else scores.score_table(results) + curve

    def _members(self, excepted: list[str]) -> str:
        names = [name for name in members(self.experiments) if not any(fnmatch(name, part) for part in excepted)]
        here = self.document.parent
        networks = {name: self.network(name) for name in names}
        return scores.member_table(
            {name: _results(self.experiments / name) for name in names},
            parameters={name: network.parameters for name, network in networks.items() if network is not None},
            links={name: os.path.relpath(self.experiments / name / CARD, here) for name in names},
        )


def not_measured(name: str) -> str:
    """Say which commands measure a member."""
    return (
        f"Not measured. `make train EXP={name} FOLD=all`, `make predict EXP={name} FOLD=all SPLIT=oof` and "
        f"`make evaluate EXP={name}` leave `{RESULTS}` here; `make card EXP={name}` then writes it into this card."
    )


def _results(folder: Path) -> pd.DataFrame | None:
    path = folder / RESULTS
    return _read(path, None) if path.exists() else None


def _read(path: Path, columns: list[str] | None) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise MaskfoldError(f"{path}: not a readable CSV file ({error}). Put it there, or mend the block.") from error
    missing = [column for column in columns or [] if column not in table]
    if missing:
        raise MaskfoldError(f"{path}: no column {', '.join(missing)}. There are {', '.join(table)}.")
    return table if columns is None else table[columns]
