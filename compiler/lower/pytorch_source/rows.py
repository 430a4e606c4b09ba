"""The rows of the spec's source, read by pandas or NumPy, and how they are parted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.lower.python_code import Code, call, inline, lines, literal, quoted, text
from dlc.compiler.lower.pytorch_source.model import refused
from dlc.compiler.output_kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.lower.pytorch_source.model import EmittedModel
    from dlc.compiler.types import Tensor

MODEL_ALONE = "`dlc emit --model` writes the model and its loss, without the training script"
TYPES = {"float": "torch.float32", "class": "torch.int64", "binary": "torch.float32"}
READ_IDX = '''
def read_idx(path):
    """A file in the format of MNIST, perhaps gzipped."""
    file = open(path, "rb") if os.path.exists(path) else gzip.open(path + ".gz")
    with file:
        content = file.read()
    sizes = np.frombuffer(content, ">u4", content[3], 4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * content[3])
    return values.reshape(*sizes)


'''


class SourceReader:
    """The lines of `load_rows`, which gives what `compute_loss` takes, and of `main` that part the rows;
    `parts` are those beside `training`."""

    def __init__(self, model: EmittedModel, values: list[Any]):
        self.model, self.values = model, values
        self.data: Any = model.program.data
        self.source = self.data.source
        outputs = {o.target_value: o.declared for o in model.program.outputs}
        self.declared: dict[Any, Tensor] = {i.value: i.declared for i in model.program.inputs} | outputs
        reader = getattr(self, f"read_{self.source.name}", None)
        if reader is None:
            raise self.cannot(f"the source `{self.source.name}` has no plain reader")
        self.given = "part" if self.source.name == "idx" else ""
        self.lists: list[str] = []  # of many columns
        opening, arrays = reader(self.source)
        self.loading = [
            *(READ_IDX.split("\n")[1:-1] if self.given else []),
            f"def load_rows({self.given}):",
            '    """A tensor for each input and target."""',
            *self.lists,
            *lines(opening[1], 4, f"{opening[0]} = "),
            *lines(call(text("TensorDataset"), *map(self.tensor, values, arrays)), 4, "return "),
        ]
        self.parts, self.splitting = self.part()

    def cannot(self, message: str, span: Any = None) -> Exception:
        return refused("E0822", span or self.source.span, message, MODEL_ALONE)

    # --- reading ------------------------------------------------------------------------------------------

    def tensor(self, value: Any, array: str) -> Code:
        """An array of rows as a tensor in the type and the shape of its field."""
        declared = self.declared[value]
        classes = declared.classes  # of which arrays hold the places
        if self.source.name in ("npz", "idx") and classes and classes.found_in and classes.labels:
            raise self.cannot(f"the labels of `{value.field}` are not read")
        element = kind_of(declared).target(declared) if value.is_target else declared.element
        dtype = TYPES.get(element, f"torch.{element}")
        if declared.rank > 1:
            array += f".reshape({', '.join(map(str, (-1, *declared.shape)))})"
        return call(text("torch.tensor"), text(array), text(f"dtype={dtype}"))

    def columns(self, value: Any) -> list[str]:
        """The columns that `data` gives a field, else its own name."""
        given = self.data.fields.get(value.field)
        settings = given.values() if given is not None else {"column": value.field}
        return list(settings.get("columns") or [settings["column"]])

    def read_builtin(self, source: Any) -> Any:
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{source.set}")()
        known = dict(zip(source.columns(bunch), bunch.feature_names, strict=True))
        made = self.of_table(known, "target", source.labels(bunch))
        return ("table", text(f"load_{source.set}(as_frame=True).frame")), made

    def read_csv(self, source: Any) -> Any:
        marks = inline(literal(["", *source.marked]))  # type: ignore[arg-type]
        texts = {self.columns(v)[0]: text("str") for v in self.values if is_parsed(self.declared[v].classes)}
        entries = tuple(Code("item", name, (code,)) for name, code in texts.items())
        dtype = {"dtype": Code("dict", None, entries)} if texts else {}
        given = (quoted(source.path), "keep_default_na=False", f"na_values={marks}")
        return ("table", call(text("pd.read_csv"), *map(text, given), **dtype)), self.of_table()

    def read_parquet(self, source: Any) -> Any:
        return ("table", text(f"pd.read_parquet({quoted(source.path)})")), self.of_table()

    def read_table(self, source: Any) -> Any:
        sizes = (v.type.shape[0] if v.type.rank else 1 for v in self.values)
        fields = [v.field for v, size in zip(self.values, sizes, strict=True) for _ in range(size)]
        rows, names = literal([list(row) for row in source.rows]), list(source.columns or fields)
        read = call(text("pd.DataFrame"), rows, columns=literal(names))  # type: ignore[arg-type]
        return ("table", read), self.of_table(dict(zip(names, names, strict=True)))

    def of_table(self, known: Any = None, target: str = "", labels: Any = None) -> list[str]:
        """The columns of a table that fill each field. Of some tables the columns are `known`, by the names
        that the spec has for them: a vector takes those that are left, and a target the column `target`."""
        wanted = {value: self.columns(value) for value in self.values}
        lacking = [v for v, own in wanted.items() if known is not None and not {*own} <= {*known}]
        found = []
        for value, names in wanted.items():
            names = [(known or {}).get(name, name) for name in names]
            if value in lacking and value.is_target and target:
                found.append(self.cells(value, f"table[{quoted(target)}]", labels))
            elif value in lacking and value.type.rank and known:
                taken = {name for v, own in wanted.items() if v not in lacking for name in own}
                left = [column for name, column in known.items() if name not in taken]
                whole = f'table.drop(columns="{target}").to_numpy()'
                found.append(self.several(value, left) if taken or not target else whole)
            elif value in lacking or (value.type.rank and self.source.name == "csv" and len(names) == 1):
                raise self.cannot(f"no column of the source fills `{value.field}`")
            elif len(names) > 1:
                found.append(self.several(value, names))
            elif value.type.rank and known is None:
                found.append(f"np.stack(table[{quoted(names[0])}])")
            else:
                found.append(self.cells(value, f"table[{quoted(names[0])}]", None))
        return found

    def several(self, value: Any, columns: list[str]) -> str:
        """Columns as an array, many of them by a list."""
        listed: Any = literal(columns)
        if len(inline(listed)) <= 40:
            return f"table[{inline(listed)}].to_numpy()"
        self.lists += lines(listed, 4, f"{self.model.fields[value]} = ")
        return f"table[{self.model.fields[value]}].to_numpy()"

    def cells(self, value: Any, column: str, counted: list[str] | None) -> str:
        """A column as an array; labels of classes as their places. `counted` are the labels that numbers
        stand for, perhaps in another order."""
        classes = self.declared[value].classes
        if classes is None or not classes.labels or (counted and list(classes.labels) == counted):
            return f"{column}.to_numpy()"
        if counted and {*counted} == {*classes.labels}:
            order = {place: list(classes.labels).index(label) for place, label in enumerate(counted)}
            return f"{column}.map({order}).to_numpy()"
        if value.type.rank:
            raise self.cannot(f"the labels of `{value.field}` are not read")
        texts = ".astype(str)" if is_parsed(classes) and self.source.name != "csv" else ""
        return f"pd.Categorical({column}{texts}, {self.model.constant(classes.labels)}).codes"

    def read_npz(self, source: Any) -> Any:
        arrays = [f"arrays[{quoted(self.columns(value)[0])}]" for value in self.values]
        return ("arrays", text(f"np.load({quoted(source.path)})")), arrays

    def read_idx(self, source: Any) -> Any:
        files = ("images-idx3", "labels-idx1")
        arrays = [f'read_idx(f"{{folder}}/{{part}}-{name}-ubyte")' for name in files[: len(self.values)]]
        return ("folder", text(quoted(source.path))), arrays

    # --- parting ------------------------------------------------------------------------------------------

    def part(self) -> tuple[list[str], list[str]]:
        """The parts beside `training`, and the lines that make them."""
        data, load = self.data, f"load_rows({quoted('train') if self.given else ''})"
        shares = {name: getattr(data, name) for name in ("validation", "test") if getattr(data, name)}
        for name, share in shares.items():
            if not isinstance(share, (int, float)):
                raise self.cannot(f"`{name}` has a source of its own", data.spans.get(name))
        found = [f"    {'rows' if shares else 'training'} = {load}"]
        if shares:
            found.append("    # This split holds other rows than the one that dlc makes.")
            found += self.stratified(shares) if data.stratify else self.random(shares)
        if self.given and not data.test:
            return [*shares, "test"], [*found, '    test = load_rows("t10k")']
        return [*shares], found

    def random(self, shares: Mapping[str, Any]) -> list[str]:
        sizes = [text(size) for size in map(counted, shares.values())]
        sizes = [text(f"len(rows) - {' - '.join(map(inline, sizes))}"), *sizes]
        if all(isinstance(share, float) for share in shares.values()):
            sizes = [text(str(share)) for share in (round(1 - sum(shares.values()), 9), *shares.values())]
        made = call(text("random_split"), text("rows"), Code("list", None, tuple(sizes)), text("seed"))
        seed = f"    seed = torch.Generator().manual_seed({self.data.seed})"
        return [seed, *lines(made, 4, f"{', '.join(['training', *shares])} = ")]

    def stratified(self, shares: Mapping[str, Any]) -> list[str]:
        """Every part has the classes in the same shares."""
        data = self.data
        place = next((i for i, v in enumerate(self.values) if v.is_target and v.field == data.stratify), None)
        if place is None:
            raise self.cannot("`stratify` names no target of the loss", data.spans.get("stratify"))
        found = [f"    left, classes = range(len(rows)), rows.tensors[{place}]"]
        seed = f"random_state={data.seed}"
        for name, share in reversed([*shares.items()]):
            given = ("left", f"test_size={counted(share)}", "stratify=classes[left]", seed)
            found += lines(call(text("train_test_split"), *map(text, given)), 4, f"left, {name} = ")
        found.append("    training = Subset(rows, left)")
        return [*found, *(f"    {name} = Subset(rows, {name})" for name in shares)]


def is_parsed(classes: Any) -> bool:
    """Whether pandas would take names of classes for numbers or for booleans."""
    names = classes.names or () if classes is not None else ()
    return any(name.lower() in ("true", "false") or name.replace(".", "").isdigit() for name in names)


def counted(share: float) -> str:
    """How many rows a share is."""
    return str(share) if isinstance(share, int) else f"round({share} * len(rows))"
