"""The sections of a spec and their settings, declared as every other definition is."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import Definition, setting
from dlc.compiler.definitions.parameter_types import (
    BareWord,
    ConstantTensor,
    Integer,
    ListOf,
    MemberOf,
    Nothing,
    Number,
    OneOf,
    ParameterType,
    Path,
    Reject,
    Text,
    describe,
)
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping

WHOLE = re.compile(r"(0|-?[1-9][0-9]*)(\.0)?")  # a number as it is printed
PARTS = ("train", "validation", "test")  # of the rows
BUILTINS = ("iris", "wine", "digits", "breast_cancer", "diabetes")


class BuiltinName(Text):
    """The name of a set that scikit-learn ships."""

    def describe(self) -> str:
        return f"one of {', '.join(BUILTINS)} in quotes"

    def accept(self, value: Any) -> Any:
        if value in BUILTINS:
            return value
        if not isinstance(value, str):
            raise self.mismatch(value)
        from dlc.compiler.diagnostics.suggest import did_you_mean

        help = did_you_mean(value, BUILTINS) or f"there are {', '.join(BUILTINS)}"
        raise Reject(f'there is no built-in set "{value}"', help=help, code="E0403")


class RowsOfTable(ListOf):
    """A list of rows, all of one length."""

    def __init__(self) -> None:
        super().__init__(ListOf(OneOf(ConstantTensor(), Text(), Nothing())))

    def describe(self) -> str:
        return "a list of rows, each a list of numbers or texts, `none` where one is missing"

    def accept(self, value: Any) -> Any:
        if not isinstance(value, (list, tuple)) or not value:
            raise Reject(f"expected {self.describe()}, found {describe(value)}", code="E0403")
        rows = super().accept(value)
        for number, row in enumerate(rows, 1):
            if len(row) != len(rows[0]):
                message = f"row {number} of the table has {len(row)} entries, and row 1 has {len(rows[0])}"
                raise Reject(message, help="give every row one entry per column", code="E0403")
        return rows


class Section(Definition, family="section", what="a section"):
    """A part of the file in braces."""


class DataSource(Definition, family="source", what="a source of rows"):
    """Where rows come from."""


class Field(Definition, family="field", what="a field of the data"):
    """Where the values of one input or target come from."""


class Builtin(DataSource):
    """A data set that scikit-learn ships: iris, wine, digits, breast_cancer, diabetes."""

    usage = 'builtin("iris")'

    set: str = setting("which one", BuiltinName())

    def columns(self, bunch: Any) -> tuple[str, ...]:
        """Its columns by name, `sepal length (cm)` as `sepal_length`; `bunch` is what scikit-learn reads."""
        plain = (re.sub(r"\s*\(.*\)$", "", name) for name in bunch.feature_names)
        return tuple(name.strip().replace(" ", "_") for name in plain)

    def labels(self, bunch: Any) -> list[str] | None:
        """The names of what its targets count; none where they count nothing, or digits."""
        names = bunch.get("target_names")
        return names.tolist() if names is not None and names.dtype.kind == "U" else None


class Csv(DataSource):
    """A table of text in UTF-8, a heading in its first line, between commas (semicolons, tabs).
    A vector is filled from several columns: `x = columns("x0", "x1", "x2")`."""

    usage = 'csv("flowers.csv")'

    path: str = setting("the file, relative to the spec", Path())
    missing: tuple[str, ...] | None = setting("the text, or texts, that stand for a missing value; a whole "
                                              "number, such as `-1`, also stands for `-1.0`",
                                              OneOf(ListOf(Text()), Nothing()), None,
                                              shown="an empty cell alone")  # fmt: skip

    @property
    def marked(self) -> tuple[str, ...]:
        """The cells that are missing, beside empty ones: a whole number stands for itself as floats are
        printed too."""
        marks = [mark.strip() for mark in self.missing or ()]
        whole = [mark.removesuffix(".0") for mark in marks if WHOLE.fullmatch(mark)]
        return tuple(dict.fromkeys([*marks, *whole, *(f"{mark}.0" for mark in whole)]))


class Parquet(DataSource):
    """An Apache Parquet file."""

    usage = 'parquet("flowers.parquet")'

    path: str = setting("the file, relative to the spec", Path())


class Npz(DataSource):
    """A NumPy archive of arrays, a row along the first axis of each."""

    usage = 'npz("digits.npz")'

    path: str = setting("the file, relative to the spec", Path())


class Idx(DataSource):
    """A folder in the format of MNIST: `train-images-idx3-ubyte`, ...
    (also gzipped), its own test set with it."""

    usage = 'idx("mnist")'

    path: str = setting("the folder, relative to the spec", Path())


class TableSource(DataSource):
    """Rows written in the spec."""

    usage = "table([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]])"

    rows: Any = setting("a list of rows", RowsOfTable())
    columns: Any = setting("the names of the columns, one a place", ListOf(BareWord("a column's name")), None,
                           shown="inputs, then targets, in order")  # fmt: skip


class ColumnField(Field):
    """One column under another name."""

    usage = 'column("Sepal length (cm)")'

    column: str = setting("its name in the source", Text())


class Columns(Field):
    """Several columns as one vector."""

    usage = """
    input  sepal: float[2]
    output species: class(3)

    sepal -> dense(3) -> species

    data {
      source = csv("flowers.csv")
      sepal  = columns("sepal_length", "sepal_width")
    }
    """

    columns: tuple[str, ...] = setting("their names in the source", Text(), rest=True)


class NormalField(Field):
    """Drawn anew for every batch from the normal distribution with mean 0 and deviation 1."""


class UniformField(Field):
    """Drawn anew for every batch, even between 0 and 1."""


class Data(Section):
    """The rows, and how they are parted into training, validation and test.

    Any other key is the name of an input or target, and its value says where it comes from: `column("Other
    name")`, `columns("a", "b")`, `normal()`, `uniform()`.
    """

    usage = """
    input  sepal: float[2]
    output species: class(setosa, versicolor, virginica)

    sepal -> standardize -> dense(16) -> relu -> dense(3) -> species

    data {
      source     = csv("flowers.csv", missing="NA")
      sepal      = columns("sepal length", "sepal width")
      validation = 0.15
      test       = 0.15
      stratify   = species
    }
    """

    source: Any = setting("where the rows come from", MemberOf("source"), None)
    validation: Any = setting(
        "rows for validation: a fraction, a count, or a source of their own",
        OneOf(Integer(0), Number(minimum=0, below=1), MemberOf("source")),
        0,
    )
    test: Any = setting("rows for the test: a fraction, a count, or a source of their own",
                        OneOf(Integer(0), Number(minimum=0, below=1), MemberOf("source")), 0)  # fmt: skip
    stratify: Any = setting("the output whose classes keep their shares in every part",
                            BareWord("an output's name"), None)  # fmt: skip
    seed: int = setting("seed of the parting", Integer(0, 2**31 - 1), 0)

    fields: Mapping[str, Field] = MappingProxyType({})  # by the name of the input or target

    @property
    def marks(self) -> tuple[str, ...]:
        """The texts that stand for a missing value in the file that is named."""
        return getattr(self.source, "missing", None) or ()


class ExportName(ParameterType):
    """What is exported: an output, its `.logits`, or any tensor that has a name.
    Read as its name and syntax."""

    def describe(self) -> str:
        return "the name of an output or a tensor, or `y.logits`"

    def read(self, expr: Any) -> Any:
        from dlc.compiler import syntax

        if isinstance(expr, syntax.Name):
            return ExportedName(expr.id, expr)
        if isinstance(expr, syntax.Attribute) and isinstance(expr.value, syntax.Name):
            return ExportedName(f"{expr.value.id}_{expr.name}", expr)
        return None

    def accept(self, value: Any) -> Any:
        if not isinstance(value, ExportedName):
            raise self.mismatch(value)
        return value


@record
class ExportedName:
    """A name in the artifact and the expression that it stands for."""

    name: str
    expr: Any


class TargetText(Text):
    """The runtime that the artifact is made for."""

    def describe(self) -> str:
        return 'a runtime and its least version, such as "onnxruntime>=1.17"'

    def accept(self, value: Any) -> Any:
        if not isinstance(value, str) or runtime_version(value) is None:
            raise self.mismatch(value)
        if runtime_opset(value) is None:
            oldest = ".".join(map(str, RUNTIMES[0][0]))
            raise Reject(f"artifacts need onnxruntime {oldest} or newer, found {value}", code="E0403")
        return value


# ONNX Runtime from this version on runs these: opset of ai.onnx, opset of ai.onnx.ml, IR version.
RUNTIMES = (((1, 14), 18, 3, 8), ((1, 15), 19, 3, 8), ((1, 17), 20, 4, 9), ((1, 18), 21, 4, 10))


def runtime_version(target: str) -> tuple[int, ...] | None:
    match = re.fullmatch(r"\s*onnxruntime\s*>=\s*(\d+(?:\.\d+){0,2})\s*", target)
    return tuple(map(int, match[1].split("."))) if match else None


def runtime_opset(target: str) -> tuple[int, int, int] | None:
    """Opset of ai.onnx, opset of ai.onnx.ml and IR version that the runtime is sure to run."""
    version = runtime_version(target)
    fitting = [r[1:] for r in RUNTIMES if version is not None and r[0] <= (*version, 0)[:2]]
    return fitting[-1] if fitting else None


class Export(Section):
    """How the artifact is written."""

    usage = """
    input  image: uint8[1, 28, 28]
    output digit: class(10)

    image / 255 -> flatten -> dense(32) -> relu -> dense(10) -> digit

    export {
      outputs = [digit, digit.logits]
      target  = "onnxruntime>=1.18"
    }
    """

    outputs: Any = setting(
        "what it answers", OneOf(ListOf(ExportName()), Nothing()), None, shown="all outputs"
    )
    target: str = setting(
        "the runtime it is made for; chooses opset and IR version", TargetText(), "onnxruntime>=1.17"
    )
    opset: int | None = setting(
        "opset of ai.onnx", OneOf(Integer(18, 21), Nothing()), None, shown="that of the target"
    )
