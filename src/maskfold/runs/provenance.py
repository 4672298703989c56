"""The card beside every model file and every batch of cut-outs: what it was made of, whose terms hold, who approved it.

It is written for two readers: `provenance.json` for programs, `PROVENANCE.md` for people. Whoever has neither torch nor
the run folders reads and writes it all the same.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

import maskfold
from maskfold.errors import MaskfoldError
from maskfold.runs.environment import commit
from maskfold.storage import Storage

PROVENANCE = "provenance.json"
PAGE = "PROVENANCE.md"
KINDS = ("model", "cutouts")


@dataclass(frozen=True)
class DataUsed:
    """Labelled data that networks have learned from.

    Attributes:
        name: Its name.
        fingerprint: Of its image table; None where that was not kept.
        photos: How many labelled photos there were, for training and validation; None where that was not kept.
    """

    name: str
    fingerprint: str | None = None
    photos: int | None = None


@dataclass(frozen=True)
class WeightsUsed:
    """A network that is part of a model.

    Attributes:
        member: The member that it is of.
        fold: Its fold; `full` of one that was trained on all photos.
        checkpoint: The SHA-256 of its checkpoint.
        architecture: What was trained, in a few words.
        encoder_weights: What its training began with.
        licence: The terms that those weights are under, as far as they are known.
    """

    member: str
    fold: int | str
    checkpoint: str
    architecture: str
    encoder_weights: str
    licence: str


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a model, or a batch of cut-outs, comes from.

    Attributes:
        kind: `model` or `cutouts`.
        name: What it is called.
        data: What the networks have learned from.
        weights: The networks.
        corrections: Counts of a store's ledger, by source; None where nothing was corrected.
        approver: What has let the model go to production: the record of its promotion; None where nothing has.
        files: `name -> SHA-256` of the files that it speaks for.
        model: Of cut-outs: `identity` and `sha256` of the model that made them.
        options: Of cut-outs: how they were made.
        made: When, ISO 8601 in UTC.
        maskfold: The version that made it.
        commit: The commit that made it, `unknown` outside git.
    """

    kind: str
    name: str
    data: Sequence[DataUsed] = ()
    weights: Sequence[WeightsUsed] = ()
    corrections: Mapping[str, Any] | None = None
    approver: Mapping[str, Any] | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    model: Mapping[str, Any] | None = None
    options: Mapping[str, Any] | None = None
    made: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    maskfold: str = maskfold.__version__
    commit: str = field(default_factory=commit)

    def __post_init__(self) -> None:
        """Refuse a kind that nobody reads."""
        if self.kind not in KINDS:
            raise MaskfoldError(f"provenance: kind={self.kind!r} is unknown; it is one of {', '.join(KINDS)}.")


def write_provenance(storage: Storage, provenance: Provenance) -> None:
    """Write both files; the one that programs read is the last, so that it speaks for a whole batch.

    Raises:
        MaskfoldError: If they cannot be written.
    """
    storage.write(PAGE, provenance_page(provenance).encode(errors="backslashreplace"))  # names of files are any bytes
    storage.write(PROVENANCE, (json.dumps(_content(provenance), indent=2) + "\n").encode())


def read_provenance(storage: Storage) -> Provenance:
    """Read what `write_provenance` has written.

    Raises:
        MaskfoldError: If the file is missing, damaged, or tells of something else.
    """
    where = f"{storage.text.rstrip('/')}/{PROVENANCE}"
    content = storage.read(PROVENANCE)
    try:
        known = {one.name for one in fields(Provenance)}  # what a later version adds is not for this one
        keys = {key: value for key, value in json.loads(content).items() if key in known}
        keys["data"] = tuple(DataUsed(**one) for one in keys["data"])
        keys["weights"] = tuple(WeightsUsed(**one) for one in keys["weights"])
        keys["files"] = {str(name): str(digest) for name, digest in keys["files"].items()}
        return Provenance(**keys)
    except (AttributeError, KeyError, TypeError, ValueError, MaskfoldError) as error:
        raise MaskfoldError(f"{where}: damaged ({error}). Make what it tells of once more.") from error


def _content(provenance: Provenance) -> dict[str, Any]:
    """Return what the file holds; a model has nothing to say of `model` and `options`."""
    content = {key: value for key, value in asdict(provenance).items() if key not in ("model", "options")}
    return content if provenance.kind == "model" else content | {key: getattr(provenance, key) for key in _OF_CUTOUTS}


_OF_CUTOUTS = ("model", "options")


def provenance_page(provenance: Provenance) -> str:
    """Return the card for people, Markdown."""
    what = "Model" if provenance.kind == "model" else "Cut-outs"
    made = {"made": provenance.made, "maskfold": provenance.maskfold, "commit": provenance.commit}
    parts = [
        f"# {what}: {provenance.name}",
        ", ".join(f"{key} {value}" for key, value in made.items()),
        *_section("Model", _pairs(provenance.model)),
        *_section("Learned from", _table(provenance.data, DataUsed)),
        *_section("Networks, and the terms of what they began with", _table(provenance.weights, WeightsUsed)),
        *_section("Corrections", _pairs(provenance.corrections) or "None are known."),
        *_section("Approved by", _pairs(provenance.approver) or "Nobody: it has not been promoted."),
        *_section("Options", _pairs(provenance.options)),
        *_section("Files, SHA-256", _pairs(provenance.files)),
    ]
    return "\n\n".join(parts) + "\n"


def _section(title: str, text: str) -> list[str]:
    return [f"## {title}", text] if text else []


def _pairs(values: Mapping[str, Any] | None) -> str:
    return "\n".join(f"- {_cell(key)}: {_cell(value)}" for key, value in (values or {}).items())


def _table(rows: Sequence[Any], kind: type) -> str:
    """Return dataclasses as a table of Markdown."""
    names = [one.name for one in fields(kind)]
    lines = [[_cell(getattr(row, name)) for name in names] for row in rows]
    heading = [[name.replace("_", " ") for name in names], ["---"] * len(names)]
    return "\n".join(f"| {' | '.join(line)} |" for line in heading + lines) if lines else ""


def _cell(value: object) -> str:
    """Return a value as one line of a table: names of files and members may hold anything."""
    text = "not known" if value is None else value if isinstance(value, str) else json.dumps(value)
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
