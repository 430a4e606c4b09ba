"""Writes the code that reads the rows of the source with pandas or NumPy, and splits them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.lower.python_code import Code, call, inline, lines, literal, quoted, text
from dlc.compiler.lower.pytorch_source.model import emit_error
from dlc.compiler.output_kinds import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.lower.pytorch_source.model import EmittedModel
    from dlc.compiler.types import Tensor

MODEL_ALONE = "`dlc emit --model` writes the model and its loss, without the training script"
PANDAS = {"separator": "sep", "decimal": "decimal", "encoding": "encoding"}  # names in pandas
SUPPORTED = {"window": "None", "series": "None", "order": "None", "split": "random", "drop": "None",
            "header": "True", "comment": "None"}  # fmt: skip
TYPES = {"float": "torch.float32", "class": "torch.int64", "binary": "torch.float32"}
READ_IDX = '''
def read_idx(path):
    """Read a file in the IDX format of MNIST, which may be gzipped."""
    file = open(path, "rb") if os.path.exists(path) else gzip.open(path + ".gz")
    with file:
        content = file.read()
    sizes = np.frombuffer(content, ">u4", content[3], 4)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * content[3])
    return values.reshape(*sizes)


'''


class SourceReader:
    """`loading` are the lines of `load_rows`, which gives the arguments of `compute_loss`. `splitting` are
    the lines of `main` that split the rows. `parts` are the splits other than `training`."""

    def __init__(self, model: EmittedModel, values: list[Any]):
        self.model, self.values = model, values
        self.data: Any = model.program.data
        self.source = self.data.source
        outputs = {o.target_value: o.declared for o in model.program.outputs}
        self.declared: dict[Any, Tensor] = {i.value: i.declared for i in model.program.inputs} | outputs
        reader = getattr(self, f"read_{self.source.name}", None) if self.source.is_one_file else None
        if reader is None:
            raise self.error(f"the source `{self.source.name}` cannot be read without dlc")
        given = self.source.values() | self.data.values() | {"split": self.data.splitting}
        for name, default in SUPPORTED.items():
            if str(given.get(name, default)) != default:
                raise self.error(f"`{name}` is not supported without dlc", self.data.spans.get(name))
        self.given = "part" if self.source.name == "idx" else ""
        self.lists: list[str] = []  # lines that assign long lists of columns
        opening, arrays = reader(self.source)
        self.loading = [
            *(READ_IDX.split("\n")[1:-1] if self.given else []),
            f"def load_rows({self.given}):",
            '    """A tensor for each input and target."""',
            *self.lists,
            *lines(opening[1], 4, f"{opening[0]} = "),
            *lines(call(text("TensorDataset"), *map(self.tensor, values, arrays)), 4, "return "),
        ]
        self.parts, self.splitting = self.split()

    def error(self, message: str, span: Any = None) -> Exception:
        return emit_error("E0822", span or self.source.span, message, MODEL_ALONE)

    def tensor(self, value: Any, array: str) -> Code:
        """An array of rows as a tensor with the dtype and the shape of its field."""
        declared = self.declared[value]
        classes = declared.classes  # arrays contain class indices
        found = classes and classes.found_in and classes.labels and self.source.name in ("npz", "idx")
        if found or declared.ignore or (declared.free_axis is not None and self.source.name != "npz"):
            what = "labels" if found else "ignored values" if declared.ignore else "lengths"
            raise self.error(f"the {what} of `{value.field}` are not read")
        element = kind_of(declared).target(declared) if value.is_target else declared.element
        dtype = TYPES.get(element, f"torch.{element}")
        if declared.rank > 1 and declared.free_axis is None:
            array += f".reshape({', '.join(map(str, (-1, *declared.shape)))})"
        return call(text("torch.tensor"), text(array), text(f"dtype={dtype}"))

    def columns(self, value: Any) -> list[str]:
        """The columns that `data` gives for a field; by default the column with its name."""
        given = self.data.fields.get(value.field)
        return list(getattr(given, "columns", None) or [getattr(given, "column", value.field)])

    def read_builtin(self, source: Any) -> Any:
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{source.set}")()
        known = dict(zip(source.columns(bunch), bunch.feature_names, strict=True))
        made = self.table_arrays(known, "target", source.labels(bunch))
        return ("table", text(f"load_{source.set}(as_frame=True).frame")), made

    def read_csv(self, source: Any) -> Any:
        marks = inline(literal(["", *source.marked]))  # type: ignore[arg-type]
        texts = {self.columns(v)[0]: text("str") for v in self.values if is_parsed(self.declared[v].classes)}
        entries = tuple(Code("item", name, (code,)) for name, code in texts.items())
        dtype = {"dtype": Code("dict", None, entries)} if texts else {}
        given = (quoted(source.path), "keep_default_na=False", f"na_values={marks}")
        given += tuple(f"{option}={quoted(value)}" for name, option in PANDAS.items()
                       if (value := getattr(source, name)) != source.settings[name].default)  # fmt: skip
        return ("table", call(text("pd.read_csv"), *map(text, given), **dtype)), self.table_arrays()

    def read_parquet(self, source: Any) -> Any:
        return ("table", text(f"pd.read_parquet({quoted(source.path)})")), self.table_arrays()

    def read_table(self, source: Any) -> Any:
        counts = [v.type.shape[0] if v.type.rank and v.type.free_axis is None else 1 for v in self.values]
        fields = [v.field for v, count in zip(self.values, counts, strict=True) for _ in range(count)]
        rows, names = literal([list(row) for row in source.rows]), list(source.columns or fields)
        read = call(text("pd.DataFrame"), rows, columns=literal(names))  # type: ignore[arg-type]
        return ("table", read), self.table_arrays(dict(zip(names, names, strict=True)))

    def table_arrays(self, known: Any = None, target: str = "", labels: Any = None) -> list[str]:
        """The array of each field, from columns of a table. If all columns are `known`, by their names in the
        spec, a vector takes the remaining columns, and a target takes the column `target`."""
        wanted = {value: self.columns(value) for value in self.values}
        unmatched = [v for v, own in wanted.items() if known is not None and not {*own} <= {*known}]
        found = []
        for value, names in wanted.items():
            names = [(known or {}).get(name, name) for name in names]
            texts = self.source.name == "csv" or getattr(self.declared[value].classes, "labels", None)
            if value in unmatched and value.is_target and target:
                found.append(self.column_vector(value, f"table[{quoted(target)}]", labels))
            elif value in unmatched and value.type.rank and known:
                taken = {name for v, own in wanted.items() if v not in unmatched for name in own}
                left = [column for name, column in known.items() if name not in taken]
                whole = f'table.drop(columns="{target}").to_numpy()'
                found.append(self.column_matrix(value, left) if taken or not target else whole)
            elif value in unmatched or (value.type.rank and texts and len(names) == 1):
                raise self.error(f"no column of the source fills `{value.field}` as it is")
            elif len(names) > 1:
                found.append(self.column_matrix(value, names))
            elif value.type.rank and known is None:
                found.append(f"np.stack(table[{quoted(names[0])}])")
            else:
                found.append(self.column_vector(value, f"table[{quoted(names[0])}]", None))
        return found

    def column_matrix(self, value: Any, columns: list[str]) -> str:
        """Several columns as an array."""
        listed: Any = literal(columns)
        if len(inline(listed)) <= 40:
            return f"table[{inline(listed)}].to_numpy()"
        self.lists += lines(listed, 4, f"{self.model.fields[value]} = ")
        return f"table[{self.model.fields[value]}].to_numpy()"

    def column_vector(self, value: Any, column: str, order: list[str] | None) -> str:
        """A column as an array. Class labels become class indices. `order` are the labels of indices in the
        column, which may differ from the order in the spec."""
        classes = self.declared[value].classes
        if classes is None or not classes.labels or (order and list(classes.labels) == order):
            return f"{column}.to_numpy()"
        if order and {*order} == {*classes.labels}:
            indices = {index: list(classes.labels).index(label) for index, label in enumerate(order)}
            return f"{column}.map({indices}).to_numpy()"
        if value.type.rank:
            raise self.error(f"the labels of `{value.field}` are not read")
        texts = ".astype(str)" if is_parsed(classes) and self.source.name != "csv" else ""
        return f"pd.Categorical({column}{texts}, {self.model.constant(classes.labels)}).codes"

    def read_npz(self, source: Any) -> Any:
        arrays = [f"arrays[{quoted(self.columns(value)[0])}]" for value in self.values]
        return ("arrays", text(f"np.load({quoted(source.path)})")), arrays

    def read_idx(self, source: Any) -> Any:
        files = ("images-idx3", "labels-idx1")
        arrays = [f'read_idx(f"{{folder}}/{{part}}-{name}-ubyte")' for name in files[: len(self.values)]]
        return ("folder", text(quoted(source.path))), arrays

    def split(self) -> tuple[list[str], list[str]]:
        """The splits other than `training`, and the lines that create them."""
        data, load = self.data, f"load_rows({quoted('train') if self.given else ''})"
        shares = {name: getattr(data, name) for name in ("validation", "test") if getattr(data, name)}
        for name, share in shares.items():
            if not isinstance(share, (int, float)):
                raise self.error(f"`{name}` has a source of its own", data.spans.get(name))
        found = [f"    {'rows' if shares else 'training'} = {load}"]
        if shares:
            found.append("    # These splits contain other rows than those of dlc.")
            found += self.stratified_split(shares) if data.stratify else self.random_split(shares)
        if self.given and not data.test:
            return [*shares, "test"], [*found, '    test = load_rows("t10k")']
        return [*shares], found

    def random_split(self, shares: Mapping[str, Any]) -> list[str]:
        sizes = [text(size) for size in map(row_count, shares.values())]
        sizes = [text(f"len(rows) - {' - '.join(map(inline, sizes))}"), *sizes]
        if all(isinstance(share, float) for share in shares.values()):
            sizes = [text(str(share)) for share in (round(1 - sum(shares.values()), 9), *shares.values())]
        made = call(text("random_split"), text("rows"), Code("list", None, tuple(sizes)), text("seed"))
        seed = f"    seed = torch.Generator().manual_seed({self.data.seed})"
        return [seed, *lines(made, 4, f"{', '.join(['training', *shares])} = ")]

    def stratified_split(self, shares: Mapping[str, Any]) -> list[str]:
        data = self.data
        index = next((i for i, v in enumerate(self.values) if v.is_target and v.field == data.stratify), None)
        if index is None:
            raise self.error("`stratify` does not name a target of the loss", data.spans.get("stratify"))
        found = [f"    left, classes = range(len(rows)), rows.tensors[{index}]"]
        seed = f"random_state={data.seed}"
        for name, share in reversed([*shares.items()]):
            given = ("left", f"test_size={row_count(share)}", "stratify=classes[left]", seed)
            found += lines(call(text("train_test_split"), *map(text, given)), 4, f"left, {name} = ")
        parts = (f"    {name} = Subset(rows, {name})" for name in shares)
        return [*found, "    training = Subset(rows, left)", *parts]


def is_parsed(classes: Any) -> bool:
    """Whether pandas would parse class names as numbers or booleans."""
    names = classes.names or () if classes is not None else ()
    return any(name.lower() in ("true", "false") or name.strip("0123456789.,") == "" for name in names)


def row_count(share: float) -> str:
    """The number of rows of a share, as source."""
    return str(share) if isinstance(share, int) else f"round({share} * len(rows))"
