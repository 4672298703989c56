"""What a person sees while a stage runs: messages above the progress bar, tables that fit the window, human units.

In a terminal messages are wrapped between words and coloured (`NO_COLOR` is respected). In a pipe or a file they are
plain lines, and a bar shows itself once a minute.
"""

import logging
import sys
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from maskfold.credentials import CensoringFormatter

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

RESULT = {"style": "bold green"}  # `extra` of the message that one has waited for
LINE_EVERY_S = 60  # between two lines of a bar in a pipe or a file, and before the first
PLAIN_WIDTH = 120  # of tables that go into a pipe or a file


class Messages(logging.Handler):
    """Prints messages to the standard error stream, above whatever progress bar is drawn there."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a message, in the `style` that its `extra` names, else its numbers and paths coloured."""
        try:
            screen = console(error_stream=True)
            style = getattr(record, "style", "yellow" if record.levelno >= logging.WARNING else None)
            looks = {"style": None if screen.no_color else style, "highlight": style is None and not screen.no_color}
            with tqdm.external_write_mode(file=sys.stderr) if screen.is_terminal else nullcontext():
                text = self.format(record)
                screen.print(text, markup=False, emoji=False, soft_wrap=not screen.is_terminal, **looks)
        except Exception:
            self.handleError(record)


def console(*, error_stream: bool = False) -> "Console":
    """Return rich's console on the standard output or error stream: as wide as the terminal, or `PLAIN_WIDTH`."""
    from rich.console import Console  # which whoever only completes a command has no time for

    screen = Console(stderr=error_stream)
    return screen if screen.is_terminal else Console(stderr=error_stream, width=PLAIN_WIDTH)


def show(drawing: "RenderableType") -> None:
    """Print a table, or whatever else rich can draw, to the standard output."""
    screen = console()
    with tqdm.external_write_mode(file=sys.stdout) if screen.is_terminal else nullcontext():
        screen.print(drawing)


def show_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, strong: int | None = None) -> None:
    """Print a table whose first column names the rows; headings are broken between words where it is narrow.

    Args:
        headings: Of the columns.
        rows: The cells, as text.
        strong: The row to stress, counted from 0.
    """
    from rich.table import Table

    table = Table(**table_style(), header_style="bold")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", overflow="fold", vertical="bottom")
    for number, row in enumerate(rows):
        table.add_row(*row, style="bold" if number == strong else None)
    show(table)


def table_style() -> dict[str, Any]:
    """Return how rich's tables look here: a line below the headings, two blanks between columns."""
    from rich import box

    return {"box": box.SIMPLE_HEAD, "pad_edge": False, "show_edge": False, "collapse_padding": True}


def bar(description: str, *, total: int | None, unit: str, leave: bool = True) -> tqdm:
    """Return a progress bar.

    Args:
        description: Its label.
        total: How many units there are, if that is known.
        unit: In the plural.
        leave: Leave it standing when it has ended.
    """
    words = {"desc": description, "total": total, "unit": f" {unit}"}
    if sys.stderr.isatty():
        return tqdm(**words, leave=leave, dynamic_ncols=True, mininterval=0.5)
    return _Lines(**words, delay=LINE_EVERY_S, mininterval=LINE_EVERY_S)


class _Lines(tqdm):
    """A bar for a pipe or a file, where nothing can be drawn over: each look at it is a line of its own."""

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Write a line."""
        self.fp.write(f"{msg or self}\n")
        self.fp.flush()


def duration(seconds: float) -> str:
    """Return seconds in a unit that suits them."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def readable(count: float) -> str:
    """Return a number of bytes in a unit that suits it."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:,.1f} GiB"


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return `1 photo` or `2 photos`.

    Args:
        number: How many.
        one: The word for one of them.
        many: That for several, where it does not just end in s.
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def asked(question: str) -> bool:
    """Ask a question that is answered with y or n; where nobody can answer, it is no.

    Args:
        question: Without the letters to answer with.
    """
    if not sys.stdin.isatty():
        return False
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def print_messages(*, quiet: Iterable[str] = ()) -> None:
    """Print what is logged from here on, without credentials; of some libraries their warnings alone.

    Args:
        quiet: Names of the libraries' loggers.
    """
    messages = Messages()
    messages.setFormatter(CensoringFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[messages], force=True)
    for library in quiet:
        logging.getLogger(library).setLevel(logging.WARNING)
