"""Decoding: an output whose answer is made step by step, in a loop.

The graph as written computes the scores of all steps from a sequence of symbols. The loop computes the scores
of one step, chooses a symbol, and reads it in the next step. Operators say how they are computed one step at a
time (`Operator.stepwise`): what they computed for earlier steps is carried as a state.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.definitions.definition import Reject
from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.dims.dim import free, names, number, substitute
from dlc.compiler.ir.graph import Graph, GraphInput, Node, Value
from dlc.compiler.operators.decoding import FINISHED, PLACE, GreedyChoice, NewRows, NextPlace, Unfinished
from dlc.compiler.operators.loop import ITERATION, Loop
from dlc.compiler.operators.padding import APART
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.diagnostics.source import Site
    from dlc.compiler.ir.graph import Output
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.passes.graph_rewrite import Extension


def decode(extension: Extension, output: Output) -> Value:
    """The symbols that an output answers step by step."""
    assert output.decoder is not None
    classes = output.declared.classes
    end = number(classes.count) - 1 if classes and classes.end else None
    graph = replace(extension.graph, nodes=tuple(extension.nodes))
    fed = [n.results[0] for n in graph.nodes if n.operator.delays and n.operands[0] is output.target_value]
    return Decoding(extension, fed[0], output.scores, output.decoder.max, end, output.name).symbols()


class Decoding:
    """The loop that decodes an output. `fed` is the sequence of symbols that the graph reads: that of step i is
    the answer of step i - 1."""

    def __init__(
        self, extension: Extension, fed: Value, scores: Value, most: int, end: int | None, name: str
    ):
        self._extension, self._fed, self._scores = extension, fed, scores
        self._most, self._end, self._name = most, end, name
        self._site = scores.site
        (self._steps,) = fed.type.shape
        self._nodes: list[Node] = []
        self._states: list[tuple[Value, GraphInput, Value]] = []  # before the loop, in its body, after a step
        self._places: list[Value] = []
        self._at: dict[Value, Value] = {}  # one step of a value, by the value of all steps

    def symbols(self) -> Value:
        """The chosen symbols of all steps, a class for each."""
        graph = replace(self._extension.graph, nodes=tuple(self._extension.nodes))
        needed, changing = graph.needed_by([self._scores]), graph.depends({self._fed: 1})
        symbol = Tensor("class", (1,), self._fed.type.classes)
        count = number(symbol.classes.count)
        first = self._before(NewRows(made=[symbol], value=count - 1), "first")
        previous = self._input("symbol", symbol)
        ended = self._before(NewRows(made=[FINISHED]), "unfinished")
        finished = self._input("finished", FINISHED)
        self._at[self._fed] = previous
        for node in graph.nodes:
            if (
                not needed.isdisjoint(node.results)
                and not changing.keys().isdisjoint(node.reads)
                and self._fed not in node.results
            ):
                self._add_step(node)
        choice = GreedyChoice(end=self._end, symbols=count)
        chosen, answer, finishes = self._add(
            choice, (self._at[self._scores], finished), {}, "choice", self._site
        )
        (continues,) = self._add(Unfinished(), (finishes,), {}, "continues", self._site)
        states = [(first, previous, chosen), (ended, finished, finishes), *self._states]
        return self._loop(continues, states, answer)

    # --- the loop -----------------------------------------------------------------------------------------

    def _loop(
        self, continues: Value, states: Sequence[tuple[Value, GraphInput, Value]], answer: Value
    ) -> Value:
        place = self._input("step", ITERATION)
        outputs = {"continues": continues}
        outputs |= {f"state {i}": after for i, (_, _, after) in enumerate(states)} | {"answer": answer}
        body = Graph((place, *(inside for _, inside, _ in states)), (), tuple(self._nodes), outputs)
        answers = answer.type.with_shape(free(f"{self._name}_steps"))
        last = [inside.type for _, inside, _ in states]
        operator = Loop(most=self._most, states=last, stacked=[answers])
        given = tuple(before for before, _, _ in states)
        bound = operator.bind(*(v.type for v in given))
        results = tuple(Value(self._extension.names.claim("state"), type, self._site) for type in last)
        made = Value(self._extension.names.claim(f"{self._name}_symbols"), answers, self._site)
        name = self._extension.names.claim(f"{self._name}_loop")
        self._extension.nodes.append(
            Node(bound, given, {}, (*results, made), name, self._site, graphs={"body": body})
        )
        return made

    def _input(self, name: str, type: Tensor) -> GraphInput:
        return GraphInput(self._extension.names.claim(name), type, self._site, "state", name)

    def _before(self, operator: Operator, name: str) -> Value:
        """A value of every row before the first step."""
        rows = next(v for v in self._extension.graph.inputs if v.type.batched and v.kind == "input")
        return self._extension.add(operator, (rows,), name, self._site)

    def _place(self) -> Value:
        """The number of the step in each row, from 0."""
        if not self._places:
            before, inside = self._before(NewRows(made=[PLACE]), "place"), self._input("place", PLACE)
            (after,) = self._add(NextPlace(), (inside,), {}, "next_place", self._site)
            self._states.append((before, inside, after))
            self._places.append(inside)
        return self._places[0]

    # --- one step -----------------------------------------------------------------------------------------

    def _add_step(self, node: Node) -> None:
        """Add one step of a node to the body."""
        operator, changing = node.operator, [i for i, v in enumerate(node.operands) if v in self._at]
        try:
            found = operator.stepwise(changing, self._steps)
            if found is None:
                check_apart(node, changing, self._steps)
        except Reject as reject:
            message = f"`{operator.name}` cannot be computed step by step: {reject.message}"
            raise CompileError([Diagnostic.at(node.site, "E0520", message, reject.help)]) from None
        if found is None:
            operands = tuple(self._at.get(v, v) for v in node.operands)
            settings = {key: at_one(value, self._steps) for key, value in operator.values().items()}
            made = self._add(operator.with_settings(**settings), operands, node.weights, node.name, node.site)
            self._at.update(zip(node.results, made, strict=True))
            return
        operands = [self._at[node.operands[i]] for i in changing]
        others = [v for i, v in enumerate(node.operands) if i not in changing and i not in found.given]
        operands += self._once(found.once, others, node) if found.once else others
        placed = [self._place()] if found.placed else []
        inside = [self._input(f"{node.name}_state", type) for type in found.carried]
        made = self._add(found.step, (*operands, *inside, *placed), node.weights, node.name, node.site)
        before = [node.operands[i] for i in found.given] or [
            self._before(NewRows(made=[type]), f"{node.name}_initial") for type in found.states
        ]
        self._states += zip(before, inside, made[1:], strict=True)
        self._at[node.results[0]] = made[0]

    def _once(self, operator: Operator, operands: Sequence[Value], node: Node) -> list[Value]:
        """The results of an operator before the loop."""
        bound = operator.bind(*(v.type for v in operands))
        added = self._node(bound, tuple(operands), node.weights, f"{node.name}_memory", node.site)
        self._extension.nodes.append(added)
        return [*added.results]

    def _add(self, operator, operands, weights, name, site) -> tuple[Value, ...]:
        added = self._node(operator.bind(*(v.type for v in operands)), operands, weights, name, site)
        self._nodes.append(added)
        return added.results

    def _node(self, operator, operands, weights, name: str, site: Site) -> Node:
        """A node with the weights that its operator declares."""
        name = self._extension.names.claim(name)
        results = tuple(Value(self._extension.names.claim(name), type, site) for type in operator.results)
        leaves = {spec.leaf for spec in operator.weights(*operator.positional)}
        own = {leaf: value for leaf, value in weights.items() if leaf in leaves}
        return Node(operator, tuple(operands), own, results, name, site)


def check_apart(node: Node, changing: Sequence[int], steps) -> None:
    """Reject an operator that does not treat each step alone."""
    operator = node.operator
    if operator.tells_places or operator.recurs:
        raise Reject("its result depends on the place of a step")
    for place, value in enumerate(node.operands):
        axes = [axis for axis, size in enumerate(value.type.shape) if names(steps) & names(size)]
        if place not in changing and axes:
            raise Reject("it reads all steps of another sequence of this length", at=place)
        for axis in axes:
            if not operator.elementwise and operator.padding_of(place, axis) != APART:
                raise Reject("it reads several steps", at=place)


def at_one(value, steps):
    """A setting for one step."""
    if isinstance(value, (list, tuple)):
        return type(value)(at_one(part, steps) for part in value)
    return substitute(value, {str(steps): 1}) if hasattr(value, "terms") else value
