"""The list on the page of clusters: photos are ticked and named, and it becomes `clusters.csv`."""

import json
from collections.abc import Iterable

import pandas as pd

from maskfold.analysis.html import Html, element, sentence

STYLE = """
main { padding-bottom: 320px; }
.facts { grid-template-columns: repeat(auto-fill, minmax(165px, 1fr)); }
.part { margin-top: 18px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 12px; align-items: end; }
.tiles label { display: block; position: relative; cursor: pointer; padding: 4px;
  border: 2px solid transparent; border-radius: 6px; }
.tiles input { position: absolute; top: 10px; left: 10px; width: 18px; height: 18px; margin: 0; }
.tiles label:has(:checked) { border-color: var(--orange); background: #fdf0e3; }
.tiles figure img { width: auto; max-width: 100%; max-height: 170px; }
.tiles figcaption { overflow-wrap: anywhere; }
.tiles .given { color: #8a4200; font-weight: 600; font-size: 13px; }
.naming { margin-top: 10px; font-size: 14px; display: flex; gap: 8px; align-items: center; flex-wrap: wrap; }
input[type=text] { width: 240px; }
input[type=text], textarea, button { font: inherit; border: 1px solid #b9c1c8; border-radius: 6px; padding: 4px 10px; }
button { background: #fff; cursor: pointer; }
button:hover { background: var(--ground); }
.basket { position: fixed; left: 0; right: 0; bottom: 0; background: #fff; border-top: 2px solid var(--orange);
  box-shadow: 0 -4px 18px rgb(0 0 0 / 12%); }
.basket > div { max-width: 1160px; margin: 0 auto; padding: 10px 24px 12px; }
.basket p { margin: 0 0 8px; max-width: none; font-size: 14px; }
.basket textarea { width: 100%; height: 96px; font: 13px ui-monospace, Menlo, Consolas, monospace; display: block; }
.basket .naming { margin-top: 8px; }
@media print { .basket, .naming { display: none; } }
"""
SCRIPT = """
const lines = new Map(GIVEN);
const field = text => /[",\\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
const area = document.getElementById("lines");
const written = () => ["image_id,cluster", ...[...lines].map(row => row.map(field).join(","))].join("\\n") + "\\n";
const draw = () => {
  area.value = written();
  document.getElementById("count").textContent = lines.size;
  document.querySelectorAll(".tiles input").forEach(box =>
    box.closest("label").querySelector(".given").textContent = lines.has(box.value) ? lines.get(box.value) : "");
};
document.querySelectorAll(".part").forEach(part => {
  const boxes = [...part.querySelectorAll(".tiles input")], name = part.querySelector("input[type=text]");
  part.querySelector(".all").onclick = () => {
    const on = !boxes.every(box => box.checked);
    boxes.forEach(box => { box.checked = on; });
  };
  part.querySelector(".add").onclick = () => {
    const ticked = boxes.filter(box => box.checked);
    if (!name.value.trim() || !ticked.length) { name.focus(); return; }
    ticked.forEach(box => { lines.set(box.value, name.value.trim()); box.checked = false; });
    draw();
  };
});
document.getElementById("copy").onclick = () => { area.select(); document.execCommand("copy"); };
document.getElementById("download").onclick = () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([written()], {type: "text/csv"}));
  link.download = "clusters.csv";
  link.click();
};
draw();
"""


def style() -> Html:
    """Return how the page's tiles and its list look."""
    return element("style", Html(STYLE))


def script(given: pd.Series) -> Html:
    """Return what moves ticked photos into the list.

    Args:
        given: What the list begins with, cluster by `image_id`.
    """
    rows = json.dumps([*given.items()]).replace("<", "\\u003c")  # or a name could end the script
    return element("script", Html(f"const GIVEN = {rows};{SCRIPT}"))


def naming() -> Html:
    """Return what names the photos that are ticked above it."""
    return element(
        "div",
        element("button", "tick all", type="button", class_="all"),
        "ticked photos are",
        element("input", type="text", list="names", placeholder="a name, such as shorts"),
        element("button", "put into the list below", type="button", class_="add"),
        class_="naming",
    )


def basket(data: str, names: Iterable[str]) -> Html:
    """Return the list at the foot of the page, which what is ticked is put into.

    Args:
        data: The data's name.
        names: Of clusters, to be offered.
    """
    options = [element("option", value=name) for name in names]
    where = (
        f"`data/{data}/clusters.csv` as it is, with what you add on this page. Save it there and run "
        "`make clusters` again: names with three examples or more become clusters that stay where their examples are. "
        "Lines: "
    )
    return element(
        "div",
        element(
            "div",
            element("p", sentence(where), element("b", "0", id="count")),
            element("textarea", readonly="", id="lines", spellcheck="false"),
            element(
                "div",
                element("button", "copy", type="button", id="copy"),
                element("button", "download clusters.csv", type="button", id="download"),
                class_="naming",
            ),
        ),
        element("datalist", *options, id="names"),
        class_="basket",
    )
