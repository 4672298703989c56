"""What is kept of a promotion: tags of the registered version, and a file in the challenger's run folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from maskfold import files
from maskfold.corrections.verdict import Limits, Verdict
from maskfold.masks.scoring import Judged
from maskfold.runs.run_folder import RunFolder

_LONGEST = 5000  # characters of a tag that every registry's database takes


def described(
    verdict: Verdict, scores: Sequence[pd.DataFrame], *, metric: str, limits: Limits, about: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the record of a promotion, as JSON has it.

    Args:
        verdict: What has been decided.
        scores: Of the challenger, and of the champion if there is one.
        metric: What the judge data is scored by.
        limits: What might be lost.
        about: What else is known: model, version, champion, judge set and time.
    """
    rows = verdict.table.astype(object).where(verdict.table.notna(), None).to_dict("records")
    totals = dict(zip(("challenger", "champion"), (Judged(metric).total(part) for part in scores), strict=False))
    decided = {"passed": verdict.passed, "promoted": False, "reasons": list(verdict.reasons)}
    return {**about, **decided, "metric": metric, "totals": totals, "limits": asdict(limits), "table": rows}


def tags_of(record: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of the challenger's version, in the order they are written: `validation` is the last."""
    whole = {key: value for key, value in record["table"][0].items() if key != "cluster"}
    totals = {f"{side}_{record['metric']}": value for side, value in record["totals"].items()}
    tags = {
        "reasons": "; ".join(record["reasons"]),
        "metrics": json.dumps(whole | totals),
        "judge": record["judge"],
        "against": record["champion"] or "",
        "validation": "passed" if record["passed"] else "refused",
    }
    return {key: value[:_LONGEST] for key, value in tags.items()}


def write_record(run: RunFolder, record: Mapping[str, Any]) -> None:
    """Keep a record in the challenger's run folder."""
    files.write_json(run.promotion, record)


def complete(run: RunFolder, version: str) -> bool:
    """Say in a run's record that its version is the champion, where a kill kept that from being written.

    Returns:
        Whether it had been left out.
    """
    record = files.read_json(run.promotion) if run.promotion.exists() else {}
    if record.get("version") != version or record.get("promoted") is not False:
        return False
    write_record(run, record | {"promoted": True})
    return True
