"""Python expression trees, printed in the layout of black and ruff."""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING, Any

from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

WIDTH = 88
# Operator precedence; a higher number binds tighter.
PRECEDENCE = {
    "<": 4, "<=": 4, ">": 4, ">=": 4, "==": 4, "!=": 4, "|": 5, "^": 6, "&": 7, "+": 8, "-": 8,
    "*": 9, "/": 9, "//": 9, "%": 9, "@": 9, "neg": 10, "~": 10, "**": 11, "not": 3, "and": 2, "or": 1,
}  # fmt: skip
PREFIX = {"neg": "-", "~": "~", "not": "not "}
ATOM = 12
# Keyword arguments at these defaults of PyTorch are omitted.
DEFAULTS: dict[str, Any] = {
    "stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1, "bias": True, "momentum": 0.1,
    "eps": 1e-5, "reduction": "mean", "weight": None, "label_smoothing": 0, "delta": 1, "approximate": "none",
}  # fmt: skip


@record(eq=False)
class Code:
    """An expression. `value` and `parts` by kind:

    `text` source code; `number` a number, which can become an argument of a class; `local` a value of the
    body; `member` a module or weight of the class; `entry` the module of a loop variable; `make` the
    construction of a module from its frame; `class` a class of the file; `call` function and arguments;
    `keyword` a keyword argument; `attribute` the object; `operator` the operands; `index` the object and the
    keys; `conditional` the value if so, the condition and the value if not; `slice`; `tuple`, `list`, `dict`
    of `item`s; `unpacked` a tuple without brackets; `copies` an expression and the number of its copies, for
    a comprehension.
    """

    kind: str
    value: Any = None
    parts: tuple[Code, ...] = ()

    def walk(self) -> Iterator[Code]:
        waiting: list[Code] = [self]
        while waiting:
            code = waiting.pop()
            yield code
            waiting += reversed(code.parts)

    def mapped(self, change: Callable[[Code], Code | None]) -> Code:
        """The tree with parts replaced, from the root. If `change` gives None, its parts are visited."""
        changed = change(self)
        if changed is not None:
            return changed
        parts = tuple(part.mapped(change) for part in self.parts)
        same = all(a is b for a, b in zip(parts, self.parts, strict=True))
        return self if same else Code(self.kind, self.value, parts)

    def key(self, of: Callable[[Code], Any]) -> Any:
        """A key that equal trees share. `of` may give another key for a part, or None."""
        own = of(self)
        return own if own is not None else (self.kind, self.value, *(part.key(of) for part in self.parts))


def text(source: str) -> Code:
    return Code("text", source)


def number(value: float) -> Code:
    return Code("number", value)


def call(function: Code, *arguments: Code, **named: Code) -> Code:
    keywords = (Code("keyword", name, (value,)) for name, value in named.items())
    return Code("call", None, (function, *arguments, *keywords))


def attribute(of: Code, name: str) -> Code:
    return Code("attribute", name, (of,))


def literal(value: Any) -> Code | None:
    """A Python literal. None if the value has no literal."""
    if value is None or isinstance(value, bool) or value is Ellipsis:
        return text("..." if value is Ellipsis else str(value))
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, str):
        return text(quoted(value))
    if isinstance(value, (tuple, list)):
        parts = [part for part in map(literal, value) if part is not None]
        kind = "tuple" if isinstance(value, tuple) else "list"
        return Code(kind, None, (*parts,)) if len(parts) == len(value) else None
    return None


# --- one line ---------------------------------------------------------------------------------------------


def quoted(value: str) -> str:
    """A string literal."""
    return repr(value) if '"' in value and "'" not in value else json.dumps(value, ensure_ascii=False)


def number_text(value: float) -> str:
    if not isfinite(value):
        return f'float("{value}")'
    short = repr(round(value, 12))  # 0.4 for 0.3999999999999999
    return short if len(short) + 8 < len(repr(value)) and float(short) else repr(value)


def inline(code: Code) -> str:
    """The expression on one line."""
    return PRINTERS[code.kind](code)


def precedence(code: Code) -> int:
    if code.kind == "number" and (code.value < 0 or str(code.value) == "-0.0"):
        return PRECEDENCE["neg"]
    if code.kind == "operator":
        return PRECEDENCE[code.value]
    return 0 if code.kind in ("copies", "conditional") else ATOM


def parenthesized(code: Code, minimum: int) -> str:
    return inline(code) if precedence(code) >= minimum else f"({inline(code)})"


def _operator(code: Code) -> str:
    level = PRECEDENCE[code.value]
    first = code.parts[0]
    if len(code.parts) == 1:
        of_power = first.kind == "operator" and first.value == "**"
        return PREFIX[code.value] + (f"({inline(first)})" if of_power else parenthesized(first, level))
    second = code.parts[1]
    if code.value == "**":
        right = parenthesized(second, level if second.kind != "operator" else PRECEDENCE["neg"])
        operator = "**" if is_simple(first) and is_simple(second) else " ** "
        return parenthesized(first, level + 1) + operator + right
    compares = level == PRECEDENCE["<"]
    return f"{parenthesized(first, level + compares)} {code.value} {parenthesized(second, level + 1)}"


def is_simple(code: Code) -> bool:
    """Whether ruff omits the spaces around `**` next to it."""
    if code.kind == "attribute":
        return is_simple(code.parts[0]) and code.parts[0].kind != "number"
    if code.kind == "text":
        return all(part.isidentifier() for part in code.value.split("."))
    return code.kind in ("number", "local", "member")


def _slice(code: Code) -> str:
    parts = ["" if part.kind == "text" and part.value == "None" else inline(part) for part in code.parts]
    parts = parts[:2] if not parts[2] else parts
    plain = all(part.isidentifier() or part.lstrip("-").isdigit() for part in parts if part)
    if plain:
        return ":".join(parts)
    return " : ".join(parts).strip() if parts[0] else ": " + " : ".join(parts[1:])


def arguments(code: Code) -> tuple[Code, ...]:
    """The arguments of a call, without keywords at the defaults of PyTorch."""
    if code.parts[0].kind == "class":
        return code.parts[1:]
    return tuple(p for p in code.parts[1:] if not (p.kind == "keyword" and is_default(p.value, p.parts[0])))


def is_default(name: str, code: Code) -> bool:
    default = literal(DEFAULTS[name]) if name in DEFAULTS else None
    return default is not None and (code.kind, code.value) == (default.kind, default.value)


def _call(code: Code) -> str:
    return f"{parenthesized(code.parts[0], ATOM)}({', '.join(map(inline, arguments(code)))})"


def _tuple(code: Code) -> str:
    return f"({', '.join(map(inline, code.parts))}{',' * (len(code.parts) == 1)})"


PRINTERS: dict[str, Callable[[Code], str]] = {
    "text": lambda code: code.value,
    "class": lambda code: code.value.name,
    "number": lambda code: number_text(code.value),
    "local": lambda code: str(code.value),
    "member": lambda code: f"self.{code.value}",
    "entry": lambda code: code.value,
    "call": _call,
    "keyword": lambda code: f"{code.value}={inline(code.parts[0])}",
    "attribute": lambda code: f"{parenthesized(code.parts[0], ATOM)}.{code.value}",
    "operator": _operator,
    "index": lambda code: f"{parenthesized(code.parts[0], ATOM)}[{', '.join(map(inline, code.parts[1:]))}]",
    "conditional": lambda code: "{} if {} else {}".format(*map(inline, code.parts)),
    "slice": _slice,
    "tuple": _tuple,
    "unpacked": lambda code: ", ".join(map(inline, code.parts)) if len(code.parts) > 1 else _tuple(code),
    "list": lambda code: f"[{', '.join(map(inline, code.parts))}]",
    "dict": lambda code: f"{{{', '.join(map(inline, code.parts))}}}",
    "item": lambda code: f"{quoted(code.value)}: {inline(code.parts[0])}",
    "copies": lambda code: f"{inline(code.parts[0])} for _ in range({inline(code.parts[1])})",
}


# --- several lines ----------------------------------------------------------------------------------------


BRACKETS = {"tuple": "()", "unpacked": "()", "list": "[]", "dict": "{}"}


def lines(code: Code, indent: int, before: str = "", after: str = "") -> list[str]:
    """The expression as a statement. If it is too long for one line, each argument has its own line."""
    margin = " " * indent
    whole = f"{margin}{before}{inline(code)}{after}"
    if len(whole) <= WIDTH:
        return [whole]
    if code.kind in ("keyword", "item"):
        name = f"{code.value}=" if code.kind == "keyword" else f"{quoted(code.value)}: "
        return lines(code.parts[0], indent, before + name, after)
    if code.kind == "index" and code.parts[0].kind == "call":
        return lines(code.parts[0], indent, before, f"[{', '.join(map(inline, code.parts[1:]))}]{after}")
    if code.kind == "call":
        inner, opened, closed = arguments(code), f"{parenthesized(code.parts[0], ATOM)}(", ")"
    elif code.kind in BRACKETS:
        inner, (opened, closed) = code.parts, BRACKETS[code.kind]
    else:
        return [whole]
    if len(f"{margin}{before}{opened}") > WIDTH and before.endswith(" = "):
        return [f"{margin}{before}(", *lines(code, indent + 4, "", after), f"{margin})"]
    together = f"{margin}    {', '.join(map(inline, inner))}"
    if len(together) <= WIDTH and (code.kind == "call" or inner[0].kind == "copies"):
        return [f"{margin}{before}{opened}", together, f"{margin}{closed}{after}"]
    comma = "," if len(inner) > 1 or code.kind in ("tuple", "unpacked", "dict") else ""
    body = [line for part in inner for line in lines(part, indent + 4, "", comma)]
    return [f"{margin}{before}{opened}", *body, f"{margin}{closed}{after}"]


def signature(head: str, given: Sequence[str]) -> list[str]:
    """The signature of a function, on several lines if it is too long for one."""
    whole = f"{head}({', '.join(given)}):"
    if len(whole) <= WIDTH:
        return [whole]
    margin = " " * (len(head) - len(head.lstrip()))
    together = f"{margin}    {', '.join(given)}"
    inner = [together] if len(together) <= WIDTH else [f"{margin}    {name}," for name in given]
    return [f"{head}(", *inner, f"{margin}):"]
