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
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import Reject
from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.dims.dim import Dim, free, names, substitute
from dlc.compiler.ir.graph import Graph, GraphInput, Node, Value
from dlc.compiler.operators.decoding import PLACE, LastScores, NewRows, NextPlace, PromptMask
from dlc.compiler.operators.lengths import SequenceLength
from dlc.compiler.operators.loop import ITERATION, Loop
from dlc.compiler.operators.padding import APART
from dlc.compiler.passes.choices import choice_of
from dlc.compiler.passes.graph_rewrite import rewired
from dlc.compiler.passes.lengths import length_name
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.compiler.diagnostics.source import Site
    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Output
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.operators.stepwise import Stepwise
    from dlc.compiler.passes.graph_rewrite import Extension

CODE = "E0520"


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


def failed(site: Site, message: str, help: str) -> CompileError:
    return CompileError([Diagnostic.at(site, CODE, message, help)])


def counts_of(graph: Graph, prompt: Value) -> Value | None:
    """The lengths of the rows of a prompt, if the graph takes them."""
    behind = graph.needed_by([prompt])
    fields = {length_name(v.field) for v in graph.inputs if v in behind}
    return next((v for v in graph.inputs if v.kind == "length" and v.field in fields), None)


def rows_of(graph: Graph) -> Value:
    """A value of the batch that is known before any step: no text and no target."""
    targets = graph.depends({v: 1 for v in graph.inputs if v.kind == "target"})
    values = (v for v in graph.values() if v.type.batched and v not in targets)
    return next(v for v in values if v.type.element != "string")


class Decoding:
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
        self._extension, self._graph, self._fed, self._scores = extension, graph, fed, scores
        (self._steps,) = fed[0].type.shape
        self._rows = rows_of(graph)
        self._nodes: list[Node] = []
        self._states: list[tuple[Value, GraphInput, Value]] = []  # before the loop, in its body, after a step
        self._of_steps: list[tuple[Value, GraphInput, Value]] = []  # those of operators
        self._place: Value | None = None
        self._seen: Value | None = None
        self._counts = counts_of(graph, fed[0])
        self._at: dict[Value, Value] = {}  # one step of a value, by the value of all steps
        self.step = self.state("step", ITERATION)
        self._wide: dict[Value, Value] = {}  # values for the rows of the loop, by those of the batch
        self._choice = choice_of(self)

    def symbols(self) -> Value:
        """The chosen symbols of all steps, a class for each."""
        first = self.before(NewRows(made=[self.symbol], value=self.classes.count), "first")
        previous = self.state("symbol", self.symbol)
        self._add_steps(previous)
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

    def _places(self) -> Value:
        """The number of the step in each row, from 0."""
        if self._place is None:
            self._place = state = self.state("place", PLACE)
            (after,) = self.add(NextPlace(), (state,), "next_place")
            self.carry(self._first_place(), state, after)
        return self._place

    # --- one step -----------------------------------------------------------------------------------------

    def _add_steps(self, symbol: Value) -> None:
        """Add one step of all nodes that change with the symbols to the body."""
        needed = self._graph.needed_by([self._scores])
        self._at |= dict.fromkeys(self._fed, symbol)
        for node in self._graph.nodes:
            changing = [i for i, v in enumerate(node.operands) if v in self._at]
            if changing and not needed.isdisjoint(node.results):
                self._add_step(node, changing)

    def _add_step(self, node: Node, changing: Sequence[int]) -> None:
        if node.operator.fills_padding:
            self._at[node.results[0]] = self._at[node.operands[0]]
            return
        try:
            found = node.operator.stepwise(changing, self._steps)
            if found is None:
                check_apart(node, changing, self._steps)
        except Reject as reject:
            message = f"`{node.operator.name}` cannot be computed step by step: {reject.message}"
            raise failed(node.site, message, reject.help) from None
        if found is None:
            operands = [self._at.get(v, v) for v in node.operands]
            settings = {key: at_one(value, self._steps) for key, value in node.operator.values().items()}
            made = self._add(
                node.operator.with_settings(**settings), operands, node.weights, node.name, node.site
            )
        else:
            made = self._add_stateful(node, changing, found)
        self._at.update(zip(node.results, made, strict=False))

    def _add_stateful(self, node: Node, changing: Sequence[int], found: Stepwise) -> tuple[Value, ...]:
        """Add the step of an operator that carries states, or reads what is computed before the loop."""
        operands = [self._at[node.operands[i]] for i in changing]
        apart = {*changing, *found.given, *found.kept, *self._lengths_of_steps(node)}
        others = [v for i, v in enumerate(node.operands) if i not in apart]
        operands += self._once(found.once, others, node) if found.once else others
        operands += [node.operands[i] for i in found.kept]
        states = [self.state(f"{node.name}_state", type) for type in found.carried]
        inside = [self._before_step(state) for state in states]
        mask = self._mask(inside[0]) if found.masked else []
        operands += [*inside, *mask, *([self._places()] if found.placed else [])]
        step = found.masked if mask and found.masked else found.step
        made = self._add(step, operands, node.weights, node.name, node.site)
        self._of_steps += zip(self._initial(node, found), states, made[1:], strict=True)
        return made

    def _before_step(self, state: Value) -> Value:
        """A state as a step reads it."""
        return state

    def _first_place(self) -> Value:
        return self.before(NewRows(made=[PLACE]), "place")

    def _initial(self, node: Node, found: Stepwise) -> list[Value]:
        """The states before the first step."""
        given = [self._widened(node.operands[i]) for i in found.given]
        return given or [self.before(NewRows(made=[t]), f"{node.name}_initial") for t in found.states]

    def _mask(self, keys: Value) -> list[Value]:
        """Which of the steps that are carried are seen; nothing if all are."""
        return []

    def _lengths_of_steps(self, node: Node) -> tuple[int, ...]:
        """The place of the operand that holds the lengths of rows along the steps, which one step has not."""
        lengths = node.operator.lengths
        along = lengths is not None and bool(names(lengths) & names(self._steps))
        return (len(node.operands) - 1,) if along else ()

    def _once(self, operator: Operator, operands: Sequence[Value], node: Node) -> list[Value]:
        """The results of an operator before the loop."""
        added = self._node(operator, operands, node.weights, f"{node.name}_memory", node.site)
        self._extension.nodes.append(added)
        return [*added.results]

    def _add(self, operator: Operator, operands: Sequence[Value], weights: Mapping[str, Value], name: str,
             site: Site) -> tuple[Value, ...]:  # fmt: skip
        """Add a node to the body."""
        added = self._node(operator, operands, weights, name, site)
        self._nodes.append(added)
        return added.results

    def _node(self, operator: Operator, operands: Sequence[Value], weights: Mapping[str, Value], name: str,
              site: Site | None = None) -> Node:  # fmt: skip
        """A node with those weights that its operator declares."""
        bound, site = operator.bind(*(v.type for v in operands)), site or self.site
        name = self._extension.names.claim(name)
        results = tuple(Value(self._extension.names.claim(name), type, site) for type in bound.results)
        leaves = {spec.leaf for spec in bound.weights(*bound.positional)}
        own = {leaf: value for leaf, value in weights.items() if leaf in leaves}
        return Node(bound, tuple(operands), own, results, name, site)


class PromptDecoding(Decoding):
    """The loop that continues a prompt. Before it, the graph computes all steps of the prompt."""

    def symbols(self) -> Value:
        scores = self.state("scores", self._scores.type.with_axis(0, 1))
        self._add_steps(self._choice.choose(scores))
        self.carry(
            self._of_prompt(LastScores(), self._scores, "prompt_scores"), scores, self._at[self._scores]
        )
        self._states += self._of_steps
        return self._loop()

    def _before_step(self, state: Value) -> Value:
        return self._choice.kept(state)

    def _first_place(self) -> Value:
        return self._of_prompt(SequenceLength(), self._fed[0], "prompt_length")

    def _initial(self, node: Node, found: Stepwise) -> list[Value]:
        """The states after the prompt. A node takes the place of this one that computes them too."""
        if found.prefix is None:
            return []
        added = self._node(found.prefix, node.operands, node.weights, f"{node.name}_prompt", node.site)
        added = replace(added, results=(*node.results, *added.results[1:]))
        nodes = self._extension.nodes
        nodes[nodes.index(node)] = added
        return [self._widened(value) for value in added.results[1:]]

    def _mask(self, keys: Value) -> list[Value]:
        """Which of the steps that are carried are no padding of the prompt."""
        if self._counts is None:
            return []
        if self._seen is None:
            (self._seen,) = self.add(PromptMask(), (self._fed[0], self._counts, keys), "seen")
        return [self._seen]

    def _of_prompt(self, operator: Operator, value: Value, name: str) -> Value:
        """The result of an operator that takes the lengths of rows, if prompts have them."""
        if self._counts is None:
            made = self._extension.add(operator, (value,), name, self.site)
        else:
            knowing = operator.knowing(lengths=self._steps)
            made = self._extension.add(knowing, (value, self._counts), name, self.site)
        return self._widened(made)


def check_apart(node: Node, changing: Sequence[int], steps: Size) -> None:
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


def at_one(value: Any, steps: Size) -> Any:
    """The value of a setting for one step."""
    if isinstance(value, (list, tuple)):
        return type(value)(at_one(part, steps) for part in value)
    return substitute(value, {str(steps): 1}) if isinstance(value, Dim) else value
