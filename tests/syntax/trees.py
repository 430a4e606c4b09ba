"""Syntax trees as short text, without spans."""

from __future__ import annotations

import json
from dataclasses import fields

from dlc.compiler import syntax
from dlc.compiler.diagnostics.problems import Problems
from dlc.compiler.diagnostics.source import Source
from dlc.compiler.parse.parser import parse


def parsed(text: str) -> tuple[syntax.File, Problems]:
    problems = Problems()
    return parse(Source("model.dl", text), problems), problems


def tree(text: str) -> str:
    """The statements of a text without errors, one per line."""
    file, problems = parsed(text)
    problems.check()
    return "\n".join(dump(statement) for statement in file.body)


def dump(node: object) -> str:
    match node:
        case syntax.Name() | syntax.Ident():
            return node.id
        case syntax.Literal():
            return json.dumps(node.value)
        case syntax.Argument():
            return f"{node.name}={dump(node.value)}" if node.name else dump(node.value)
        case syntax.Binary():
            return f"({node.operator} {dump(node.left)} {dump(node.right)})"
        case syntax.Unary():
            return f"({node.operator} {dump(node.operand)})"
        case syntax.Ellipsis_():
            return "..."
        case tuple():
            return "[" + " ".join(dump(item) for item in node) + "]"
        case None | bool() | str():
            return json.dumps(node)
        case _:
            parts = [getattr(node, f.name) for f in fields(node) if not f.name.endswith("span")]
            return f"({' '.join([type(node).__name__.lower(), *map(dump, parts)])})"
