"""Decoding: an output whose answer is made step by step, in a loop.

The graph as written computes the scores of all steps from a sequence of symbols. A step of the loop computes
the scores of one step, chooses a symbol (`passes/choices.py`), and feeds it to the next. Operators say how
they are computed one step at a time (`Operator.stepwise`): what they computed for earlier steps is carried as
a state, and what does not change with the steps is computed before the loop.

What is fed is either the target, shifted by one step, or an input. An input is a prompt: the graph computes
all its steps before the loop, and the states after them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dlc.compiler.dims.dim import free
from dlc.compiler.ir.graph import Graph, GraphInput, Value
from dlc.compiler.operators.decoding import PLACE, LastScores, NewRows
from dlc.compiler.operators.lengths import SequenceLength
from dlc.compiler.operators.loop import ITERATION, Loop
from dlc.compiler.passes.choices import choice_of
from dlc.compiler.passes.graph_rewrite import rewired
from dlc.compiler.passes.lengths import length_name
from dlc.compiler.passes.single_steps import SingleSteps, failed
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.ir.graph import Output
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.passes.graph_rewrite import Extension


def decode(extension: Extension, output: Output, scores: Value) -> Value:
    """The symbols that an output answers step by step, from its scores of all steps. `CompileError` if they
    cannot be computed so."""
    graph = replace(extension.graph, nodes=tuple(extension.nodes))
    if fed := shifted_targets(graph, output, scores):
        return Decoding(extension, graph, output, fed, scores).symbols()
    return PromptDecoding(extension, graph, output, [prompt_of(graph, output)], scores).symbols()


def shifted_targets(graph: Graph, output: Output, scores: Value) -> list[Value]:
    """The targets of an output, one step later, that its scores are computed from."""
    needed = graph.needed_by([scores])
    targets = {v for v in graph.inputs if v.kind == "target" and v.field == output.target and v in needed}
    fed = []
    for node in graph.nodes if targets else ():
        if targets.isdisjoint(node.reads) or needed.isdisjoint(node.results):
            continue
        if not node.operator.delays or getattr(node.operator, "by", 0) != 1:
            message = (
                f"step by step, `{output.name}` is known one step later than `{node.operator.name}` reads it"
            )
            raise failed(node.site, message, f"read `shift({output.name}.target)`")
        fed.append(node.results[0])
    return fed


def prompt_of(graph: Graph, output: Output) -> Value:
    """The symbols of the input with the classes and the dimension of the output."""
    declared = output.declared
    count = declared.classes and declared.classes.count
    found = [v for v in graph.values() if v.type.element == "class" and v.type.shape == declared.shape
             and v.type.classes and v.type.classes.count == count and v.type.batched]  # fmt: skip
    if not found:
        message = f"`{output.name}` is decoded, and nothing reads what it answered before"
        help = f"feed `shift({output.name}.target)` to the model, or declare an input of its type, {declared}"
        raise failed(output.site, message, help)
    return found[0]


def counts_of(graph: Graph, prompt: Value) -> Value | None:
    """The lengths of the rows of a prompt, if the graph takes them."""
    behind = graph.needed_by([prompt])
    fields = {length_name(v.field) for v in graph.inputs if v in behind}
    return next((v for v in graph.inputs if v.kind == "length" and v.field in fields), None)


def rows_of(graph: Graph, output: Output) -> Value:
    """A value of the batch that is known before any step: no text and no target."""
    targets = graph.depends({v: 1 for v in graph.inputs if v.kind == "target"})
    values = (v for v in graph.values() if v.type.batched and v not in targets)
    found = next((v for v in values if v.type.element != "string"), None)
    if found is None:
        message = f"the answer of `{output.name}` is the same for every sample: it depends on no input"
        raise failed(output.site, message, "let the steps read an input, or what a net makes of it")
    return found


class Decoding(SingleSteps):
    """The loop that decodes an output. Each of the values `fed` is the sequence of symbols that the graph
    reads: that of a step is the answer of the step before."""

    def __init__(
        self, extension: Extension, graph: Graph, output: Output, fed: Sequence[Value], scores: Value
    ):
        assert output.decoder is not None
        assert output.declared.classes is not None
        self.decoder, self.classes = output.decoder, output.declared.classes
        self.name, self.site, self.symbol = output.name, scores.site, fed[0].type.with_shape(1)
        self.steps = free(f"{output.name}_steps")
        super().__init__(extension, graph, fed[0].type.shape[0], self.decoder.max)
        self._fed, self._scores = fed, scores
        self._rows = rows_of(graph, output)
        self._states: list[tuple[Value, GraphInput, Value]] = []  # before the loop, in its body, after a step
        self._counts = counts_of(graph, fed[0])
        self.step = self.state("step", ITERATION)
        self._wide: dict[Value, Value] = {}  # values for the rows of the loop, by those of the batch
        self._choice = choice_of(self)

    def symbols(self) -> Value:
        """The chosen symbols of all steps, a class for each."""
        first = self.before(NewRows(made=[self.symbol], value=self.classes.count), "first")
        previous = self.state("symbol", self.symbol)
        self._add_steps(self._fed, previous, self._scores)
        self.carry(first, previous, self._choice.choose(self._at[self._scores]))
        for before, state, after in self._of_steps:
            self.carry(before, state, self._choice.kept(after))
        return self._loop()

    # --- the loop -----------------------------------------------------------------------------------------

    def state(self, name: str, type: Tensor) -> GraphInput:
        """A state in the body of the loop, before a step."""
        return GraphInput(self._extension.names.claim(name), type, self.site, "state", name)

    def carry(self, before: Value, state: GraphInput, after: Value) -> None:
        """Carry a state, with its values before the first step and after each step."""
        self._states.append((before, state, after))

    def before(self, operator: Operator, name: str, *more: Value) -> Value:
        """A value of every row before the first step, by an operator of any value of the batch."""
        return self._widened(self._extension.add(operator, (self._rows, *more), name, self.site))

    @property
    def seed(self) -> Value:
        """The seed of random draws, an input of the artifact."""
        return next(value for value in self._extension.inputs if value.kind == "seed")

    def around(self, operator: Operator, value: Value, name: str) -> tuple[Value, ...]:
        """The results of an operator of a value of all rows of the loop, before the first step."""
        node = self._node(operator, (value,), {}, name)
        self._extension.nodes.append(node)
        self._wide |= {result: result for result in node.results}
        return node.results

    def add(self, operator: Operator, operands: Sequence[Value], name: str) -> tuple[Value, ...]:
        """The results of an operator in the body of the loop."""
        return self._add(operator, operands, {}, name, self.site)

    def after(self, operator: Operator, value: Value, name: str) -> Value:
        """The result of an operator behind the loop."""
        return self._extension.add(operator, (value,), name, self.site)

    def _loop(self) -> Value:
        """The loop, and the answers that its choices make."""
        outputs = {"continues": self._choice.continues()}
        outputs |= {f"state {i}": after for i, (_, _, after) in enumerate(self._states)}
        outputs |= {f"answer {i}": value for i, value in enumerate(self._choice.stacked)}
        states = [state for _, state, _ in self._states]
        inputs = (self.step, *states)
        body = self._widening(Graph(inputs, (), tuple(self._nodes), outputs))
        operator = Loop(
            most=self.decoder.max,
            states=[self._choice.last.get(state, state.type) for state in states],
            stacked=[value.type.with_shape(self.steps, *value.type.shape) for value in self._choice.stacked],
        )
        initial = [before for before, _, _ in self._states]
        node = self._node(operator, initial, {}, f"{self.name}_loop")
        self._extension.nodes.append(replace(node, graphs={"body": body}))
        return self._choice.answer(dict(zip(states, node.results, strict=False)), node.results[len(states) :])

    def _widening(self, body: Graph) -> Graph:
        """The body of the loop, which reads values of the batch around it as values of all its rows."""
        replaced = {value: self._widened(value) for value in body.captured if value.type.batched}
        return replace(body, nodes=tuple(rewired(node, replaced) for node in body.nodes))

    def _widened(self, value: Value) -> Value:
        """A value of the batch for the rows of the loop."""
        operator = self._choice.widening
        if operator is None:
            return value
        if value not in self._wide:
            made = self._extension.add(operator, (value,), f"{value.name}_rows", value.site)
            self._wide |= {value: made, made: made}
        return self._wide[value]

    # --- before the loop ----------------------------------------------------------------------------------

    def _first_place(self) -> Value:
        return self.before(NewRows(made=[PLACE]), "place")

    def _all_before(self, value):
        return self._early.get(value)

    def _of_entries(self, operator, value, name):
        return self._widened(self._extension.add(operator, (value,), name, self.site))


class PromptDecoding(Decoding):
    """The loop that continues a prompt. Before it, the graph computes all steps of the prompt."""

    before_least = 1

    def symbols(self) -> Value:
        scores = self.state("scores", self._scores.type.with_axis(0, 1))
        self._add_steps(self._fed, self._choice.choose(scores), self._scores)
        self.carry(
            self._of_entries(LastScores(), self._scores, "prompt_scores"), scores, self._at[self._scores]
        )
        self._states += self._of_steps
        return self._loop()

    def _before_step(self, state: Value) -> Value:
        return self._choice.kept(state)

    def _first_place(self) -> Value:
        return self._of_entries(SequenceLength(), self._fed[0], "prompt_length")

    def _all_before(self, value):
        return value

    def _replace(self, node, added):
        nodes = self._extension.nodes
        nodes[nodes.index(node)] = replace(added, results=(*node.results, *added.results[1:]))

    def _padded(self) -> list[Value]:
        return [] if self._counts is None else [self._fed[0], self._counts]

    def _of_entries(self, operator, value, name):
        if self._counts is None:
            return super()._of_entries(operator, value, name)
        knowing = operator.knowing(lengths=self._steps)
        return self._widened(self._extension.add(knowing, (value, self._counts), name, self.site))
