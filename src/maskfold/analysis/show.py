"""Tables, charts and pictures as a notebook shows them: small, and the same each time."""

from functools import singledispatch

import pandas as pd
from IPython.display import HTML, Image, Markdown, display
from matplotlib.figure import Figure

from maskfold.analysis.cases import strip
from maskfold.analysis.charts import as_png
from maskfold.analysis.galleries import Exhibit
from maskfold.masks.pictures import as_jpeg


def show(*things: pd.DataFrame | Figure | Exhibit | str) -> None:
    """Display tables of text, charts, images with what is said about them, and sentences, one below the other."""
    for thing in things:
        _show(thing)


@singledispatch
def _show(thing: str) -> None:
    display(Markdown(thing))


@_show.register
def _(thing: pd.DataFrame) -> None:
    display(HTML(thing.to_html(index=False, border=0)))


@_show.register
def _(thing: Figure) -> None:
    display(Image(as_png(thing)))


@_show.register
def _(thing: Exhibit) -> None:
    tags = "".join(f" · **{tag}**" for tag in thing.tags)
    display(Markdown(f"**{thing.image_id}** · {' · '.join(thing.facts)}{tags}"))
    display(Image(as_jpeg(strip(thing.panels))))
