"""One name, one thing: a reader who finds a class by its name finds the one that was meant."""

import ast
from collections import Counter
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"


def test_no_two_public_classes_share_a_name():
    names = Counter(
        node.name
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )

    assert len(names) > 50
    assert [name for name, count in names.items() if count > 1] == []
