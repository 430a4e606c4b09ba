"""The rows that training reads, and how they are parted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.sections import DataSource
from dlc.compiler.ir.graph import Value
from dlc.compiler.lower.pytorch_source.code import Code, call, inline, lines, literal, number, quoted, text
from dlc.compiler.lower.pytorch_source.functions import head
from dlc.compiler.lower.pytorch_source.writer import CALLED, safe
from dlc.compiler.output_kinds import kind_of
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.lower.pytorch_source.emitter import Emitter
    from dlc.compiler.types import Tensor

INDENT = "    "
PATHS = ("csv", "parquet", "npz")  # sources that are read from any path
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
            found[place] = replace(field, name=name)
        self.fields = [f for f in found if not f.draw]
        self.names = {f.value: f.name for f in self.fields}
        self.drawn = [f for f in found if f.draw]
        self.targets = [f.value for f in found if f.target]
        self.parts: list[str] = []
        if not self.fields:
            message = "all that training reads is drawn, and an emitted file counts its rows"
            raise e.cannot("E0822", program.train.span, message, "declare an input that rows fill")

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
        return Field(safe(name, CALLED), name, declared, value, columns, draw, target)

    @property
    def own_sources(self) -> bool:
        """Whether a part is read from a file of its own."""
        data = self.e.program.data
        return data is not None and (
            isinstance(data.validation, DataSource) or isinstance(data.test, DataSource)
        )

    # --- reading ------------------------------------------------------------------------------------------

    def draws(self) -> list[str]:
        """The lines that draw inputs, as many as there are rows."""
        found = []
        for field in self.drawn:
            size = ", ".join([f"len({self.fields[0].name})", *map(str, field.type.shape)])
            found.append(f"{INDENT}{field.name} = torch.{field.draw}({size})")
        return found

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
        given = quoted(data.source.path) if self.own_sources else given
        found = ["# Drawn otherwise than dlc draws them: the parts have other rows."]
        found.append(f"data = TensorDataset(*rows({given}))")
        asked = [(name, getattr(data, name)) for name in ("validation", "test") if getattr(data, name)]
        own = [(name, share) for name, share in asked if isinstance(share, DataSource)]
        asked = [(name, share) for name, share in asked if not isinstance(share, DataSource)]
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
                sizes = literal([round(1 - sum(shares), 9), *shares])
            else:
                each = [str(s) if isinstance(s, int) else f"round({s} * len(data))" for s in shares]
                sizes = Code("list", None, (text(f"len(data) - {' - '.join(each)}"), *map(text, each)))
            found.append(f"seed = torch.Generator().manual_seed({data.seed})")
            made = call(text("random_split"), text("data"), sizes, text("seed"))  # type: ignore[arg-type]
            found += in_function(made, f"{names} = ")
        else:
            found = [f"training = TensorDataset(*rows({given}))"]
        self.parts = [name for name, _ in asked]
        for name, share in own:
            found.append(f"{name} = TensorDataset(*rows({quoted(share.values()['path'])}))")
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
            given = ("left", f"test_size={size}", "stratify=kinds[left]", f"random_state={data.seed}")
            found += in_function(call(text("train_test_split"), *map(text, given)), f"left, {name} = ")
        pieces = [("training", "left"), *((name, name) for name, _ in asked)]
        return [*found, *(f"{name} = Subset(data, {index})" for name, index in pieces)]


def in_function(code: Code, before: str) -> list[str]:
    """A statement that will stand in a function, without its indent."""
    return [line[len(INDENT) :] for line in lines(code, len(INDENT), before)]
