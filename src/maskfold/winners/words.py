"""How the winners' documents say things: what is missing, what a person has to write, how a part was built."""

from collections.abc import Mapping, Sequence
from typing import Any

_LONG = 60  # characters of an argument; a longer one is in the configuration beside the document


def to_write(*questions: str) -> str:
    """Return a place that only a person can fill."""
    return "\n".join(["> **To be written by you.**", *(f"> - {question}" for question in questions)])


def missing(what: str, way_out: str) -> str:
    """Return what stands where a number is not in any file."""
    return f"_Missing: {what}. {way_out}_"


def bullets(facts: Mapping[str, object]) -> str:
    """Return a line for each fact."""
    return "\n".join(f"- **{name}**: {value}" for name, value in facts.items())


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def spoken_part(node: Any) -> str:
    """Return how a part of a configuration was built: its name, and its plain arguments.

    Args:
        node: Plain dictionaries, lists and values, as a run folder has them.
    """
    if isinstance(node, dict) and "_target_" in node:
        name = str(node["_target_"]).rpartition(".")[2]
        given = [f"{key} {spoken_part(value)}" for key, value in node.items() if not key.startswith("_")]
        given += [spoken_part(value) for value in node.get("_args_", [])]
        arguments = ", ".join(text for text in given if len(text) <= _LONG or "(" in text)
        return f"{name} ({arguments})" if arguments else name
    if isinstance(node, dict):
        return ", ".join(f"{key} {spoken_part(value)}" for key, value in node.items()) or "none"
    if isinstance(node, list):
        return "; ".join(map(spoken_part, node)) or "none"
    if node is None or isinstance(node, bool):
        return {None: "none", True: "yes", False: "no"}[node]
    return f"{node:g}" if isinstance(node, float) else str(node)
