"""Definitions of the sections `data` and `export`, of data sources and of fields."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.data_families import DataSource, Field, SplitMethod
from dlc.compiler.definitions.definition import Definition, setting
from dlc.compiler.definitions.file_sources import ColumnNamed, ColumnOrFolder, FolderOfFiles
from dlc.compiler.definitions.parameter_types import (
    BareWord,
    Boolean,
    ConstantTensor,
    Integer,
    Keyword,
    ListOf,
    MemberOf,
    Nothing,
    Number,
    OneOf,
    Path,
    Reject,
    Text,
    describe,
)
from dlc.compiler.definitions.series import TableFile
from dlc.compiler.definitions.text_settings import CommentSign, DecimalSign, Encoding, Separator

if TYPE_CHECKING:
    from collections.abc import Mapping

WHOLE = re.compile(r"0|-?[1-9][0-9]*")  # an integer as printed
PARTS = ("train", "validation", "test")  # of the split
BUILTINS = ("iris", "wine", "digits", "breast_cancer", "diabetes")
CHARACTER, WORD = UNITS = ("character", "word")  # that a text is cut into


class BuiltinName(Text):
    """The name of a data set of scikit-learn."""

    def describe(self) -> str:
        return f"one of {', '.join(BUILTINS)} in quotes"

    def accept(self, value: Any) -> Any:
        if value in BUILTINS:
            return value
        if not isinstance(value, str):
            raise self.mismatch(value)
        from dlc.compiler.diagnostics.suggest import did_you_mean

        help = did_you_mean(value, BUILTINS) or f"the built-in data sets are {', '.join(BUILTINS)}"
        raise Reject(f'there is no built-in data set "{value}"', help=help, code="E0403")


class RowsOfTable(ListOf):
    """A list of rows of equal length."""

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
    """A section of a spec: settings in braces."""


class RandomSplit(SplitMethod):
    """Random rows for each part of the split."""


class OrderedSplit(SplitMethod):
    """The last rows for the test, the rows before them for validation (`shuffle=False` in scikit-learn). Of
    windows, the last stretch of each series; windows that cross a border are in no part."""


class GroupsSplit(SplitMethod):
    """Random groups of rows for each part of the split: rows with the same value of a column stay together
    (scikit-learn `GroupShuffleSplit`). A part gets about as many rows as its fraction or count. `path(1)`
    keeps the files of one folder together."""

    usage = 'groups("patient")'

    column: Any = setting("its name in the source, or `path(n)`, the n-th folder of the path of a file",
                          ColumnOrFolder())  # fmt: skip


class Builtin(DataSource):
    """A data set of scikit-learn: iris, wine, digits, breast_cancer, diabetes."""

    usage = 'builtin("iris")'

    set: str = setting("the name of the data set", BuiltinName())

    def columns(self, bunch: Any) -> tuple[str, ...]:
        """The column names, `sepal length (cm)` as `sepal_length`; `bunch` is the `Bunch` of scikit-learn."""
        plain = (re.sub(r"\s*\(.*\)$", "", name) for name in bunch.feature_names)
        return tuple(name.strip().replace(" ", "_") for name in plain)

    def labels(self, bunch: Any) -> list[str] | None:
        """The class names of the target; None for numeric targets and for digits."""
        names = bunch.get("target_names")
        return names.tolist() if names is not None and names.dtype.kind == "U" else None


class Csv(TableFile):
    """A text file of rows, one in a line.
    Several columns make a vector: `x = columns("x0", "x1", "x2")`."""

    usage = 'csv("flowers.csv", separator=";", decimal=",")'

    missing: tuple[str, ...] | None = setting("the text, or texts, that mark a missing value; a whole "
                                              "number, such as `-1`, also matches `-1.0`",
                                              OneOf(ListOf(Text()), Nothing()), None,
                                              shown="only empty cells")  # fmt: skip
    separator: str = setting("the character between two cells, `tab` for a tab",
                             OneOf(Separator(), Keyword("tab")), ",")  # fmt: skip
    decimal: str = setting('the decimal sign of numbers, `"."` or `","`', DecimalSign(), ".")
    encoding: str = setting("the encoding of the text, by a name that Python knows", Encoding(), "utf-8")
    header: bool = setting("whether the first line names the columns; without names, columns go to the "
                           "inputs, then the targets, in order", Boolean(), True)  # fmt: skip
    comment: str | None = setting("what a line begins with that is a comment and no row",
                                  OneOf(CommentSign(), Nothing()), None)  # fmt: skip

    @property
    def marked(self) -> tuple[str, ...]:
        """The texts that mark a missing value, beside the empty cell; integers also in float notation."""
        zero = f"{self.decimal}0"
        marks = [mark.strip() for mark in self.missing or ()]
        whole = [mark.removesuffix(zero) for mark in marks]
        whole = [mark for mark in whole if WHOLE.fullmatch(mark)]
        return tuple(dict.fromkeys([*marks, *whole, *(f"{mark}{zero}" for mark in whole)]))


class Parquet(TableFile):
    """An Apache Parquet file. A list in a cell is a vector, or a sequence."""

    usage = 'parquet("flowers.parquet")'


class Npz(DataSource):
    """A NumPy archive of arrays, whose first axis is the row axis."""

    usage = 'npz("digits.npz")'

    path: str = setting("the file, relative to the spec", Path())


class Idx(DataSource):
    """A folder in the IDX format of MNIST, with its test set: `train-images-idx3-ubyte`, ... or gzipped."""

    usage = 'idx("mnist")'

    path: str = setting("the folder, relative to the spec", Path())


class TextSource(DataSource):
    """A text in UTF-8 as windows of characters or words. A row is a window, and the window one later: they
    fill the input and the target, in order, which share their classes.

    Windows do not overlap, and what is left at the end is no window. Every line end counts as `\\n`; white
    space separates words. The split is `ordered`: the last windows are the test.
    """

    usage = """
    input  text: class(auto)[T]
    output next: class(auto)[T]

    text -> embedding(16) -> transpose -> conv(32, 5, padding=causal) -> relu -> transpose
         -> dense(next.classes) -> next

    data {
      source = text("book.txt", window=64)
      test   = 0.1
    }
    """

    path: str = setting("the file, relative to the spec", Path())
    window: int = setting("characters or words of a row", Integer(1))
    unit: str = setting("what the text is cut into", Keyword(*UNITS), CHARACTER)


class TableSource(DataSource):
    """Rows written in the spec."""

    usage = "table([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]])"

    rows: Any = setting("a list of rows", RowsOfTable())
    columns: Any = setting("the names of the columns, in order", ListOf(BareWord("a column's name")), None,
                           shown="inputs, then targets, in order")  # fmt: skip


class ColumnField(ColumnNamed):
    """A column whose name differs from that of the input or target, or whose texts are cut into words. A text
    that fills a sequence of classes, such as `class(auto)[T]`, is cut."""

    usage = 'column("Sepal length (cm)")'

    column: str = setting("its name in the source", Text())
    unit: str | None = setting("what a text is cut into: `character`, or `word` at white space",
                               OneOf(Keyword(*UNITS), Nothing()), None, shown="character")  # fmt: skip


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
    """Random numbers for every batch, from the normal distribution with mean 0 and standard deviation 1."""


class UniformField(Field):
    """Random numbers for every batch, from the uniform distribution between 0 and 1."""


class Data(Section):
    """The source of the rows, and their split into training, validation and test.

    Any other key is the name of an input or target, and its value is the origin of the values: `column("Other
    name")`, `columns("a", "b")`, `files("path")`, `path(1)`, `ahead("a", 24)`, `normal()`, `uniform()`.
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

    source: Any = setting("the source of the rows", MemberOf("source"), None)
    validation: Any = setting(
        "rows for validation: a fraction, a count, or a source of their own",
        OneOf(Integer(0), Number(minimum=0, below=1), MemberOf("source")),
        0,
    )
    test: Any = setting("rows for the test: a fraction, a count, or a source of their own",
                        OneOf(Integer(0), Number(minimum=0, below=1), MemberOf("source")), 0)  # fmt: skip
    split: Any = setting("the way to choose the rows of each part", OneOf(MemberOf("split"), Nothing()), None,
                         shown="random, or ordered for windows")  # fmt: skip
    stratify: Any = setting("the output whose classes have equal shares in all parts of the split",
                            BareWord("an output's name"), None)  # fmt: skip
    seed: int = setting("random seed of the split", Integer(0, 2**31 - 1), 0)
    drop: Any = setting("`missing` leaves out the rows that miss a value which nothing fills in",
                        OneOf(Keyword("missing"), Nothing()), None)  # fmt: skip

    fields: Mapping[str, Field] = MappingProxyType({})  # by the name of the input or target

    @property
    def csv(self) -> Csv | None:
        """The source, if it is a csv file."""
        return self.source if isinstance(self.source, Csv) else None

    @property
    def table(self) -> TableFile | None:
        """The source, if it is a file of rows with columns."""
        return self.source if isinstance(self.source, TableFile) else None

    @property
    def text(self) -> TextSource | None:
        """The source, if it is a text."""
        return self.source if isinstance(self.source, TextSource) else None

    @property
    def folder(self) -> FolderOfFiles | None:
        """The source, if it is a folder of files."""
        return self.source if isinstance(self.source, FolderOfFiles) else None

    @property
    def windowed(self) -> bool:
        """Whether samples are windows of the rows."""
        return self.table is not None and self.table.window is not None

    @property
    def splitting(self) -> SplitMethod:
        """The way to split the samples: as written, else random, or ordered for windows."""
        in_order = self.windowed or self.text is not None
        return self.split or (OrderedSplit() if in_order else RandomSplit())
