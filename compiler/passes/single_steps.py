"""One step of a graph: what each of its nodes computes of a step, and of what it computed for earlier steps.

Values that change with the steps have them on an axis of `steps` entries, or of some more: those are there
before the first step. A value with two such axes holds pairs of steps. Only its last row is ever computed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, ClassVar

from dlc.compiler.definitions.definition import Reject
from dlc.compiler.dims.dim import names
from dlc.compiler.operators.decoding import PLACE, NewRows, NextPlace, SeenSteps
from dlc.compiler.operators.recent_steps import LongerSteps
from dlc.compiler.operators.stepwise import PAST
from dlc.compiler.passes.loop_body import LoopBody
from dlc.compiler.passes.step_checks import (
    MEMORY,
    QUERY,
    at_size,
    axes_named,
    beyond,
    check_apart,
    check_others,
    known,
    known_size,
    sized,
    step_axes,
    with_place,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Graph, GraphInput, Node, Output, Value
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.operators.stepwise import Stepwise
    from dlc.compiler.passes.graph_rewrite import Extension
    from dlc.compiler.types import Tensor


class SingleSteps(LoopBody, ABC):
    """Adds one step of all nodes of a graph to the body of a loop, and what they need before it."""

    before_least: ClassVar[int] = 0  # the number of steps before the loop, at least

    def __init__(
        self,
        extension: Extension,
        graph: Graph,
        output: Output,
        fed: Sequence[Value],
        scores: Value,
        rows: Value,
    ):
        super().__init__(extension, output, fed[0].type.with_shape(1), scores.site, rows)
        self._graph, self._fed, self._scores, self._steps = graph, fed, scores, fed[0].type.shape[0]
        self._producers = graph.producers()
        # states before the loop, in its body, and after a step
        self._of_steps: list[tuple[Value, GraphInput, Value]] = []
        self._at: dict[Value, Value] = {}  # one step of a value, by the value of all steps
        self._pairs: set[Value] = set()  # values that have the steps on two axes
        self._early: dict[Value, Value] = {}  # the entries of values that are there before the first step
        self._forms: dict[tuple[Value, tuple[Size, ...]], Value] = {}
        self._place: dict[int, Value] = {}
        self._masks: dict[tuple[int | None, int], Value] = {}

    # --- before the loop ----------------------------------------------------------------------------------

    @abstractmethod
    def _first_place(self) -> Value:
        """The number of steps before the loop."""

    @abstractmethod
    def _all_before(self, value: Value) -> Value | None:
        """The entries of a value that changes with the steps which are there before the loop; none if there
        are none."""

    @abstractmethod
    def _of_entries(self, operator: Operator, value: Value, name: str) -> Value:
        """The result of an operator of such entries, which takes the lengths of rows if they differ."""

    def _before_step(self, state: Value) -> Value:
        """A state as a step reads it."""
        return state

    def _padded(self) -> list[Value]:
        """A prompt with padding, and the lengths of its rows; nothing without."""
        return []

    def _replace(self, node: Node, added: Node) -> None:
        """Add a node that computes what a node of the graph computes before the loop, and more."""
        self._extension.nodes.append(added)

    # --- one step -----------------------------------------------------------------------------------------

    def _add_steps(self, symbol: Value) -> None:
        """Add one step of all nodes that change with the symbols to the body."""
        needed = self._graph.needed_by([self._scores])
        self._at |= dict.fromkeys(self._fed, symbol)
        for node in self._graph.nodes:
            changing = [i for i, v in enumerate(node.operands) if v in self._at or v in self._pairs]
            if changing and not needed.isdisjoint(node.results):
                with_place(node, partial(self._add_step, node, changing))
        with_place(self._producers[self._scores], partial(self._one, self._scores))

    def _add_step(self, node: Node, changing: Sequence[int]) -> None:
        if node.operator.fills_padding:
            self._follow(node)
            return
        check_others(node, changing, self._steps)
        found = node.operator.stepwise(changing, self._steps)
        if found is None:
            check_apart(node, changing, self._steps)
        more = max(beyond(node.operands[i].type, self._steps) for i in changing)
        made = [beyond(value.type, self._steps) for value in node.results]
        if found is None or found.step is None:
            self._add_alone(node, changing, more, made)
        else:
            results = self._add_stateful(node, changing, found, more)
            self._at.update(zip(node.results, results, strict=False))

    def _follow(self, node: Node) -> None:
        """Padding is no matter of a single step."""
        (filled,), value = node.results, node.operands[0]
        for steps in (self._at, self._early):
            if value in steps:
                steps[filled] = steps[value]
        self._pairs |= {filled} if value in self._pairs else set()

    def _add_alone(self, node: Node, changing: Sequence[int], more: int, made: Sequence[int]) -> None:
        """Add a node that computes each step alone."""
        if any(n != more for n in made):
            raise Reject("it changes the number of steps")
        if more and all(self._all_before(node.operands[i]) for i in changing):
            self._add_early(node, node.operator)
        if self._has_pairs(node.results):
            self._pairs.update(node.results)
            return
        operands = [self._one(v) for v in node.operands]
        operator = at_size(node.operator, self._steps, 1 - more)
        operator = operator.of_known() if {*node.operands} <= {*self._fed} else operator
        results = self._add(operator, operands, node.weights, node.name, node.site)
        for whole, one in zip(node.results, results, strict=True):
            if one.type.shape != sized(whole.type, self._steps, 1 - more).shape:
                raise Reject("one step of it has another shape")
        self._at.update(zip(node.results, results, strict=True))

    def _has_pairs(self, values: Sequence[Value]) -> bool:
        return any(len(step_axes(value.type, self._steps)) > 1 for value in values)

    def _one(self, value: Value) -> Value:
        """One step of a value; the value itself if it does not change."""
        if value in self._pairs:
            raise Reject(
                "it reads pairs of steps", help="`attention(causal=true, scores=...)` and `mask` take them"
            )
        return self._at.get(value, value)

    def _add_stateful(
        self, node: Node, changing: Sequence[int], found: Stepwise, more: int
    ) -> tuple[Value, ...]:
        """Add the step of an operator that carries states, or reads what is computed before the loop."""
        self._check_most(found, more)
        operands = [self._one(node.operands[i]) for i in changing if i not in found.kept]
        apart = {*changing, *found.given, *found.kept, *self._lengths_of_steps(node)}
        others = [v for i, v in enumerate(node.operands) if i not in apart]
        operands += self._once(found.once, others, node) if found.once else others
        operands += [self._form(node.operands[i], found.rows[i]) if i in found.rows else node.operands[i]
                     for i in found.kept]  # fmt: skip
        initial = self._initial(node, changing, found)
        states = [self.state(f"{node.name}_state", type) for type in found.carried]
        inside = [self._before_step(state) for state in states]
        mask = self._mask(inside[0], found.window, more) if found.masked else []
        operands += [*inside, *mask, *([self._places(more)] if found.placed else [])]
        step = found.masked if mask and found.masked else found.step
        assert step is not None
        made = self._add(step, operands, node.weights, node.name, node.site)
        self._of_steps += zip(initial, states, made[len(node.results) :], strict=True)
        return made

    def _check_most(self, found: Stepwise, more: int) -> None:
        """Reject an operator that knows fewer steps than there may be; a prompt may take the rest."""
        least = self.decoder.max + more + self.before_least
        if found.most is not None and found.most < least:
            raise Reject(f"it knows {found.most} steps, and there may be {least}",
                         help=f"give it {least}, or decode fewer steps")  # fmt: skip
        if found.most is not None and self.before_least:
            self.limits.append((self._steps, found.most - self.decoder.max - more))

    def _lengths_of_steps(self, node: Node) -> tuple[int, ...]:
        """The place of the operand that holds the lengths of rows along the steps, which one step has not."""
        lengths = node.operator.lengths
        along = lengths is not None and bool(names(lengths) & names(self._steps))
        return (len(node.operands) - 1,) if along else ()

    # --- before the loop ----------------------------------------------------------------------------------

    def _initial(self, node: Node, changing: Sequence[int], found: Stepwise) -> list[Value]:
        """The states before the first step; those entries of the results are kept that are there by then."""
        value, result = node.operands[changing[0]], node.results[0]
        known = self._all_before(value)
        if known is not None and found.prefix is not None:
            return self._add_prefix(node, found.prefix)
        if beyond(result.type, self._steps):
            self._add_early(node, found.early or node.operator)
        if not found.states or found.given:
            return [self._widened(node.operands[i]) for i in found.given]
        known = self._all_before(result) if found.of_result else known
        if known is not None and found.recent is not None:
            more = beyond(result.type if found.of_result else value.type, self._steps)
            recent = found.recent.with_settings(more=more)
            return [self._of_entries(recent, known, f"{node.name}_recent")]
        return [
            self.before(NewRows(made=[type], value=found.start), f"{node.name}_initial")
            for type in found.states
        ]

    def _add_prefix(self, node: Node, operator: Operator) -> list[Value]:
        """The states after what is there before the first step."""
        operands = [self._entries(v) for v in node.operands]
        if operands != [*node.operands]:
            operator = at_size(operator, self._steps, 0)
        added = self._node(operator, operands, node.weights, f"{node.name}_prefix", node.site)
        self._replace(node, added)
        count = len(node.results)
        self._early.update(zip(node.results, added.results[:count], strict=True))
        return [self._widened(value) for value in added.results[count:]]

    def _entries(self, value: Value) -> Value:
        """What is there of a value before the first step: no steps, some entries, or all of a prompt."""
        if value not in self._at and value not in self._pairs:
            return value
        known = self._all_before(value)
        if known is None:
            empty = NewRows(made=[sized(value.type, self._steps, 0)])
            known = self._early[value] = self._extension.add(
                empty, (self._rows,), f"{value.name}_before", value.site
            )
        return known

    def _add_early(self, node: Node, operator: Operator) -> None:
        """The entries of results that are there before the first step. Those of a prompt are known."""
        if all(self._all_before(value) is not None for value in node.results):
            return
        operands = [self._entries(v) for v in node.operands]
        operator = at_size(operator, self._steps, 0)
        added = self._node(operator, operands, node.weights, f"{node.name}_before", node.site)
        self._extension.nodes.append(added)
        self._early.update(zip(node.results, added.results, strict=True))

    def _once(self, operator: Operator, operands: Sequence[Value], node: Node) -> list[Value]:
        """The results of an operator before the loop."""
        added = self._node(operator, operands, node.weights, f"{node.name}_memory", node.site)
        self._extension.nodes.append(added)
        return [*added.results]

    # --- places and rows ----------------------------------------------------------------------------------

    def _places(self, more: int) -> Value:
        """The number of the step in each row, from 0, behind some entries."""
        if more and more not in self._place:
            (self._place[more],) = self.add(NextPlace(by=more), (self._places(0),), "place_behind")
        if more not in self._place:
            self._place[0] = state = self.state("place", PLACE)
            (after,) = self.add(NextPlace(), (state,), "next_place")
            self.carry(self._first_place(), state, after)
        return self._place[more]

    def _mask(self, keys: Value, window: int | None, more: int) -> list[Value]:
        """Which of the steps that are carried are seen: no padding of a prompt, and none outside of a window;
        nothing if all are."""
        padded = self._padded()
        if window is None and not padded:
            return []
        if (window, more) not in self._masks:
            place = [self._places(more)] if window is not None else []
            operator = SeenSteps(window=window, more=more)
            (self._masks[window, more],) = self.add(operator, (keys, *place, *padded), "seen")
        return [self._masks[window, more]]

    def _form(self, value: Value, wanted: Tensor) -> Value:
        """A value in the wanted type: one step of it, all steps so far, or the last row of pairs."""
        if value in self._at and wanted.shape == self._at[value].type.shape:
            return self._at[value]
        key = (value, wanted.shape)
        if key not in self._forms:
            axes = step_axes(value.type, self._steps)
            self._forms[key] = (
                self._so_far(value, axes[0]) if len(axes) == 1 else self._last_row(value, wanted)
            )
        return self._forms[key]

    def _so_far(self, value: Value, axis: int) -> Value:
        """All steps of a value so far."""
        state = self.state(f"{value.name}_steps", value.type.with_axis(axis, PAST))
        operands = self._before_step(state), self._at[value]
        (longer,) = self._add(LongerSteps(axis=axis), operands, {}, state.name, value.site)
        self._of_steps.append((self._widened(self._entries(value)), state, longer))
        return longer

    def _last_row(self, value: Value, wanted: Tensor) -> Value:
        """The row of pairs of the last step with all steps so far."""
        node = self._producers[value]
        place, steps = node.results.index(value), self._steps
        shape = tuple(size if not names(steps) & names(whole) else QUERY if size == 1 else MEMORY
                      for size, whole in zip(wanted.shape, value.type.shape, strict=True))  # fmt: skip
        for types, operator in self._ways(node):
            try:
                bound = operator.bind(*types)
            except Reject:
                continue
            if bound.results[place].shape == shape:
                operands = [self._form(v, known(type)) if self._changes(v) else v
                            for v, type in zip(node.operands, types, strict=True)]  # fmt: skip
                settings = {k: known_size(v) for k, v in operator.values().items()}
                operator = operator.with_settings(**settings).knowing(lengths=operator.lengths)
                return self._add(operator, operands, node.weights, node.name, node.site)[place]
        raise Reject(f"the pairs of steps that `{node.operator.name}` makes cannot be computed row by row")

    def _changes(self, value: Value) -> bool:
        return value in self._at or value in self._pairs

    def _ways(self, node: Node) -> Iterator[tuple[Sequence[Tensor], Operator]]:
        """The ways to give the step axes of operands, and of settings, to the query and to the memory."""
        options = [
            [v.type] if not self._changes(v) else axes_named(v.type, self._steps) for v in node.operands
        ]
        for types in product(*options):
            for name in (QUERY, MEMORY):
                yield types, at_size(node.operator, self._steps, name)
