"""Text as classes: whole texts, and the words and subwords of a text."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.parameter_types import Boolean, Integer, Keyword, Nothing, OneOf, Path
from dlc.compiler.dims.dim import class_count, free
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.lengths import LENGTH
from dlc.compiler.operators.padding import onnx_range
from dlc.compiler.tokenizer_files import FORMAT
from dlc.compiler.types import MAX_CLASSES, Classes, Tensor
from dlc.compiler.vocabularies import MISSING, UNKNOWN, WHITE_SPACE, learnt

if TYPE_CHECKING:
    from typing import Self

    from dlc.compiler.vocabularies import Vocabulary

WORDS, SUBWORDS = UNITS = ("words", "subwords")
OPSET = 20  # of StringSplit
LEAST_SUBWORDS = 257  # each byte, and the unknown
DEFAULT_SUBWORDS = 8000
MAX_LENGTH = 10**6  # tokens of a text
FIRST_PARTS, PARTS = 32, 2**32  # parts of a line in the first table, and in all


class TextOperator(Operator, abstract=True):
    """Turns texts into classes by a vocabulary, with class 0 for the unknown. Training computes the classes
    once from the rows, before it begins (`CompiledProgram.row_graph`)."""

    takes = "text"
    elementwise = True
    uses_ml = True

    def with_settings(self, **changed: Any) -> Self:
        return super().with_settings(**changed).knowing(reading=self.reading)

    def classes(self) -> Classes:
        key = self.reading.key if self.reading else self.name
        known = self.reading.vocabulary if self.reading else None
        return Classes(known.count if known else class_count(key), found_in=key)

    def with_vocabulary(self, vocabulary: Vocabulary) -> Self:
        assert self.reading is not None
        return self.knowing(reading=replace(self.reading, vocabulary=vocabulary))

    def number_required(self, x: Tensor, at: int | str) -> Reject:
        help = {
            "class": "these are classes already: `embedding` or `one_hot` comes next",
        }.get(x.element, "declare the input as `string`")
        return Reject(f"`{self.name}` reads text, found {x}", at=at, code="E0202", help=help)

    def torch(self, F, x):
        return F.of_text(self.from_text, x, len(self.results))

    def numbers(self) -> dict[str, int]:
        """The class of each spelling, and of a missing text."""
        known = self.vocabulary
        return {"": MISSING, **dict(zip(known.spellings, known.numbers, strict=True))}

    def lookup(self, op: Any, texts: Any, numbers: dict[str, int]) -> Any:
        """The class of each text, in ONNX."""
        return op.ml.LabelEncoder(texts, keys_strings=list(numbers), values_int64s=list(numbers.values()),
                                  default_int64=UNKNOWN)  # fmt: skip


class VocabularyOperator(TextOperator):
    """The class of a text among those of the training rows (ONNX `LabelEncoder`): class 0 for any other text,
    then the known ones, the most frequent first. A missing text is class -1.

    Texts are compared exactly. Several texts of a row, `string[3]`, share one vocabulary.
    """

    reads = "class"

    max: int | None = setting("how many texts are known at most; the most frequent ones are kept",
                              OneOf(Integer(1, MAX_CLASSES - 1), Nothing()), None)  # fmt: skip
    min_count: int = setting("how often a text has to occur to be known", Integer(1), 1)

    def type(self, x: Tensor) -> Tensor:
        return Tensor("class", x.shape, self.classes(), x.batched)

    def learn(self, texts):
        counts = {text: count for text, count in texts.items() if text}
        return learnt(counts, most=self.max, least=self.min_count, lowercase=False)

    def from_text(self, np, text):
        numbers = self.numbers()
        found = [numbers.get(str(part), UNKNOWN) for part in text.ravel()]
        return np.array(found, np.int64).reshape(text.shape)

    def onnx(self, op, x):
        return self.lookup(op, x, self.numbers())

    examples = (
        Example("vocabulary", "string", "class"),
        Example("vocabulary", "string[3]", "class[3]"),
        Example("vocabulary(max=2, min_count=2)", "string", "class"),
        Example("vocabulary", "float", rejects="E0202"),
        Example("vocabulary(0)", "string", rejects="E0403"),
    )


class TokenizerPath(Path):
    """The path of a tokenizer."""

    def describe(self) -> str:
        return "the path of a `tokenizer.json`"

    def accept(self, value: Any) -> Any:
        path = super().accept(value)
        if not path.endswith(FORMAT):
            raise self.mismatch(value, help="`Tokenizer.save` of the package `tokenizers` writes one")
        return path


class Tokenize(TextOperator):
    """The words of a text as classes (ONNX `StringSplit` and `LabelEncoder`), or its subwords.

    The words of a text are what white space separates, as in `str.split` of Python. Class 0 stands for words
    that the training rows do not have; then come the known ones, the most frequent first. Subwords are learnt
    from the training rows by byte-pair encoding, or those of a `tokenizer.json` of the package `tokenizers`;
    dlc applies it, and the artifact takes the numbers of tokens as `NAME_tokens`.

    The number of tokens is a free dimension of its own, along which rows differ in length. A text without
    tokens has one of class -1.
    """

    ends_rows = True
    reads = "tokens"
    by: str = setting("what a text is cut into: `words`, `subwords`, or the path of a `tokenizer.json`",
                      OneOf(Keyword(*UNITS), TokenizerPath()))  # fmt: skip
    lowercase: bool | None = setting(
        "for words: whether the case of letters makes no difference. Then a word is known in lower case, "
        "with a capital, in capitals, and as the training rows spell it",
        OneOf(Boolean(), Nothing()), None, shown="true",
    )  # fmt: skip
    max_length: int | None = setting("how many tokens of a text are kept at most, from its start",
                                     OneOf(Integer(1, MAX_LENGTH), Nothing()), None)  # fmt: skip
    size: int | None = setting("for subwords: the number of classes at most",
                               OneOf(Integer(LEAST_SUBWORDS, MAX_CLASSES), Nothing()), None, keyword=True,
                               shown="8000")  # fmt: skip
    max: int | None = setting(
        "for words: how many are known at most; the most frequent ones are kept",
        OneOf(Integer(1, MAX_CLASSES - 1), Nothing()), None, keyword=True, shown="all",
    )  # fmt: skip
    min_count: int | None = setting("for words: how often one has to occur to be known",
                                    OneOf(Integer(1), Nothing()), None, keyword=True, shown="1")  # fmt: skip

    @property
    def outside(self) -> bool:
        return self.by != WORDS

    @property
    def uses_ml(self) -> bool:
        return not self.outside

    @property
    def least_opset(self) -> int:
        return 0 if self.outside else OPSET

    @property
    def subwords(self) -> int:
        return self.size or DEFAULT_SUBWORDS

    @property
    def tokenizer(self) -> str:
        return "" if self.by in UNITS else self.by

    def type(self, x: Tensor) -> tuple[Tensor, ...]:
        of = {WORDS: ("lowercase", "max", "min_count"), SUBWORDS: ("size",)}
        for unit, settings in of.items():
            given = [name for name in settings if getattr(self, name) is not None]
            for wrong in given if unit != self.by else ():
                raise Reject(f"`{wrong}` is a setting of `tokenize({unit})`", at=wrong, code="E0402",
                             help=f"write `tokenize({self.by})` without `{wrong}`")  # fmt: skip
        if x.shape:
            raise Reject(f"`tokenize` reads one text a row, found {x}", at="x",
                         help="declare each text as an input of its own")  # fmt: skip
        steps = free(self.reading.field if self.reading else "tokens")
        return Tensor("class", (steps,), self.classes(), x.batched), LENGTH

    def learn(self, texts):
        words: Counter[str] = Counter()
        for text, count in texts.items():
            for word in text.split():
                words[word] += count
        return learnt(words, most=self.max, least=self.min_count or 1, lowercase=self.lowercase is not False)

    def tokens(self, texts):
        numbers, most = self.numbers(), self.max_length
        return [[numbers.get(word, UNKNOWN) for word in text.split()[:most]] or [MISSING] for text in texts]

    @property
    def least_steps(self) -> int:
        """The least number of places of a batch of tokens."""
        return self.reading.least if self.reading else 1

    def from_text(self, np, text):
        return padded(np, self.tokens(map(str, text.ravel())), self.least_steps)

    def onnx(self, op, x):
        zero, one = op.constant(0, "int64"), op.constant(1, "int64")
        first = op.constant([0], "int64")
        batch = op.Unsqueeze(op.Gather(op.Shape(x), zero, axis=0), first)
        words, rows = x, onnx_range(op, op.Squeeze(batch, first))
        for space in WHITE_SPACE[:-1]:
            words, rows = cut(op, words, rows, space)
        words, rows = cut_in_order(op, words, rows, WHITE_SPACE[-1])
        each = op.Shape(rows)
        counts = op.ScatterElements(op.Expand(first, batch), rows, op.Expand(op.constant([1], "int64"), each),
                                    axis=0, reduction="add")  # fmt: skip
        starts = op.Gather(op.CumSum(counts, zero, exclusive=1), rows)
        places = op.Sub(onnx_range(op, op.Squeeze(each, first)), starts)
        numbers = self.lookup(op, words, self.numbers())
        if self.max_length is not None:
            most = op.constant(self.max_length, "int64")
            kept = op.Less(places, most)
            numbers, rows, places = (op.Compress(x, kept, axis=0) for x in (numbers, rows, places))
            counts = op.Where(op.Less(counts, most), counts, most)
        counts = op.Max(counts, one)
        least = op.constant([self.least_steps], "int64")
        steps = op.ReduceMax(op.Concat(counts, least, axis=0), keepdims=1)
        empty = op.Expand(op.constant(MISSING, "int64"), op.Concat(batch, steps, axis=0))
        columns = (op.Unsqueeze(x, op.constant([1], "int64")) for x in (rows, places))
        return op.ScatterND(empty, op.Concat(*columns, axis=1), numbers), counts

    examples = (
        Example("tokenize(words)", "string", "class[a_tokens]"),
        Example("tokenize(words, lowercase=false)", "string", "class[a_tokens]"),
        Example("tokenize(words, max_length=3)", "string", "class[a_tokens]"),
        Example("tokenize(words, max=3, min_count=2)", "string", "class[a_tokens]"),
        Example("tokenize(subwords)", "string", "class[a_tokens]"),
        Example("tokenize(subwords, size=300)", "string", "class[a_tokens]"),
        Example("tokenize(words) -> embedding(2)", "string", "float[a_tokens, 2]"),
        Example("tokenize", "string", rejects="E0405"),
        Example("tokenize(words, size=300)", "string", rejects="E0402"),
        Example("tokenize(subwords, size=100)", "string", rejects="E0403"),
        Example("tokenize(subwords, lowercase=true)", "string", rejects="E0402"),
        Example('tokenize("tokenizer.txt")', "string", rejects="E0403"),
        Example("tokenize(words)", "string[3]", rejects="E0201"),
        Example("tokenize(words)", "class(3)", rejects="E0202"),
    )


def cut(op: Any, texts: Any, rows: Any, space: str) -> tuple[Any, Any]:
    """The parts between a white space of all texts, without empty ones, and the row of each, in ONNX. Each
    white space is given: with none, engines differ in what they split at."""
    parts, _ = op.StringSplit(texts, delimiter=space, outputs=2)
    column = op.Unsqueeze(rows, op.constant([1], "int64"))
    return without_empty(op, parts, op.Expand(column, op.Shape(parts)))


def cut_in_order(op: Any, texts: Any, rows: Any, space: str) -> tuple[Any, Any]:
    """The same for texts of very different numbers of parts. One table of all parts would be as wide as the
    longest text, so a table has the first parts of each text and the rest of it; the rests are cut in another
    one. Each part has a number, by which both are put in order."""
    zero, _one = op.constant(0, "int64"), op.constant(1, "int64")
    column, last = op.constant([1], "int64"), op.constant([FIRST_PARTS], "int64")
    numbers = op.Mul(onnx_range(op, op.Gather(op.Shape(rows), zero, axis=0)), op.constant(PARTS, "int64"))
    parts, _ = op.StringSplit(texts, delimiter=space, maxsplit=FIRST_PARTS, outputs=2)
    whole = op.Add(op.Unsqueeze(numbers, column), onnx_columns(op, parts))
    begin = op.constant([0], "int64")
    first = [op.Slice(x, begin, last, column) for x in (parts, whole)]
    end = op.constant([FIRST_PARTS + 1], "int64")
    rest = without_empty(op, *(op.Slice(x, last, end, column) for x in (parts, whole)))
    more, _ = op.StringSplit(rest[0], delimiter=space, outputs=2)
    of_more = op.Add(op.Unsqueeze(rest[1], column), onnx_columns(op, more))
    words, places = zip(without_empty(op, *first), without_empty(op, more, of_more), strict=True)
    words, places = op.Concat(*words, axis=0), op.Concat(*places, axis=0)
    places, order = op.TopK(places, op.Shape(places), largest=0, outputs=2)
    of_text = op.Div(places, op.constant(PARTS, "int64"))
    return op.Gather(words, order, axis=0), op.Gather(rows, of_text, axis=0)


def onnx_columns(op: Any, parts: Any) -> Any:
    """0, 1, ... for the columns of a table."""
    _zero, one = op.constant(0, "int64"), op.constant(1, "int64")
    return onnx_range(op, op.Gather(op.Shape(parts), one, axis=0))


def without_empty(op: Any, parts: Any, numbers: Any) -> tuple[Any, Any]:
    """The texts of a table that are not empty, row by row, and the number of each."""
    flat = op.constant([-1], "int64")
    parts, numbers = op.Reshape(parts, flat), op.Reshape(numbers, flat)
    kept = op.Not(op.Equal(parts, op.constant("", "string")))
    return op.Compress(parts, kept, axis=0), op.Compress(numbers, kept, axis=0)


def padded(np: Any, rows: list[list[int]], least: int) -> tuple[Any, Any]:
    """The tokens of all rows as an array with class -1 after the end of each, and their numbers. It has
    `least` places at least."""
    lengths = np.array([len(row) for row in rows], np.int64)
    made = np.full((len(rows), lengths.max(initial=least)), MISSING, np.int64)
    for row, tokens in zip(made, rows, strict=True):
        row[: len(tokens)] = tokens
    return made, lengths
