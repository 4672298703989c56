"""A page to look at a batch by: some of its cut-outs beside their photos, on a checkerboard or a colour, and an edge.

However many photos there are, the page has a few dozen of them, spread evenly, and a few dozen failures.
"""

import base64
import html
import io
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from maskfold.cutout.batch import Batch
from maskfold.cutout.files import read_photo
from maskfold.cutout.record import Entry
from maskfold.data.headers import MOST_PIXELS
from maskfold.data.loading import upright
from maskfold.errors import MaskfoldError
from maskfold.storage import Storage
from maskfold.terminal import counted

PAGE = "cutouts.html"
_SHOWN = 40  # photos, and failures
_SIDE = 260  # pixels of a small picture
_WINDOW = 130  # pixels of a cut-out that are shown twice as large
_CSS = """
body { margin: 0; padding: 32px clamp(16px, 4vw, 56px) 80px; color: #1d2329; background: #f6f7f8;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
h1 { font-size: 28px; margin: 0 0 4px; } h2 { font-size: 20px; margin: 40px 0 8px; }
p { margin: 0 0 16px; color: #5b6670; max-width: 80ch; }
.choice { position: sticky; top: 0; z-index: 1; background: #f6f7f8; padding: 10px 0; margin: 0 0 12px; }
.choice label { margin-right: 18px; cursor: pointer; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(430px, 1fr)); gap: 18px; }
figure { margin: 0; background: #fff; border: 1px solid #dfe3e7; border-radius: 8px; padding: 12px; }
.row { display: grid; grid-template-columns: repeat(3, 1fr); gap: 8px; align-items: stretch; }
.row div { display: flex; align-items: center; justify-content: center; min-height: 130px; border-radius: 4px; }
img { max-width: 100%; max-height: 260px; display: block; }
figcaption { font-size: 13px; color: #5b6670; margin-top: 8px; overflow-wrap: anywhere; }
.cut { background: repeating-conic-gradient(#d3d7db 0 25%, #fff 0 50%) 0 0 / 20px 20px; }
body:has(#white:checked) .cut { background: #fff; } body:has(#black:checked) .cut { background: #16181a; }
body:has(#green:checked) .cut { background: #1aa34a; }
table { border-collapse: collapse; font-size: 14px; }
td { padding: 5px 24px 5px 0; border-bottom: 1px solid #dfe3e7; overflow-wrap: anywhere; }
@media (max-width: 520px) { .sheet { grid-template-columns: 1fr; } }
"""
_CHOICES = {"check": "checkerboard", "white": "white", "black": "black", "green": "green"}


def sheet(batch: Batch, source: Storage, target: Storage) -> str:
    """Return the page of a batch, HTML in one file of a megabyte or two at most."""
    done = [entry for entry in batch.entries if entry.cutout]
    figures = [_figure(entry, source, target) for entry in spread(done)]
    shown = "" if len(figures) == len(done) else f"{len(figures)} of them are shown, spread evenly. "
    choices = "".join(
        f'<label><input type="radio" name="behind" id="{name}"{" checked" if name == "check" else ""}> {word}</label>'
        for name, word in _CHOICES.items()
    )
    failed, held = counted(len(batch.failures), "failure"), counted(len(batch.held), "photo held", "photos held")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Cut-outs</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_CSS}</style>'
        f"<h1>{counted(len(done), 'cut-out')}</h1><p>{shown}Each: the photo, the cut-out, and the busiest part of its "
        f"edge, two screen pixels for one.</p>"
        f'<div class="choice">Behind them: {choices}</div><div class="sheet">{"".join(figures)}</div>'
        f"{_reasons(batch.failures, failed, 'failures.csv has')}"
        f"{_reasons(batch.held, held, 'routes.parquet and reviews/ have')}</html>\n"
    )


def spread(entries: Sequence[Entry]) -> list[Entry]:
    """Return so many of the entries as are shown, the first and the last among them, evenly."""
    if len(entries) <= _SHOWN:
        return [*entries]
    return [entries[number] for number in np.linspace(0, len(entries) - 1, _SHOWN).round().astype(int)]


def _figure(entry: Entry, source: Storage, target: Storage) -> str:
    caption = f"<figcaption>{html.escape(_printable(entry.photo))}</figcaption>"
    try:
        photo = read_photo(source.read(entry.photo), entry.photo, max_pixels=MOST_PIXELS).pixels
        cutout = decode_cutout(target.read(entry.cutout))
    except MaskfoldError as error:  # taken away meanwhile
        return f"<figure>{html.escape(f'{error}')}{caption}</figure>"
    pictures = [("", _small(photo)), ("cut", _small(cutout)), ("cut", edge_window(cutout))]
    cells = "".join(f'<div class="{kind}">{_img(picture)}</div>' for kind, picture in pictures)
    return f'<figure><div class="row">{cells}</div>{caption}</figure>'


def decode_cutout(content: bytes) -> np.ndarray:
    """Return the pixels of a cut-out that this room has written, `(H, W, 4)` or `(H, W, 3) uint8`."""
    with Image.open(io.BytesIO(content)) as image:
        return upright(np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB")), 1)


def edge_window(cutout: np.ndarray) -> np.ndarray:
    """Return the window of a cut-out with the most pixels that are neither all object nor all clear, doubled."""
    side = min(_WINDOW, *cutout.shape[:2])
    alpha = cutout[..., 3] if cutout.shape[2] == 4 else cv2.Canny(cutout, 100, 200) // 2
    mixed = ((alpha > 0) & (alpha < 255)).astype(np.float32)
    sums = cv2.boxFilter(mixed, -1, (side, side), normalize=False, anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    within = sums[: cutout.shape[0] - side + 1, : cutout.shape[1] - side + 1]
    top, left = np.unravel_index(int(within.argmax()), within.shape)
    window = cutout[top : top + side, left : left + side]
    return cv2.resize(window, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)


def _small(picture: np.ndarray) -> np.ndarray:
    by = min(_SIDE / max(picture.shape[:2]), 1)
    size = tuple(max(round(side * by), 1) for side in picture.shape[1::-1])
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _img(picture: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "WEBP", quality=80)
    return f'<img src="data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}" alt="">'


def _reasons(reasons: dict[str, str], title: str, who_has_all: str) -> str:
    """Return a list of photos without a picture, with the reason by the name of the photo."""
    if not reasons:
        return ""
    rows = [
        f"<tr><td>{html.escape(_printable(name))}</td><td>{html.escape(reason)}</td></tr>"
        for name, reason in [*reasons.items()][:_SHOWN]
    ]
    more = len(reasons) - len(rows)
    rest = f"<p>And {more:,} more: {who_has_all} them all.</p>" if more else ""
    return f"<h2>{title}</h2><table>{''.join(rows)}</table>{rest}"


def _printable(name: str) -> str:
    """Return a name as text that can be written as UTF-8, which names of files need not be."""
    return name.encode(errors="backslashreplace").decode()
