"""Python expressions as trees: what is written, in the one layout that black and ruff keep."""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING, Any

from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

WIDTH = 88
# How strongly signs bind, from loosest; what is no sign binds strongest.
BINDS = {
    "or": 1,
    "and": 2,
    "not": 3,
    "<": 4,
    "<=": 4,
    ">": 4,
    ">=": 4,
    "==": 4,
    "!=": 4,
    "|": 5,
    "^": 6,
    "&": 7,
    "+": 8,
    "-": 8,
    "*": 9,
    "/": 9,
    "//": 9,
    "%": 9,
    "@": 9,
    "neg": 10,
    "~": 10,
    "**": 11,
}
PREFIX = {"neg": "-", "~": "~", "not": "not "}
ATOM = 12
# What PyTorch takes for these where they are not given; they are left out.
DEFAULTS: dict[str, tuple[Any, ...]] = {
    "stride": (1,),
    "padding": (0,),
    "output_padding": (0,),
    "dilation": (1,),
    "groups": (1,),
    "bias": (True,),
    "momentum": (0.1,),
    "eps": (1e-5,),
    "reduction": ("mean",),
    "weight": (None,),
    "label_smoothing": (0,),
    "delta": (1,),
    "approximate": ("none",),
    "num_layers": (1,),
    "bidirectional": (False,),
}


@record(eq=False)
class Code:
    """An expression. `value` and `parts` by kind:

    `text` source as it is; `number` a number, which a class may take as an argument; `local` a value of the
    body; `make` a module of a class of the file, by its frame; `call` function and arguments; `keyword` an
    argument by its name; `attribute` what it is of; `sign` operands; `index` what is indexed, and the keys;
    `slice`; `tuple`, `list`; `copies` an expression as often as the second part says, or for each
    `value` in it.
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
        """The tree with parts changed, from the top; none leaves one as it is and looks into it."""
        changed = change(self)
        if changed is not None:
            return changed
        parts = tuple(part.mapped(change) for part in self.parts)
        return (
            self
            if all(a is b for a, b in zip(parts, self.parts, strict=True))
            else Code(self.kind, self.value, parts)
        )

    def key(self, of: Callable[[Code], Any]) -> Any:
        """What two trees that are equal have in common; `of` gives the key of a leaf, or none."""
        own = of(self)
        return own if own is not None else (self.kind, self.value, *(part.key(of) for part in self.parts))


def text(source: str) -> Code:
    return Code("text", source)


def number(value: float) -> Code:
    return Code("number", value)


def call(function: Code, *arguments: Code, **named: Code) -> Code:
    keywords = (Code("keyword", name, (value,)) for name, value in named.items())
    return Code("call", None, (function, *arguments, *keywords))


def literal(value: Any) -> Code | None:
    """A static value as Python writes it; none for what is none."""
    if isinstance(value, Code):
        return value
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


# --- as text ----------------------------------------------------------------------------------------------


def quoted(value: str) -> str:
    """A string as Python writes it."""
    return repr(value) if '"' in value and "'" not in value else json.dumps(value, ensure_ascii=False)


def spell_number(value: float) -> str:
    if not isfinite(value):
        return f'float("{value}")'
    short = repr(round(value, 12))  # 0.4 for 0.3999999999999999
    return short if len(short) + 8 < len(repr(value)) and float(short) else repr(value)


def binds(code: Code) -> int:
    if code.kind == "number" and (code.value < 0 or str(code.value) == "-0.0"):
        return BINDS["neg"]
    return BINDS[code.value] if code.kind == "sign" else 0 if code.kind in ("copies", "choice") else ATOM


def inline(code: Code) -> str:
    """The expression on one line."""
    return WRITTEN[code.kind](code)


def within(code: Code, least: int) -> str:
    return inline(code) if binds(code) >= least else f"({inline(code)})"


def _sign(code: Code) -> str:
    strength = BINDS[code.value]
    if len(code.parts) == 1 and code.parts[0].kind == "sign" and code.parts[0].value == "**":
        return f"{PREFIX[code.value]}({inline(code.parts[0])})"
    if len(code.parts) == 1:
        return PREFIX[code.value] + within(code.parts[0], strength)
    first, second = code.parts
    right_first = code.value == "**"
    compares = strength == BINDS["<"]
    left = within(first, strength + (right_first or compares))
    right = within(
        second,
        strength if right_first and second.kind != "sign" else BINDS["neg"] if right_first else strength + 1,
    )
    return left + ("**" if right_first and simple(first) and simple(second) else f" {code.value} ") + right


def simple(code: Code) -> bool:
    """What black keeps close to `**`."""
    if code.kind == "attribute":
        return simple(code.parts[0]) and code.parts[0].kind != "number"
    if code.kind == "text":
        return all(part.isidentifier() for part in code.value.split("."))
    return code.kind in ("number", "local")


def _index(code: Code) -> str:
    keys = ", ".join(map(inline, code.parts[1:]))
    return f"{within(code.parts[0], ATOM)}[{keys}]"


def _slice(code: Code) -> str:
    parts = [None if part.kind == "text" and part.value == "None" else part for part in code.parts]
    plain = all(
        p is None or p.kind in ("local", "number") or (p.kind == "text" and p.value.isidentifier())
        for p in parts
    )
    written = ["" if p is None else inline(p) for p in parts]
    if written[2] == "":
        written = written[:2]
    if plain:
        return ":".join(written)
    return " : ".join(written).strip() if written[0] else ": " + " : ".join(written[1:])


def _call(code: Code) -> str:
    return f"{within(code.parts[0], ATOM)}({', '.join(map(inline, arguments(code)))})"


def arguments(code: Code) -> tuple[Code, ...]:
    """What stands in the brackets: keywords at PyTorch's own values left out."""
    return tuple(part for part in code.parts[1:] if not (part.kind == "keyword" and is_default(part)))


def is_default(keyword: Code) -> bool:
    value = static(keyword.parts[0])
    return any(
        value == d and isinstance(value, bool) == isinstance(d, bool) for d in DEFAULTS.get(keyword.value, ())
    )


def static(code: Code) -> Any:
    """The plain value that is written, itself where it is none."""
    if code.kind == "number":
        return code.value
    if code.kind == "tuple":
        return tuple(map(static, code.parts))
    words = {"None": None, "True": True, "False": False}
    if code.kind == "text" and code.value in words:
        return words[code.value]
    return code.value[1:-1] if code.kind == "text" and code.value[:1] == '"' else code


def _tuple(code: Code) -> str:
    return f"({', '.join(map(inline, code.parts))}{',' * (len(code.parts) == 1)})"


def _copies(code: Code) -> str:
    return f"{inline(code.parts[0])} {_over(code)}"


def _over(code: Code) -> str:
    return (
        f"for {code.value} in {inline(code.parts[1])}"
        if code.value
        else f"for _ in range({inline(code.parts[1])})"
    )


WRITTEN: dict[str, Callable[[Code], str]] = {
    "text": lambda code: code.value,
    "class": lambda code: code.value.name,
    "number": lambda code: spell_number(code.value),
    "local": lambda code: str(code.value),
    "call": _call,
    "keyword": lambda code: f"{code.value}={inline(code.parts[0])}",
    "attribute": lambda code: f"{within(code.parts[0], ATOM)}.{code.value}",
    "sign": _sign,
    "index": _index,
    "slice": _slice,
    "tuple": _tuple,
    "list": lambda code: f"[{', '.join(map(inline, code.parts))}]",
    "named": lambda code: f"{code.value}={inline(code.parts[0])}",
    "choice": lambda code: "{1} if {0} else {2}".format(*(within(part, 1) for part in code.parts)),
    "star": lambda code: f"*({inline(code.parts[0])})",
    "copies": _copies,
}


LONG = ("call", "tuple", "list", "keyword", "named", "star", "attribute", "sign")


def lines(code: Code, indent: int, before: str = "", after: str = "") -> list[str]:
    """The expression as a statement, over several lines where one is too short: an argument on each."""
    margin = " " * indent
    whole = f"{margin}{before}{inline(code)}{after}"
    if len(whole) <= WIDTH or code.kind not in LONG:
        return [whole]
    if code.kind == "sign" and len(code.parts) == 2 and not before.strip():
        first = lines(code.parts[0], indent, before)
        return [*first, *lines(code.parts[1], indent, f"{code.value} ", after)]
    if code.kind == "sign":
        return [whole]
    if code.kind in ("keyword", "named"):
        return lines(code.parts[0], indent, f"{before}{code.value}=", after)
    if code.kind == "attribute":
        return lines(code.parts[0], indent, before, f".{code.value}{after}")
    if code.kind == "call":
        inner, opened, closed = arguments(code), f"{within(code.parts[0], ATOM)}(", ")"
    elif code.kind == "star":
        inner, opened, closed = code.parts, "*(", ")"
    else:
        inner, (opened, closed) = code.parts, "()" if code.kind == "tuple" else "[]"
    if len(inner) == 1 and inner[0].kind == "copies":
        return [f"{margin}{before}{opened}", *_generator(inner[0], indent + 4), f"{margin}{closed}{after}"]
    together = f"{' ' * (indent + 4)}{', '.join(map(inline, inner))}"
    if code.kind == "call" and len(together) <= WIDTH:
        return [f"{margin}{before}{opened}", together, f"{margin}{closed}{after}"]
    comma = "," if len(inner) > 1 or code.kind == "tuple" else ""
    body = [line for part in inner for line in lines(part, indent + 4, "", comma)]
    return [f"{margin}{before}{opened}", *body, f"{margin}{closed}{after}"]


def _generator(code: Code, indent: int) -> list[str]:
    whole = f"{' ' * indent}{inline(code)}"
    if len(whole) <= WIDTH:
        return [whole]
    return [*lines(code.parts[0], indent), f"{' ' * indent}{_over(code)}"]


def signature(head: str, given: Sequence[str], *, tail: str = ":") -> list[str]:
    """The first lines of a function."""
    whole = f"{head}({', '.join(given)}){tail}"
    if len(whole) <= WIDTH:
        return [whole]
    margin = " " * (len(head) - len(head.lstrip()))
    together = f"{margin}    {', '.join(given)}"
    inner = [together] if len(together) <= WIDTH else [f"{margin}    {name}," for name in given]
    return [f"{head}(", *inner, f"{margin}){tail}"]
