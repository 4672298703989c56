"""The page at `/docs`: what OpenAPI knows of the service, without a script or a file from anywhere else."""

import json
import re
from html import escape
from typing import Any

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1d2430 }
h2 { border-top: 1px solid #d5dae2; padding-top: 1.2rem } h2 span { color: #5b6675; font-weight: normal }
code, pre { background: #f2f4f7; border-radius: 4px; padding: .1rem .3rem }
pre { padding: .8rem; white-space: pre-wrap }
table { border-collapse: collapse; width: 100%; margin-bottom: 1.2rem }
td, th { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #e6e9ee }
"""


def documentation(schema: dict[str, Any]) -> str:
    """Return a page of an OpenAPI schema."""
    title = escape(schema["info"]["title"])
    parts = [
        _operation(method.upper(), path, one, schema)
        for path, of_method in schema["paths"].items()
        for method, one in of_method.items()
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<h1>{title}</h1><p>{escape(schema['info'].get('description', ''))}</p>"
        f'<p>For programs: <a href="openapi.json">openapi.json</a></p>{"".join(parts)}</html>'
    )


def _operation(method: str, path: str, one: dict[str, Any], schema: dict[str, Any]) -> str:
    text = f"<h2>{method} {escape(path)} <span>{escape(one.get('summary', ''))}</span></h2>"
    text += "".join(f"<p>{_prose(part)}</p>" for part in one.get("description", "").split("\n\n"))
    if "x-example" in one:
        text += f"<pre>{escape(one['x-example'])}</pre>"
    options = [
        (f"<code>{escape(option['name'])}</code>", _values(option["schema"]), _prose(option.get("description", "")))
        for option in one.get("parameters", [])
    ]
    if options:
        text += _table(("option", "values", "meaning"), options)
    answers = [(status, _answer(answer, schema)) for status, answer in one["responses"].items()]
    return text + _table(("status", "answer"), answers)


def _values(schema: dict[str, Any]) -> str:
    kinds = schema.get("anyOf", [schema])
    texts = [" | ".join(map(str, kind["enum"])) if "enum" in kind else kind.get("type", "") for kind in kinds]
    default = f", default {json.dumps(schema['default'])}" if "default" in schema else ""
    return escape(" | ".join(texts) + default)


def _answer(answer: dict[str, Any], schema: dict[str, Any]) -> str:
    text = _prose(answer.get("description", ""))
    content = answer.get("content", {})
    if pictures := [kind for kind in content if kind.startswith("image/")]:
        return f"{text} {', '.join(pictures)}"
    known = content.get("application/json", {})
    example = known.get("example") or _example(known.get("schema", {}).get("$ref", ""), schema)
    return f"{text}<br><code>{escape(json.dumps(example))}</code>" if example else text


def _example(reference: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return an object of the kind that a reference names, made of its fields' examples."""
    if not reference:
        return {}
    fields = schema["components"]["schemas"][reference.rpartition("/")[2]]["properties"]
    return {name: field.get("examples", [field.get("default")])[0] for name, field in fields.items()}


def _prose(text: str) -> str:
    """Return text whose words between backticks are code."""
    return re.sub("`([^`]*)`", r"<code>\1</code>", escape(text))


def _table(headings: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{heading}</th>" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"
