"""Boxes on a page that are ticked to decide about photos, and the file that the decisions are to be put into."""

from pathlib import Path

import pandas as pd

from maskfold.analysis.html import Html, element, join, sentence
from maskfold.cleaning.kinds import decision_line

_HEADER = "image_id,decision\n"

STYLE = """
.choices { margin: 8px 0 0; font-size: 14px; color: var(--soft); }
.choices label { margin-right: 18px; white-space: nowrap; cursor: pointer; color: var(--ink); }
.case p { margin: 8px 0 0; font-size: 14px; }
.pictures { display: flex; flex-wrap: wrap; gap: 10px; }
.pictures figure { flex: 0 1 auto; max-width: 340px; }
.pictures img { width: auto; max-width: 100%; }
#lines { width: 100%; min-height: 130px; font: 13px/1.5 ui-monospace, Menlo, Consolas, monospace; padding: 10px;
  border: 1px solid var(--line); border-radius: 6px; color: var(--ink); background: var(--ground); }
button { font: inherit; font-size: 14px; padding: 5px 14px; margin: 8px 10px 0 0; border: 1px solid var(--line);
  border-radius: 6px; background: #fff; cursor: pointer; }
.contents a { margin-right: 18px; color: var(--blue); white-space: nowrap; }
"""

# Two ticks that say something else of one photo cannot stand together: a photo has one row.
SCRIPT = """
const boxes = [...document.querySelectorAll("input[data-lines]")];
const lines = document.querySelector("#lines");
const of = (box, name) => box.dataset[name].split("\\n");
function write() {
  const ticked = new Set(boxes.filter((box) => box.checked).flatMap((box) => of(box, "lines")));
  lines.value = lines.dataset.before + [...ticked, ""].join("\\n");
}
for (const box of boxes) box.addEventListener("change", () => {
  const ids = new Set(of(box, "ids"));
  for (const other of boxes)
    if (other.dataset.ids === box.dataset.ids && other.dataset.lines === box.dataset.lines) other.checked = box.checked;
    else if (box.checked && of(other, "ids").some((id) => ids.has(id))) other.checked = false;
  write();
});
document.querySelector("#copy").addEventListener("click", () => {
  lines.select();
  if (navigator.clipboard) navigator.clipboard.writeText(lines.value); else document.execCommand("copy");
});
document.querySelector("#save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.value], { type: "text/csv" }));
  link.download = "decisions.csv";
  link.click();
});
write();
"""


def decisions_section(path: Path, said: str) -> Html:
    """Say where decisions stand, and hold what is ticked.

    Args:
        path: The file of decisions.
        said: What to do with it; backticks set code.
    """
    box = element("textarea", id="lines", readonly="", data_before=_before(path), aria_label=path.name)
    buttons = [element("button", "Copy", id="copy", type="button"), element("button", "Save", id="save", type="button")]
    return element("section", element("h2", "Decisions"), element("p", sentence(said)), box, *buttons)


def _before(path: Path) -> str:
    """Return the decisions that there are, the two columns that count in front."""
    if not path.exists():
        return _HEADER
    rows = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True)
    first = ["image_id", "decision"]
    return rows[first + [column for column in rows if column not in first]].to_csv(index=False, lineterminator="\n")


def choice(decisions: list[tuple[str, str]], meaning: str = "") -> Html:
    """Return a box that puts decisions, of one photo each, into the file; `meaning` is said behind them."""
    lines = [decision_line(*one) for one in decisions]
    ids = "\n".join(image_id for image_id, _ in decisions)
    box = element("input", type="checkbox", data_lines="\n".join(lines), data_ids=ids)
    return element("label", box, join([" ", *(element("code", line) for line in lines)]), meaning)
