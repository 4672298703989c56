"""A page of HTML in one file: what is not `Html` already is escaped, pictures are inside, no network."""

import base64
import html
from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from maskfold.analysis.charts import as_svg
from maskfold.masks.pictures import as_jpeg

CSS = """
:root { --ink: #1d2329; --soft: #5b6670; --line: #dfe3e7; --ground: #f6f7f8; --blue: #0072b2; --orange: #c75f00; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: 40px 24px 80px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 21px; line-height: 1.3; margin: 0 0 8px; }
h3 { font-size: 16px; margin: 28px 0 8px; }
p { margin: 0 0 12px; max-width: 78ch; }
.soft { color: var(--soft); }
table tr > :last-child { padding-right: 0; }
section { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 24px 28px 28px;
  margin-top: 24px; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: 16px; margin-top: 24px; }
.fact { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 16px 20px; }
.fact b { display: block; font-size: 27px; line-height: 1.25; font-weight: 650; font-variant-numeric: tabular-nums; }
.fact span { color: var(--soft); font-size: 14px; line-height: 1.4; display: block; }
.scroll { overflow-x: auto; margin: 16px 0; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th { text-align: right; font-weight: 600; color: var(--soft); padding: 6px 8px; border-bottom: 2px solid var(--line);
  white-space: nowrap; }
td { text-align: right; padding: 7px 8px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr.strong td { font-weight: 650; border-bottom: 2px solid var(--line); }
.settings td, .settings th { white-space: normal; overflow-wrap: anywhere; text-align: left; padding-right: 20px; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(230px, 1fr)); gap: 10px; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(420px, 1fr)); gap: 20px 28px;
  align-items: start; margin-top: 20px; }
figure { margin: 0; }
figure img { display: block; width: 100%; height: auto; border-radius: 4px; }
figcaption { font-size: 13px; line-height: 1.4; color: var(--soft); margin-top: 4px; }
.case { border-top: 1px solid var(--line); padding-top: 14px; margin-top: 18px; }
.case h3 { margin: 0 0 8px; font-size: 15px; font-weight: 600; }
.case h3 .soft { font-weight: 400; }
.tag { display: inline-block; background: #fdf0e3; color: #8a4200; border-radius: 4px; padding: 1px 8px;
  font-size: 13px; font-weight: 600; margin-right: 6px; white-space: nowrap; }
.case h3 .soft { margin-right: 8px; }
.key { display: inline-block; width: 13px; height: 13px; border-radius: 3px; vertical-align: -1px; margin: 0 5px 0 0; }
.ramp { display: inline-block; width: 110px; height: 13px; border-radius: 3px; vertical-align: -1px; margin: 0 6px; }
.legend > span { margin-right: 22px; display: inline-block; }
.legend { font-size: 14px; color: var(--soft); max-width: none; }
.missing { border-left: 4px solid var(--orange); }
.missing p { white-space: pre-line; margin-bottom: 6px; }
code { font: 0.92em ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; background: var(--ground);
  padding: 1px 5px; border-radius: 4px; }
@media (max-width: 640px) { main { padding: 24px 12px; } section { padding: 18px 16px; }
  .charts { grid-template-columns: 1fr; } .tag { white-space: normal; } }
@media print { body { background: #fff; } section, .fact, .case { break-inside: avoid; } }
"""


class Html(str):
    """Text that is HTML already."""


def element(tag: str, *content: str, **attributes: str | int | None) -> Html:
    """Return an element; content and attributes are escaped, but for content that is `Html`.

    Args:
        tag: Its name.
        content: Put one after the other.
        attributes: A trailing underscore is dropped (`class_`), one inside is a hyphen; None leaves one out.
    """
    written = (
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    opening = f"<{tag}{''.join(written)}>"
    return Html(opening if tag in ("img", "input", "meta") else f"{opening}{join(content)}</{tag}>")


def join(parts: Iterable[str]) -> Html:
    """Put parts one after the other, each escaped unless it is `Html`."""
    return Html("".join(part if isinstance(part, Html) else html.escape(part) for part in parts))


def sentence(text: str) -> Html:
    """Return text in which what stands between backticks is set as code."""
    parts = text.split("`")
    return join(element("code", part) if number % 2 else part for number, part in enumerate(parts))


def page(title: str, *content: Html, style: str = "", script: str = "") -> str:
    """Return a whole document.

    Args:
        title: Its title.
        content: Of its body.
        style: CSS of its own, behind that of all pages.
        script: JavaScript at its end, written by us alone: nothing of it is escaped.
    """
    head = join(
        [
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("title", title),
            element("style", Html(CSS + style)),
        ]
    )
    scripts = [element("script", Html(script))] if script else []
    body = element("body", element("main", *content), *scripts)
    return f"<!doctype html>\n{element('html', element('head', head), body, lang='en')}\n"


def table(frame: pd.DataFrame, *, strong: int | None = None) -> Html:
    """Return a table whose first column names the rows.

    Args:
        frame: The cells, as text.
        strong: The row to stress, counted from 0.
    """
    head = element("tr", *(element("th", name, scope="col") for name in frame))
    body = [
        element("tr", *(element("td", cell) for cell in row), class_="strong" if number == strong else None)
        for number, row in enumerate(frame.itertuples(index=False))
    ]
    whole = element("table", element("thead", head), element("tbody", *body))
    return element("div", whole, class_="scroll")


def photo(image: np.ndarray, *, alt: str, caption: str) -> Html:
    """Return a figure of an image `(H, W, 3) uint8` RGB, as a JPEG inside the page."""
    height, width = image.shape[:2]
    picture = element("img", src=_data("image/jpeg", as_jpeg(image)), alt=alt, width=width, height=height)
    return element("figure", picture, element("figcaption", caption))


def chart(figure: Figure, *, alt: str) -> Html:
    """Return a figure of a chart, as an SVG image of its own, so that no two drawings share their ids."""
    return element("figure", element("img", src=_data("image/svg+xml", as_svg(figure).encode()), alt=alt))


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
