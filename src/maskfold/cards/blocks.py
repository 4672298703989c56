"""Generated blocks in Markdown: what a program writes stands between two comments, and prose around it is left alone.

<!-- generated: scores -->
...
<!-- end -->
"""

import re
from collections.abc import Callable

from maskfold.errors import MaskfoldError

END = "<!-- end -->"
_OPENING = re.compile(r"^<!-- generated: (.+) -->$")


def block(what: str, content: str = "") -> str:
    """Return a block with its two comments, each on a line of its own."""
    return "\n".join([f"<!-- generated: {what} -->", *content.splitlines(), END])


def regenerate(text: str, render: Callable[[str], str], *, name: str) -> str:
    """Return a document with the content of each block written anew.

    Args:
        text: The document.
        render: Turns what stands behind `generated:` into the block's content.
        name: What messages call the document.

    Raises:
        MaskfoldError: If a block has no end. What `render` refuses is said with the document and the line.
    """
    lines = text.splitlines()
    written, row = [], 0
    while row < len(lines):
        opening = _OPENING.match(lines[row])
        if opening is None:
            written.append(lines[row])
            row += 1
            continue
        here = f"{name}:{row + 1}: {lines[row]}"
        row = _end(lines, row + 1, here) + 1
        try:
            written.append(block(opening[1], render(opening[1])))
        except MaskfoldError as error:
            raise MaskfoldError(f"{here}\n{error}") from error
    return "\n".join(written) + "\n" * text.endswith("\n")


def _end(lines: list[str], row: int, here: str) -> int:
    """Return the row of the end of the block whose content begins at `row`."""
    for number in range(row, len(lines)):
        if lines[number] == END:
            return number
        if _OPENING.match(lines[number]):
            break
    raise MaskfoldError(f"{here}\nThis generated block has no end. Put {END} on a line of its own behind it.")
