"""A loop that makes an output step by step: its body, its states, and the values around it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.ir.graph import Graph, GraphInput, Node, Value
from dlc.compiler.operators.loop import ITERATION, Loop
from dlc.compiler.passes.graph_rewrite import rewired

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.compiler.diagnostics.source import Site
    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Output
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.passes.graph_rewrite import Extension
    from dlc.compiler.types import Tensor


class LoopBody:
    """Collects the nodes and the states of a loop, and what it needs around it. `symbol` is the type of what
    a step chooses. The rows of the loop are those of the batch, or those that the operator `widening` makes
    of them; `rows` is a value of the batch that is known before any step."""

    def __init__(self, extension: Extension, output: Output, symbol: Tensor, site: Site, rows: Value):
        assert output.decoder is not None
        assert output.declared.classes is not None
        self.decoder, self.classes = output.decoder, output.declared.classes
        self.name, self.symbol, self.site = output.name, symbol, site
        self.steps = output.answered.shape[0]
        self.widening: Operator | None = None
        self._extension, self._rows = extension, rows
        self.limits: list[tuple[Size, int]] = []  # sizes around the loop, with their greatest values
        self._nodes: list[Node] = []
        self._states: list[tuple[Value, GraphInput, Value]] = []  # before the loop, in its body, after a step
        self._wide: dict[Value, Value] = {}  # values for the rows of the loop, by those of the batch
        self.step = self.state("step", ITERATION)

    # --- in the body --------------------------------------------------------------------------------------

    def state(self, name: str, type: Tensor) -> GraphInput:
        """A state in the body of the loop, before a step."""
        return GraphInput(self._extension.names.claim(name), type, self.site, "state", name)

    def carry(self, before: Value, state: GraphInput, after: Value) -> None:
        """Carry a state, with its values before the first step and after each step."""
        self._states.append((before, state, after))

    def add(self, operator: Operator, operands: Sequence[Value], name: str) -> tuple[Value, ...]:
        """The results of an operator in the body of the loop."""
        return self._add(operator, operands, {}, name, self.site)

    def _add(self, operator: Operator, operands: Sequence[Value], weights: Mapping[str, Value], name: str,
             site: Site) -> tuple[Value, ...]:  # fmt: skip
        """Add a node to the body."""
        added = self._node(operator, operands, weights, name, site)
        self._nodes.append(added)
        return added.results

    # --- around it ----------------------------------------------------------------------------------------

    @property
    def seed(self) -> Value:
        """The seed of random draws, an input of the artifact."""
        return next(value for value in self._extension.inputs if value.kind == "seed")

    def before(self, operator: Operator, name: str, *more: Value) -> Value:
        """A value of every row before the first step, by an operator of any value of the batch."""
        return self._widened(self._extension.add(operator, (self._rows, *more), name, self.site))

    def around(self, operator: Operator, value: Value, name: str) -> tuple[Value, ...]:
        """The results of an operator of a value of all rows of the loop, before the first step."""
        node = self._node(operator, (value,), {}, name)
        self._extension.nodes.append(node)
        self._wide |= {result: result for result in node.results}
        return node.results

    def after(self, operator: Operator, value: Value, name: str) -> Value:
        """The result of an operator behind the loop."""
        return self._extension.add(operator, (value,), name, self.site)

    def _widened(self, value: Value) -> Value:
        """A value of the batch for the rows of the loop."""
        if self.widening is None:
            return value
        if value not in self._wide:
            made = self._extension.add(self.widening, (value,), f"{value.name}_rows", value.site)
            self._wide |= {value: made, made: made}
        return self._wide[value]

    # --- the loop -----------------------------------------------------------------------------------------

    def loop(
        self, continues: Value, stacked: Sequence[Value], last: Mapping[Value, Tensor]
    ) -> tuple[dict[Value, Value], Sequence[Value]]:
        """Add the loop. The results are the last states, by the states in its body, and the values `stacked`
        of all steps. `last` are the types of those states that grow."""
        outputs = {"continues": continues}
        outputs |= {f"state {i}": after for i, (_, _, after) in enumerate(self._states)}
        outputs |= {f"stacked {i}": value for i, value in enumerate(stacked)}
        states = [state for _, state, _ in self._states]
        body = Graph((self.step, *states), (), tuple(self._nodes), outputs)
        operator = Loop(
            most=self.decoder.max,
            states=[last.get(state, state.type) for state in states],
            stacked=[value.type.with_shape(self.steps, *value.type.shape) for value in stacked],
            limits=self.limits,
        )
        body = self._widening(body)
        node = self._node(operator, [before for before, _, _ in self._states], {}, f"{self.name}_loop")
        self._extension.nodes.append(replace(node, graphs={"body": body}))
        return dict(zip(states, node.results, strict=False)), node.results[len(states) :]

    def _widening(self, body: Graph) -> Graph:
        """The body of the loop, which reads values of the batch around it as values of all its rows."""
        replaced = {value: self._widened(value) for value in body.captured if value.type.batched}
        return replace(body, nodes=tuple(rewired(node, replaced) for node in body.nodes))

    def _node(self, operator: Operator, operands: Sequence[Value], weights: Mapping[str, Value], name: str,
              site: Site | None = None) -> Node:  # fmt: skip
        """A node with those weights that its operator declares."""
        bound, site = operator.bind(*(v.type for v in operands)), site or self.site
        name = self._extension.names.claim(name)
        results = tuple(Value(self._extension.names.claim(name), type, site) for type in bound.results)
        leaves = {spec.leaf for spec in bound.weights(*bound.positional)}
        own = {leaf: value for leaf, value in weights.items() if leaf in leaves}
        return Node(bound, tuple(operands), own, results, name, site)
