"""What an operator computes several times is computed once, and has a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.lower.pytorch_source.code import Code
from dlc.compiler.lower.pytorch_source.frames import Let

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

HELD = ("call", "sign", "index", "attribute")
# Functions and methods that draw.
DRAWING = (
    "F.dropout",
    "sample",
    "torch.bernoulli",
    "torch.normal",
    "torch.rand",
    "torch.rand_like",
    "torch.randn",
    "torch.randn_like",
    "uniform_",
)


class Temporary:
    """A value that an operator computes on its way."""


class Computed:
    """A number for what an expression computes; what draws is another each time that it is written."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}  # by identity, as expressions are large and share their parts
        self._numbers: dict[Any, int] = {}

    def __call__(self, code: Code) -> int:
        if id(code) not in self._known:
            function = code.parts[0] if code.kind == "call" else code
            draws = function.kind in ("text", "attribute") and function.value in DRAWING
            key = id(code) if draws else (code.kind, type(code.value), code.value, *map(self, code.parts))
            self._known[id(code)] = self._numbers.setdefault(key, len(self._numbers))
        return self._known[id(code)]


def hoisted(codes: list[Code], body: list[Any]) -> list[Code]:
    """The expressions with names for what they share, which is made in statements of the body."""
    if len(codes) > 1 and split_at(codes):
        return codes
    seen: dict[int, int] = {}
    held: dict[int, Code] = {}
    what = Computed()

    def count(code: Code) -> None:
        key = what(code)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] == 1:
            for part in within(code):
                count(part)

    def hoist(code: Code) -> Code:
        key = what(code)
        if code.kind not in HELD or seen.get(key, 0) < 2 or not any(map(is_work, code.walk())):
            return rebuilt(code, hoist)
        if key not in held:
            target = Temporary()
            body.append(Let((target,), rebuilt(code, hoist)))
            held[key] = Code("local", target)
        return held[key]

    for code in codes:
        count(code)
    return [hoist(code) for code in codes]


def within(code: Code) -> Iterable[Code]:
    """The parts of an expression; of a method what it is of, as it is no value by itself."""
    if is_method(code):
        return (*code.parts[0].parts, *code.parts[1:])
    return code.parts


def rebuilt(code: Code, change: Callable[[Code], Code]) -> Code:
    if is_method(code):
        method = code.parts[0]
        function = Code("attribute", method.value, tuple(map(change, method.parts)))
        return Code("call", code.value, (function, *map(change, code.parts[1:])))
    return Code(code.kind, code.value, tuple(map(change, code.parts))) if code.parts else code


def is_method(code: Code) -> bool:
    return code.kind == "call" and code.parts[0].kind == "attribute"


def is_work(code: Code) -> bool:
    """Whether it takes time to compute; the number of samples takes none."""
    return code.kind == "call" and not (code.parts[0].kind == "text" and code.parts[0].value == "len")


def split_at(codes: list[Code]) -> Code | None:
    """The one expression whose entries these are, in order."""
    first = codes[0]
    if all(
        c.kind == "index"
        and len(c.parts) == 2
        and c.parts[0] is first.parts[0]
        and c.parts[1].kind == "number"
        and c.parts[1].value == i
        for i, c in enumerate(codes)
    ):
        return first.parts[0]
    return None
