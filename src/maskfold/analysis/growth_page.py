"""The page of a growth: what the gate says of a challenger that knows more products, and what it says it by."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from maskfold.analysis.formats import percent
from maskfold.analysis.html import Html, element, page, table
from maskfold.recognition.gate import GateVerdict
from maskfold.terminal import counted, duration

_ROWS = 20  # of a table
_RULES = {
    "product_loss": "what an old product's recall may lose",
    "product_photos": "test photos from which a product is looked at alone",
    "macro_loss": "what the macro recall of old products may lose",
    "new_share": "of the old products' median, which new ones have to reach",
    "accepted": "known photos that pass where unknown ones are rejected",
    "rejection_loss": "unknown photos more that may pass there",
    "significance": "how often chance may refuse by single products; half as often by each other rule",
}


def growth_page(record: Mapping[str, Any], verdict: GateVerdict) -> str:
    """Return the page.

    Args:
        record: As growth.json has it.
        verdict: The gate's.
    """
    title = f"{record['challenger']}: {'passed' if verdict.passed else 'refused'}"
    about = f"Products until {record['month']}, by {record['level']}, against the champion {record['champion']}."
    return page(
        title,
        element("h1", title),
        element("p", about, class_="soft"),
        element("div", *_facts(verdict.figures, record["costs"]), class_="facts"),
        _said("What speaks against it", verdict.reasons, "Nothing that chance does not explain."),
        _said("What this test cannot show", verdict.notes, "The test is large enough for what was asked."),
        _section("Products", "Where the two differ most; new ones have no recall before.", _products(verdict.products)),
        _section("Pairs taken for one another", "Of the photos of both, by the challenger.", _pairs(verdict.pairs)),
        _section("Limits", "More is refused, where it is proven.", _limits(record["limits"])),
    )


def _facts(figures: Mapping[str, Any], costs: Mapping[str, Any]) -> Iterator[Html]:
    def change(what: str) -> str:
        before, now = (percent(figures.get(f"{what}_{side}", float("nan"))) for side in ("champion", "challenger"))
        return f"{before.removesuffix(' %')} → {now}"

    yield _fact(change("old_macro_recall"), f"macro recall of {counted(figures['old_products'], 'old product')}")
    new = counted(figures["new_products"], "new product")
    yield _fact(percent(figures.get("new_macro_recall", float("nan"))), f"macro recall of {new}")
    unknown = counted(figures["unknown_photos"], "unknown photo")
    yield _fact(change("false_accepts"), f"of {unknown} accepted; less is better")
    images = "-" if costs["images"] is None else f"{costs['images']:,}"
    yield _fact(images, f"images through the network, {duration(costs['seconds'])}")


def _fact(number: str, what: str) -> Html:
    return element("div", element("b", number), element("span", what), class_="fact")


def _said(heading: str, sentences: tuple[str, ...], nothing: str) -> Html:
    lines = [element("p", one) for one in sentences] or [element("p", nothing)]
    return element("section", element("h2", heading), *lines)


def _section(heading: str, about: str, content: Html) -> Html:
    return element("section", element("h2", heading), element("p", about, class_="soft"), content)


def _products(products: pd.DataFrame) -> Html:
    change = (products["challenger"] - products["champion"].fillna(0)).abs()
    differing = change[products["new"] | (change > 0)].sort_values(ascending=False, kind="stable")
    rows = products.loc[differing.index].head(_ROWS)
    cells = {
        "product": rows["label"],
        "": rows["new"].map({True: "new", False: ""}),
        "photos": rows["photos"].map("{:,}".format),
        "champion": rows["champion"].map(percent),
        "challenger": rows["challenger"].map(percent),
        "lost": rows["lost"].map(str),
        "won": rows["won"].map(str),
        "p after Holm": rows["p"].map(lambda p: "-" if pd.isna(p) else f"{p:.2g}"),
    }
    return table(pd.DataFrame(cells))


def _pairs(pairs: pd.DataFrame) -> Html:
    rows = pairs[pairs["challenger"] > 0].head(_ROWS)
    if rows.empty:
        return element("p", "None.")
    cells = {
        "product": rows["label"],
        "and": rows["other"],
        "photos of both": rows["photos"].map("{:,}".format),
        "champion": rows["champion"].map(str) + " (" + rows["champion_rate"].map(percent) + ")",
        "challenger": rows["challenger"].map(str) + " (" + rows["rate"].map(percent) + ")",
    }
    return table(pd.DataFrame(cells))


def _limits(limits: Mapping[str, Any]) -> Html:
    rows = [(name, f"{limits[name]:g}", what) for name, what in _RULES.items()]
    return table(pd.DataFrame(rows, columns=["key", "limit", "what it is"]))
