"""The one exception whose message is written for the person at the keyboard."""

from collections.abc import Sequence


class MaskfoldError(Exception):
    """Something the user can mend.

    The message names the file, row or key, says what is wrong and what to do; entry points print it without a
    traceback and exit with status 1.
    """

    def __str__(self) -> str:
        # torch hands a loading process's error on as a new one, whose message is the traceback that ends with the old.
        return super().__str__().rpartition(f"{__name__}.{type(self).__name__}: ")[2].rstrip()


def listing(items: Sequence[object], limit: int = 10) -> str:
    """Format up to `limit` items, one indented line each, and say how many are left out."""
    lines = [f"  {item}" for item in items[:limit]]
    if len(items) > limit:
        lines.append(f"  ... and {len(items) - limit} more")
    return "\n".join(lines)
