"""Random programs from the definitions: their examples, settings drawn from parameter types, combinators,
blocks and nets. A line is kept only if the compiler accepts it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import reject
from hypothesis import strategies as st

import dlc.compiler.operators
import dlc.compiler.training  # noqa: F401
from dlc.compiler import CompileError, Source, compile
from dlc.compiler.definitions.definition import Definition, family, spell_value
from dlc.compiler.definitions.parameter_types import ParameterType, Reject
from dlc.compiler.dims.dim import free
from dlc.compiler.ir.graph import Value
from dlc.compiler.operators.base import Example, Operator
from dlc.compiler.operators.combinators import Stage
from dlc.compiler.program import CompiledProgram
from dlc.compiler.types import FLOATS, INTEGERS, spell

# Values for settings: each parameter type accepts some of them.
VALUES = (0, 1, 2, 3, 4, -1, -2, True, False, None, 0.5, 1.0, 2.0, 0.1, 1e-3, -0.5, "a", "b", free("T"))
TRIES = 6  # number of attempts for a line
INPUTS = 4  # at most
OPERANDS = "abcdefgh"  # the names of operands in examples


def rows_of(operator: type[Definition]) -> list[Example]:
    return [row for row in getattr(operator, "examples", ()) if not row.rejects]


def in_reach() -> list[str]:
    """Operators and combinators that a program can write by name or symbol, without those that read text."""
    known = (c for c in family("operator").values() if issubclass(c, Operator) and not c.reads)
    operators = (c for c in known if not c.training_only)
    return sorted((*(c.name for c in operators if rows_of(c)), *family("combinator")))


class Writer:
    """Writes one program, line by line; `draw` chooses."""

    values_of_settings: tuple[Any, ...] = VALUES
    given = (True, False, False)  # probability of an optional setting

    def __init__(self, draw: Callable[[st.SearchStrategy], Any]):
        self.draw = draw
        self.lines: list[str] = []
        self.values: dict[str, Value] = {}
        self.program: CompiledProgram | None = None
        self.counts: dict[str, int] = {}

    def choose(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def name(self, letter: str) -> str:
        return f"{letter}{self.counts.get(letter, 0)}"

    def add(self, *lines: str) -> bool:
        """Write these lines, if the compiler accepts them."""
        try:
            self.program = compile(Source("random.dl", self.text(*lines)))
        except CompileError:
            return False
        self.lines += lines
        self.values = dict(named_values(self.program))
        for line in lines:
            for letter in re.findall(r"\b([xhfg])\d+\b", line.partition("=")[0].partition("(")[0]):
                self.counts[letter] = self.counts.get(letter, 0) + 1
        return True

    def text(self, *more: str) -> str:
        return "\n".join((*self.lines, *more, ""))

    def some(self, *makers: Callable[[], list[str]]) -> None:
        """Lines from one of these functions; none after too many rejected ones."""
        for _ in range(TRIES):
            if self.add(*self.choose(*makers)()):
                return

    # --- lines --------------------------------------------------------------------------------------------

    def use(self, name: str) -> list[str]:
        """A call of an operator or a combinator with new inputs or existing values."""
        definition = self.definition(name)
        row = self.choose(*(rows_of(definition) or [Example("", "float[3]"), Example("", "float[T, 4]")]))
        lines, operands = [], []
        for number, type in enumerate(row.operands):
            if self.values and (self.choose(True, False) or self.counts.get("x", 0) + number >= INPUTS):
                operands.append(self.choose(*self.values))
            else:
                operands.append(f"x{self.counts.get('x', 0) + len(lines)}")
                lines.append(f"input {operands[-1]}: {type}")
        return [*lines, f"{self.name('h')} = {self.applied(definition, row, operands)}"]

    def applied(self, definition: type[Definition], row: Example, operands: list[str]) -> str:
        if not getattr(definition, "public", True):  # an expression of a, b, ...
            places = dict(zip(OPERANDS, operands, strict=False))
            return re.sub(r"\b[a-h]\b", lambda m: places.get(m.group(), m.group()), row.call)
        flows = f"({', '.join(operands)})" if len(operands) > 1 else operands[0]
        return f"{flows} -> {row.call if row.call and self.choose(True, False) else self.call(definition)}"

    def pipeline(self) -> list[str]:
        return [f"{self.name('h')} = {self.choose(*self.values)} -> {self.stage()} -> {self.stage()}"]

    def block(self) -> list[str]:
        body = f"{{ return p -> {self.stage()} -> {self.stage()} }}"
        return [f"block {self.name('f')}(p) {body}",
                f"{self.name('h')} = {self.choose(*self.values)} -> {self.name('f')}"]  # fmt: skip

    def net(self) -> list[str]:
        """A net used twice, with the same weights."""
        flows, name, made = self.choose(*self.values), self.name("g"), self.counts.get("h", 0)
        return [f"net {name}(p) {{ return p -> {self.stage()} -> {self.stage()} }}",
                f"h{made} = {flows} -> {name}", f"h{made + 1} = ({flows} * 0.5) -> {name}"]  # fmt: skip

    def parted(self) -> list[str]:
        """A tuple of values, of which the first is used further."""
        made = self.counts.get("h", 0)
        return [
            f"h{made}, h{made + 1} = {self.choose(*self.values)} -> branch({self.stage()}, {self.stage()})"
        ]

    def output(self, name: str) -> list[str]:
        """A value as an output of the program, with a possible element."""
        type, answer = self.values[name].type, answer_of(name)
        element = self.choose("float", "binary", "bool", "class", *INTEGERS, *FLOATS)
        shape = type.shape
        if element == "class" and shape:
            image = type.rank > 2
            element, shape = f"class({shape[0 if image else -1]})", shape[1:] if image else shape[:-1]
        return [f"output {answer}: {spell(element, shape)}", f"{name} -> {answer}"]

    def plain_output(self, name: str) -> list[str]:
        answer = answer_of(name)
        return [f"output {answer}: {spell('float', self.values[name].type.shape)}", f"{name} -> {answer}"]

    # --- calls --------------------------------------------------------------------------------------------

    def definition(self, name: str) -> type[Definition]:
        return family("operator").get(name) or family("combinator")[name]

    def is_stage(self, name: str) -> bool:
        return name in family("operator") and getattr(self.definition(name), "public", True)

    def stage(self, depth: int = 1) -> str:
        """An operator or a combinator that takes operands."""
        combined = depth > 0 and self.choose(False, False, False, True)
        names = family("combinator") if combined else [n for n in in_reach() if self.is_stage(n)]
        definition = self.definition(self.choose(*names))
        rows = rows_of(definition)
        if rows and self.choose(True, True, False):
            return self.choose(*rows).call
        return self.call(definition, depth)

    def call(self, definition: type[Definition], depth: int = 1) -> str:
        """A call with settings drawn from their parameter types."""
        given = []
        for setting in sorted(definition.settings.values(), key=lambda s: s.keyword):
            if not setting.required and not self.choose(*self.given):
                continue
            value = self.value(setting.kind, depth)
            if setting.rest:
                given += [value, *(self.value(setting.kind, depth) for _ in range(self.choose(0, 1, 2)))]
            else:
                given.append(value if setting.required and not setting.keyword else f"{setting.name}={value}")
        given.sort(key=lambda argument: "=" in re.sub(r"\(.*\)", "", argument))
        return f"{definition.name}({', '.join(given)})" if given else definition.name

    def value(self, kind: ParameterType, depth: int) -> str:
        """A value that a parameter type accepts, in the syntax of the language."""
        if takes(kind, Stage()):
            return self.stage(depth - 1)
        options: list[Callable[[], str]] = [lambda w=w: w for w in kind.words]
        options += [lambda v=v: spelled(v) for v in self.values_of_settings if takes(kind, v)]
        item = kind.item()
        if item is not None and depth > 0:
            length = self.choose(1, 2, 2, 3)
            options.append(lambda: f"[{', '.join(self.value(item, depth - 1) for _ in range(length))}]")
        for name in kind.families():
            options += [lambda d=d: self.call(d, depth - 1) for d in family(name).values()]
        return self.choose(*options)() if options else "none"


def named_values(program: CompiledProgram) -> Iterator[tuple[str, Value]]:
    """The values of a program by their expressions: `h0`, or `h1[0]` of a tuple."""
    for name, made in program.bindings.items():
        if isinstance(made, Value):
            yield name, made
        elif isinstance(made, tuple):
            yield from ((f"{name}[{i}]", v) for i, v in enumerate(made) if isinstance(v, Value))


def answer_of(name: str) -> str:
    """The output name of a value: `y0` for `h0`, `y1_0` for `h1[0]`."""
    return "y" + name[1:].replace("[", "_").rstrip("]")


def takes(kind: ParameterType, value: Any) -> bool:
    try:
        kind.accept(value)
    except Reject:
        return False
    return True


def spelled(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else spell_value(value)


@st.composite
def programs(draw: Any, focus: str) -> str:
    """Programs that use a given operator or combinator among others."""
    writer = Writer(draw)
    others = in_reach()
    for _ in range(writer.choose(0, 1)):
        writer.some(lambda: writer.use(writer.choose(*others)))
    writer.some(lambda: writer.use(focus))
    if not writer.values:
        reject()
    for _ in range(writer.choose(0, 1, 2, 3)):
        writer.some(lambda: writer.use(writer.choose(*others)), lambda: writer.use(writer.choose(*others)),
                    writer.pipeline, writer.block, writer.net, writer.parted)  # fmt: skip
    for name in [n for n in writer.values if n.startswith("h")]:
        if writer.choose(True, False) or not writer.add(*writer.plain_output(name)):
            writer.some(lambda name=name: writer.output(name))
    if writer.program is None or not writer.program.outputs:
        reject()
    return writer.text()
