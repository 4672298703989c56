"""Where trained networks come from, read from their run folders: data, first weights and promotion."""

from collections.abc import Iterable, Sequence
from typing import Any

from maskfold import files
from maskfold.errors import MaskfoldError
from maskfold.runs.checkpoint_hash import checkpoint_hash
from maskfold.runs.layout import fold_of
from maskfold.runs.licences import architecture_of, encoder_weights_of, licence_of
from maskfold.runs.lineage import read_lineage
from maskfold.runs.provenance import DataUsed, WeightsUsed
from maskfold.runs.run_folder import RunFolder

_APPROVAL = ("model", "version", "judge_set", "judge", "metric", "totals", "time")  # of a promotion's record


def data_used(runs: Iterable[RunFolder]) -> list[DataUsed]:
    """Return what some networks have learned from, each data once; of old run folders less is known."""
    return [*dict.fromkeys(_data_of(run) for run in runs)]


def _data_of(run: RunFolder) -> DataUsed:
    fingerprint = files.read_json(run.run).get("identity", {}).get("data")
    if not run.lineage.is_file():
        return DataUsed(str(run.read_config()["data"].get("name")), fingerprint)
    lineage = read_lineage(run.path)
    return DataUsed(lineage.data, fingerprint, len(lineage.photos) or None)


def weights_used(networks: Iterable[tuple[RunFolder, str]]) -> list[WeightsUsed]:
    """Return what is known of some networks.

    Args:
        networks: The run folder of each, and the name of its member.

    Raises:
        MaskfoldError: If a run folder is damaged, or has no best checkpoint.
    """
    return [_weights_of(run, member) for run, member in networks]


def _weights_of(run: RunFolder, member: str) -> WeightsUsed:
    if not run.best.is_file():
        raise MaskfoldError(f"{run.best}: no such checkpoint. Train this fold first.")
    config = run.read_config()
    model, start_from = config["model"], config.get("start_from")
    return WeightsUsed(
        member,
        fold_of(run),
        checkpoint_hash(run.best),
        architecture_of(model),
        encoder_weights_of(model, start_from),
        licence_of(model, start_from),
    )


def approver_of(runs: Sequence[RunFolder]) -> dict[str, Any] | None:
    """Return what has let a network go to production: the record of its promotion.

    A promotion judges one network. Of an ensemble it has said nothing, nor of a challenger that was refused.
    """
    if len(runs) != 1 or not runs[0].promotion.is_file():
        return None
    record = files.read_json(runs[0].promotion)
    return {key: record.get(key) for key in _APPROVAL} if record.get("promoted") is True else None
