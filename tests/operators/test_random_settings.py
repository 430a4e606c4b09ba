"""Single operators with extreme settings on small shapes: windows larger than the operand, dilation, strides
larger than the kernel, negative axes, all elements, empty batches, large and small numbers. ONNX Runtime runs
all calls that `dlc check` accepts, and agrees with torch."""

from __future__ import annotations

import re
import zlib
from math import prod
from typing import Any

import numpy as np
import pytest
from engines import OPSETS, draw_weights, inference, versions
from hypothesis import HealthCheck, given, note, reject, seed, settings
from hypothesis import strategies as st
from random_programs import OPERANDS, VALUES, Writer, in_reach, rows_of

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.definitions.definition import family
from dlc.compiler.ir.graph import Graph, Value
from dlc.compiler.lower.onnx import model, serialize
from dlc.runtime.artifact.divergence import NodeComparison
from dlc.runtime.artifact.samples import EITHER, POSITIVE, free_sizes, known_size, sample, sized
from dlc.runtime.artifact.session import open_session, run

FEW, MANY = 3, 20  # calls of each operator
SIZES = (1, 2, 3, 4, 5, 7, 8, 9, "T", "H", "T + 2", "2 * T")
ELEMENTS = ("float", "float", "float64", "float16", "uint8", "int8", "int32", "int64", "bool")
BATCHES = ((3, EITHER), (2, POSITIVE), (1, (-300.0, 300.0)), (0, EITHER))
LARGE = 50_000  # maximum number of values of a sample


class Ends(Writer):
    values_of_settings = (*VALUES, 5, 6, 7, 9, 16, 300, -3, -4, 1e6, 1e-6, 100.0, -100.0, 3e38, 0.25)
    given = (True, True, False)

    def operand(self, row: str) -> str:
        """A type like that of an example, usually with another shape and sometimes with another element.
        Classes have no names, as within a graph."""
        row = re.sub(r"\((\D[^)]*)\)", lambda names: f"({names[1].count(',') + 1})", row)
        if self.choose(True, False, False, False):
            return row
        element = re.sub(r"\[.*", "", row)
        if element in ELEMENTS:
            element = self.choose(element, element, *ELEMENTS)
        sizes = [str(self.choose(*SIZES)) for _ in range(self.choose(0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5))]
        return f"{element}[{', '.join(sizes)}]" if sizes else element

    def single(self, name: str) -> str:
        """A program with one call."""
        definition = family("operator")[name]
        row = self.choose(*rows_of(definition))
        types = [self.operand(taken) for taken in row.operands]
        types = self.choose(types, [types[0]] * len(types))
        inputs = [f"input {letter}: {type}\n" for letter, type in zip(OPERANDS, types, strict=False)]
        return f"{''.join(inputs)}y = {self.applied(definition, row, list(OPERANDS[: len(types)]))}\n"


@st.composite
def graphs(draw: Any, operator: str) -> Graph:
    """The inference form of a call that the compiler accepts."""
    writer = Ends(draw)
    for _ in range(20):
        text = writer.single(operator)
        try:
            program = compile(Source("ends.dl", text))
            made = program.bindings["y"]
            values = made if isinstance(made, tuple) else (made,)
            graph = inference(program.graph, tuple(v for v in values if isinstance(v, Value)))
            sizes = free_sizes(graph)
        except CompileError:
            continue
        shapes = [v.type.shape for node in graph.nodes for v in node.results]
        if graph.inputs and all(
            prod(known_size(s, free) for s in shape) < LARGE for free in sizes for shape in shapes
        ):
            note(text)
            return graph
    reject()


def hold(graph: Graph) -> None:
    """ONNX Runtime agrees with torch, with and without its optimizations."""
    weights = draw_weights(np.random.default_rng(0), graph)
    walk = NodeComparison(graph, graph, weights)
    if not walk.names:
        return
    written = [serialize(model(walk.shown, weights, **versions(o), name="ends")) for o in OPSETS]
    sessions = [open_session(proto, plain=plain) for proto in written for plain in (False, True)]
    for free in free_sizes(graph):
        types = sized({v.name: v.type for v in graph.inputs}, free)
        for batch, between in BATCHES:
            raw = sample(types, batch, batch, between)
            wanted = walk.wanted(raw)
            for session in sessions:
                node, _ = walk.first_fault(
                    wanted, run(session, {v.name: raw[v.name] for v in walk.shown.inputs})
                )
                assert node is None, f"they part in {node.operator}, {batch} rows between {between}, {free}"


def hold_many(operator: str, count: int) -> None:
    @seed(zlib.crc32(operator.encode()))
    @settings(max_examples=count, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(graphs(operator))
    def holds(graph: Graph) -> None:
        hold(graph)

    holds()


OPERATORS = [name for name in in_reach() if name in family("operator")]


@pytest.mark.slow
@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_at_the_ends_of_its_settings(operator: str) -> None:
    hold_many(operator, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_at_many_ends_of_its_settings(operator: str) -> None:
    hold_many(operator, MANY)
