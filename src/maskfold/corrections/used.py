"""The card of networks, and what they owe to people who corrected masks: how many photos have one from which source."""

import logging
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from maskfold.data.ledger import Ledger, counts_of, current
from maskfold.data.snapshots import read_snapshot
from maskfold.ensembling.fusion import named_networks
from maskfold.ensembling.tree import Leaf
from maskfold.errors import MaskfoldError
from maskfold.runs.lineage import read_lineage
from maskfold.runs.origins import approver_of, data_used, weights_used
from maskfold.runs.provenance import Provenance
from maskfold.runs.run_folder import RunFolder

_SOURCE = "StoredPairs"  # what a run's configuration says of its data

log = logging.getLogger(__name__)


def networks_card(name: str, members: Sequence[Leaf], files: Mapping[str, str] | None = None) -> Provenance:
    """Return the card of some networks: what they learned from and began with, who corrected and approved.

    Args:
        name: What the card calls them.
        members: Trained, see `maskfold.maskers.members_of_one_object`.
        files: `name -> SHA-256` of the files that they are in; None where they are in none of their own.

    Raises:
        MaskfoldError: If a run folder is damaged, or has no best checkpoint.
    """
    networks = [(run, member) for run, _, member in named_networks(members)]
    runs = [run for run, _ in networks]
    return Provenance(
        kind="model",
        name=name,
        data=data_used(runs),
        weights=weights_used(networks),
        corrections=corrections_used(runs),
        approver=approver_of(runs),
        files=dict(files or {}),
    )


def corrections_used(runs: Iterable[RunFolder]) -> dict[str, int] | None:
    """Return how many photos that some networks learned from, or were validated on, have their mask from which source.

    Returns:
        As `maskfold.data.ledger.ledger_counts`; None where no network learned from a store, or it is not at hand.
    """
    tables = [table for run in runs if (table := _used(run)) is not None]
    return counts_of(pd.concat(tables).drop_duplicates("photo")) if tables else None


def _used(run: RunFolder) -> pd.DataFrame | None:
    """Return the rows of the store of the photos of a run."""
    data = run.read_config()["data"]
    if not str(data.get("_target_")).endswith(_SOURCE):
        return None
    try:
        snapshot = data.get("snapshot")
        rows = read_snapshot(data["root"], snapshot) if snapshot else current(Ledger(data["root"]).read())
        return rows[rows["photo"].str.partition(".")[0].isin(read_lineage(run.path).photos)]
    except MaskfoldError as error:
        log.warning("%s: how many masks were corrected is not known: %s", run.path, error)
        return None
