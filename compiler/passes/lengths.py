"""Sequences of varying length: the lengths of rows in graphs.

A graph as written has no lengths: all rows of a batch are as long as its free dimensions. This pass adds the
lengths of rows to a finished form, and gives every operator what it needs to leave padding out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import Reject
from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.dims.dim import is_free, names
from dlc.compiler.ir.graph import GraphInput, Node, Value
from dlc.compiler.operators.lengths import LENGTH, FillPadding, LengthOf, MarkPadding
from dlc.compiler.operators.padding import APART, IGNORE, LENGTHS, Fill
from dlc.compiler.passes.graph_rewrite import Extension, node_at_inference
from dlc.compiler.types import Classes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Graph
    from dlc.compiler.operators.padding import Padding
    from dlc.compiler.program import CompiledProgram

CODE = "E0519"
HELP = "reduce the axis first, by `mean(axis=...)`, `last` or a recurrent layer with `final=true`; or make " \
       "all rows equally long"  # fmt: skip


def length_name(name: str) -> str:
    """The name of the lengths of a sequence."""
    return f"{name}_length"


def length_inputs(program: CompiledProgram) -> dict[str, GraphInput]:
    """The inputs that hold the lengths of rows, by free dimension: of those along which rows differ. The
    numbers of tokens of texts are inputs in training, and computed in the artifact."""
    of_texts = (node.results for node in program.readers if len(node.results) > 1)
    targets = [o.target_value for o in program.outputs if o.target_value is not None]
    found: dict[str, GraphInput] = {}
    found |= {str(tokens.type.shape[0]): count for tokens, count in of_texts if isinstance(count, GraphInput)}
    for value in (*(i.value for i in program.inputs), *targets):
        for dim in (str(size) for size in value.type.shape if is_free(size)):
            if dim in program.lengths and dim not in found:
                name, field = length_name(value.name.removesuffix(".target")), length_name(value.field)
                found[dim] = GraphInput(name, LENGTH, value.site, "length", field)
    return found


def with_lengths(program: CompiledProgram, graph: Graph) -> Graph:
    """A form of a program with the lengths of its rows."""
    known = length_inputs(program)
    return Lengths(graph, known).graph() if known else graph


def with_computed_lengths(program: CompiledProgram, graph: Graph) -> Graph:
    """A form of a program with the lengths of its rows that its nodes compute: of texts."""
    computed = {value for node in graph.nodes for value in node.results}
    known = {dim: value for dim, value in length_inputs(program).items() if value in computed}
    return Lengths(graph, known).graph() if known else graph


def with_missing_padding(program: CompiledProgram, graph: Graph) -> Graph:
    """The same, with missing values (NaN, class -1) in the padding of its outputs: for fitting."""
    known = length_inputs(program)
    return Lengths(graph, known, missing=True).graph() if known else graph


class Lengths:
    """A graph to which lengths are added."""

    def __init__(self, graph: Graph, known: Mapping[str, GraphInput], missing: bool = False) -> None:
        self._graph, self._known = graph, known
        self._finished = self._with_missing_padding if missing else self._without_padding
        self._extension = Extension(replace(graph, nodes=()))
        for node in graph.nodes:
            for name in (node.name, *(value.name for value in node.results)):
                self._extension.names.take(name)
        self._lengths: dict[Size, Value] = {}
        self._filled: dict[tuple[Value, int, float | str], Value] = {}
        self._replaced: dict[Value, Value] = {}
        self._no_label: dict[Value, Any] = {}  # the label of no class, by value of labels

    def graph(self) -> Graph:
        """The graph with lengths; an input of lengths that nothing reads is left out."""
        for node in self._graph.nodes:
            self._add(node)
        computed = {value for node in self._graph.nodes for value in node.results}
        self._extension.inputs += [value for value in self._known.values() if value not in computed]
        ended, outputs = self._ended(), {}
        for name, value in self._graph.outputs.items():
            made = self._replaced.get(value, value)
            outputs[name] = made if value in ended else self._finished(made)
        return self._extension.done(outputs)

    def _ended(self) -> set[Value]:
        """Values that hold no class, or the label of none, after the end of each row."""
        found: set[Value] = set()
        for node in self._graph.nodes:
            if node.operator.ends_rows or (node.operator.labels() and found.issuperset(node.operands)):
                found.update(node.results)
        return found

    def _add(self, node: Node) -> None:
        operands = [self._replaced.get(v, v) for v in node.operands]
        operator, lengths, fills, marked = node.operator, None, [], []
        for place, axis in padded_axes(node, self._known):
            size, padding = node.operands[place].type.shape[axis], treatment(node, place, axis)
            if takes_lengths(padding):
                operator, lengths = operator.knowing(lengths=size), self._length(size, node)
            if padding == IGNORE:
                marked.append((place, axis))
            if isinstance(padding, Fill):
                operands[place] = self._fill(operands[place], axis, padding, node)
                fills.append(padding)
        for place, axis in of_last_operand(marked):
            operands[place] = self._mark(operands[place], axis, node)
        if lengths is not None:
            operands.append(lengths)
        self._append(node, operator, tuple(operands), any(fill.is_extreme for fill in fills))

    def _append(self, node: Node, operator, operands: tuple[Value, ...], refill: bool) -> None:
        """Append the node with these operands. Where its operands are not those that were written, its result
        may have another type."""
        weights = {leaf: self._replaced.get(v, v) for leaf, v in node.weights.items()}
        if operands != node.operands:
            operator = operator.bind(*(v.type for v in operands))
        results = tuple(
            old if old.type == new else Value(old.name, new, old.site)
            for old, new in zip(node.results, operator.results, strict=True)
        )
        self._replaced.update(zip(node.results, results, strict=True))
        labels = operator.labels()
        if labels and results[0].type.element == "int64":
            self._no_label[results[0]] = Classes(len(labels), labels).unknown
        self._extension.nodes.append(replace(node, operator=operator, operands=operands, weights=weights,
                                             results=results))  # fmt: skip
        if refill:
            self._replaced.update(zip(node.results, map(self._without_padding, results), strict=True))

    def _without_padding(self, value: Value) -> Value:
        """The value with 0 in its padding (class -1, the label of no class, `""`)."""
        none = -1 if value.type.element in ("class", "string") else 0  # names are indices in torch
        fill = Fill(self._no_label.get(value, none))
        for axis in axes_of(value, self._known):
            value = self._fill(value, axis, fill, value)
        return value

    def _with_missing_padding(self, value: Value) -> Value:
        for axis in axes_of(value, self._known):
            value = self._mark(value, axis, value)
        return value

    def _mark(self, value: Value, axis: int, at: Node | Value) -> Value:
        """The value with ignored entries in its padding."""
        operands = value, self._length(value.type.shape[axis], at)
        return self._extension.add(MarkPadding(sample_axis=axis), operands, f"{value.name}_marked", at.site)

    def _fill(self, value: Value, axis: int, fill: Fill, at: Node | Value) -> Value:
        key = (value, axis, fill.value)
        if key not in self._filled:
            operands = value, self._length(value.type.shape[axis], at)
            operator = FillPadding(sample_axis=axis, value=fill.value)
            made = self._extension.add(operator, operands, f"{value.name}_filled", at.site)
            others = [
                a for a in axes_of(value, self._known) if self._filled.get((value, a, fill.value)) is value
            ]
            self._filled |= {(made, a, fill.value): made for a in (axis, *others)} | {key: made}
        return self._filled[key]

    def _length(self, size: Size, at: Node | Value) -> Value:
        """The lengths of rows along an axis of this size."""
        if is_free(size):
            return self._known[str(size)]
        if size not in self._lengths:
            dims = tuple(sorted(names(size) & self._known.keys()))
            operator, operands = LengthOf(size=size, dims=dims), [self._known[dim] for dim in dims]
            self._lengths[size] = self._extension.add(operator, operands, "length", at.site)
        return self._lengths[size]


def padded_axes(node: Node, known: Mapping[str, GraphInput]) -> Iterator[tuple[int, int]]:
    """The operands and sample axes of a node along which rows differ in length."""
    for place, value in enumerate(node.operands):
        for axis in axes_of(value, known):
            yield place, axis


def axes_of(value: Value, known: Mapping[str, object]) -> list[int]:
    """The sample axes of a value along which rows differ in length."""
    if not value.type.batched:
        return []
    return [axis for axis, size in enumerate(value.type.shape) if not known.keys().isdisjoint(names(size))]


def of_last_operand(marked: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The axes to mark, all in one operand: a loss leaves out the entries that any operand ignores."""
    return [(place, axis) for place, axis in marked if place == marked[-1][0]]


def treatment(node: Node, place: int, axis: int) -> Padding:
    operator = node.operator
    return APART if operator.identity else operator.padding_of(place, axis)


def takes_lengths(padding: Padding) -> bool:
    return padding == LENGTHS or (isinstance(padding, Fill) and padding.lengths)


def check(program: CompiledProgram, problems: Problems) -> None:
    """Report the operators that would mix padding into their results."""
    known = length_inputs(program)
    check_names(program, problems)
    check_axes(program, known, problems)
    for node in program.graph.nodes if known else ():
        forms = dict.fromkeys((node, node_at_inference(node)))
        found = (problem for form in forms if (problem := mixed(form, known)) is not None)
        if (problem := next(found, None)) is not None:
            problems.add(problem)


def check_axes(program: CompiledProgram, known: Mapping[str, GraphInput], problems: Problems) -> None:
    """Report axes whose lengths would have no name, and a second axis along which rows differ."""
    targets = [o.target_value for o in program.outputs if o.target_value is not None]
    for value in (*(i.value for i in program.inputs), *targets):
        for size in (size for size in value.type.shape if names(size) & program.lengths - known.keys()):
            message = (
                f"rows differ in length along `{size}` of `{value.field}`, and their lengths need a name"
            )
            problems.add(Diagnostic.at(value.site, CODE, message, "write a name alone there, such as `T`"))
        if len(axes := axes_of(value, known)) > 1:
            sizes = [f"`{value.type.shape[axis]}`" for axis in axes]
            where = " and ".join(sizes) if len({*sizes}) > 1 else f"{len(axes)} axes {sizes[0]}"
            message = f"rows differ in length along {where} of `{value.field}`; only one axis may vary"
            help = "write a number for the other axis" if len({*sizes}) > 1 else \
                "write the greatest number for them, and pad the rows"  # fmt: skip
            problems.add(Diagnostic.at(value.site, CODE, message, help))


def check_names(program: CompiledProgram, problems: Problems) -> None:
    """Report inputs and outputs that have the name of lengths, whether rows differ in length or not."""
    fields = [(i.name, i) for i in program.inputs]
    fields += [(name, o) for o in program.outputs for name in dict.fromkeys((o.name, o.target))]
    taken = {length_name(name) for name, declared in fields if declared.declared.free_axis is not None}
    of_texts = {value.name for node in program.readers for value in node.results}
    for name, declared in fields:
        if name in taken or name in of_texts:
            what = "the classes of a text" if name in of_texts else "the lengths of a sequence"
            message = f"`{name}` is the name that {what} have"
            problems.add(Diagnostic.at(declared.site, "E0607", message, "give it another name"))


def mixed(node: Node, known: Mapping[str, GraphInput]) -> Diagnostic | None:
    """The error of a node that would mix padding into its results."""
    if node.operator.reads_text:
        return None
    of_lengths: set[Size] = set()
    marked: list[tuple[int, int]] = []
    size: Size = 0
    try:
        for place, axis in padded_axes(node, known):
            size = node.operands[place].type.shape[axis]
            padding = treatment(node, place, axis)
            of_lengths |= {size} if takes_lengths(padding) else set()
            marked += [(place, axis)] if padding == IGNORE else []
            if len(of_lengths) > 1:
                raise Reject(f"`{node.operator.name}` would leave out padding along {len(of_lengths)} axes")
        check_marked(node, of_last_operand(marked))
        if made := new_sizes(node, known):
            size = made[0]
            raise Reject(f"`{node.operator.name}` makes an axis of that size from other ones")
    except Reject as reject:
        return mixing_error(node, size, reject)
    return None


def check_marked(node: Node, marked: list[tuple[int, int]]) -> None:
    """Reject a loss that does not take ignored entries in the operand whose padding would be marked."""
    types = [value.type for value in node.operands]
    for place, axis in marked:
        types[place] = MarkPadding(sample_axis=axis).bind(types[place], LENGTH).results[0]
    if marked:
        node.operator.bind(*types)


def new_sizes(node: Node, known: Mapping[str, GraphInput]) -> list[Size]:
    """The sizes of axes along which the rows of a result differ, and those of no operand."""

    def of(values: Iterable[Value]) -> set[Size]:
        return {value.type.shape[axis] for value in values for axis in axes_of(value, known)}

    differ = {name for size in of(node.operands) for name in names(size)}
    return [size for size in of(node.results) if differ.isdisjoint(names(size))]


def mixing_error(node: Node, size: Size, reject: Reject) -> Diagnostic:
    message = f"rows differ in length along `{size}`, and {reject.message}"
    return Diagnostic.at(node.site, CODE, message, reject.help or HELP)
