"""Who may import whom: rooms lie in layers, and an import points to its own layer or to a lower one."""

import ast
import re
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import maskfold

PACKAGE = Path(maskfold.__file__).parent

# From the ground up. A layer's rooms stand beside one another: none of them imports another of the same layer.
LAYERS = (
    {"credentials", "errors", "places", "processor", "termination"},
    {"terminal"},
    {"files", "memory", "parallel", "phases", "side_by_side", "yaml_text"},
    {"arrays", "storage", "values"},
    {"schemas", "trust"},
    {"masks"},
    {"data", "models", "runs", "studio"},
    {"cleaning", "command", "joining", "recipe", "shards"},
    {"config", "engine"},
    {"prediction", "tasks"},
    {"clusters"},
    {"recognition", "segmentation"},
    {"ensembling", "submission"},
    {"analysis", "bundle", "cutout", "export", "pseudo", "quality"},
    {"cards", "leaderboard", "publishing", "review", "service", "tracking"},
    {"campaign", "corrections", "entry", "every_fold", "judged_cutouts", "networks", "techniques", "winners"},
    {"maskers", "recognizers"},
    {"cutout_card"},
    {"stages"},
    {"__main__", "demo", "job"},
    {"demo_member", "demo_recognition"},
)
LEVELS = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
# Configuration stops at the door. Beside those who stand there, these build the data that a manifest names.
AT_THE_DOOR = {
    "campaign",
    "demo",
    "demo_recognition",
    "entry",
    "every_fold",
    "job",
    "maskers",
    "networks",
    "recognizers",
    "stages",
}
BUILDERS = {"analysis.gathering", "submission.checkup"}
MASK_WORDS = re.compile("mask(?!fold)|dice|segment", re.IGNORECASE)
ENGINE = sorted((PACKAGE / "engine").glob("*.py"))


def modules() -> dict[str, Path]:
    """Return `dotted name -> file` of every module, packages among them; the outermost is ""."""
    files = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
    return {name.removesuffix("__init__").rstrip("."): path for name, path in files.items()}


def imported(path: Path) -> list[str]:
    """Return the dotted names that a file imports, within functions too: `a.b` for `import a.b`, `from a import b`."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: an import of its own package is written out"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return names


@cache  # to read all modules takes a second
def graph() -> dict[str, set[str]]:
    """Return for each module the modules of this package that it imports."""
    known = modules()
    edges: dict[str, set[str]] = {}
    for name, path in known.items():
        own = [other.removeprefix("maskfold.") for other in imported(path) if other.startswith("maskfold.")]
        edges[name] = {other if other in known else other.rpartition(".")[0] for other in own} - {name}
    return edges


def room_of(module: str) -> str:
    return module.partition(".")[0]


def test_imports_are_read_within_functions_and_of_both_kinds(tmp_path):
    path = tmp_path / "example.py"
    path.write_text("import a.b\n\ndef late():\n    from c import d, e\n")

    assert imported(path) == ["a.b", "c.d", "c.e"]


def test_every_room_has_a_layer():
    assert {room_of(module) for module in modules()} - {""} == set(LEVELS)


def test_imports_point_to_their_own_room_or_downwards():
    upwards = [
        f"{module} imports {other}"
        for module, others in graph().items()
        for other in others
        if module and room_of(other) and room_of(module) != room_of(other)
        if LEVELS[room_of(module)] <= LEVELS[room_of(other)]
    ]

    assert not upwards, "these imports point up or sideways"


def test_no_stage_imports_another():
    stages = {module: others for module, others in graph().items() if module.startswith("stages.")}
    sideways = [f"{stage} imports {other}" for stage, others in stages.items() for other in others & stages.keys()]

    assert not sideways, "what two stages share belongs to the room that it is about"


def test_configuration_stops_at_the_door():
    users = {module for module, others in graph().items() if others & {"config", "schemas"}} - {"config"}

    assert {module for module in users if room_of(module) not in AT_THE_DOOR} <= BUILDERS


def test_the_graph_of_modules_has_no_cycle():
    try:
        TopologicalSorter(graph()).prepare()
    except CycleError as error:
        pytest.fail(f"a cycle of imports: {' <- '.join(error.args[1])}")


def test_what_a_run_leaves_is_read_without_torch():
    heavy = {"lightning", "torch", "torchmetrics", "torchvision"}
    users = [path.name for path in (PACKAGE / "runs").glob("*.py") if heavy & set(map(room_of, imported(path)))]

    assert not users


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.stem)
def test_the_engine_has_no_word_of_masks(path):
    mentions = [f"{path.name}:{row}: {line}" for row, line in enumerate(path.read_text().splitlines(), 1)]

    assert not [line for line in mentions if MASK_WORDS.search(line.partition(": ")[2])]
