"""The imports of the code, read from its syntax trees."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[1]
LAYERS = ("grammar", "compiler", "runtime", "src")  # each may import itself and the layers before it


@dataclass(frozen=True)
class Import:
    """A module that a file imports. `runs` is false for type-checking imports, `top` is false within
    functions."""

    file: str
    line: int
    module: str
    runs: bool
    top: bool

    @property
    def package(self) -> str:
        return self.module.split(".")[0]

    @property
    def layer(self) -> str | None:
        """The layer of the module; `None` for modules of other packages."""
        parts = [*self.module.split("."), ""]
        if parts[0] != "dlc":
            return None
        return parts[1] if parts[1] in LAYERS else "src"


def files(*folders: str) -> list[str]:
    """The Python files below folders, as paths relative to the project. Links are not followed."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(p.relative_to(ROOT).as_posix() for p in found if p.resolve() == p)


PRODUCT = files(*LAYERS)


@cache
def walk(file: str) -> list[ast.AST]:
    return list(ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"), file)))


def inside(nodes: Iterable[ast.AST]) -> set[ast.AST]:
    return {inner for node in nodes for inner in ast.walk(node)}


@cache
def imports(file: str) -> list[Import]:
    checks = [
        n for n in walk(file) if isinstance(n, ast.If) and ast.unparse(n.test).endswith("TYPE_CHECKING")
    ]
    typed = inside(statement for check in checks for statement in check.body)
    within = inside(n for n in walk(file) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef)))
    found = []
    for node in walk(file):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [f"{'.' * node.level}{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found += [Import(file, node.lineno, m, node not in typed, node not in within) for m in modules]
    return found


def all_imports(of: Iterable[str]) -> list[Import]:
    return [i for file in of for i in imports(file)]
