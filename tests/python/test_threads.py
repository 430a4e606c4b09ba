"""Compiling in threads does not change state that threads share."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import dlc
from dlc.cli import commands

if TYPE_CHECKING:
    from pathlib import Path

# Each level of `f` takes several calls in the compiler: more in all than the recursion limit of a thread.
DEEP = """input x: float[4]
output y: float[4]
block f(x; n) {
  if n == 0 { return x }
  return f(x -> residual(relu), n - 1) + x
}
x -> f(90) -> y
"""
ENDLESS = DEEP.replace("n - 1", "n + 1")


def relus(program: dlc.Program) -> int:
    return sum(node.operator.name == "relu" for node in program.compiled.graph.nodes)


def test_deep_specs_leave_the_recursion_limit_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(limit: int) -> None:
        raise AssertionError("the limit is that of all threads")

    monkeypatch.setattr(sys, "setrecursionlimit", refused)
    assert relus(dlc.compile(text=DEEP)) == 90
    with pytest.raises(dlc.CompileError, match="levels deep"):
        dlc.compile(text=ENDLESS)


def test_specs_compile_in_threads_side_by_side() -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: relus(dlc.compile(text=text)), [DEEP] * 16))
    assert found == [90] * 16


def test_the_caller_may_have_a_deep_stack() -> None:
    def descend(levels: int) -> int:
        return descend(levels - 1) if levels else relus(dlc.compile(text=DEEP))

    assert descend(500) == 90


def test_exceptions_of_compiler_threads_reach_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    from dlc.compiler.operators.activations import Relu

    def broken(self: Relu, *types: object) -> None:
        raise ZeroDivisionError("by us")

    monkeypatch.setattr(Relu, "bind", broken)
    with pytest.raises(ZeroDivisionError, match="by us"):
        dlc.compile(text=DEEP)


DEEP_BRACKETS = "brackets are nested more than 100 levels deep"
# Specs that are long or deeply nested: (text, expected error).
HEAD = "input x: float[2]\noutput y: float[2]\n"
LONG = {
    "a sum of 1,000 terms": (HEAD + " + ".join(["x"] * 1_000) + " -> y\n", ""),
    "a flow of 3,000 stages": (HEAD + "x" + " -> relu" * 3_000 + " -> y\n", ""),
    "500 brackets": (f"{HEAD}{'(' * 500}x{')' * 500} -> y\n", DEEP_BRACKETS),
    "500 calls": (f"{HEAD}h = {'relu(' * 500}x{')' * 500}\nh -> y\n", DEEP_BRACKETS),
    "500 signs": (f"{HEAD}h = {'not ' * 500}true\nx -> y\n", "this is nested more than 100 levels deep"),
    "an index of 500": (f"{HEAD}h = x{'[0]' * 500}\nx -> y\n", "this is nested more than 100 levels deep"),
}  # fmt: skip
COMMANDS = (
    ("check",), ("show",), ("show", "--stage", "syntax"), ("show", "--stage", "graph"),
    ("show", "--stage", "inference"), ("fmt",), ("emit",), ("export",),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_long_and_deep_specs_run_in_a_plain_thread(
    command: tuple[str, ...], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stack of a thread is smaller than that of the main thread."""
    monkeypatch.chdir(tmp_path)
    text, error = LONG[name]
    (tmp_path / "m.dl").write_text(text)
    limit, found = sys.getrecursionlimit(), []
    thread = threading.Thread(target=lambda: found.append(CliRunner().invoke(commands, [*command, "m.dl"])))
    thread.start()
    thread.join()
    output = found[0].stdout + found[0].stderr
    assert "RecursionError" not in output
    assert "error in dlc" not in output
    assert error in output
    assert found[0].exit_code == bool(error)
    assert sys.getrecursionlimit() == limit
