"""The parts of a picture (boxes, operator symbols, frames and tags) and the values that they read.

A block or net is a frame around its parts, or, past a depth, one box. A block that calls itself has no frame:
its parts are among those around it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dlc.compiler.passes.cost import summed
from dlc.show.layers import TooLarge
from dlc.show.outline import Group, Outline, OutlineStep, visible

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence
    from typing import Any

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Value
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.types import Tensor

# Typographic forms of operator symbols.
PRINTED = {"-": "\u2212", "*": "\u00d7", "/": "\u00f7"}
MAX_PARTS = 1000


@dataclass(eq=False)
class DrawnPart:
    """A part of the picture. It reads values and makes values. Of `times` equal parts in a chain only the
    first is drawn: `makes` are its values, and `gives` are the values of the last one, which others read.
    `labels` say which of the values it reads is which."""

    steps: tuple[OutlineStep, ...] = ()
    reads: list[Value] = field(default_factory=list)
    makes: list[Value] = field(default_factory=list)
    gives: list[Value] = field(default_factory=list)
    times: int = 1
    labels: dict[Value, str] = field(default_factory=dict)

    def key(self) -> tuple[Any, ...]:
        """A key that is equal for parts that do the same."""
        return (type(self), *((s.call, s.makes, s.parameters) for s in self.steps))


@dataclass(eq=False)
class Box(DrawnPart):
    """An operator, together with following operators that keep its shape, such as activations."""

    calls: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return kind_of(self.steps[0])

    @property
    def shape(self) -> str:
        return self.steps[-1].makes

    @property
    def parameters(self) -> Size:
        return summed(s.parameters for s in self.steps)


@dataclass(eq=False)
class ClosedBlock(Box):
    """A block or net without its parts."""

    @property
    def kind(self) -> str:
        return "block"


@dataclass(eq=False)
class DrawnSign(DrawnPart):
    """The symbol of arithmetic between tensors: `+`."""

    sign: str = ""


@dataclass(eq=False)
class DrawnFrame(DrawnPart):
    """A block or net with its parts."""

    name: str = ""
    parts: list[DrawnPart] = field(default_factory=list)


@dataclass(eq=False)
class Tag(DrawnPart):
    """An input, an output, a target, or a declared weight that is used as a tensor."""

    name: str = ""
    type: str = ""
    kind: str = "input"


def diagram(program: CompiledProgram, depth: int | None = None) -> list[DrawnPart]:
    """All parts of the picture, inputs first, in topological order. Blocks within `depth` others are
    closed."""
    return Diagram(program, depth).parts()


def depth_of(program: CompiledProgram) -> int:
    """The number of frames around the innermost operator, if all are open."""
    parts = Outline(visible(program)).parts()
    return frames_around(parts, recursive_blocks(parts))


def frames_around(parts: Iterable[OutlineStep | Group], recursive: Container[str]) -> int:
    inner = (
        frames_around(part.parts, recursive) + (part.what not in recursive)
        for part in parts
        if isinstance(part, Group)
    )
    return max(inner, default=0)


def recursive_blocks(parts: Iterable[OutlineStep | Group], within: tuple[str, ...] = ()) -> set[str]:
    """The blocks that call themselves."""
    found: set[str] = set()
    for part in parts:
        if isinstance(part, Group):
            found |= {part.what} & {*within}
            found |= recursive_blocks(part.parts, (*within, part.what))
    return found


def kind_of(step: OutlineStep) -> str:
    """The group of the operator: `convolution`, `pooling`."""
    return step.node.operator.group


def sign_of(step: OutlineStep) -> str:
    return PRINTED.get(step.node.operator.symbol, step.node.operator.symbol)


class Diagram:
    def __init__(self, program: CompiledProgram, depth: int | None) -> None:
        self.program = program
        self.depth = depth
        self.recursive: set[str] = set()
        self.graph = visible(program)
        self.outline = Outline(self.graph)
        self.readers: dict[Value, int] = {}
        self.count = 0

    def parts(self) -> list[DrawnPart]:
        found = self.outline.parts()
        self.recursive = recursive_blocks(found)
        outputs: list[DrawnPart] = [self._output(o.name, o.declared, o.flowed) for o in self.program.outputs]
        reads = [v for part in found for step in part.steps() for v in self._operands(step)]
        for value in (*reads, *(v for output in outputs for v in output.reads)):
            self.readers[value] = self.readers.get(value, 0) + 1
        return [*self._sources(set(reads)), *self._level(found, 0), *outputs]

    def _sources(self, reads: set[Value]) -> Iterable[DrawnPart]:
        declared = {i.value: i.declared for i in self.program.inputs}
        for value in self.graph.inputs:
            kind = "input" if value in declared else "target"
            yield tag(value.field, declared.get(value, value.type), kind, value)
        for weight in self.graph.weights:
            if weight.value in reads:
                yield tag(weight.name, weight.value.type, "weight", weight.value)

    def _output(self, name: str, declared: Tensor, flowed: Value) -> DrawnPart:
        return Tag(
            reads=[self.outline.source_of(flowed)], name=name, type=print_declared(declared), kind="output"
        )

    def _operands(self, step: OutlineStep) -> list[Value]:
        """The tensors that a step reads, without constants, which are part of its call."""
        values = [self.outline.source_of(v) for v in step.node.operands]
        return [v for v in values if not self._is_constant(v)]

    def _is_constant(self, value: Value) -> bool:
        node = self.outline.producers.get(value)
        return node is not None and node.operator.name == "constant"

    # --- one level ----------------------------------------------------------------------------------------

    def _level(self, parts: Sequence[OutlineStep | Group], depth: int) -> list[DrawnPart]:
        made = self._merged(self._parts(parts, depth))
        self.count += len(made)
        if self.count > MAX_PARTS:
            raise TooLarge(f"a picture of more than {MAX_PARTS:_} operators cannot be read")
        return made

    def _parts(self, parts: Sequence[OutlineStep | Group], depth: int) -> list[DrawnPart]:
        made: list[DrawnPart] = []
        for part in parts:
            if isinstance(part, Group):
                made += self._group(part, depth)
            elif made and self._follows(part, made[-1]):
                self._join(part, made[-1])
            else:
                made.append(self._step(part))
        return made

    def _group(self, group: Group, depth: int) -> list[DrawnPart]:
        if group.what in self.recursive:
            return self._parts(group.parts, depth)
        if depth == self.depth:
            return [self._closed(group)]
        return [self._frame(group, depth)]

    def _follows(self, step: OutlineStep, before: DrawnPart) -> bool:
        """Whether a step joins the previous box: it follows it, and nothing else reads the result of the
        box."""
        if (
            not isinstance(before, Box)
            or isinstance(before, ClosedBlock)
            or not step.node.operator.follows
            or step.makes != before.shape
        ):
            return False
        value = before.makes[-1]
        return self._operands(step) == [value] and self.readers[value] == 1

    def _join(self, step: OutlineStep, box: Any) -> None:
        box.steps = (*box.steps, step)
        box.calls.append(step.call)
        box.makes = box.gives = list(step.node.results)

    def _step(self, step: OutlineStep) -> DrawnPart:
        reads, results = self._operands(step), list(step.node.results)
        sign = sign_of(step) if len(step.node.operands) == 2 else ""
        if sign and len(reads) > 1:
            return DrawnSign((step,), reads, results, results, sign=sign)
        call, remark = self._with_number(step, sign) if sign else step.call, step.node.operator.remark
        return Box((step,), list(dict.fromkeys(reads)), results, results, labels=self._labels(step),
                   calls=[call, remark] if remark else [call])  # fmt: skip

    def _labels(self, step: OutlineStep) -> dict[Value, str]:
        """The names of operands: of settings, and of those that the operator tells apart."""
        operator, operands = step.node.operator, [self.outline.source_of(v) for v in step.node.operands]
        positional, given = operator.split(operands)
        named = [*zip(positional, operator.operand_labels, strict=False), *((v, n) for n, v in given.items())]
        return joined((value, name) for value, name in named if not self._is_constant(value))

    def _with_number(self, step: OutlineStep, sign: str) -> str:
        """Arithmetic with a constant: `÷ 255`. The constant follows the symbol if the operator is
        commutative."""
        values = [self.outline.source_of(v) for v in step.node.operands]
        shown = [name if self._is_constant(v) else "" for name, v in zip(step.reads, values, strict=True)]
        if sign in "+\u00d7":
            shown.sort()
        return f"{shown[0]} {sign} {shown[-1]}".strip()

    def _frame(self, group: Group, depth: int) -> DrawnPart:
        parts, steps = self._level(group.parts, depth + 1), tuple(group.steps())
        made = {v for part in parts for v in part.gives}
        reads = list(dict.fromkeys(v for part in parts for v in part.reads if v not in made))
        makes = self._read_outside(steps, [v for part in parts for v in part.gives])
        return DrawnFrame(steps, reads, makes, makes, name=group.name, parts=parts)

    def _closed(self, group: Group) -> DrawnPart:
        steps = tuple(group.steps())
        made = dict.fromkeys(v for step in steps for v in step.node.results)
        reads = list(dict.fromkeys(v for s in steps for v in self._operands(s) if v not in made))
        makes = self._read_outside(steps, made)
        labels = joined((v, name) for v, name in group.given if v in reads) if len(reads) > 1 else {}
        return ClosedBlock(steps, reads, makes, makes, labels=labels, calls=[group.name])

    def _read_outside(self, steps: Sequence[OutlineStep], made: Iterable[Value]) -> list[Value]:
        """The values that other steps read too."""
        within = Counter(v for step in steps for v in self._operands(step))
        return [v for v in made if self.readers.get(v, 0) > within[v]]

    def _merged(self, parts: list[DrawnPart]) -> list[DrawnPart]:
        """Merge equal neighbors in a chain into one part."""
        merged: list[DrawnPart] = []
        for part in parts:
            if merged and self._repeats(part, merged[-1]):
                merged[-1].times += 1
                merged[-1].gives = part.makes
            else:
                merged.append(part)
        return merged

    def _repeats(self, part: DrawnPart, before: DrawnPart) -> bool:
        """Whether a part does the same as the one before it, of which it reads the result in place of what
        that one reads. All else that they read is the same."""
        if isinstance(part, DrawnSign) or len(before.gives) != 1 or len(part.makes) != 1:
            return False
        differing = [pair for pair in zip(before.reads, part.reads, strict=False) if pair[0] is not pair[1]]
        if len(before.reads) != len(part.reads) or [after for _, after in differing] != before.gives:
            return False
        reads = [v for step in part.steps for v in self._operands(step)]
        return self.readers[before.gives[0]] == reads.count(before.gives[0]) and part.key() == before.key()


def joined(named: Iterable[tuple[Value, str]]) -> dict[Value, str]:
    """The names of each value."""
    found: dict[Value, str] = {}
    for value, name in named:
        found[value] = f"{found[value]}, {name}" if value in found else name
    return found


def tag(name: str, type: Tensor, kind: str, value: Value) -> Tag:
    return Tag(makes=[value], gives=[value], name=name, type=print_declared(type), kind=kind)


def print_declared(type: Tensor) -> str:
    """A declared type; for many classes only their number."""
    from dlc.compiler.format.printer import print_type

    return print_type(type).removesuffix(" unbatched")
