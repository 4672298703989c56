"""Where something lies is said once: whoever else needs the path asks the room that owns it."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "maskfold"
OWNERS = {
    *(SOURCE / "runs").glob("*.py"),
    SOURCE / "pseudo" / "label_set.py",  # a folder of its own kind, with a manifest of its own
    SOURCE / "storage" / "published.py",  # likewise
    SOURCE / "shards" / "layout.py",  # likewise
    SOURCE / "bundle" / "run.py",  # runs where this package may not be installed, and writes what a host asks for
    SOURCE / "bundle" / "notebook.py",  # says so
    SOURCE / "campaign" / "runner.py",  # `finished` is Dask's word for a job's state
}

FILES = (
    r"results\.csv|scores\.parquet|manifest\.json|(?<!sample_)submission\.csv|report\.html|blend\.json|leaderboard\.(csv|png)"
    r"|config\.yaml|seen\.json|tracking\.json|learning_curve\.svg"
)
FOLDERS = r"^(predictions|finished)$|predictions/|checkpoints/|oof/"
FOLDS = r"(^|[/.}])fold(\*|\d|\{)"
SPELLED = re.compile(f"{FILES}|{FOLDERS}|{FOLDS}")
CLIMBED = re.compile(r"\.parent\.parent|(?<!__file__\))\.parents\[|Path\(\"(experiments|submissions)\"\)")


def strings(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of every string but docstrings, with {} for what an f-string puts in."""
    nodes = list(ast.walk(ast.parse(source)))
    seen = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:  # outer ones first
        if isinstance(node, ast.JoinedStr):
            seen |= {id(part) for part in node.values}
            yield node.lineno, "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in seen:
            yield node.lineno, node.value


def test_no_path_of_a_run_or_an_ensemble_is_spelled_a_second_time():
    others = sorted({*SOURCE.rglob("*.py")} - OWNERS)
    assert len(others) > 100
    found = []
    for path in others:
        source = path.read_text()
        found += [f"{path}:{line}: {text}" for line, text in strings(source) if SPELLED.search(text)]
        found += [f"{path}: {climb[0]}" for climb in CLIMBED.finditer(source)]
    assert found == []


def test_what_a_second_spelling_is():
    for text in ("predictions", "{}/predictions/oof", "fold{}", "a/fold3", "fold*", "results.csv", "oof/{}"):
        assert SPELLED.search(text), text
    for text in ("no predictions yet", "fold", "fold {}", "oof", "folds{}", "finished training"):
        assert not SPELLED.search(text), text
    assert list(
        strings("""def f(k):
    'In fold0.'
    return f"fold{k}/x" + "y" """)
    ) == [(3, "fold{}/x"), (3, "y")]
    assert CLIMBED.search("store.parent.parent")
    assert CLIMBED.search("store.parents[2]")
    assert not CLIMBED.search("Path(__file__).parents[2]")


def test_the_layout_imports_no_torch():
    modules = ", ".join(f"maskfold.runs.{path.stem}" for path in sorted((SOURCE / "runs").glob("[a-z]*.py")))
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
