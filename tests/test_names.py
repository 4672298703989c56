"""Names say what a thing holds: `lines`, `stores`, `missing`, and not how the program came by it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"
EMPTY_NAMES = {"found", "told"}


def names_given(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of all that a module names: variables, attributes, arguments, functions, classes, imports."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.arg(arg=name) | ast.alias(asname=str(name)):
                yield node.lineno, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name


@pytest.mark.parametrize(
    "code",
    [
        "found = 1",
        "a, (b, *found) = c",
        "self.found = 1",
        "found: int",
        "for found in a: pass",
        "[found for found in a]",
        "if (found := a): pass",
        "with a as found: pass",
        "import a as found",
        "def f(*, found): pass",
        "lambda found: 1",
        "def found(): pass",
        "class found: pass",
    ],
)
def test_whatever_gives_a_name_is_seen(code):
    assert "found" in {name for _, name in names_given(ast.parse(code))}


def test_no_name_says_only_that_something_was_found_or_told():
    names = [
        (f"{path.relative_to(SOURCE)}:{line}", name)
        for path in SOURCE.rglob("*.py")
        for line, name in names_given(ast.parse(path.read_text()))
    ]

    assert len(names) > 1000
    assert [(place, name) for place, name in names if name.strip("_") in EMPTY_NAMES] == []
