"""Two runs, or two members, side by side: what was set otherwise, what that has changed, and in which photos."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from maskfold.analysis.cases import Panel, change_panels
from maskfold.analysis.comparison_charts import change_chart, learning_curves
from maskfold.analysis.evidence import Case
from maskfold.analysis.formats import gain, interval, score
from maskfold.analysis.galleries import Exhibit, error_legend, shown
from maskfold.analysis.html import Html, chart, element, page, table
from maskfold.analysis.tables import Gain, gain_over
from maskfold.errors import MaskfoldError
from maskfold.masks.scoring import DICE, Judged
from maskfold.runs.monitor import Monitor
from maskfold.terminal import counted

ABSENT = "not there"


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes:
        name: As it was named.
        settings: Configuration and origin, by dotted key.
        scores: A row an image, out of fold: `image_id`, `group`, and what is judged.
        epochs: The rows of `metrics.csv` of each of its runs, by its fold's name.
        monitor: What chose the best epoch.
    """

    name: str
    settings: dict[str, Any]
    scores: pd.DataFrame
    epochs: dict[str, pd.DataFrame]
    monitor: Monitor


@dataclass(frozen=True)
class Comparison:
    """The second judged by the first, on the images that both were scored on.

    Attributes:
        first: What it is judged by.
        second: What is judged.
        judged: The score.
    """

    first: Side
    second: Side
    judged: Judged = DICE

    def __post_init__(self) -> None:
        if not len(self.images):
            raise MaskfoldError(
                f"{self.first.name} and {self.second.name} were scored on no photo in common. Compare runs of the same "
                "fold of the same split, or two members."
            )

    @cached_property
    def images(self) -> pd.DataFrame:
        """A row an image of both: `image_id`, `group`, `first`, `second`, `change`; what changed most stands first."""
        column = self.judged.column
        first = self.first.scores[["image_id", "group", column]].rename(columns={column: "first"})
        second = self.second.scores[["image_id", column]].rename(columns={column: "second"})
        both = first.merge(second, on="image_id")
        both["change"] = both["second"] - both["first"]
        order = both["change"].abs().sort_values(ascending=False, kind="stable").index
        return both.loc[order].reset_index(drop=True)

    @cached_property
    def gain(self) -> Gain:
        """The paired gain, with its interval over groups."""
        return gain_over(self.second.scores, self.first.scores, self.first.name, self.judged)

    def totals(self) -> list[float]:
        """Return what either comes to on the images of both."""
        ids = self.images["image_id"]
        sides = (side.scores for side in (self.first, self.second))
        return [self.judged.total(scores[scores["image_id"].isin(ids)]) for scores in sides]

    def verdict(self) -> str:
        """Return the gain in a sentence."""
        better = int((self.images["change"] > 0).sum())
        worse = int((self.images["change"] < 0).sum())
        return (
            f"{self.second.name} over {self.first.name}: {gain(self.gain.mean)} {self.judged.title}, 95 % interval "
            f"{interval(self.gain.low, self.gain.high, gain)}; {counted(better, 'photo')} better, {worse:,} worse"
        )

    def differing(self) -> pd.DataFrame:
        """Return a row for every key that was set otherwise: the key and both values, as text."""
        first, second = self.first.settings, self.second.settings
        rows = [
            (key, str(first.get(key, ABSENT)), str(second.get(key, ABSENT)))
            for key in sorted(first.keys() | second.keys())
            if first.get(key, ABSENT) != second.get(key, ABSENT)
        ]
        return pd.DataFrame(rows, columns=["key", self.first.name, self.second.name])


def compose(comparison: Comparison, panels: Callable[[str], list[Panel]], *, images: int, masks: bool = True) -> str:
    """Return the page, a whole HTML document.

    Args:
        comparison: What it is about.
        panels: Returns the pictures of a photo, such as `mask_panels`.
        images: How many photos are shown.
        masks: Whether these show masks, whose colours are explained.
    """
    first, second = comparison.first.name, comparison.second.name
    facts = (
        element("div", element("b", big), element("span", small), class_="fact") for big, small in _facts(comparison)
    )
    return page(
        f"{second} against {first}",
        element("h1", f"{second} against {first}"),
        element("p", f"On {_counts(comparison)} that both have predicted out of fold.", class_="soft"),
        element("div", *facts, class_="facts"),
        _settings(comparison),
        _charts(comparison),
        _photos(comparison, panels, images, masks=masks),
    )


def _counts(comparison: Comparison) -> str:
    groups = comparison.images["group"].nunique()
    return f"{counted(len(comparison.images), 'photo')} of {counted(groups, 'group')}"


def _facts(comparison: Comparison) -> list[tuple[str, str]]:
    images, over = comparison.images, comparison.gain
    better, worse = int((images["change"] > 0).sum()), int((images["change"] < 0).sum())
    title, (first, second) = comparison.judged.title, comparison.totals()
    return [
        (score(first), f"{title} of {comparison.first.name}"),
        (score(second), f"{title} of {comparison.second.name}"),
        (gain(over.mean), f"gained; 95 % interval {interval(over.low, over.high, gain)}, whole groups drawn"),
        (f"{better:,} : {worse:,}", "photos that became better : worse"),
    ]


def _settings(comparison: Comparison) -> Html:
    differing = comparison.differing()
    what = table(differing) if len(differing) else element("p", "Nothing: they were set alike.")
    return element("section", element("h2", "What was set otherwise"), what, class_="settings")


def _charts(comparison: Comparison) -> Html:
    sides = comparison.first, comparison.second
    curves = learning_curves({side.name: (side.epochs, side.monitor) for side in sides})
    title = comparison.judged.title
    change = change_chart(comparison.images, comparison.first.name, comparison.second.name, title)
    return element(
        "section",
        element("h2", "What that has changed"),
        element(
            "div",
            chart(change, alt=f"{title} of each photo by the first and by the second"),
            chart(curves, alt="the validation score of each epoch"),
            class_="charts",
        ),
    )


def mask_panels(comparison: Comparison, cases: Callable[[str], tuple[Case, Case]], image_id: str) -> list[Panel]:
    """Return the errors of both in a photo.

    Args:
        comparison: Of whom.
        cases: Returns a photo with the map and the mask of either side.
        image_id: The photo.
    """
    return change_panels(*cases(image_id), (comparison.first.name, comparison.second.name))


def label_panels(comparison: Comparison, photo: Callable[[str], np.ndarray], image_id: str) -> list[Panel]:
    """Return a photo with what either has taken it for.

    Args:
        comparison: Of whom.
        photo: Returns a photo, `(H, W, 3) uint8`.
        image_id: The photo.
    """
    sides = (comparison.first, comparison.second)
    rows = [side.scores.set_index("image_id").loc[image_id] for side in sides]
    said = [f"{side.name}: {row['predicted']}" for side, row in zip(sides, rows, strict=True)]
    return [Panel(photo(image_id), f"{rows[0]['label']}; {', '.join(said)}")]


def _photos(comparison: Comparison, panels: Callable[[str], list[Panel]], images: int, *, masks: bool) -> Html:
    names = comparison.first.name, comparison.second.name
    exhibits = (
        Exhibit(
            row.image_id,
            [
                f"{comparison.judged.title} {score(row.first)} by {names[0]}, {score(row.second)} by {names[1]}",
                f"group {row.group}",
            ],
            [gain(row.change)],
            panels(row.image_id),
        )
        for row in comparison.images.head(images).itertuples()
    )
    legend = [error_legend()] if masks else []
    return element("section", element("h2", "The photos that changed most"), *legend, *map(shown, exhibits))
