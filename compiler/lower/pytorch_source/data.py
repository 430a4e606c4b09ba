"""The rows of the spec's source, read by plain libraries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dlc.compiler.answers import kind_of
from dlc.compiler.dims import number as size
from dlc.compiler.ir import Value
from dlc.compiler.lower.pytorch_source.code import Code, call, inline, lines, literal, number, text
from dlc.compiler.lower.pytorch_source.functions import head
from dlc.compiler.lower.pytorch_source.writer import safe
from dlc.compiler.record import record
from dlc.compiler.sections import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.lower.pytorch_source.emitter import Emitter
    from dlc.compiler.types import Tensor

INDENT = "    "
DRAWN = {"normal": "randn", "uniform": "rand"}
TYPES = {"float": "torch.float32", "class": "torch.int64", "bool": "torch.bool", "binary": "torch.bool"}


@record(eq=False)
class Field:
    """An input or a target that the loss reads. `columns` are the names that `data` gives it."""

    name: str
    field: str
    type: Tensor
    value: Value
    columns: tuple[str, ...] | None = None
    draw: str = ""
    target: bool = False

    @property
    def dtype(self) -> str:
        element = kind_of(self.type).target(self.type) if self.target else self.type.element
        return TYPES.get(element, f"torch.{element}")


class Rows:
    """What training reads, in the order of `compute_loss`: inputs, then targets."""

    def __init__(self, e: Emitter):
        self.e, program = e, e.program
        read = {value for node in e.late for value in node.reads} | set(e.model.first.params)
        sources = program.data.fields if program.data else {}
        found = [
            self._field(i.name, i.declared, i.value, sources.get(i.name))
            for i in program.inputs
            if i.value in read
        ]
        seen = set()
        measured = {name for name, _ in program.metrics}
        for output in program.outputs:
            value = output.target_value
            if value is not None and value not in seen and (value in read or output.name in measured):
                seen.add(value)
                field = self._field(
                    output.target, output.declared, value, sources.get(output.target), target=True
                )
                found.append(field)
        taken: set[str] = set()
        for place, field in enumerate(found):
            name = field.name
            while name in taken:
                name += "_"
            taken.add(name)
            found[place] = field if name == field.name else Field(name, *list(vars(field).values())[1:])
        self.fields = [f for f in found if not f.draw]
        self.drawn = [f for f in found if f.draw]
        self.targets = [f.value for f in found if f.target]
        self.parts: list[str] = []

    def _field(self, name: str, declared: Tensor, value: Value, source: Any, target: bool = False) -> Field:
        draw = DRAWN.get(source.name, "") if source is not None else ""
        columns = None
        if source is not None and not draw:
            columns = (source.column,) if source.name == "column" else tuple(source.columns)
        if declared.classes is not None and not isinstance(declared.classes.count, int):
            raise self.e.cannot(
                "E0822",
                None,
                f"the classes of `{name}` wait for the training rows",
                "write them out: `class(a, b, ...)`",
            )
        return Field(safe(name), name, declared, value, columns, draw, target)

    @property
    def own_sources(self) -> bool:
        """Whether a part is read from a file of its own."""
        data = self.e.program.data
        return data is not None and (isinstance(data.validation, Source) or isinstance(data.test, Source))

    # --- reading ------------------------------------------------------------------------------------------

    def function(self) -> list[str]:
        """`rows()`: a tensor for each field."""
        data = self.e.program.data
        assert data is not None
        source = data.source
        reader = READERS.get(source.name)
        if reader is None:
            raise self.e.cannot(
                "E0822",
                source.span,
                f"the source `{source.name}` has no plain reader",
                "read the rows by yourself, and leave `source` out",
            )
        return reader(self, source)

    def finish(self, opening: Sequence[str], columns: Sequence[Code], given: Sequence[str] = ()) -> list[str]:
        found = [*head("rows", given, "The inputs and the targets, a row a sample."), *opening]
        whole = f"{INDENT}return {', '.join(map(inline, columns))}"
        if len(columns) > 1 and len(whole) <= 88:
            return [*found, whole]
        return [*found, *lines(Code("tuple", None, tuple(columns)), 4, "return ")]

    def tensor(self, field: Field, cells: str, dtype: str | None = "") -> Code:
        """A tensor of rows in the type and the shape of its field."""
        dtype = field.dtype if dtype == "" else dtype
        named = {"dtype": text(dtype)} if dtype else {}
        return self.shaped(field, call(text("torch.tensor"), text(cells), **named))

    def shaped(self, field: Field, code: Code) -> Code:
        shape = field.type.shape
        if len(shape) < 2:
            return code
        return call(Code("attribute", "reshape", (code,)), number(-1), *(text(str(size)) for size in shape))

    # --- parting ------------------------------------------------------------------------------------------

    def parting(self) -> list[str]:
        """The lines that part the rows; `parts` are then those beside `training`."""
        e, data = self.e, self.e.program.data
        assert data is not None
        e.imports.add("from torch.utils.data import TensorDataset")
        own_test = data.source.name == "idx" and not data.test
        given = '"train"' if data.source.name == "idx" else ""
        given = json.dumps(data.source.path) if self.own_sources else given
        found = ["# Drawn otherwise than dlc draws them: the parts have other rows."]
        found.append(f"data = TensorDataset(*rows({given}))")
        asked = [(name, getattr(data, name)) for name in ("validation", "test") if getattr(data, name)]
        own = [(name, share) for name, share in asked if isinstance(share, Source)]
        asked = [(name, share) for name, share in asked if not isinstance(share, Source)]
        for name, share in own:
            if share.name != data.source.name or share.name not in PATHS:
                raise e.cannot(
                    "E0822",
                    data.spans.get(name),
                    f"`{name}` comes from another kind of source",
                    "give a fraction or a count",
                )
        if asked and data.stratify:
            found += self.stratified(asked, data)
        elif asked:
            e.imports.add("from torch.utils.data import random_split")
            names = ", ".join(["training", *(name for name, _ in asked)])
            shares = [share for _, share in asked]
            if all(isinstance(s, float) for s in shares):
                sizes = inline(literal([round(1 - sum(shares), 9), *shares]))  # type: ignore[arg-type]
            else:
                each = [str(s) if isinstance(s, int) else f"round({s} * len(data))" for s in shares]
                sizes = f"[len(data) - {' - '.join(each)}, {', '.join(each)}]"
            found += [
                f"seed = torch.Generator().manual_seed({data.seed})",
                f"{names} = random_split(data, {sizes}, seed)",
            ]
        else:
            found = [f"training = TensorDataset(*rows({given}))"]
        self.parts = [name for name, _ in asked]
        for name, share in own:
            found.append(f"{name} = TensorDataset(*rows({json.dumps(share.values()['path'])}))")
            self.parts.append(name)
        if own_test:
            found.append('test = TensorDataset(*rows("t10k"))')
            self.parts.append("test")
        return found

    def stratified(self, asked: list[tuple[str, Any]], data: Any) -> list[str]:
        """Every part has the classes in the same shares."""
        self.e.imports |= {
            "from sklearn.model_selection import train_test_split",
            "from torch.utils.data import Subset",
        }
        target = next((i for i, f in enumerate(self.fields) if f.target and f.field == data.stratify), None)
        if target is None:
            raise self.e.cannot(
                "E0822", data.spans.get("stratify"), "`stratify` names no target of the loss", ""
            )
        found = [f"kinds, left = data.tensors[{target}], range(len(data))"]
        for name, share in reversed(asked):
            size = str(share) if isinstance(share, int) else f"round({share} * len(data))"
            found += lines_of_call(
                f"left, {name} = train_test_split",
                ["left", f"test_size={size}", "stratify=kinds[left]", f"random_state={data.seed}"],
            )
        pieces = [("training", "left"), *((name, name) for name, _ in asked)]
        return [*found, *(f"{name} = Subset(data, {index})" for name, index in pieces)]


def lines_of_call(opening: str, given: list[str]) -> list[str]:
    before, _, function = opening.rpartition(" = ")
    return lines(call(text(function), *map(text, given)), 0, f"{before} = ")


# --- sources ----------------------------------------------------------------------------------------------


def builtin(rows: Rows, source: Any) -> list[str]:
    from re import sub

    from sklearn import datasets

    e, load = rows.e, f"load_{source.set}"
    e.imports.add(f"from sklearn.datasets import {load}")
    bunch = getattr(datasets, load)()
    names = [sub(r"\s*\(.*\)$", "", name).strip().replace(" ", "_") for name in bunch.feature_names]
    places = placed(rows, names, target=True)
    labels = bunch.get("target_names")
    labels = None if labels is None or labels.dtype.kind != "U" else [str(label) for label in labels]
    opening = [f"{INDENT}data = {load}()"]
    whole = list(range(len(names)))
    columns = []
    for field in rows.fields:
        found = places[field.field]
        if found == [len(names)]:
            columns.append(builtin_target(rows, field, labels))
            continue
        part = "" if found == whole else f"[:, {found[0]}]" if not field.type.rank else f"[:, {found}]"
        columns.append(rows.tensor(field, f"data.data{part}"))
    return rows.finish(opening, columns)


def builtin_target(rows: Rows, field: Field, labels: list[str] | None) -> Code:
    """The target of a set; its numbers are those of the spec's classes, or become them."""
    names = field.type.classes.names if field.type.classes else None
    dtype = None if field.dtype == "torch.int64" else field.dtype
    if not names or not labels or list(names) == labels:
        return rows.tensor(field, "data.target", dtype)
    if set(names) != set(labels):
        raise rows.e.cannot("E0822", None, f"the classes of `{field.field}` are not those of the set", "")
    order = [names.index(label) for label in labels]
    return Code("index", None, (rows.tensor(field, str(order), dtype), text("data.target")))


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


def table(rows: Rows, source: Any) -> list[str]:
    if any(isinstance(cell, (str, tuple, list)) for row in source.rows for cell in row):
        raise rows.e.cannot(
            "E0822", source.span, "a table of texts or lists is not emitted", "write it into a csv file"
        )
    names = tuple(source.columns or ())
    if not names:
        names = tuple(
            f.field for f in rows.fields for _ in range(size(f.type.shape[0]) if f.type.rank else 1)
        )
    places = placed(rows, names, target=False)
    opening = lines(literal([list(row) for row in source.rows]), 4, "table = torch.tensor(", ")")  # type: ignore[arg-type]
    columns = []
    for field in rows.fields:
        found = places[field.field]
        together = found == list(range(found[0], found[0] + len(found)))
        part = (
            str(found[0])
            if not field.type.rank
            else f"{found[0]}:{found[-1] + 1}"
            if together
            else str(found)
        )
        columns.append(rows.shaped(field, text(f"table[:, {part}].to({field.dtype})")))
    return rows.finish(opening, columns)


def csv(rows: Rows, source: Any) -> list[str]:
    rows.e.imports.add("import csv")
    path, given = ("path", ["path"]) if rows.own_sources else (json.dumps(source.path), [])
    opening = [
        f'{INDENT}with open({path}, newline="") as file:',
        f"{INDENT * 2}lines = list(csv.DictReader(file))",
    ]
    fills = any(node.operator.name == "impute" for node in rows.e.program.graph.nodes)
    missing = tuple(dict.fromkeys(("", *(source.missing or ())))) if fills or source.missing else ()
    columns = []
    for field in rows.fields:
        names = field.columns or (field.field,)
        cells = [
            cell(rows.e, field, f"line[{json.dumps(name, ensure_ascii=False)}]", missing) for name in names
        ]
        if field.columns and field.type.rank:
            one = cell(rows.e, field, "line[name]", missing)
            each = f"[{one} for name in {inline(literal(tuple(names)))}]"  # type: ignore[arg-type]
        else:
            each = cells[0]
        dtype = (
            field.dtype if field.dtype not in ("torch.float32", "torch.int64") or not field.target else None
        )
        cells = Code("list", None, (Code("copies", "line", (text(each), text("lines"))),))
        named = {"dtype": text(dtype)} if dtype and dtype != "torch.float32" else {}
        columns.append(rows.shaped(field, call(text("torch.tensor"), cells, **named)))
    found = rows.finish(opening, columns, given)
    if not missing:
        return found
    listed = inline(literal(missing))  # type: ignore[arg-type]
    number = head("number", ["cell"], "A number; NaN where it is missing.")
    return [*number, f'{INDENT}return float("nan" if cell in {listed} else cell)', *found]


def cell(e: Emitter, field: Field, source: str, missing: Sequence[str] = ()) -> str:
    names = field.type.classes.names if field.type.classes else None
    if names:
        return f"{e.names_of_classes(names)}.tolist().index({source})"
    if field.dtype == "torch.bool" or field.type.element in ("bool", "binary"):
        return f'{{"0": 0, "1": 1, "false": 0, "true": 1}}[{source}.lower()]'
    if missing and field.dtype.startswith("torch.float"):
        return f"number({source})"
    return f"float({source})" if field.dtype.startswith("torch.float") else f"int({source})"


def npz(rows: Rows, source: Any) -> list[str]:
    rows.e.imports.add("import numpy as np")
    path, given = ("path", ["path"]) if rows.own_sources else (json.dumps(source.path), [])
    opening = [f"{INDENT}arrays = np.load({path})"]
    columns = []
    for field in rows.fields:
        name = (field.columns or (field.field,))[0]
        columns.append(rows.tensor(field, f"arrays[{json.dumps(name)}]"))
    return rows.finish(opening, columns, given)


def idx(rows: Rows, source: Any) -> list[str]:
    e = rows.e
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
    pieces = ["images-idx3", "labels-idx1"]
    columns = []
    for field, piece in zip(rows.fields, pieces, strict=False):
        code = f'read_idx(f"{source.path}/{{part}}-{piece}-ubyte")'
        code = code if field.dtype == "torch.uint8" else f"{code}.to({field.dtype})"
        columns.append(rows.shaped(field, text(code)))
    return [*read, *rows.finish([], columns, ["part"])]


PATHS = ("csv", "npz")  # sources that are read from any path
READERS: dict[str, Any] = {"builtin": builtin, "table": table, "csv": csv, "npz": npz, "idx": idx}
