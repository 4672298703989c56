"""The names of several classes, as a configuration has them and as a message says them."""

from collections.abc import Mapping, Sequence
from typing import Any


def classes_of(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of several classes as `Source.classes` has them, empty for one class.

    Args:
        data: What is written down of a source: names may be missing, as of an older version, or numbers, as YAML reads
            `[1, 2]`.
    """
    return tuple(map(str, data.get("classes") or ()))


def spoken(classes: Sequence[str]) -> str:
    """Return the classes as words of a message."""
    return f"the classes {', '.join(classes)}" if classes else "one class"
