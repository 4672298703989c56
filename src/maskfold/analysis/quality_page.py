"""The page of quality: what scores are worth, what is promised, where each cluster stands, and what was misjudged."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from maskfold.analysis.cases import error_panels
from maskfold.analysis.charts import BLUE, GREY, ORANGE, PALE, drawing
from maskfold.analysis.evidence import Case
from maskfold.analysis.formats import percent
from maskfold.analysis.html import Html, chart, element, page, photo, sentence, table

MISSES = 8  # photos shown of those whose estimate is furthest above their IoU
_BINS = 8  # of the chart of estimates


@dataclass(frozen=True)
class PageFacts:
    """What the page is made of.

    Attributes:
        name: The ensemble's.
        predictor: The score that was taken.
        words: The outcome, lines of text; the first is about the promise.
        photos: A row a labelled photo: `image_id`, `true_iou`, `estimated_iou`, `score`, `route`, and `cluster` where
            it is known.
        level: The IoU below which a mask is bad.
        curves: Mean risk of the first k photos, `(N,)`: by the score, and by the oracle.
        areas: Under these, with `random`: `aurc`, `oracle`, `random`.
        comparison: A row a predictor: `predictor`, `spearman`, `share`, `low`, `high`.
        misses: Photos that were misjudged, each with what is said of it.
    """

    name: str
    predictor: str
    words: Sequence[str]
    photos: pd.DataFrame
    level: float
    curves: tuple[np.ndarray, np.ndarray]
    areas: dict[str, float]
    comparison: pd.DataFrame
    misses: Sequence[tuple[str, Case]]


def worst_misses(photos: pd.DataFrame) -> pd.DataFrame:
    """Return the rows whose estimate is furthest above their IoU, the worst first, of those that were overrated."""
    gap = photos["estimated_iou"] - photos["true_iou"]
    return photos[gap > 0].assign(gap=gap).nlargest(MISSES, "gap")


def compose(findings: PageFacts) -> str:
    """Return the page."""
    promise, *others = findings.words
    sections = [
        _section("The promise", element("p", promise), *(element("p", line, class_="soft") for line in others)),
        _section(
            "What scores are worth",
            element("div", chart(coverage_chart(findings), alt="risk and coverage"),
                    chart(estimate_chart(findings), alt="estimated and true IoU"), class_="charts"),
            element("p", "Share of the possible gain: 0 is a random order, 1 that of the true IoU.", class_="soft"),
            table(_comparison(findings.comparison)),
        ),
        _section("By cluster", table(_by_cluster(findings))),
    ]  # fmt: skip
    if findings.misses:
        sections.append(_section("Overrated most", *(_miss(words, case) for words, case in findings.misses)))
    title = f"Quality of {findings.name}"
    lead = sentence(f"{len(findings.photos)} labelled photos, judged out of fold by `{findings.predictor}`.")
    return page(title, element("h1", title), element("p", lead, class_="soft"), _facts(findings), *sections)


def _section(title: str, *content: Html) -> Html:
    return element("section", element("h2", title), *content)


def _facts(findings: PageFacts) -> Html:
    photos = findings.photos
    ships = photos["route"] == "ship"
    below = f"IoU {findings.level:g}"
    bad = photos["true_iou"] < findings.level
    off = (photos["estimated_iou"] - photos["true_iou"]).abs().mean()
    gain = findings.areas["random"] - findings.areas["aurc"]
    possible = findings.areas["random"] - findings.areas["oracle"]
    facts = [
        (percent(ships.mean()), "of the photos ship"),
        (
            f"{(ships & bad).sum()} of {ships.sum()}",
            f"shipped are below {below}; {bad.sum()} of all are",
        ),
        (percent(gain / possible if possible > 0 else np.nan), "of the possible gain over random review"),
        (f"{off:.3f}", "is how far estimated IoU is off on average"),
    ]
    return element(
        "div", *(element("div", element("b", value), element("span", text), class_="fact") for value, text in facts),
        class_="facts",
    )  # fmt: skip


def coverage_chart(findings: PageFacts) -> Figure:
    """Draw the mean risk of what is kept at every share that is kept."""
    ours, oracle = findings.curves
    kept = np.arange(1, len(ours) + 1) / len(ours)
    ships = (findings.photos["route"] == "ship").mean()
    with drawing() as axes:
        axes.axhline(ours[-1], color=GREY, lw=1.2, ls=":", label=f"random, AURC {findings.areas['random']:.3f}")
        axes.plot(kept, ours, color=ORANGE, lw=2, label=f"{findings.predictor}, {findings.areas['aurc']:.3f}")
        axes.plot(kept, oracle, color=BLUE, lw=1.5, label=f"true IoU, {findings.areas['oracle']:.3f}")
        if ships:
            axes.axvline(ships, color=PALE, lw=6, zorder=0)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.set_xlabel("kept, the best scores first (band: what ships)")
        axes.set_ylabel("mean 1 - IoU")
        axes.legend(fontsize=9)
        axes.set_title("Risk and coverage")
    return axes.figure


def estimate_chart(findings: PageFacts) -> Figure:
    """Draw true against estimated IoU, and the means of photos of similar estimates."""
    estimated, true = (findings.photos[column].to_numpy(float) for column in ("estimated_iou", "true_iou"))
    edges = np.unique(np.quantile(estimated, np.linspace(0, 1, _BINS + 1)))
    place = np.clip(np.searchsorted(edges, estimated, side="right") - 1, 0, max(len(edges) - 2, 0))
    counts = np.maximum(np.bincount(place), 1)
    with drawing() as axes:
        axes.plot([0, 1], [0, 1], color=PALE, lw=1.5)
        axes.plot(estimated, true, ".", color=BLUE, alpha=0.35, ms=4, mew=0, rasterized=True)
        means = (np.bincount(place, values) / counts for values in (estimated, true))
        axes.plot(*means, "o-", color=ORANGE, label="means of an eighth of the photos each")
        low = max(min(estimated.min(), true.min()) - 0.02, 0)
        axes.set_xlim(low, 1.01)
        axes.set_ylim(low, 1.01)
        axes.set_xlabel("IoU estimated from other photos")
        axes.set_ylabel("true IoU")
        axes.legend(fontsize=9)
        axes.set_title("Estimates")
    return axes.figure


def _comparison(comparison: pd.DataFrame) -> pd.DataFrame:
    rows = [
        {
            "score": row.predictor,
            "Spearman with IoU": "-" if pd.isna(row.spearman) else f"{row.spearman:.3f}",
            "share of the possible gain": f"{row.share:.3f}",
            "95 % interval": f"{row.low:.3f} to {row.high:.3f}",
        }
        for row in comparison.itertuples()
    ]
    return pd.DataFrame(rows)


def _by_cluster(findings: PageFacts) -> pd.DataFrame:
    photos = findings.photos
    parts = [("all", photos)]
    if "cluster" in photos:
        parts += [(str(name), part) for name, part in photos.groupby("cluster", sort=True)]
    return pd.DataFrame([_row(name, part, findings.level) for name, part in parts])


def _row(name: str, part: pd.DataFrame, level: float) -> dict[str, str]:
    shipped = part[part["route"] == "ship"]
    return {
        "cluster": name,
        "photos": str(len(part)),
        "IoU": f"{part['true_iou'].mean():.3f}",
        "estimated": f"{part['estimated_iou'].mean():.3f}",
        **{route: percent((part["route"] == route).mean()) for route in ("ship", "review", "reject")},
        f"shipped below {level:g}": percent((shipped["true_iou"] < level).mean()),
    }


def _miss(words: str, case: Case) -> Html:
    panels = [photo(panel.image, alt=panel.caption, caption=panel.caption) for panel in error_panels(case)]
    return element("div", element("h3", words), element("div", *panels, class_="grid"), class_="case")
