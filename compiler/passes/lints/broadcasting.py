"""Unintended broadcasting of answers and targets in a loss: `[10, 1]` and `[10]` broadcast to `[10, 10]`.
Built-in losses reject such shapes; this lint is for losses that a spec computes by arithmetic."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.dims.dim import product, same
from dlc.compiler.ir.graph import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Graph, Node
    from dlc.compiler.program import CompiledProgram

TARGET, ANSWER, BOTH = 1, 2, 3  # what a value depends on, as bits


def every_pair(program: CompiledProgram) -> Iterator[Diagnostic]:
    """An answer and a target that broadcast each other; or a value computed from both, and another value of
    the same sizes without axes of size 1.

    It is intended where a `reshape` has inserted an axis of size 1, as for a matrix of distances. A sum of
    terms is not reported, because its mean is the same.
    """
    graph = program.graph
    marks = {v: TARGET for v in graph.inputs if v.is_target}
    if not marks:
        return
    marks |= {w.value: ANSWER for w in graph.weights if w.trainable}
    marks |= {v: ANSWER for output in program.outputs for v in (output.scores, output.flowed)}
    depends, written = graph.depends(marks), as_written(graph)
    intended, names = intended_values(graph), ReadNames(program)
    for node in graph.nodes:
        operator, result = node.operator, node.results[0]
        if not operator.broadcasts or operator.random or operator.sums:
            continue
        if not depends.get(result, 0) & TARGET:
            continue
        values = [written.get(v, v) for v in node.operands]
        if not intended.isdisjoint(values):
            continue
        if any(same_shape(v.type.shape, result.type.shape) for v in values):
            continue
        batched = dict.fromkeys(v for v in values if v.type.batched)
        for a, b in combinations(sorted(batched, key=lambda v: target_rank(depends.get(v, 0))), 2):
            of = {depends.get(a, 0), depends.get(b, 0)}
            paired = of == {ANSWER, TARGET} or (BOTH in of and same_shape(large(a), large(b)))
            if paired and broadcast_each_other(a, b):
                what = operator.symbol or operator.name
                types = " and ".join(str(v.type) for v in values if v in (a, b))
                yield Diagnostic.at(node.site, "W0413",
                                    f"`{what}` combines every pair of values: {types} give {result.type}",
                                    fix(a, b, names.of(a, node), names.of(b, node)))  # fmt: skip
                break


def target_rank(marks: int) -> int:
    """Whether a value depends on targets: 0 if not, 1 if also on answers, 2 if only on targets. The hint
    reshapes the value of lower rank."""
    return 2 if marks == TARGET else bool(marks & TARGET)


def as_written(graph: Graph) -> dict[Value, Value]:
    """For each value of an inserted cast or reshape, the value in the spec."""
    found: dict[Value, Value] = {}
    for node in graph.nodes:
        if node.operator.glue:
            found.update(dict.fromkeys(node.results, found.get(node.operands[0], node.operands[0])))
    return found


def intended_values(graph: Graph) -> set[Value]:
    """Values with an axis of size 1 that comes from a `reshape` or a similar operator."""
    found: set[Value] = set()
    for node in graph.nodes:
        for result in (r for r in node.results if any(same(size, 1) for size in r.type.shape)):
            kept = (v for v in node.operands if same_shape(v.type.shape, result.type.shape))
            keeps_axes = "axes" in node.operator.keeps or node.operator.glue
            if reshapes(node) or (keeps_axes and not found.isdisjoint(kept)):
                found.add(result)
    return found


def reshapes(node: Node) -> bool:
    """Whether its result has all numbers of one value, along other axes."""
    keeps, batched = node.operator.keeps, [v for v in node.operands if v.type.batched]
    if node.operator.glue or len(batched) != 1 or "numbers" not in keeps or "axes" in keeps:
        return False
    return same(product(batched[0].type.shape), product(node.results[0].type.shape))


def same_shape(a: tuple[Size, ...], b: tuple[Size, ...]) -> bool:
    return len(a) == len(b) and all(map(same, a, b))


def large(value: Value) -> tuple[Size, ...]:
    """The sizes of a value that are not 1."""
    return tuple(size for size in value.type.shape if not same(size, 1))


def broadcast_each_other(a: Value, b: Value) -> bool:
    """Whether each of them has an axis of size 1, or no axis, where the other has a larger size."""
    rank = max(a.type.rank, b.type.rank)
    sizes = [(1,) * (rank - v.type.rank) + v.type.shape for v in (a, b)]
    pairs = [(same(x, 1), same(y, 1)) for x, y in zip(*sizes, strict=True)]
    return (True, False) in pairs and (False, True) in pairs


def fix(value: Value, to: Value, name: str, other: str) -> str:
    """How to give a value the shape of another. Names are empty for values without a name."""
    wanted, own = (", ".join(map(str, v.type.shape)) for v in (to, value))
    whose = f"`{other}`" if other else f"the {to.type}"
    if not same_shape(large(value), large(to)):
        what, form = (f"`{name}`", f"`reshape({name}, {own})`") if name else (
            f"the {value.type}", f"`reshape({own})` after it")  # fmt: skip
        return f"give {what} the shape of {whose}; {form} says that every pair is intended"
    if not name:
        return f"`reshape({wanted})` after the {value.type} gives it the shape of {whose}"
    return f"`reshape({name}, {wanted})` has the shape of {whose}"


class ReadNames:
    """The names of values at the nodes that read them."""

    def __init__(self, program: CompiledProgram) -> None:
        self.bindings = program.bindings
        targets = {o.target_value: f"{o.name}.target" for o in reversed(program.outputs) if o.target_value}
        scores = {o.scores: o.name for o in reversed(program.outputs)}
        self.declared: dict[Value, str] = {i.value: i.name for i in program.inputs} | scores | targets
        self.known: dict[int, dict[Value, str]] = {}

    def of(self, value: Value, node: Node) -> str:
        """The name of a value in the body of the node, or in the file; empty if it has none."""
        bound = node.site.entered[0].names if node.site.entered else self.bindings
        if id(bound) not in self.known:
            values = ((getattr(v, "scores", v), name) for name, v in bound.items())
            self.known[id(bound)] = {v: name for v, name in values if isinstance(v, Value)}
        return self.known[id(bound)].get(value) or self.declared.get(value, "")
