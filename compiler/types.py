"""Types of values: element type, sample shape and classes."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, count
from typing import TYPE_CHECKING

from dlc.compiler.dims.dim import has_free
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dlc.compiler.dims.dim import Size

FLOATS = ("float", "float16", "bfloat16", "float64")
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
ELEMENTS = (*FLOATS, *INTEGERS, "bool", "binary", "class", "string")
MAX_CLASSES = 1_000_000  # of a value
MAX_RANK = 16  # of a sample in an artifact; a spec declares fewer axes


@record
class Classes:
    """The classes of a `class` or `binary` value. In the graph a class is its index.

    `count` is a symbol (`dims.class_count`) until the data is read. `labels` are the names of the classes
    outside of the graph, in order: strings or integers; None if they are the indices 0 to `count - 1`.
    `found_in` is the field whose data defines the classes (`class(auto)`); empty if the spec lists them. With
    `end` the last class is the end of a row, which no data holds.
    """

    count: Size
    labels: tuple[str, ...] | tuple[int, ...] | None = None
    found_in: str = ""
    end: bool = False

    def with_end(self) -> Classes:
        """The classes with one more, the last, that means the end of a row: the text `""` among names, the
        next integer among integers."""
        if self.end:
            return self
        numbers = [label for label in self.labels or () if isinstance(label, int)]
        last = "" if self.names else max(numbers, default=0) + 1
        labels = (*self.labels, last) if self.labels else None
        return replace(self, count=self.count + 1, labels=labels, end=True)

    def without_end(self) -> Classes:
        """The classes that data holds."""
        if not self.end:
            return self
        return replace(self, count=self.count - 1, labels=self.labels and self.labels[:-1], end=False)

    @classmethod
    def found(cls, labels: Iterable[str] | Iterable[int], field: str) -> Classes:
        """The classes of the distinct values of a field, sorted."""
        ordered = tuple(sorted(labels))
        dense = ordered == tuple(range(len(ordered)))
        return cls(len(ordered), None if dense else ordered, field)  # type: ignore[arg-type]

    @property
    def names(self) -> tuple[str, ...] | None:
        """The labels, if they are strings."""
        return self.labels if self.labels and isinstance(self.labels[0], str) else None  # type: ignore[return-value]

    @property
    def numbers(self) -> Sequence[int] | None:
        """The labels, if they are integers; None also if the count is not known yet."""
        if self.names is not None or not isinstance(self.count, int):
            return None
        return self.labels or range(self.count)  # type: ignore[return-value]

    @property
    def texts(self) -> tuple[str, ...]:
        """The labels as text; the count has to be known."""
        return self.names or tuple(map(str, self.numbers or ()))

    @property
    def unknown(self) -> str | int:
        """The label outside of the graph for a missing value, or a value that is not a known class."""
        if self.names is not None:
            return next(text for text in chain(("",), map(str, count())) if text not in self.names)
        return next(number for number in count(-1, -1) if number not in (self.numbers or ()))

    @property
    def filler(self) -> str | int:
        """The label outside of the graph behind the last step of a row: that of the end, or of no class. The
        count has to be known."""
        known = self.names or self.numbers
        return known[-1] if self.end and known else self.unknown


@record
class Tensor:
    """The type of a value in the graph.

    `element` is one of `ELEMENTS`; `binary` occurs only in declarations (the value of a binary input is
    `bool`). `shape` is the shape of one sample. A value with `batched=False` is the same for every sample (a
    declared weight, a loss) and has no batch axis. `missing` occurs only in declarations: the input may have
    missing values, which the spec imputes. `ignore` are the target values that do not count, as the spec
    writes them, and None for missing values; it is the same for a target and for what is computed of it
    alone, where an ignored class is -1 and an ignored number NaN. `blank` occurs only in declarations: the
    output is a sequence of classes that is decoded from scores of frames, which have the blank before the
    classes (`ctc`). `decoded` occurs only in the types of artifacts: the answer is made step by step. `words`
    occurs only there too: some that the model knows, of which random text is made.
    """

    element: str
    shape: tuple[Size, ...] = ()
    classes: Classes | None = None
    batched: bool = True
    missing: bool = False
    ignore: tuple[float | str | None, ...] = ()
    blank: bool = False
    decoded: bool = False
    words: tuple[str, ...] = ()

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def free_axis(self) -> int | None:
        """The first sample axis of free size: the one along which rows may differ in length."""
        return next((axis for axis, size in enumerate(self.shape) if has_free(size)), None)

    @property
    def labels(self) -> tuple[str, ...] | tuple[int, ...] | None:
        """The labels of its classes outside of the graph, if they are not their indices. Those of a decoded
        text end in the label of no class, which stands at index -1."""
        labels = self.classes.labels if self.classes else None
        return (*labels, self.classes.unknown) if self.classes and labels and self.blank else labels  # type: ignore[return-value]

    @property
    def is_float(self) -> bool:
        return self.element in FLOATS

    @property
    def is_integer(self) -> bool:
        return self.element in INTEGERS

    @property
    def is_number(self) -> bool:
        """Whether arithmetic accepts the element: floats, integers and booleans."""
        return self.is_float or self.is_integer or self.element == "bool"

    @property
    def takes_text(self) -> bool:
        """Whether a text fills it, a class for each of its units: a sequence of classes."""
        return self.element == "class" and self.rank == 1 and self.shape != (1,)

    def axis(self, axis: int) -> int:
        """The index of a sample axis in the whole tensor, batch axis included."""
        return axis % self.rank + self.batched if self.rank else int(self.batched)

    def with_shape(self, *shape: Size) -> Tensor:
        return replace(self, shape=shape)

    def with_element(self, element: str) -> Tensor:
        return replace(self, element=element, classes=None)

    def with_axis(self, axis: int, size: Size) -> Tensor:
        """The same type with another size of one sample axis."""
        shape = list(self.shape)
        shape[axis] = size
        return replace(self, shape=tuple(shape))

    def __str__(self) -> str:
        return spell(self.element, self.shape)


class Typed:
    """What has a type: a value of the graph, as settings and messages know it."""

    type: Tensor


def keep_ignored(operands: Sequence[Tensor], results: tuple[Tensor, ...], kept: bool) -> tuple[Tensor, ...]:
    """The types of results, which have the ignored entries of the operands or none."""
    ignore = next((x.ignore for x in operands if kept and x.ignore), ())
    own = [ignore if x.is_float or x.element == "class" else () for x in results]
    return tuple(x if x.ignore == i else replace(x, ignore=i) for x, i in zip(results, own, strict=True))


def spell_ignored(ignore: tuple[float | str | None, ...]) -> str:
    """The setting of a type as the language writes it: `ignore=255`, `ignore=[0, missing]`."""
    words = ["missing" if v is None else f'"{v}"' if isinstance(v, str) else str(v) for v in ignore]
    return f"ignore={words[0]}" if len(words) == 1 else f"ignore=[{', '.join(words)}]"


def spell(element: str, shape: tuple[Size, ...]) -> str:
    """A type as the language writes it: `float[64, 28, 28]`."""
    return f"{element}[{', '.join(map(str, shape))}]" if shape else element
