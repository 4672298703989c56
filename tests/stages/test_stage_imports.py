"""A stage composes what the rooms offer; what two stages need is in a room."""

import ast
from collections.abc import Iterator
from pathlib import Path

STAGES = Path(__file__).parents[2] / "src" / "maskfold" / "stages"


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_no_stage_imports_another():
    stages = sorted(STAGES.glob("[a-z]*.py"))
    assert len(stages) > 15
    found = [f"{path.stem}: {name}" for path in stages for name in imported(path) if name.startswith("maskfold.stages")]
    assert found == []
