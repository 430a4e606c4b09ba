"""Declarations: names, types and weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.definitions import aliases
from dlc.compiler.definitions.definition import STAGES, Definition
from dlc.compiler.definitions.initializers import Full, Initializer
from dlc.compiler.definitions.parameter_types import MemberOf, describe
from dlc.compiler.definitions.unimplemented import unimplemented_words
from dlc.compiler.diagnostics.diagnostic import Label
from dlc.compiler.diagnostics.suggest import did_you_mean
from dlc.compiler.dims.dim import Dim, class_count, has_free
from dlc.compiler.elaborate import arguments, ignored_values, members
from dlc.compiler.elaborate.scope import FUNCTIONS, UNRESERVED, find_operator, is_public
from dlc.compiler.elaborate.tensor_operands import constant
from dlc.compiler.elaborate.values import Halt, InputRef, OutputRef, is_tensor
from dlc.compiler.ir.graph import Value
from dlc.compiler.operators.base import WeightSpec
from dlc.compiler.static import is_numbers
from dlc.compiler.types import ELEMENTS, MAX_CLASSES, Classes, Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.elaborate.context import Evaluator

MAX_DIMS = 8
NAMED = (syntax.Param, syntax.Output, syntax.Weight, syntax.Block, syntax.AverageNet)


# --- names ------------------------------------------------------------------------------------------------


def check_name(ev: Evaluator, ident: syntax.Ident, *, binding: bool = False) -> None:
    """Reject a name of the language and, for a binding, a name that is declared."""
    name, file = ident.id, ev.scope.file
    families = [f for f in (*STAGES, "initial") if name in Definition.families[f] and is_public(f, name)]
    reserved = families or name in FUNCTIONS or name in unimplemented_words("operator", "loss")
    if reserved and name not in UNRESERVED:
        family = families[0] if families else "operator"
        what = "a function" if name in FUNCTIONS else Definition.spoken[family]
        raise ev.fail("E0302", ident.span,
                      f"`{name}` is {what} of the language and cannot name anything else",
                      help=f"choose another name, such as `{name}_` or `my_{name}`")  # fmt: skip
    if binding and ev.scope.top and file.knows(name):
        stays = "an input cannot be rebound: choose another name for the new value"
        raise ev.fail("E0303", ident.span, f"`{name}` is declared already",
                      more=[Label(file.declared[name], "declared here")],
                      help=stays if name in file.inputs else "choose another name")  # fmt: skip


def declare_names(ev: Evaluator, tree: syntax.File) -> None:
    """Record the names that a file declares, in the order of its lines. Each has to be unique."""
    for statement in tree.body:
        for ident in declares(statement):
            try:
                declare_name(ev, ident)
            except Halt:
                ev.scope.file.rejected.add(ident)


def declare_name(ev: Evaluator, ident: syntax.Ident) -> None:
    check_name(ev, ident)
    first = ev.scope.file.declared.setdefault(ident.id, ident.span)
    if first is not ident.span:
        raise ev.fail(
            "E0303",
            ident.span,
            f"`{ident.id}` is declared twice",
            help="choose another name",
            more=[Label(first, "declared first here")],
        )


def declares(statement: syntax.Statement) -> tuple[syntax.Ident, ...]:
    """The names that a statement declares in the whole file."""
    if isinstance(statement, (syntax.Import, syntax.Input)):
        group = getattr(statement, "group", None)
        return (*statement.names, *([group] if group else []))
    return (statement.name,) if isinstance(statement, NAMED) else ()


def require_valid(ev: Evaluator, ident: syntax.Ident) -> None:
    """Raise `Halt` for a declaration whose name was rejected."""
    if ident in ev.scope.file.rejected:
        raise Halt


# --- types ------------------------------------------------------------------------------------------------


def read_type(ev: Evaluator, expr: syntax.Expr, field: str, *, is_target: bool = False) -> Tensor:
    """A declared type. `field` is the name of its input, target or weight."""
    dims: tuple[syntax.Expr, ...] = ()
    if isinstance(expr, syntax.Index):
        expr, dims = expr.value, expr.items
    head = expr.function if isinstance(expr, syntax.Call) else expr
    if not isinstance(head, syntax.Name):
        help = f"write `float{expr.span.text}`" if isinstance(expr, syntax.ListExpr) else ""
        raise ev.fail(
            "E0210", expr.span, "expected a type, such as `float[28, 28]` or `class(10)`", help=help
        )
    if head.id not in ELEMENTS:
        raise ev.fail("E0210", head.span, f"there is no type `{head.id}`",
                      help=aliases.type_(head.id, called=isinstance(expr, syntax.Call))
                           or did_you_mean(head.id, ELEMENTS)
                           or f"types are {', '.join(ELEMENTS)}")  # fmt: skip
    if dims and (stands_for := dims[0].span.text) in aliases.BATCH and not is_known(ev, stands_for):
        alone = "; a size that is not known has a name, such as `T`" if len(dims) == 1 else ": leave it out"
        raise ev.fail("E0210", dims[0].span, f"a type holds the sizes of one sample, found `{stands_for}`",
                      help=f"the batch is never written{alone}")  # fmt: skip
    shape = tuple(dimension(ev, d) for d in dims)
    if len(shape) > MAX_DIMS:
        raise ev.fail("E0210", expr.span, f"a type has at most {MAX_DIMS} dimensions, found {len(shape)}")
    if not isinstance(expr, syntax.Call):
        return read_element(ev, expr, head.id, shape, None, field)
    arguments, ignore = ignored_values.split(ev, expr.arguments, is_target)
    type = read_element(ev, expr, head.id, shape, arguments or (None if ignore else ()), field)
    return replace(type, ignore=ignored_values.read(ev, ignore, type)) if ignore else type


def read_element(ev: Evaluator, expr: syntax.Expr, element: str, shape: tuple, arguments: Any,
                 field: str) -> Tensor:  # fmt: skip
    """The type with this element; `arguments` are None without parentheses."""
    if element == "class":
        classes = read_classes(ev, expr, arguments, field)
        return Tensor("class", shape, classes.with_end() if field in ev.state.ended else classes)
    if element == "binary":
        return Tensor("binary", shape, Classes(2, binary_names(ev, expr, arguments)))
    if arguments is not None:
        for odd in (a for a in arguments if a.name):
            raise ev.fail("E0402", odd.name_span or expr.span, f"`{element}` has no setting `{odd.name}`",
                          help=ignored_values.meant(odd.name)
                               or "the only one is `ignore=`, for outputs")  # fmt: skip
        sizes = ", ".join(a.value.span.text for a in arguments)
        raise ev.fail(
            "E0210",
            expr.span,
            f"`{element}` takes no parentheses",
            help=f"a shape is written in `[ ]`: write `{element}[{sizes}]`",
        )
    return Tensor(element, shape)


def dimension(ev: Evaluator, expr: syntax.Expr) -> Any:
    for name in free_names(expr):
        if name.id in aliases.CONSTANTS:
            raise ev.fail("E0210", name.span,
                          f"a dimension is a whole number or a free name, found `{name.id}`",
                          help="a size that is not known has a name, such as `T`")  # fmt: skip
        if name.id[0].isupper() and not ev.scope.file.knows(name.id):
            if name.id in ev.state.recovery.names:
                raise Halt
            ev.scope.file.free.add(name.id)
        elif not is_known(ev, name.id):
            raise ev.fail("E0301", name.span, f"nothing is called `{name.id}` here",
                          help=ev.state.nearest.did_you_mean(name.id, lambda: ev.scope.file.params)
                               or f"declare `param {name.id} = ...` above; a capitalised name, such as `T`, "
                                  "is a free dimension")  # fmt: skip
    size = ev.evaluate(expr)
    if isinstance(size, bool) or not isinstance(size, (int, Dim)):
        raise ev.fail("E0210", expr.span,
                      f"a dimension is a whole number or a free name, found {describe(size)}",
                      help="a capitalised name, such as `T`, is free")  # fmt: skip
    if isinstance(size, int) and not 1 <= size <= 10**9:
        raise ev.fail("E0210", expr.span, f"a dimension is at least 1 and at most {10**9:_}, found {size}")
    return size


def is_known(ev: Evaluator, name: str) -> bool:
    file = ev.scope.file
    return (
        any(name in names for names in (ev.scope.names, file.declared, ev.state.recovery.names))
        or file.knows(name)
        or find_operator(name, losses=True) is not None
    )


def free_names(expr: syntax.Expr) -> Iterator[syntax.Name]:
    """The names in the expression of a dimension."""
    pending = [expr]
    while pending:
        expr = pending.pop()
        if isinstance(expr, syntax.Name):
            yield expr
        elif isinstance(expr, syntax.Binary):
            pending += (expr.right, expr.left)
        elif isinstance(expr, syntax.Unary):
            pending.append(expr.operand)


def read_classes(ev: Evaluator, expr: syntax.Expr, arguments: Any, field: str) -> Classes:
    if not arguments:
        raise ev.fail(
            "E0211",
            expr.span,
            "`class` needs its classes",
            help="a count, names, or `auto`: `class(10)`, `class(cat, dog)`, `class(auto)`",
        )
    first = arguments[0]
    if first.name == "like":
        return classes_like(ev, first.value)
    if any(a.name for a in arguments):
        odd = next(a for a in arguments if a.name)
        raise ev.fail(
            "E0402",
            odd.name_span,
            f"`class` has no setting `{odd.name}`",
            help=ignored_values.meant(odd.name)
            or "classes of another field are shared with `class(like=field)`",
        )
    if len(arguments) > 1:
        return named_classes(ev, [a.value for a in arguments], expr.span)
    if isinstance(first.value, syntax.ListExpr):
        return named_classes(ev, list(first.value.items), first.value.span)
    if isinstance(first.value, syntax.Name) and first.value.id == "auto":
        owner = ev.state.sharing.get(field, field)
        return ev.state.facts.classes.get(owner) or Classes(class_count(owner), found_in=owner)
    value = ev.evaluate(first.value)
    if isinstance(value, (list, tuple)):
        return classes_with_names(ev, [str(v) for v in value], [first.value.span])
    if isinstance(value, bool) or not isinstance(value, int) or not 2 <= value <= MAX_CLASSES:
        raise ev.fail(
            "E0211",
            first.value.span,
            f"expected a count of 2 to {MAX_CLASSES:_} classes, `auto`, or a list of names, found "
            f"{describe(value)}",
        )
    return Classes(value)


def named_classes(ev: Evaluator, items: list[syntax.Expr], whole: Span) -> Classes:
    names = []
    for item in items:
        if isinstance(item, syntax.Name):
            names.append(item.id)
        elif isinstance(item, syntax.Literal) and isinstance(item.value, str):
            names.append(item.value)
        else:
            raise ev.fail(
                "E0211",
                item.span,
                "a class is a name, bare or in quotes",
                help=f'write `"{item.span.text}"`' if len(item.span.text) < 20 else "",
            )
    return classes_with_names(ev, names, [i.span for i in items] or [whole])


def classes_with_names(ev: Evaluator, names: list[str], spans: list[Span]) -> Classes:
    """Classes with these names. `spans` holds one span for each name, or one span for all."""
    seen: set[str] = set()
    for number, name in enumerate(names):
        if name in seen:
            raise ev.fail("E0211", spans[number % len(spans)], f"class `{name}` is named twice")
        seen.add(name)
    if len(names) < 2:
        raise ev.fail("E0211", spans[0], "at least two classes are needed",
                      help="the type of a yes/no value is `binary`")  # fmt: skip
    return Classes(len(names), tuple(names))


def classes_like(ev: Evaluator, expr: syntax.Expr) -> Classes:
    value = ev.evaluate(expr)
    type = (
        value.declared
        if isinstance(value, OutputRef)
        else value.value.type
        if isinstance(value, InputRef)
        else getattr(value, "type", None)
    )
    if not isinstance(type, Tensor) or type.classes is None or type.element != "class":
        raise ev.fail("E0211", expr.span, f"{describe(value)} has no classes to share")
    return type.classes


def binary_names(ev: Evaluator, expr: syntax.Expr, arguments: Any) -> tuple[str, ...] | None:
    if not arguments:
        return None
    if len(arguments) != 2 or any(a.name for a in arguments):
        raise ev.fail(
            "E0211",
            expr.span,
            "`binary` takes two names, the negative one first",
            help='write `binary("no", "yes")`',
        )
    return named_classes(ev, [a.value for a in arguments], expr.span).names


# --- declared weights -------------------------------------------------------------------------------------


def weight(ev: Evaluator, statement: syntax.Weight) -> Value:
    """A declared weight: one for the file, or a new one at every use of a block."""
    name = statement.name.id
    file = ev.scope.file
    if ev.scope.top and isinstance(file.weights.get(name), Value):
        return file.weights[name]
    check_name(ev, statement.name)
    type = read_type(ev, statement.type, name)
    if not type.is_float:
        raise ev.fail("E0210", statement.type.span, f"a weight is of type float, found {type.element}")
    if any(map(has_free, type.shape)):
        raise ev.fail("E0210", statement.type.span, f"a weight has no free dimension, found {type}")
    initial = arguments.read(ev, MemberOf("initial"), statement.init)
    if is_numbers(initial):
        initial = Full(value=constant(ev, initial, statement.init.span))
    if not isinstance(initial, Initializer):
        raise ev.fail("E0403", statement.init.span,
                      f"expected initial values such as `zeros` or `normal(0.01)`, found {describe(initial)}",
                      help=initializer_fix(ev, initial))  # fmt: skip
    own = ev.builder.level.names.next(name)
    fans = (type.shape[0], type.shape[-1]) if type.shape else (1, 1)
    spec = WeightSpec(own, type.shape, initial=initial, fans=fans)
    ev.builder.check_initial(spec, statement.init.span)
    value = ev.builder.declare_weight(own, spec, statement.name.span)
    ev.builder.level.names.take(own)
    if ev.scope.top:
        file.weights[name] = value
    else:
        ev.scope.names[name] = value
    return value


def initializer_fix(ev: Evaluator, initial: Any) -> str:
    """The fix for a value that is not an initializer."""
    if isinstance(initial, (int, float)) and not isinstance(initial, bool):
        return f"write `full({initial})`"
    if is_tensor(initial):
        return "initial values are written here: a list of numbers, `eye(n)` or `load(path, name)`"
    return members.suggestion(ev, MemberOf("initial"), initial)
