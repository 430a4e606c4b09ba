"""The committed parser tables are up to date."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import lark
import pytest
from cases import HERE
from trees import tree

from dlc import grammar
from dlc.compiler.parse import parser as parsing

REMEDY = "run `python -m dlc.grammar`"


def test_tables_have_the_fingerprint_of_the_grammar() -> None:
    assert grammar.read_tables()["grammar"] == grammar.fingerprint(), REMEDY


def test_tables_are_those_that_lark_generates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed = grammar.read_tables()
    monkeypatch.setattr(grammar, "TABLES", str(tmp_path / "tables.json"))
    grammar.write_tables()
    made = grammar.read_tables()
    if made["lark"] == committed["lark"]:
        assert made == committed, REMEDY
    assert _symbols(made) == _symbols(committed), REMEDY


def _symbols(tables: dict) -> dict[int, str]:
    return tables["data"]["parser"]["parser"]["tokens"]


def test_another_version_of_lark_uses_the_grammar(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = (HERE / "examples" / "resnet18.dl").read_text("utf-8")
    from_tables = tree(text)
    built = []
    build = grammar.build
    monkeypatch.setattr(lark, "__version__", "0.0")
    monkeypatch.setattr(grammar, "build", lambda transformer: built.append(1) or build(transformer))
    parsing._parser.cache_clear()
    try:
        assert tree(text) == from_tables
    finally:
        parsing._parser.cache_clear()
    assert built


def test_parsing_does_not_import_large_libraries() -> None:
    code = (
        "import sys\n"
        "from dlc.compiler.diagnostics.problems import Problems\n"
        "from dlc.compiler.parse.parser import parse\n"
        "from dlc.compiler.diagnostics.render import render\n"
        "from dlc.compiler.diagnostics.source import Source\n"
        "problems = Problems()\n"
        "parse(Source('m.dl', 'x => f'), problems)\n"
        "render(problems.found[0])\n"
        "print(*sys.modules)"
    )
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "lark" in modules
    assert not {"torch", "onnx", "numpy", "rich", "difflib"} & set(modules)
