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

from dlc.compiler.diagnostics.quoting import listed
from dlc.compiler.operators.decoding import PLACE, LastScores, NewRows
from dlc.compiler.operators.lengths import SequenceLength
from dlc.compiler.passes.choices import choice_of
from dlc.compiler.passes.lengths import length_name
from dlc.compiler.passes.single_steps import SingleSteps
from dlc.compiler.passes.step_checks import failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Graph, Output, Value
    from dlc.compiler.passes.graph_rewrite import Extension
    from dlc.compiler.types import Tensor


def decode(extension: Extension, output: Output, scores: Value) -> Value:
    """The symbols that an output answers step by step, from its scores of all steps. `CompileError` if they
    cannot be computed so."""
    graph = replace(extension.graph, nodes=tuple(extension.nodes))
    if fed := shifted_targets(graph, output, scores):
        return Decoding(extension, graph, output, fed, scores).symbols()
    return PromptDecoding(extension, graph, output, [prompt_of(graph, output, scores)], scores).symbols()


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


def prompt_of(graph: Graph, output: Output, scores: Value) -> Value:
    """The symbols of the input with the classes and the dimension of the output."""
    declared, needed = output.declared, graph.needed_by([scores])
    inputs, producers = {*graph.inputs}, graph.producers()
    of_inputs = [v for v in graph.values() if v in needed and v.type.element == "class" and v.type.batched
                 and v.type.shape == declared.shape]  # fmt: skip
    alike = {}
    for value in of_inputs:
        behind = [value] if value in inputs else [v for v in producers[value].operands if v in inputs]
        alike |= {v.name: value for v in behind[:1]}
    same = {name: v for name, v in alike.items() if count_of(v.type) == count_of(declared)}
    if len(same) == 1:
        return next(iter(same.values()))
    if same:
        message = f"`{output.name}` is decoded, and it may continue {listed(same)}"
        raise failed(output.site, message, f"feed `shift({output.name}.target)` to the model")
    message = f"`{output.name}` is decoded, and nothing reads what it answered before"
    help = f"feed `shift({output.name}.target)` to the model, or continue an input whose classes it shares"
    if alike:
        name, value = next(iter(alike.items()))
        message += f": `{name}` has {count_of(value.type)} classes, and it has {count_of(declared)}"
        help = f"share the classes of `{name}`: `class(like={name})`"
    raise failed(output.site, message, help)


def count_of(type: Tensor) -> Size:
    return type.classes.count if type.classes else 0


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
        message = f"`{output.name}` is decoded from no input, so the number of answers is not known"
        raise failed(output.site, message, "give the model an input that its steps read, such as a prompt")
    return found


class Decoding(SingleSteps):
    """The loop that decodes an output. Each of the values `fed` is the sequence of symbols that the graph
    reads: that of a step is the answer of the step before."""

    def __init__(
        self, extension: Extension, graph: Graph, output: Output, fed: Sequence[Value], scores: Value
    ):
        super().__init__(extension, graph, output, fed, scores, rows_of(graph, output))
        self._counts = counts_of(graph, fed[0])
        self._choice = choice_of(self)
        self.widening = self._choice.widening

    def symbols(self) -> Value:
        """The chosen symbols of all steps, a class for each."""
        first = self.before(NewRows(made=[self.symbol], value=self.classes.count), "first")
        previous = self.state("symbol", self.symbol)
        self._add_steps(previous)
        self.carry(first, previous, self._choice.choose(self._at[self._scores]))
        for before, state, after in self._of_steps:
            self.carry(before, state, self._choice.kept(after))
        return self._answer()

    def _answer(self) -> Value:
        """The loop, and the answer that its choices make."""
        choice = self._choice
        return choice.answer(*self.loop(choice.continues(), choice.stacked, choice.last))

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
        self._add_steps(self._choice.choose(scores))
        self.carry(
            self._of_entries(LastScores(), self._scores, "prompt_scores"), scores, self._at[self._scores]
        )
        for state in self._of_steps:
            self.carry(*state)
        return self._answer()

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
