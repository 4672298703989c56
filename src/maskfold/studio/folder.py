"""The folder of a generated set: whose it is, and its tables."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from maskfold.errors import MaskfoldError
from maskfold.files import read_json, write_json, write_text


def check_number(what: str, key: str, value: Any, least: int, most: int | None = None) -> None:
    """Refuse an argument that is no whole number in its range.

    Raises:
        MaskfoldError: With the range.
    """
    if type(value) is not int or value < least or (most is not None and value > most):
        bound = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise MaskfoldError(f"{what}: {key}={value!r} is not possible; give a whole number {bound}.")


def claim(root: Path, arguments: dict, *, name: str, what: str) -> None:
    """Mark `root` as the set's that these arguments make, or refuse a folder that is something else's.

    Args:
        root: A folder that this process holds.
        arguments: All that decides what is written, ready for JSON.
        name: Of the file in `root` that keeps them.
        what: What messages call the set.

    Raises:
        MaskfoldError: If a set of other arguments, or anything else, is in there.
    """
    path = root / name
    if path.exists():
        before = read_json(path)
        different = [key for key in sorted({*before, *arguments}) if before.get(key) != arguments.get(key)]
        if different:
            differences = ", ".join(f"{key}={before.get(key)!r}, not {arguments.get(key)!r}" for key in different)
            raise MaskfoldError(
                f"{path}: this {what} was made with {differences}. Choose another folder or delete this one."
            )
    elif any(entry.name not in (".lock", f".{name}.part") for entry in root.iterdir()):
        raise MaskfoldError(f"{root}: holds files that are no {what}'s. Choose a new or an empty folder.")
    else:
        write_json(path, arguments)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence], quoting: int = csv.QUOTE_MINIMAL) -> None:
    """Write a table atomically, its lines ended as on Linux."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())
