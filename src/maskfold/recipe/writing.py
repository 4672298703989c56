"""Experiments and an ensemble as files of configuration, with reasons; files edited by hand are left alone."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from maskfold import files
from maskfold.errors import MaskfoldError, listing
from maskfold.recipe.looking import DataLook
from maskfold.recipe.rules import Training, loss

_OF_RGB = "own_statistics"  # of a model: photos whose channels are read as stored have statistics of their own
_MARK = "# as make recipe wrote it, which would write over it again; edited, it is left alone: "


def experiment(
    name: str, training: Training, look: DataLook, *, epochs: int, data: tuple[str, Mapping[str, Any]]
) -> str:
    """Write a member as an option of the group `experiment`.

    Args:
        name: The member's.
        training: How it is trained.
        look: At the data.
        epochs: How long.
        data: The option of the group `data`, and what differs from it.
    """
    family, size = training.family, training.size
    decay, augment, of_loss = training.decay(epochs), training.augment(look, epochs), loss(look)
    option, own = data
    lines = ["# @package _global_", f"# make train EXP={name} FOLD=0", f"# {family.why}", "defaults:"]
    for group, chosen, why in (
        ("data", option, ""),
        ("geometry", size.geometry, size.why),
        ("augment", augment.value, augment.why),
        ("model", family.model, ""),
        ("loss", of_loss.value, of_loss.why),
        ("optimizer", "adamw_groups", ""),
        ("schedule", "warmup_cosine", ""),
        ("averaging", "ema" if decay.value else "none", decay.why),
    ):
        lines += [*_comment(why, "  "), f"  - override /{group}: {chosen}"]
    lines += ["", f"name: {name}", "tta: hflip # each photo is predicted as it is and mirrored"]
    lines += _node("data", own)
    if size.geometry != "pad":
        lines += _node("geometry", {"height": size.height, "width": size.width})
    keys = {key: value for key, value in family.keys.items() if look.channels is None or key != _OF_RGB}
    lines += _node("model", {**keys, **_weights(training)})
    lines += ["optimizer:", *_comment(training.why["rate"]), f"  lr: {training.rate:.1e}", "  weight_decay: 0.01"]
    if decay.value:
        lines += _node("averaging", {"decay": decay.value})
    lines += ["trainer:", *_comment(training.why["epochs"]), f"  max_epochs: {epochs}"]
    lines += [*_comment(training.why["batch"]), f"  batch_size: {training.batch}", "  gradient_clip: 1.0"]
    if training.precision != "auto":
        lines += [*_comment(training.why["precision"]), f"  precision: {training.precision}"]
    return signed(lines)


def ensemble(name: str, members: Sequence[str]) -> str:
    """Write the mean of some members as an option of the group `ensemble`."""
    lines = [
        f"# make campaign ENS={name}",
        "# The mean of all folds of all members, which are networks of different families: they err differently.",
        "_target_: maskfold.ensembling.recipe.Recipe",
        f"name: {name}",
        "members:",
        *(f"  - experiment: {member}" for member in members),
        "threshold: 128 # of 255; at or above is object",
        "empty: null # when a photo has no object: {presence: 180, least_area: 0.0005}, which make tune chooses",
        "postprocess: []",
        "repair: null",
    ]
    return signed(lines)


def _weights(training: Training) -> dict[str, Any]:
    weights = training.family.weights
    if training.family.model == "unet_scratch":
        return {}
    return {"weights": "imagenet" if weights is True else weights}


def _node(name: str, keys: Mapping[str, Any]) -> list[str]:
    if not keys:
        return []
    return [f"{name}:", *(f"  {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in keys.items())]


def _comment(text: str, indent: str = "  ") -> list[str]:
    return [f"{indent}# {text[0].upper()}{text[1:]}."] if text else []


def signed(lines: Iterable[str]) -> str:
    """Return lines as a text whose last line tells whether any other was changed."""
    body = "\n".join(lines) + "\n"
    return f"{body}{_MARK}{_digest(body)}\n"


def is_as_written(text: str) -> bool:
    """Tell whether a text is still what `signed` has returned."""
    body, mark, digest = text.rpartition(_MARK)
    return bool(mark) and digest.strip() == _digest(body)


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:12]


def refuse_edited(paths: Iterable[Path]) -> None:
    """Refuse to write where somebody else did.

    Args:
        paths: Files to be written, and those that would hide them; they need not be there.

    Raises:
        MaskfoldError: Naming every file that is not as a recipe wrote it.
    """
    edited = [str(path) for path in paths if path.exists() and not is_as_written(path.read_text(errors="replace"))]
    if edited:
        raise MaskfoldError(
            f"{len(edited)} files are there that were edited by hand, or were never a recipe's:\n{listing(edited)}\n"
            "Give the recipe another name with name=..., or remove them."
        )


def write(texts: Mapping[Path, str]) -> None:
    """Write files of configuration; nothing of them has been edited (`refuse_edited`)."""
    for path, text in texts.items():
        files.write_text(path, text)
