"""Fields of type `class(auto)` that are read from one column, or from one text, share its classes.

Shapes depend on the number of classes, so this is read from the `data` section before the types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler import syntax
from dlc.compiler.definitions.sections import ColumnField, Columns, Csv, Parquet, TextSource
from dlc.compiler.definitions.series import Ahead

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dlc.compiler.definitions.sections import DataSource, Field
    from dlc.compiler.elaborate.context import Evaluator

COLUMNS = (ColumnField.name, Columns.name, Ahead.name)  # fields that name columns
Owners = dict[str, str]  # field -> the field that owns its classes


def from_syntax(ev: Evaluator, tree: syntax.File) -> Owners:
    """The owners, as far as the text and the params determine them."""
    written = next((s for s in tree.body if isinstance(s, syntax.Section) and s.name.id == "data"), None)
    if written and reads_text(written.body):
        return of_one_text(auto_fields(tree))
    columns = dict(written_columns(ev, written.body)) if written else {}
    return owners(auto_fields(tree), columns)


def from_data(tree: syntax.File, source: DataSource | None, fields: Mapping[str, Field]) -> Owners:
    """The owners according to the evaluated `data` section."""
    if isinstance(source, TextSource):
        return of_one_text(auto_fields(tree))
    columns = {name: f.columns for name, f in fields.items() if isinstance(f, (Columns, Ahead))}
    columns |= {name: (f.column,) for name, f in fields.items() if isinstance(f, ColumnField)}
    return owners(auto_fields(tree), columns)


def of_one_text(fields: Iterable[str]) -> Owners:
    """The first field owns the classes of all fields."""
    names = [*fields]
    return dict.fromkeys(names, names[0]) if names else {}


def owners(fields: Iterable[str], columns: Mapping[str, tuple[str, ...]]) -> Owners:
    """For each field, the first of the fields that share a column with it, directly or through others."""
    parents: dict[str, str] = {}

    def root(field: str) -> str:
        while parents[field] != field:
            parents[field] = parents[parents[field]]
            field = parents[field]
        return field

    first: dict[str, str] = {}
    names = list(dict.fromkeys(fields))
    for field in names:
        parents[field] = field
        for column in columns.get(field, (field,)):
            parents[root(field)] = root(first.setdefault(column, field))
    return {field: root(field) for field in names}


def auto_fields(tree: syntax.File) -> Iterator[str]:
    """The inputs and targets of the type `class(auto)`, in the order of the file."""
    for statement in tree.body:
        if isinstance(statement, syntax.Input) and is_auto(statement.type):
            yield from (ident.id for ident in statement.names)
        elif isinstance(statement, syntax.Output) and is_auto(statement.type):
            yield (statement.target or statement.name).id


def is_auto(type: syntax.Expr) -> bool:
    call = type.value if isinstance(type, syntax.Index) else type
    if not isinstance(call, syntax.Call) or len(call.arguments) != 1:
        return False
    function, given = call.function, call.arguments[0]
    names = (function, given.value)
    return given.name is None and [n.id for n in names if isinstance(n, syntax.Name)] == ["class", "auto"]


def reads_text(body: Iterable[syntax.Statement]) -> bool:
    """Whether the source of `data` is a text."""
    calls = [s.value for s in body if isinstance(s, syntax.Bind) and isinstance(s.value, syntax.Call)]
    return any(is_text(call) for call in calls)


def is_text(call: syntax.Call) -> bool:
    """Whether a call is a text, also with a typo in its name: no other source but tables has windows."""
    if not isinstance(call.function, syntax.Name):
        return False
    name, tables = call.function.id, (Csv.name, Parquet.name)
    has_windows = any(argument.name == "window" for argument in call.arguments)
    return name == TextSource.name or (has_windows and name not in tables)


def written_columns(ev: Evaluator, body: Iterable[syntax.Statement]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The fields that `data` maps to columns, each with its columns that are texts or params."""
    for statement in body:
        if not isinstance(statement, syntax.Bind) or not isinstance(statement.value, syntax.Call):
            continue
        call = statement.value
        if isinstance(call.function, syntax.Name) and call.function.id in COLUMNS:
            found = [text_of(ev, argument.value) for argument in call.arguments]
            yield statement.targets[0].id, tuple(text for text in found if text is not None)


def text_of(ev: Evaluator, expr: syntax.Expr) -> str | None:
    if isinstance(expr, syntax.Name):
        value = ev.scope.file.params.get(expr.id)
    else:
        value = expr.value if isinstance(expr, syntax.Literal) else None
    return value if isinstance(value, str) else None
