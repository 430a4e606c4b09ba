"""The rows of the spec's source, read by plain libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.dims.dim import number as size
from dlc.compiler.lower.pytorch_source.code import Code, call, inline, lines, literal, quoted, text
from dlc.compiler.lower.pytorch_source.functions import head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.lower.pytorch_source.data import Field, Rows

INDENT = "    "
TRUTHS = {str(False), str(True)}  # the classes of a column of booleans


def path_of(rows: Rows, source: Any) -> tuple[str, list[str]]:
    """The path as Python has it, and what the function is given: it, where parts have files of their own."""
    return ("path", ["path"]) if rows.own_sources else (quoted(source.path), [])


def class_place(rows: Rows, field: Field, value: str, whole: str = "{}") -> str | None:
    """A value as its place among the classes, -1 for one of an input that is none of them or is missing; none
    where the value is the place. `whole` makes of it what the labels of whole numbers are compared with."""
    classes = field.type.classes
    if classes is None or (classes.labels is None and (field.target or field.type.element == "binary")):
        return None
    labels = rows.e.labels_of_classes(classes.labels) if classes.labels else f"range({classes.count})"
    value = value if classes.names else whole.format(value)
    if field.target or field.type.element == "binary":
        return f"{labels}.index({value})"
    return f"place({labels}, {value})"


def typed(field: Field, value: str) -> str:
    """A value of a source that has types: as text where its labels are those of booleans."""
    names = (field.type.classes and field.type.classes.names) or ()
    return f"str({value})" if names and {*names} <= TRUTHS else value


def with_place(found: list[str], printed: bool = False) -> list[str]:
    """The lines with the function that they look classes up with; `printed` if labels are held as text."""
    if not any("place(" in line for line in found):
        return found
    doc = "The place of a class; -1 for what is none of them."
    texts = [f"{INDENT}labels = [str(label) for label in labels]"] if printed else []
    answer = f"{INDENT}return labels.index(value) if value in labels else -1"
    return [*head("place", ["labels", "value"], doc), *texts, answer, *found]


def refuse_labels(rows: Rows) -> None:
    """Refuse a source of arrays where classes are what the data holds: an emitted file takes places there."""
    for field in rows.fields:
        classes = field.type.classes
        if classes is not None and classes.found_in and classes.labels:
            message = f"the classes of `{field.field}` are read by their labels"
            raise rows.e.cannot("E0822", None, message, "a csv or parquet file is read so")


def cells(rows: Rows, field: Field, one: str, item: str, items: str, kind: str) -> Code:
    """A tensor of `[one for item in items]`, Python numbers of this kind; its dtype where it is another."""
    usual = {"float": "torch.float32", "int": "torch.int64"}.get(kind)
    each = Code("list", None, (Code("copies", item, (text(one), text(items))),))
    named = {} if field.dtype == usual else {"dtype": text(field.dtype)}
    return rows.shaped(field, call(text("torch.tensor"), each, **named))


def placed(rows: Rows, names: Sequence[str], *, target: bool) -> dict[str, list[int]]:
    """The columns that fill each field: by its name, or what is left."""
    found: dict[str, list[int]] = {}
    for field in rows.fields:
        wanted = field.columns or (field.field,)
        places = [place for name in wanted for place, own in enumerate(names) if own == name]
        if places:
            found[field.field] = places
    taken = {place for places in found.values() for place in places}
    lacking = [f for f in rows.fields if f.field not in found]
    targets = [f for f in lacking if f.target]
    if target and len(targets) == 1:
        found[targets[0].field] = [len(names)]
    vectors = [f for f in lacking if f.type.rank and f.field not in found]
    if len(vectors) == 1:
        found[vectors[0].field] = [place for place in range(len(names)) if place not in taken]
    for field in rows.fields:
        if field.field not in found:
            raise rows.e.cannot("E0822", None, f"no column of the source fills `{field.field}`", "")
    return found


def part(field: Field, places: Sequence[int], count: int) -> str:
    """The columns at these places out of so many, as an index says them; nothing where it is all."""
    if not field.type.rank:
        return str(places[0])
    first, behind = places[0], places[-1] + 1
    if list(places) != list(range(first, behind)):
        return str(list(places))
    return f"{first or ''}:{behind if behind < count else ''}"


# --- sources ----------------------------------------------------------------------------------------------


def reading(rows: Rows) -> list[str]:
    """`rows()`: a tensor for each field."""
    data = rows.e.program.data
    assert data is not None
    reader = READERS.get(data.source.name)
    if reader is None:
        message = f"the source `{data.source.name}` has no plain reader"
        help = "read the rows by yourself, and leave `source` out"
        raise rows.e.cannot("E0822", data.source.span, message, help)
    rows.e.opens |= "path" in data.source.settings
    return reader(rows, data.source)


def builtin(rows: Rows, source: Any) -> list[str]:
    from sklearn import datasets

    e, load = rows.e, f"load_{source.set}"
    e.imports.add(f"from sklearn.datasets import {load}")
    bunch = getattr(datasets, load)()
    names, labels = source.columns(bunch), source.labels(bunch)
    places = placed(rows, names, target=True)
    opening = [f"{INDENT}data = {load}()"]
    columns = []
    for field in rows.fields:
        found = places[field.field]
        if found == [len(names)]:
            columns.append(builtin_target(rows, field, labels))
            continue
        index = part(field, found, len(names))
        columns.append(rows.tensor(field, "data.data" if index == ":" else f"data.data[:, {index}]"))
    return rows.finish(opening, columns)


def builtin_target(rows: Rows, field: Field, labels: list[str] | None) -> Code:
    """The target of a set; its numbers are those of the spec's classes, or become them."""
    names = field.type.classes and field.type.classes.names
    dtype = None if field.dtype == "torch.int64" else field.dtype
    if not names or not labels or list(names) == labels:
        return rows.tensor(field, "data.target", dtype)
    if set(names) != set(labels):
        raise rows.e.cannot("E0822", None, f"the classes of `{field.field}` are not those of the set", "")
    order = [names.index(label) for label in labels]
    return Code("index", None, (rows.tensor(field, str(order), dtype), text("data.target")))


def table(rows: Rows, source: Any) -> list[str]:
    names = tuple(source.columns or ())
    if not names:
        names = tuple(
            f.field for f in rows.fields for _ in range(size(f.type.shape[0]) if f.type.rank else 1)
        )
    places = placed(rows, names, target=False)
    written = literal([[float("nan") if cell is None else cell for cell in row] for row in source.rows])
    by_cell = any(class_place(rows, field, "") for field in rows.fields)
    if by_cell or any(isinstance(cell, (str, tuple, list)) for row in source.rows for cell in row):
        columns = [listed(rows, field, places[field.field], source) for field in rows.fields]
        return with_place(rows.finish(lines(written, 4, "table = "), columns))  # type: ignore[arg-type]
    opening = lines(written, 4, "table = torch.tensor(", ")")  # type: ignore[arg-type]
    columns = []
    for field in rows.fields:
        index = part(field, places[field.field], len(names))
        taken = "table" if index == ":" else f"table[:, {index}]"
        columns.append(rows.shaped(field, text(f"{taken}.to({field.dtype})")))
    return rows.finish(opening, columns)


def listed(rows: Rows, field: Field, places: Sequence[int], source: Any) -> Code:
    """A field out of rows that are lists, some of them of texts."""
    one = f"row[{places[0]}]"
    if class_place(rows, field, ""):
        each = class_place(rows, field, typed(field, "row[place]" if len(places) > 1 else one))
        one = f"[{each} for place in {list(places)}]" if len(places) > 1 else str(each)
        return cells(rows, field, one, "row", "table", "int")
    if len(places) > 1:
        index = part(field, places, len(source.rows[0]))
        one = f"[row[place] for place in {index}]" if index.startswith("[") else f"row[{index}]"
    found = [row[place] for row in source.rows for place in places]
    kind = "float" if any(isinstance(cell, float) or cell is None for cell in found) else "int"
    return cells(rows, field, one, "row", "table", kind)


def csv(rows: Rows, source: Any) -> list[str]:
    rows.e.imports.add("import csv")
    path, given = path_of(rows, source)
    opening = [
        f'{INDENT}with open({path}, newline="") as file:',
        f"{INDENT * 2}lines = list(csv.DictReader(file))",
    ]
    fills = any(node.operator.fills for node in rows.e.program.graph.nodes)
    missing = tuple(dict.fromkeys(("", *source.marked))) if fills or source.missing else ()
    columns = []
    for field in rows.fields:
        names = field.columns or (field.field,)
        if field.columns and field.type.rank:
            one, kind = cell(rows, field, "line[name]", missing)
            one = f"[{one} for name in {inline(literal(tuple(names)))}]"  # type: ignore[arg-type]
        else:
            one, kind = cell(rows, field, f"line[{quoted(names[0])}]", missing)
        columns.append(cells(rows, field, one, "line", "lines", kind))
    found = with_place(rows.finish(opening, columns, given), printed=True)
    if not any("number(line[" in line for line in found):
        return found
    marks = inline(literal(missing))  # type: ignore[arg-type]
    number = head("number", ["cell"], "A number; NaN where it is missing.")
    return [*number, f'{INDENT}return float("nan" if cell in {marks} else cell)', *found]


def cell(rows: Rows, field: Field, source: str, missing: Sequence[str]) -> tuple[str, str]:
    """A cell of text as a Python number, and the kind of it."""
    whole = "{}.removesuffix('.0')" if not field.target else "int({}.removesuffix('.0'))"
    if (found := class_place(rows, field, source, whole.replace("'", '"'))) is not None:
        return found, "int"
    if field.type.element in ("bool", "binary"):
        rows.e.imports.add("import json")
        return f"float(json.loads({source}.lower()))", "float"
    if field.dtype.startswith("torch.float"):
        return (f"number({source})" if missing and not field.target else f"float({source})"), "float"
    return f"int({source})", "int"


def parquet(rows: Rows, source: Any) -> list[str]:
    e = rows.e
    e.imports.add("from pyarrow import parquet")
    path, given = path_of(rows, source)
    columns = []
    for field in rows.fields:
        names = field.columns or (field.field,)
        own = [f"table[{quoted(name)}]" for name in names]
        if (place := class_place(rows, field, typed(field, "value"))) and not field.type.rank:
            columns.append(cells(rows, field, place, "value", f"{own[0]}.to_pylist()", "int"))
        elif field.columns and field.type.rank:
            e.imports.add("import numpy as np")
            each = f"[table[name] for name in {inline(literal(tuple(names)))}]"  # type: ignore[arg-type]
            columns.append(rows.tensor(field, f"np.stack({each}, 1)"))
        else:
            read = "to_pylist" if field.type.rank else "to_numpy"
            columns.append(rows.tensor(field, f"{own[0]}.{read}()"))
    return with_place(rows.finish([f"{INDENT}table = parquet.read_table({path})"], columns, given))


def npz(rows: Rows, source: Any) -> list[str]:
    rows.e.imports.add("import numpy as np")
    refuse_labels(rows)
    path, given = path_of(rows, source)
    opening = [f"{INDENT}arrays = np.load({path})"]
    columns = []
    for field in rows.fields:
        name = (field.columns or (field.field,))[0]
        columns.append(rows.tensor(field, f"arrays[{quoted(name)}]"))
    return rows.finish(opening, columns, given)


def idx(rows: Rows, source: Any) -> list[str]:
    e = rows.e
    refuse_labels(rows)
    e.imports |= {"import gzip", "import os", "import numpy as np"}
    read = [
        *head("read_idx", ["path"], "A file in the format of MNIST, perhaps gzipped."),
        f'{INDENT}file = open(path, "rb") if os.path.exists(path) else gzip.open(path + ".gz")',
        f"{INDENT}with file:",
        f"{INDENT * 2}content = file.read()",
        f'{INDENT}sizes = np.frombuffer(content, ">u4", content[3], 4)',
        f"{INDENT}values = np.frombuffer(content, np.uint8, offset=4 + 4 * content[3])",
        f"{INDENT}return torch.tensor(values.reshape(*sizes))",
    ]
    folder = source.path.replace("{", "{{").replace("}", "}}")
    pieces = ["images-idx3", "labels-idx1"]
    columns = []
    for field, piece in zip(rows.fields, pieces, strict=False):
        code = f"read_idx(f{quoted(f'{folder}/{{part}}-{piece}-ubyte')})"
        code = code if field.dtype == "torch.uint8" else f"{code}.to({field.dtype})"
        columns.append(rows.shaped(field, text(code)))
    return [*read, *rows.finish([], columns, ["part"])]


READERS: dict[str, Any] = {
    "builtin": builtin,
    "table": table,
    "csv": csv,
    "parquet": parquet,
    "npz": npz,
    "idx": idx,
}
