"""The documents: links lead somewhere, and what they tell readers to type exists."""

import dataclasses
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from maskfold.config import CONF
from maskfold.schemas import STAGES

ROOT = Path(__file__).parents[1]
FOLDERS = ("docs", "experiments", "notebooks", "submissions")
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for path in [*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))]
)
NOTEBOOKS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "notebooks").glob("*.ipynb"))

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", flags=re.MULTILINE)
DOOR = re.compile(r"^(?:\w+=\S+ )?make ([a-z-]+)", flags=re.MULTILINE)
OVERRIDE = re.compile(r"""(?:^|(?<=[\s"'(]))([a-z_]+(?:\.\w+)*)=([\w,\[\]/]*)""")


@cache
def text_of(document: str) -> str:
    """Return a document; of a notebook, what its text cells say."""
    content = (ROOT / document).read_text()
    if not document.endswith(".ipynb"):
        return content
    cells = json.loads(content)["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def prose(document: str) -> str:
    """Return a document without its code."""
    return SPAN.sub("", FENCE.sub("", text_of(document)))


def commands(document: str) -> Iterator[str]:
    """Yield what stands in blocks for a shell, and in backticks elsewhere."""
    text = text_of(document)
    yield from (content for language, content in FENCE.findall(text) if language == "sh")
    yield from SPAN.findall(FENCE.sub("", text))


@cache
def anchors(document: str) -> set[str]:
    """Return the names by which GitHub links to a document's headings."""
    headings = HEADING.findall(FENCE.sub("", text_of(document)))
    kept = (re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)) for heading in headings)
    return {heading.strip().lower().replace(" ", "-") for heading in kept}


def doors() -> set[str]:
    """Return the targets of the Makefile that `make help` lists."""
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


@cache
def keys() -> set[str]:
    """Return the dotted keys of every stage and of every option of every group."""
    stages = {field.name for schema in STAGES.values() for field in dataclasses.fields(schema)}
    known = stages | {path.name for path in Path(CONF).iterdir() if path.is_dir()}
    for path in Path(CONF).rglob("*.yaml"):
        group = path.parent.relative_to(CONF).parts
        whole = "@package _global_" in path.read_text()
        known.update(_dotted(yaml.safe_load(path.read_text()) or {}, "" if whole else "".join(f"{g}." for g in group)))
    return known


def _dotted(tree: dict, prefix: str) -> Iterator[str]:
    for key, value in tree.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _dotted(value, f"{prefix}{key}.")


@pytest.mark.parametrize("document", [*DOCUMENTS, *NOTEBOOKS])
def test_links_lead_somewhere(document):
    for link in LINK.findall(prose(document)):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (ROOT / document).parent / path if path else ROOT / document
        assert target.exists(), f"{document}: {link} does not exist"
        if anchor:
            assert anchor in anchors(str(target.resolve().relative_to(ROOT))), f"{document}: {link}: no such heading"


@pytest.mark.parametrize("document", [*DOCUMENTS, *NOTEBOOKS])
def test_doors_that_are_named_exist(document):
    named = {door for command in commands(document) for door in DOOR.findall(command)}
    examples = {"areas"} if document == "CONTRIBUTING.md" else set()  # the stage that its readers add
    assert named <= doors() | examples


@pytest.mark.parametrize("document", [*DOCUMENTS, *NOTEBOOKS])
def test_keys_and_options_that_are_named_exist(document):
    examples = {"loss=brier", "data=listed", "tracker=jsonl"} if document == "CONTRIBUTING.md" else set()
    examples |= {"ensemble=mine", "ensemble=theirs"}
    if document == "docs/how-to/join-a-competition.md":
        examples |= {"data=tgs", "data=steel", "data=contrails"}  # what its commands write
    for command in commands(document):
        if "tests/benchmarks/" in command:  # which take arguments of their own
            continue
        for key, value in OVERRIDE.findall(command):
            assert key in keys(), f"{document}: {command!r}: there is no key {key}"
            group = Path(CONF, key)
            for option in re.findall(r"\w+", value) if group.is_dir() else ():
                assert option == "null" or (group / f"{option}.yaml").exists() or f"{key}={option}" in examples, (
                    f"{document}: {command!r}: there is no conf/{key}/{option}.yaml"
                )


def test_the_front_page_is_short_and_begins_with_the_demo_and_the_tests():
    front = text_of("README.md")
    assert len(front.splitlines()) <= 160
    assert re.findall(r"^make [a-z]+", front, flags=re.MULTILINE)[:2] == ["make demo", "make test"]


def test_the_reference_has_every_door():
    assert doors() <= {door for command in commands("docs/reference/doors.md") for door in DOOR.findall(command)}


def test_every_page_is_in_the_index():
    linked = {(ROOT / "docs" / link.partition("#")[0]).resolve() for link in LINK.findall(prose("docs/README.md"))}
    pages = {path for path in (ROOT / "docs").rglob("*.md") if path.name != "README.md"}
    assert pages <= linked
