"""A small complete spec that uses a word, made from the example rows of an operator, or from a call.

The first candidate that compiles without a warning is used.
"""

from __future__ import annotations

import textwrap
from itertools import chain, groupby, product
from typing import TYPE_CHECKING

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.definitions.definition import family
from dlc.compiler.format.formatter import format
from dlc.compiler.operators.base import Operator
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dlc.compiler.definitions.definition import Definition
    from dlc.compiler.operators.base import Example
    from dlc.compiler.program import CompiledProgram

NAME = "model.dl"
# Types of outputs, and the last layer for each.
ENDS = (("class(3)", "dense(3)"), ("float", "dense(1)"), ("binary", "dense(1)"), ("float[3]", "dense(3)"))
# Input type and first layer of the spec, by the operand type of an operator that follows a layer.
BEFORE = {"float[3]": ("float[4]", "dense(3) -> "), "float[4]": ("float[8]", "dense(4) -> ")}
# Stages that turn the result of an operator into a vector.
AFTER = ("dense(3)", "flatten -> dense(3)", "mean(axis=0) -> dense(3)", "mean(axis=[-2, -1]) -> dense(3)",
         "one_hot -> dense(3)", "one_hot -> flatten -> dense(3)")  # fmt: skip


def spec(definition: type[Definition]) -> str | None:
    """A spec that uses a definition, if one was found."""
    return first(candidates(definition))


def first(texts: Iterable[str]) -> str | None:
    """The first text that compiles, formatted."""
    return next((format(Source(NAME, text)) for text in texts if compiles(text)), None)


def compiles(text: str) -> bool:
    """True without errors and warnings."""
    program = compiled(text)
    return program is not None and not program.warnings


def compiled(text: str) -> CompiledProgram | None:
    try:
        return compile(Source(NAME, text), type_in=type_in)
    except CompileError:
        return None


def type_in(path: str, name: str) -> Tensor:
    """The type of the tensors that the specs load. The files do not exist."""
    return Tensor("float", (1000, 50), batched=False)


def candidates(definition: type[Definition]) -> Iterable[str]:
    usage = vars(definition).get("usage", "")
    if "\n" in usage:
        return (textwrap.dedent(usage).strip("\n") + "\n",)
    if definition.family == "operator" and issubclass(definition, Operator):
        rows = sorted((row for row in definition.examples if not row.rejects), key=plainness)
        return chain.from_iterable(of_row(definition, row) for row in rows)
    call = usage or definition.name
    makers = {"combinator": of_combinator, "loss": of_loss, "initial": of_initial, "field": of_field,
              "split": of_split}  # fmt: skip
    return makers.get(definition.family, lambda call: of_setting(definition, call))(call)


def plainness(row: Example) -> int:
    """The rank of a row: first vectors, then images, last single values."""
    if row.takes in BEFORE:
        return 0
    return 3 if row.takes == "float" else 1 if str(row.takes).count(",") == 2 else 2


# --- operators --------------------------------------------------------------------------------------------


def of_row(definition: type[Operator], row: Example) -> Iterator[str]:
    """Specs from an example row; those most similar to a real network first."""
    names = operand_names(definition, row)
    declared = declare("input", names, row.operands)
    flow = row.call if row.call[:1].isalnum() else f"({row.call})"
    if definition.public:
        flow = f"{names[0]} -> {row.call}" if len(names) == 1 else f"({', '.join(names)}) -> {row.call}"
    if not isinstance(row.gives, str):
        yield several(declared, flow, row.gives)
        return
    if definition.public:
        given, before = BEFORE.get(str(row.takes), ("", ""))
        if before and not has_bias(definition):
            middle = f"{names[0]} -> {before}{row.call} -> dense(2)"
            yield f"input {names[0]}: {given}\noutput kind: class(2)\n\n{middle} -> kind\n"
        activated = f"{flow} -> relu" if has_bias(definition) and definition.takes == "float" else flow
        for after in AFTER:
            yield f"{declared}\noutput kind: class(3)\n\n{activated} -> {after} -> kind\n"
    yield f"{declared}\noutput y: {row.gives}\n\n{flow} -> y\n"


def several(declared: str, flow: str, gives: tuple[str, ...]) -> str:
    names = [f"y_{place}" for place in range(1, len(gives) + 1)]
    return f"{declared}\n{declare('output', names, gives)}\n\n{flow} -> ({', '.join(names)})\n"


def declare(word: str, names: list[str], types: tuple[str, ...]) -> str:
    """`input a, b: float[3]`: one line for each run of equal types."""
    groups = groupby(zip(names, types, strict=True), key=lambda pair: pair[1])
    return "\n".join(f"{word} {', '.join(name for name, _ in group)}: {type}" for type, group in groups)


def operand_names(definition: type[Operator], row: Example) -> list[str]:
    """The names of the operands; letters for variadic operators, and in expressions."""
    count, named = len(row.operands), definition.operand_names()
    if definition.public and count == 1:
        return ["x"]
    return list(named[:count] if definition.public and len(named) >= count else "abcdefgh"[:count])


def has_bias(definition: type[Operator]) -> bool:
    return "bias" in definition.settings


# --- other definitions ------------------------------------------------------------------------------------


def of_combinator(call: str) -> Iterator[str]:
    yield f"input x: float[8]\noutput kind: class(3)\n\nx -> {call} -> dense(3) -> kind\n"


def of_loss(call: str) -> Iterator[str]:
    """Specs with this loss, one for each type of output."""
    written = call if "(" in call else f"{call}(y)"
    for type, end in ENDS:
        yield f"input x: float[4]\noutput y: {type}\n\nx -> {end} -> y\n\ntrain {{ loss = {written} }}\n"


def of_initial(call: str) -> Iterator[str]:
    for activation in ("relu", "tanh", "selu"):
        flow = f"x -> dense(16, init={call}) -> {activation} -> dense(3) -> kind"
        yield f"input x: float[4]\noutput kind: class(3)\n\n{flow}\n"


def of_field(call: str) -> Iterator[str]:
    data = f'data {{\n  source = csv("rows.csv")\n  x = {call}\n}}'
    yield f"input x: float\noutput y: float\n\nx -> dense(1) -> y\n\n{data}\n"


def of_split(call: str) -> Iterator[str]:
    data = f'data {{\n  source = csv("rows.csv")\n  test = 0.2\n  split = {call}\n}}'
    yield f"input x: float[4]\noutput y: float\n\nx -> dense(16) -> relu -> dense(1) -> y\n\n{data}\n"


def of_block_call(name: str) -> Iterator[str]:
    """Specs that apply a block of `std` to an image."""
    for call in (name, f"{name}(16)"):
        flow = f"image -> conv(16, 3) -> {call} -> global_avgpool -> dense(3) -> kind"
        yield f"import {name} from std\n\ninput image: float[3, 32, 32]\noutput kind: class(3)\n\n{flow}\n"


def of_setting(definition: type[Definition], call: str) -> Iterator[str]:
    """Specs with the definition as the value of a section's setting."""
    validated = 'data {\n  source = csv("rows.csv")\n  validation = 0.2\n}\n\n'
    for (section, key), data, (type, end) in product(places(definition.family), ("", validated), ENDS):
        flow = f"input x: float[4]\noutput y: {type}\n\nx -> dense(16) -> relu -> {end} -> y\n"
        yield f"{flow}\n{data}{section} {{ {key} = {call} }}\n"


def places(of: str) -> list[tuple[str, str]]:
    """The settings of sections that take members of a family, without those of steps and phases, which are
    settings of `train` too."""
    return [
        (name, key)
        for name, section in family("section").items()
        if name not in ("step", "phase")
        for key, setting in section.settings.items()
        if of in setting.kind.families()
    ]
