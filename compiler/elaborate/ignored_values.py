"""`ignore=` in the type of an output: the target values that do not count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions.parameter_types import LARGEST_FLOAT, describe
from dlc.compiler.diagnostics.suggest import nearest
from dlc.compiler.elaborate import members

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.elaborate.context import Evaluator
    from dlc.compiler.types import Classes, Tensor

    Ignored = tuple[float | str | None, ...]

WORD = "ignore"
MISSING = "missing"  # NaN, null and empty cells; None in `Tensor.ignore`
NAMES_OF_MISSING = ("nan", "na", "null", "nil")
NAMED = ("class", "binary")  # elements whose values may have names
MAX_IGNORED = 1000
LARGEST = 2**63


def split(
    ev: Evaluator, arguments: Sequence[syntax.Argument], is_target: bool
) -> tuple[tuple[syntax.Argument, ...], syntax.Argument | None]:
    """The arguments of a type without `ignore=`, and that argument."""
    found = [a for a in arguments if a.name == WORD]
    spans = [a.name_span or a.value.span for a in found]
    if len(found) > 1:
        raise ev.fail("E0402", spans[1], "`ignore` is given twice",
                      help="several values are a list: `ignore=[0, 255]`")  # fmt: skip
    if found and not is_target:
        raise ev.fail("E0210", spans[0], "only the values of a target can be ignored",
                      help="write it in the type of an output; `impute` fills in the missing values of an "
                           "input")  # fmt: skip
    return tuple(a for a in arguments if a.name != WORD), found[0] if found else None


def read(ev: Evaluator, argument: syntax.Argument, type: Tensor) -> Ignored:
    """The ignored values: numbers, texts, and None for `missing`."""
    expr = argument.value
    items = expr.items if isinstance(expr, syntax.ListExpr) else (expr,)
    values = tuple(dict.fromkeys(v for item in items for v in values_of(ev, item, type)))
    if not 0 < len(values) <= MAX_IGNORED:
        raise ev.fail("E0404", expr.span, f"`ignore` takes 1 to {MAX_IGNORED} values, found {len(values)}")
    counted = counted_values(type, values)
    if counted is not None and counted < 2:
        left = "only one value" if counted else "no value"
        raise ev.fail("E0211", expr.span, f"`ignore` leaves {left} of `{type.element}` that counts",
                      help="ignore only values that mark entries without a label")  # fmt: skip
    return values


def meant(name: str) -> str:
    """The fix for a setting of a type that is probably `ignore`."""
    return f"write `{WORD}`" if name == "ignore_index" or nearest(name, (WORD,)) else ""


def values_of(ev: Evaluator, item: syntax.Expr, type: Tensor) -> Ignored:
    if isinstance(item, syntax.Name):
        if item.id == MISSING:
            return (None,)
        if not is_name(type.classes, item.id) and not members.known(ev, item.id):
            check_missing(ev, item, type)
        if type.element in NAMED and (is_name(type.classes, item.id) or not members.known(ev, item.id)):
            return (item.id,)
    value = ev.evaluate(item)
    values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    return tuple(accepted(ev, item, type, found) for found in values)


def check_missing(ev: Evaluator, item: syntax.Name, type: Tensor) -> None:
    """Reject a misspelled `missing`, and its names in other languages."""
    if item.id.lower() in NAMES_OF_MISSING or nearest(item.id, (MISSING,)):
        text = f', and `"{item.id}"` for that text' if type.element in NAMED else ""
        raise ev.fail("E0403", item.span, f"`ignore` takes {kinds_of(type)}, found `{item.id}`",
                      help=f"write `{MISSING}` for NaN, null and empty cells{text}")  # fmt: skip


def accepted(ev: Evaluator, item: syntax.Expr, type: Tensor, found: Any) -> float | str:
    """The value, if it can be one of the type."""
    if isinstance(found, str) and type.element in NAMED:
        return found
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise ev.fail("E0403", item.span, f"`ignore` takes {kinds_of(type)}, found {describe(found)}",
                      help="write `missing` for NaN, null and empty cells"
                           if found is None else "")  # fmt: skip
    if type.is_float and abs(found) <= LARGEST_FLOAT:
        return found if abs(found) < LARGEST else float(found)
    if type.is_float or found % 1 or abs(found) >= LARGEST:
        wanted = "finite numbers" if type.is_float else "whole numbers of 64 bits"
        raise ev.fail("E0403", item.span, f"{type.element} has {wanted}, found {found}")
    return int(found)


def kinds_of(type: Tensor) -> str:
    return "a number, a name or `missing`" if type.element in NAMED else "a number or `missing`"


def is_name(classes: Classes | None, word: str) -> bool:
    return classes is not None and classes.names is not None and word in classes.names


def counted_values(type: Tensor, ignored: Ignored) -> int | None:
    """The number of declared values that are not ignored; None if the type does not list its values."""
    if type.element == "bool":
        return len({0, 1} - {*ignored})
    classes = type.classes
    if classes is None or classes.found_in or not isinstance(classes.count, int):
        return None
    named = {classes.names.index(v) for v in ignored if classes.names and v in classes.names}
    return classes.count - len(named | {v for v in ignored if v in range(classes.count)})
