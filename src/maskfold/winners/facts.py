"""What is on disk about an ensemble's members, for the documents of winners."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd

from maskfold import files
from maskfold.ensembling.tree import Leaf
from maskfold.errors import MaskfoldError
from maskfold.runs.layout import MemberFolder, is_full
from maskfold.runs.licences import architecture_of, encoder_weights_of, licence_of
from maskfold.runs.results import pooled, score_columns
from maskfold.runs.run_folder import RunFolder, run_of


@dataclass(frozen=True)
class MemberFacts:
    """A member of an ensemble.

    Attributes:
        name: The experiment's, or the folder of maps.
        weight: Its share of the mean.
        runs: The run folders of its networks; none for a folder of maps.
        results: Its `results.csv`, a row a fold and one of all; None where it was not evaluated.
        temperature: What the logits of its maps are divided by.
    """

    name: str
    weight: Fraction
    runs: tuple[RunFolder, ...]
    results: pd.DataFrame | None
    temperature: float = 1.0

    @property
    def config(self) -> dict[str, Any]:
        """The configuration of its first network; empty for a folder of maps."""
        return self.runs[0].read_config() if self.runs else {}

    @property
    def folds(self) -> str:
        """The names of its runs."""
        return ", ".join(run.path.name for run in self.runs)

    @property
    def of_folds(self) -> bool:
        """Whether some of its networks are of folds, so that it has maps out of fold."""
        return any(not is_full(run) for run in self.runs)

    @property
    def of_all_photos(self) -> bool:
        """Whether one of its networks was trained on all photos, so that its score is unknown."""
        return any(is_full(run) for run in self.runs)

    @property
    def score(self) -> float | None:
        """What its scores are summed up by, out of fold; None where it was not evaluated."""
        return None if self.results is None else float(pooled(self.results)[score_columns(self.results)[0]])

    @property
    def seconds(self) -> int | None:
        """Of the trainings of all its networks; None where one does not say."""
        costs = [_costs(run) for run in self.runs]
        return sum(one["seconds"] for one in costs) if costs and all(costs) else None

    @property
    def epochs(self) -> str:
        """How many epochs its networks were trained."""
        counts = sorted({one["epochs"] for run in self.runs if (one := _costs(run))})
        return ", ".join(map(str, counts)) or "unknown"

    @property
    def network(self) -> tuple[str, str, str]:
        """Its architecture, what its training began with, and the terms of that."""
        model, start = self.config.get("model") or {}, self.config.get("start_from")
        return architecture_of(model), encoder_weights_of(model, start), licence_of(model, start)

    def said(self, key: str) -> list[str]:
        """Return what `run.json` of its runs says of a key, each value once."""
        return [*dict.fromkeys(str(files.read_json(run.run).get(key, "unknown")) for run in self.runs)]

    @property
    def versions(self) -> dict[str, str]:
        """The packages that its networks were trained with; several versions of one stand beside one another."""
        seen: dict[str, list[str]] = {}
        for run in self.runs:
            for name, version in files.read_json(run.run).get("versions", {}).items():
                if version not in seen.setdefault(name, []):
                    seen[name].append(version)
        return {name: " and ".join(versions) for name, versions in seen.items()}


def members_of(leaves: Sequence[Leaf], *, experiments: Path) -> list[MemberFacts]:
    """Return what is known of the members of an ensemble.

    Args:
        leaves: As `maskfold.ensembling.tree.trained_leaves` returns them.
        experiments: The folder of all members.

    Raises:
        MaskfoldError: If a run folder is damaged.
    """
    return [_member(leaf, experiments) for leaf in leaves]


def _member(leaf: Leaf, experiments: Path) -> MemberFacts:
    runs = tuple(run for run in map(run_of, leaf.stores) if run.config.exists())
    results = MemberFolder(experiments / leaf.name).results if runs else None
    table = files.read_table(results, again=f"make evaluate EXP={leaf.name}") if results and results.exists() else None
    return MemberFacts(leaf.name, leaf.weight, runs, table, leaf.temperature)


def _costs(run: RunFolder) -> dict[str, Any]:
    try:
        return run.costs()
    except MaskfoldError:
        return {}
