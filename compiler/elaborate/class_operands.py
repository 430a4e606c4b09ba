"""Class values compared with a number or a name of theirs: `kind == "setosa"`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.parameter_types import describe
from dlc.compiler.diagnostics.quoting import listed, shorten
from dlc.compiler.elaborate.tensor_operands import operand
from dlc.compiler.elaborate.values import Operand
from dlc.compiler.ir.graph import Value

if TYPE_CHECKING:
    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.elaborate.context import Evaluator
    from dlc.compiler.types import Classes

INVALID = "E0211"


def compared(ev: Evaluator, symbol: str, value: Any, other: Any, span: Span) -> Operand:
    """One side of an infix operator, whose other side may be a class value."""
    classes = other.type.classes if isinstance(other, Value) and other.type.element == "class" else None
    if classes is None or symbol not in ("==", "!=") or isinstance(value, (bool, float)):
        return operand(ev, value, span)
    if value in other.type.ignore and value != classes.unknown:
        raise ev.fail(INVALID, span, f"{describe(value)} is an ignored value, not a class",
                      help="`OUTPUT.valid` is true where the target of `OUTPUT` counts")  # fmt: skip
    if isinstance(value, str):
        return Operand(index_of(ev, classes, value, span), span)
    if isinstance(value, int) and isinstance(classes.count, int):
        check_number(ev, classes, value, span)
    return operand(ev, value, span)


def index_of(ev: Evaluator, classes: Classes, name: str, span: Span) -> int:
    """The index of the class with a name. The names of `class(auto)` are not known until the data is read;
    until then it is 0, and nothing is computed with it."""
    if not isinstance(classes.count, int):
        return 0
    if classes.names is None:
        raise ev.fail(INVALID, span, f'{numbers_of(classes)}, found "{shorten(name, 60)}"',
                      help=f"write `{name}`" if name in classes.texts else "")  # fmt: skip
    if name in classes.names:
        return classes.names.index(name)
    near, _ = ev.state.nearest.suggestion(name, lambda: classes.names or ())
    help = f'write `"{near}"`' if near else f"the classes are {listed(classes.names)}"
    raise ev.fail(INVALID, span, f'there is no class "{shorten(name, 60)}"', help=help)


def check_number(ev: Evaluator, classes: Classes, number: int, span: Span) -> None:
    """Reject a number that is neither a class nor that of unknown values."""
    if classes.names is None:
        known, unknown = classes.numbers or (), classes.unknown
    else:
        known, unknown = range(len(classes.names)), -1
    if number not in known and number != unknown:
        raise ev.fail(INVALID, span, f"there is no class {number}", help=numbers_of(classes))


def numbers_of(classes: Classes) -> str:
    if classes.names is not None:
        return f"the classes have the numbers 0 to {len(classes.names) - 1}"
    if classes.labels is None:
        return f"the classes are the numbers 0 to {classes.texts[-1]}"
    return f"the classes are {listed(classes.texts, '{}')}"
