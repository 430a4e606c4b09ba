"""Examples of operators in the way of steps: operands that have one of the sizes of the example are made of
`h`, the steps of a decoder, the others of `m`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from test_examples import OPERATORS

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.dims.dim import has_free
from dlc.compiler.operators.base import Example
from dlc.compiler.types import Tensor

PROBE = """input seen: class(9)[S]
m = seen -> embedding(8) -> mean(axis=0)
input fed: class(8)[T]
h = (fed -> embedding(12)) + dense(m, 12)
"""
FED = "shift(said.target)"  # the class of each step


@dataclass(frozen=True)
class Case:
    """An example whose axes of this size are the steps."""

    operator: str
    row: Example
    size: str

    @property
    def label(self) -> str:
        return f"{self.row.call} along {self.size} of {', '.join(self.row.operands)}"


def cases() -> Iterator[Case]:
    for name, operator in sorted(OPERATORS.items()):
        for row in operator.examples:
            shapes = [parts(type)[1] for type in row.operands]
            sizes = {size for shape in shapes for size in shape if re.fullmatch(r"\w+", size)}
            yield from (Case(name, row, size) for size in sorted(sizes) if not row.rejects)


def parts(type: str) -> tuple[str, list[str]]:
    """The element and the sizes of a type as text."""
    element, _, shape = type.rstrip("]").partition("[")
    return element, [size.strip() for size in shape.split(",")] if shape else []


def lines(case: Case, prefix: str = "") -> str | None:
    """Lines that apply the example to steps, with the result `PREFIXz`, `[steps, 5]`; none if its operands
    cannot be made of them."""
    called = applied(case, prefix)
    if called is None:
        return None
    probe = compile(Source("probe.dl", PROBE + called.replace(FED, "fed") + "\n"))
    made = probe.bindings[f"{prefix}y"]
    types = [value.type for value in (made if isinstance(made, tuple) else (made,))]
    names = [f"{prefix}y[{i}]" for i in range(len(types))] if isinstance(made, tuple) else [f"{prefix}y"]
    if any(type.element == "string" for type in types):
        return None
    terms = [
        f"{prefix}z{i} = {scored(name, type)}"
        for i, (name, type) in enumerate(zip(names, types, strict=True))
    ]
    total = " + ".join(f"{prefix}z{i}" for i in range(len(terms)))
    return "\n".join([called, *terms, f"{prefix}z = {total} + dense(h, 5) * 0"])


def applied(case: Case, prefix: str) -> str | None:
    """Lines that make the operands and apply the example."""
    types = [parts(type) for type in case.row.operands]
    free = sorted({s for _, shape in types for s in shape if s.isidentifier() and s != case.size})
    known = {name: str(2 + place) for place, name in enumerate(free)}
    found, names = [], []
    for letter, (element, shape) in zip("abcdefgh", types, strict=False):
        sizes = ["T" if size == case.size else known.get(size, size) for size in shape]
        value = operand(element, sizes, f"{prefix}{letter}", case.row.low)
        if value is None:
            return None
        found += value
        names.append(f"{prefix}{letter}_")
    call = re.sub(
        r"\b[A-Z]\w*\b", lambda m: "T" if m[0] == case.size else known.get(m[0], m[0]), case.row.call
    )
    if OPERATORS[case.operator].public:
        flows = f"({', '.join(names)})" if len(names) > 1 else names[0]
        return "\n".join([*found, f"{prefix}y = {flows} -> {call}"])
    places = dict(zip("abcdefgh", names, strict=False))
    flow = re.sub(r"\b[a-h]\b", lambda m: places.get(m[0], m[0]), call)
    return "\n".join([*found, f"{prefix}y = {flow}"])


def operand(element: str, sizes: Sequence[str], name: str, low: float) -> list[str] | None:
    """Lines that make the operand `NAME_`; its numbers are positive if the example takes none below 0, and
    whole numbers are not below its least."""
    if (
        any(not size.isdigit() and size != "T" for size in sizes)
        or sizes.count("T") > 1
        or element == "string"
    ):
        return None
    if element.startswith("class"):
        return [f"{name}_ = {FED}"] if [*sizes] == ["T"] else None
    others = [size for size in sizes if size != "T"]
    count = 1
    for size in others:
        count *= int(size)
    if "T" in sizes:
        order, at = [*range(1, len(sizes))], [*sizes].index("T")
        order.insert(at, 0)
        moved = f"transpose({', '.join(map(str, order))})"
        made = f"h -> dense({count}) -> reshape({', '.join(['-1', *others])}) -> {moved}"
    else:
        made = f"m -> dense({count}) -> reshape({', '.join(sizes)})" if sizes else "dense(m, 1)[0]"
    number = f"abs({name}) + {max(low, 0.1)}" if low >= 0 else name
    whole = f"({name} > 0) * 2 + ({name} > 0.7)" + (f" + {low:g}" if low >= 1 else "")
    cast = {"float": number, "bool": f"{name} > 0"}.get(element, whole)
    return [f"{name} = {made}", f"{name}_ = {cast}"]


def scored(name: str, type: Tensor) -> str:
    """Five scores for each step, or for all of them."""
    shape, steps = [*type.shape], [axis for axis, size in enumerate(type.shape) if has_free(size)]
    value = f"({name}) * 1.0"
    if type.element == "class":
        value, shape = f"{name} -> embedding(3)", [*shape, 3]
    if len(steps) != 1 or str(shape[steps[0]]) != "T":
        means = "".join(f" -> mean(axis={axis})" for axis in reversed(steps))
        return f"{value}{means} -> reshape(-1) -> dense(5)"
    order = [steps[0], *(axis for axis in range(len(shape)) if axis != steps[0])]
    count = 1
    for axis in order[1:]:
        count *= int(str(shape[axis]))
    moved = f" -> transpose({', '.join(map(str, order))})"
    return f"{value}{moved} -> reshape(-1, {count}) -> dense(5)"


def usable(case: Case, prefix: str = "") -> str | None:
    """Its lines, if its types can be those of steps."""
    try:
        return lines(case, prefix)
    except CompileError:
        return None
