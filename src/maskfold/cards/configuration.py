"""What an experiment is made of, in a few words with links to the parts."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from maskfold.cards import markdown
from maskfold.engine.schedules import Schedule

CONF = "../../conf"  # seen from a card
# Of a configuration, what is read here; each task has some of it.
KEYS = (
    *("geometry", "trainer", "splits", "deep", "mixing", "tta", "seed", "framing", "smoothing", "mixup", "cutmix"),
    "freeze",
)
PARTS = ("model", "framing", "preprocess", "augment", "loss", "optimizer", "schedule", "averaging")
_SHORT = 40  # characters; what is longer is named and not shown


def configuration_table(
    configuration: Mapping[str, Any],
    *,
    choices: Mapping[str, str],
    changed: Mapping[str, Mapping[str, Any]],
    parameters: int,
    by_class: int = 0,
    schedule: Schedule | Any,
) -> str:
    """Return a row for each part, and for each option that is not off.

    Args:
        configuration: An experiment's resolved one, of which those of `KEYS` are read that it has.
        choices: Which option was taken of each group, such as `{"loss": "bce_dice"}`.
        changed: By part, of those of `PARTS` that it has, the keys that are not as the option's own file has them.
        parameters: How many the network has.
        by_class: How many more for each class, where the data says how many there are.
        schedule: The schedule built, or a torch scheduler's factory.
    """
    trainer = configuration["trainer"]
    part = {group: _part(group, choices[group], keys) for group, keys in changed.items()}
    clip, every = trainer["gradient_clip"], trainer["hard_negatives_every"]
    split = configuration["splits"].get("carvana")
    rows = {
        "network": f"{part['model']}, {parameters:,} parameters"
        + (f" and {by_class:,} more a class" if by_class else ""),
        "frozen layers": ", ".join(f"`{layer}`" for layer in configuration.get("freeze") or ()),
        **(_of_labels(configuration, part) if "framing" in part else _of_masks(configuration, part, choices)),
        "optimizer": part["optimizer"] + (f", gradient norm at most {clip:g}" if clip else ""),
        "schedule": part["schedule"] + _rates(schedule),
        "batch": _batch(trainer["batch_size"], trainer["accumulate"]),
        "hard negatives": f"after every {every} batches the hardest of them once more" if every else "",
        "averaged weights": part["averaging"] if choices["averaging"] != "none" else "",
        "test-time augmentation": configuration["tta"],
        "folds on Carvana": f"[{split}](../../{split})" if split else "",
        "seed": str(configuration["seed"]),
    }
    shown = {name: value for name, value in rows.items() if value}
    return markdown.table({"part": list(shown), "choice": list(shown.values())})


def _of_masks(configuration: Mapping[str, Any], part: Mapping[str, str], choices: Mapping[str, str]) -> dict[str, str]:
    return {
        "input": _part("geometry", choices["geometry"], {}) + _size(configuration["geometry"]),
        "preprocessing": part["preprocess"] if choices["preprocess"] != "none" else "",
        "augmentation": part["augment"],
        "mixing": _mixing(configuration["mixing"]),
        "loss": part["loss"],
        "deep supervision": f"`deep: {configuration['deep']}`" if configuration["deep"] else "",
    }


def _mixing(mixing: Mapping[str, float]) -> str:
    """Return how photos are mixed in pairs; nothing where they are not."""
    ways = " and ".join(f"{way} {mixing[way]:g}" for way in ("mixup", "cutmix") if mixing[way])
    return f"{ways}, {mixing['share']:.0%} of the photos in {mixing['until']:.0%} of the epochs" if ways else ""


def _of_labels(configuration: Mapping[str, Any], part: Mapping[str, str]) -> dict[str, str]:
    smoothing, mixed = configuration["smoothing"], [name for name in ("mixup", "cutmix") if configuration[name]]
    return {
        "input and augmentation": f"{part['framing']}, {configuration['framing']['size']} pixels",
        "loss": "cross-entropy" + (f", labels smoothed by {smoothing:g}" if smoothing else ""),
        "mixed photos": ", ".join(f"`{name}: {configuration[name]}`" for name in mixed),
    }


def changed_keys(taken: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a part that an experiment sets otherwise than the option's own file.

    Args:
        taken: The part as the experiment has it.
        own: The option's file; one that is composed of others (`defaults`) is not compared.
    """
    return {} if "defaults" in own else {key: value for key, value in taken.items() if own.get(key) != value}


def _part(group: str, option: str, changed: Mapping[str, Any]) -> str:
    shown = [f"`{key}: {value}`" if len(f"{value}") < _SHORT else f"other `{key}`" for key, value in changed.items()]
    return f"[{option}]({CONF}/{group}/{option}.yaml)" + (f" with {', '.join(shown)}" if shown else "")


def _size(geometry: Mapping[str, Any]) -> str:
    height, width = geometry.get("height"), geometry.get("width")
    return f", {height}x{width}" if height and width else ""


def _rates(schedule: Schedule | Any) -> str:
    if not isinstance(schedule, Schedule):
        return ""
    rates = [epoch.rate for epoch in schedule.table]
    highest, lowest = (np.format_float_scientific(rate, trim="-", exp_digits=1) for rate in (max(rates), min(rates)))
    span = highest if highest == lowest else f"{highest} to {lowest}"
    return f", {len(rates)} epochs, rate {span}"


def _batch(size: int | str, accumulate: int) -> str:
    return f"{size}" if accumulate == 1 else f"{size}, a step on the mean gradient of {accumulate}"
