"""Compiling beside other threads: nothing that they share is changed."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import dlc

# Each level of `f` is several calls of the compiler: far more in all than Python allows a thread.
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


def test_a_caller_may_be_deep_itself() -> None:
    def descend(levels: int) -> int:
        return descend(levels - 1) if levels else relus(dlc.compile(text=DEEP))

    assert descend(500) == 90


def test_what_stops_the_compiler_comes_out_of_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    from dlc.compiler.operators.activations import Relu

    def broken(self: Relu, *types: object) -> None:
        raise ZeroDivisionError("by us")

    monkeypatch.setattr(Relu, "bind", broken)
    with pytest.raises(ZeroDivisionError, match="by us"):
        dlc.compile(text=DEEP)
