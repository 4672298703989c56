"""Plant faults in the core, one by one, and see which test notices: `python tests/benchmarks/plant_faults.py`.

A fault is one small change of the code (`<` for `<=`, 1 for 0, a call left out) in a copy of the repository, where the
tests of the changed module run, then those of its room. Which faults are planted follows from `--seed` and from the
changed code alone, so that work elsewhere in the code leaves the choice as it is.
"""

import argparse
import ast
import hashlib
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from pathlib import Path

import pandas as pd

from maskfold.files import write_text

ROOT = Path(__file__).parents[2]
PACKAGE = Path("src/maskfold")
OUT = Path(os.environ.get("BENCH_OUT", ROOT / "docs" / "measured"))
NEEDED = ("src", "tests", "conf", "docs", "experiments", "notebooks", "pyproject.toml", "requirements.txt", "README.md")
AREAS = {
    "masks": "masks/*.py",
    "ensembling": "ensembling/*.py",
    "submission": "submission/*.py",
    "geometry": "data/geometry.py",
    "lineage": "runs/lineage.py",
    "engine": "engine/*.py",
}
LIMIT_S = 120  # of the tests of one fault; the slowest room takes a quarter of it
MEMORY = 16 * 2**30  # bytes of address space: a fault may well ask for all there is

OTHER = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitAnd: ast.BitOr,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
OTHER_FUNCTION = {"min": "max", "max": "min", "any": "all", "all": "any"}
PAIRS = [
    ("height", "width"),
    ("row", "column"),
    ("rows", "columns"),
    ("top", "left"),
    ("start", "stop"),
    ("starts", "stops"),
    ("low", "high"),
    ("prediction", "truth"),
    ("inside", "everywhere"),
    ("seen", "held_out"),
]
PARTNER = dict(PAIRS) | {second: first for first, second in PAIRS}

EQUIVALENT = {
    'data/geometry.py: fixed = {} if (width) is None else {"height": height, "width": width}': (
        "height and width are both given or neither, which is checked just before"
    ),
    "ensembling/contested.py: def contest(maps: np.ndarray, mask: np.ndarray, *, threshold: int, seed: int = (1)) "
    "-> Contested:": "another random sample of the pixels, as good as the first",
    "submission/writer.py: LEVEL = (4)": "the same rows, compressed a little harder",
    "submission/doctor.py: _TORN = (4)": "as good a limit between 0.6 and 5, which the comment above it gives",
}
"""Changes, as `module: the code afterwards`, that no test should notice, and why."""


@dataclass(frozen=True)
class Fault:
    """One change of the code.

    Attributes:
        area: A name of `AREAS`.
        module: Its path in the package.
        line: Where the change begins, from 1.
        was: The lines that are changed, as one.
        became: These lines afterwards, as one.
        source: The whole module with the change.
    """

    area: str
    module: str
    line: int
    was: str
    became: str
    source: str


def changes(node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Yield what can be changed in a node itself, not below it: a node and what takes its place."""
    match node:
        case ast.Compare(left, ops, right):
            for at, operator in enumerate(ops):
                swapped = [*ops[:at], OTHER[type(operator)](), *ops[at + 1 :]]
                yield node, ast.Compare(left, swapped, right)
        case ast.BinOp(left, operator, right) if type(operator) in OTHER and not (_is_text(left) or _is_text(right)):
            yield node, ast.BinOp(left, OTHER[type(operator)](), right)
        case ast.BoolOp(operator, values):
            yield node, ast.BoolOp(OTHER[type(operator)](), values)
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield node, operand
        case ast.IfExp(ast.Name() | ast.Attribute() | ast.Call() as test, body, otherwise):
            yield node, ast.IfExp(test, otherwise, body)
        case ast.Constant(bool(value)):
            yield node, ast.Constant(not value)
        case ast.Subscript(slice=index):
            yield from ((at, ast.Constant(1 - at.value)) for at in ast.walk(index) if _is_first_or_second(at))
        case ast.Constant(int(value)):
            yield node, ast.Constant(value + 1)
        case ast.Constant(float(value)):
            yield node, ast.Constant(2 * value or 1.0)
        case ast.Call(ast.Name(name) as function) if name in OTHER_FUNCTION:
            yield function, ast.Name(OTHER_FUNCTION[name])
        case ast.Name(name, ast.Load()) if name in PARTNER:
            yield node, ast.Name(PARTNER[name])
        case ast.Attribute(value, name, ast.Load()) if name in PARTNER:
            yield node, ast.Attribute(value, PARTNER[name])
        case ast.Set([*kept, _]) if kept:
            yield node, ast.Set(kept)
        case ast.List([*kept, _]) if kept:
            yield node, ast.List(kept)
        case ast.Dict([*keys, _], [*values, _]) if keys:
            yield node, ast.Dict(keys, values)
        case ast.AugAssign() | ast.Expr(ast.Call(ast.Name() | ast.Attribute(ast.Name() | ast.Attribute()))):
            yield node, ast.Pass()
        case ast.If(ast.Name() | ast.Attribute() | ast.Call() as test) | ast.comprehension(ifs=[test]):
            yield test, ast.UnaryOp(ast.Not(), test)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _is_first_or_second(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value in (0, 1)


def parts(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes below one that decide what is computed: no types, messages, log lines or decorators."""
    below = ast.iter_child_nodes(node)
    match node:
        case ast.Raise() | ast.JoinedStr() | ast.Expr(ast.Call(ast.Attribute(ast.Name("log")))):
            return
        case ast.FunctionDef(args=arguments, body=body):
            below = [*arguments.defaults, *filter(None, arguments.kw_defaults), *body]
        case ast.ClassDef(body=body):
            below = body
        case ast.AnnAssign(value=value):
            below = [value] if value else []
        case ast.Subscript(value=value, slice=index):  # whose whole numbers are places: see `changes`
            below = [value, *(part for part in ast.walk(index) if isinstance(part, ast.BinOp | ast.Compare))]
        case ast.UnaryOp(ast.USub(), ast.Constant()):
            below = []
    yield node
    for child in below:
        yield from parts(child)


def possible(area: str, module: str, source: str) -> list[Fault]:
    """Return every fault that can be planted in a module."""
    lines = source.encode().splitlines(keepends=True)  # columns of the syntax tree count bytes
    tree = ast.parse(source)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    faults = []
    for node in parts(tree):
        for old, new in changes(node):
            if isinstance(new, ast.Name) and new.id in PARTNER and new.id not in names:
                continue
            first, last = old.lineno - 1, old.end_lineno - 1
            code = ast.unparse(ast.fix_missing_locations(new))
            text = code if isinstance(new, ast.stmt) else f"({code})"
            before, after = lines[first][: old.col_offset], lines[last][old.end_col_offset :]
            changed = before + text.encode() + after
            was, became = (b" ".join(part.split()).decode() for part in (b"".join(lines[first : last + 1]), changed))
            whole = b"".join([*lines[:first], changed, *lines[last + 1 :]]).decode()
            faults.append(Fault(area, module, old.lineno, was, became, whole))
    return faults


def chosen(faults: Sequence[Fault], *, seed: int, count: int) -> list[Fault]:
    """Return `count` faults, as many of each area as it has, in an order that follows from the seed and their code."""

    def rank(fault: Fault) -> bytes:
        return hashlib.sha256(f"{seed} {fault.module} {fault.was} {fault.became}".encode()).digest()

    ranked = sorted(faults, key=rank)
    areas = [[fault for fault in ranked if fault.area == area] for area in AREAS]
    dealt = (fault for fault in chain.from_iterable(zip_longest(*areas)) if fault is not None)
    return list(islice(dealt, count))


def tests_of(module: str) -> list[str]:
    """Return where the tests of a module are: those that mirror it first, then its room's."""
    path = Path("tests", module)
    mirror = path.with_name(f"test_{path.name}")
    return [str(place) for place in (mirror, path.parent) if (ROOT / place).exists()]


def failing(copy: Path, tests: Sequence[str]) -> str | None:
    """Run tests in a copy of the repository up to the first that fails: its name, or None if none does."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-n0", "-p", "no:cacheprovider", *tests]
    # No compiled modules, which could be taken for those of a change of equal length in the same second.
    environment = os.environ | {"PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        command,
        cwd=copy,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )
    try:
        output, _ = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with whatever the tests have started
        process.communicate()
        return "time limit"
    if process.returncode == 0:
        return None
    named = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", output, flags=re.MULTILINE)
    return named[1] if named else "the tests broke off"


def plant(copy: Path, fault: Fault) -> str | None:
    """Change the copy, run the tests, and change it back; see `failing`."""
    path = copy / PACKAGE / fault.module
    sound = path.read_text()
    path.write_text(fault.source)
    try:
        return failing(copy, tests_of(fault.module))
    finally:
        path.write_text(sound)


def copied(folder: Path) -> Path:
    """Copy what the tests need into a folder, and return it."""
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "fold[0-9]*"))
        else:
            shutil.copy(source, folder / name)
    return folder


def main(arguments: Sequence[str] | None = None) -> None:
    """Plant the faults, and write a table of who noticed each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=26, help="of the choice of faults")
    parser.add_argument("--count", type=int, default=90, help="how many faults are planted")
    options = parser.parse_args(arguments)
    modules = {path: area for area, pattern in AREAS.items() for path in sorted((ROOT / PACKAGE).glob(pattern))}
    faults = [
        fault
        for path, area in modules.items()
        for fault in possible(area, str(path.relative_to(ROOT / PACKAGE)), path.read_text())
    ]
    planted = chosen(faults, seed=options.seed, count=options.count)
    print(f"{len(planted)} of {len(faults)} possible faults", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        copy = copied(Path(folder).resolve())
        for room in sorted({tests_of(fault.module)[-1] for fault in planted}):
            if failed := failing(copy, [room]):
                raise SystemExit(f"{room}: {failed} with no fault planted: mend that first.")
        rows = []
        for fault in planted:
            reason = EQUIVALENT.get(f"{fault.module}: {fault.became}")
            test = None if reason else plant(copy, fault)
            rows.append((fault.module, fault.line, fault.was, fault.became, test, reason))
            print(f"{fault.module}:{fault.line}: {fault.became}\n    {reason or test or 'NOT NOTICED'}", flush=True)
    table = pd.DataFrame(rows, columns=["module", "line", "was", "became", "noticed_by", "equivalent"])
    write_text(OUT / "mutants.csv", table.to_csv(index=False))
    print(Counter("equivalent" if row[-1] else "noticed" if row[-2] else "not noticed" for row in rows))


if __name__ == "__main__":
    main()
