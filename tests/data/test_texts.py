"""Texts as windows (`text(...)`), and texts that fill sequences of classes, cut into characters or words."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest
from fields import AUTO, error_of, errors_of, read, target, wanted
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet

import dlc
from dlc.compiler.definitions.sections import TextSource
from dlc.compiler.dims.dim import free
from dlc.compiler.training.class_texts import joined
from dlc.runtime.data import load
from dlc.runtime.data.columns import classes as classes_of_columns
from dlc.runtime.data.columns.text_units import characters_of, cut, words_of
from dlc.runtime.data.source import texts
from dlc.runtime.lints import run_lints
from dlc.runtime.open_rows import source_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.runtime.data import Dataset, Rows

NEXT = """input text: class(auto)[T]
output next: class(auto)[T]
text -> embedding(4) -> dense(next.classes) -> next
"""


def rows_of(spec: str, folder: Path, data: Any = None) -> Dataset:
    (folder / "spec.dl").write_text(spec, "utf-8")
    return load(dlc.compile(folder / "spec.dl").compiled, folder, source=source_from(data))


def windows(folder: Path, content: str | bytes, settings: str, more: str = "") -> Dataset:
    """The rows of a text file."""
    (folder / "book.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    return rows_of(f'{NEXT}data {{\n source = text("book.txt", {settings})\n {more}\n}}\n', folder)


def units(data: Dataset, rows: Rows | None, field: str) -> list[list[str]]:
    """The names of the classes of each row."""
    assert rows is not None and rows.count is not None
    owner = field if field in data.classes else next(iter(data.classes))
    names = np.array(data.classes[owner].texts, object)
    length = rows.length_names[field]
    return [names[batch[field][0, : batch[length][0]]].tolist() for batch in rows.batches(1, [field, length])]


# --- windows of a text ------------------------------------------------------------------------------------

T = free("T")
FIELDS = (wanted("text", "class", T, classes=AUTO), target("next", "class", T, classes=AUTO))
LETTERS = st.text(st.sampled_from("aé日𝄞 \n\t.?\u00a0"), min_size=12, max_size=60)


@given(LETTERS, st.integers(1, 9), st.sampled_from(["character", "word"]))
@example("to be or not to be, that is", 4, "word")
def test_a_row_is_a_window_and_the_one_later(text: str, size: int, unit: str) -> None:
    pieces = [*text] if unit == "character" else text.split()
    count = (len(pieces) - 1) // size
    with TemporaryDirectory() as folder:
        (Path(folder) / "book.txt").write_bytes(text.encode())
        source = TextSource(path="book.txt", window=size, unit=unit)
        if count < 1:
            held = f"{len(pieces)} {unit}{'s' if len(pieces) != 1 else ''}"
            found = error_of(read, source, *FIELDS, folder=Path(folder))
            what = f"book.txt holds {held}, and a window and the one later take {size + 1}"
            assert (found.code, found.message) == ("E0708", what)
            return
        data = read(source, *FIELDS, folder=Path(folder))
    starts = range(0, count * size, size)
    assert units(data, data.train, "text") == [pieces[s : s + size] for s in starts]
    assert units(data, data.train, "next") == [pieces[s + 1 : s + 1 + size] for s in starts]


def test_line_ends_and_the_byte_order_mark(tmp_path: Path) -> None:
    data = windows(tmp_path, b"\xef\xbb\xbfa\r\nb\rc\nd", "window=6")
    assert units(data, data.train, "text") == [["a", "\n", "b", "\n", "c", "\n"]]
    assert data.classes["text"].names == ("\n", "a", "b", "c", "d")


def test_no_target_of_the_test_is_in_a_window_of_training(tmp_path: Path) -> None:
    """Each symbol occurs once, so its class says where it stands."""
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 101)))
    data = windows(tmp_path, text, "window=5", "test = 0.2\n validation = 2")
    train, validation, test = (units(data, rows, "text") for _, rows in data.parts())
    assert [len(train), len(validation), len(test)] == [14, 2, 4]
    assert ["".join(map("".join, part)) for part in (train, validation, test)] == [
        text[:70],
        text[70:80],
        text[80:100],
    ]
    seen = {c for part in ("text", "next") for row in units(data, data.train, part) for c in row}
    answers = {c for rows in (data.validation, data.test) for row in units(data, rows, "next") for c in row}
    assert not seen & answers
    assert seen & {c for row in validation for c in row} == {text[70]}


def test_words_that_only_the_test_has_are_classes_and_warned_of(tmp_path: Path) -> None:
    """The input has the classes of its training rows, the target those of all rows; they share them."""
    text = "a b " * 20 + "new words end"
    (tmp_path / "book.txt").write_text(text)
    data = 'data {\n source = text("book.txt", window=3, unit=word)\n test = 2\n}\n'
    (tmp_path / "spec.dl").write_text(NEXT + data + "train { epochs = 1 }\n")
    program = dlc.compile(tmp_path / "spec.dl").fit()
    rows = load(program.compiled, tmp_path)
    warned = {w.code: w for w in run_lints(program.compiled, rows, program.weights())}
    assert warned["W0703"].message.endswith('have no training row: "end", "new", "words"')
    assert warned["W0703"].help == "keep more of the text for training"
    assert not {"W0704", "W0705", "W0707"} & warned.keys()


def test_the_split_of_windows(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("abc" * 30)
    head = f'{NEXT}data {{\n source = text("book.txt", window=4)\n test = 2\n'
    found = error_of(dlc.compile, text=head + " split = random\n}\n")
    assert (found.code, found.line, found.help) == (
        "E0408",
        7,
        "leave it out: the last windows are the test",
    )
    same = [rows_of(f"{head}{split}}}\n", tmp_path) for split in ("", " split = ordered\n")]
    assert same[0].fingerprint == same[1].fingerprint


def test_another_text_is_read_in_the_same_windows(tmp_path: Path) -> None:
    windows(tmp_path, "abcd" * 5, "window=3")
    (tmp_path / "other.txt").write_text("dcba" * 3)
    data = rows_of((tmp_path / "spec.dl").read_text(), tmp_path, tmp_path / "other.txt")
    assert units(data, data.train, "text") == [["d", "c", "b"], ["a", "d", "c"], ["b", "a", "d"]]


UTF16 = "né à Genève".encode("utf-16")
BAD = {
    "another encoding": ("né à Genève".encode("cp1252"), "it holds bytes that are not UTF-8 text",
                         'line 1 holds the byte 0xE9, which is "é" in latin-1 and cp1252: save it as UTF-8'),
    "wide characters": (UTF16, "it holds bytes that are not UTF-8 text", "(`iconv -f utf-16 -t utf-8`)"),
    "compressed": (b"\x1f\x8b\x08\0\xff\xff", "it is compressed by gzip", "unpack it, or write its text"),
    "a workbook": (b"PK\x03\x04\xff", "it is a zip archive", "unpack it"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "why", "help"), BAD.values(), ids=BAD)
def test_files_that_are_no_text(content: bytes, why: str, help: str, tmp_path: Path) -> None:
    found = error_of(windows, tmp_path, content, "window=2")
    assert (found.code, found.message) == ("E0702", f"book.txt cannot be read as a text: {why}")
    assert help in found.help


def test_errors_of_a_text_in_the_spec(tmp_path: Path) -> None:
    assert error_of(windows, tmp_path, "abc", "unit=word").message == "`text` needs `window`"
    assert error_of(windows, tmp_path, "abc", "window=3, unit=words").help == "did you mean `word`?"
    found = error_of(windows, tmp_path, "abcdef", "window=2", 'text = column("a")')
    assert found.message == "book.txt has no names, so no column can be chosen for `text`"
    (tmp_path / "book.txt").unlink()
    spec = f'{NEXT}data {{ source = text("bok.txt", window=2) }}\n'
    assert error_of(rows_of, spec, tmp_path).message == "there is no file bok.txt"


# --- cutting ----------------------------------------------------------------------------------------------

TEXTS = st.lists(st.none() | st.text(st.sampled_from("aé日𝄞 \n\u00a0\u3000\0"), max_size=6), max_size=8)


@given(TEXTS, st.integers(0, 3))
def test_cutting_agrees_with_python(given: list[str | None], start: int) -> None:
    values = pa.array(given, pa.large_string()).slice(start)  # a slice of a longer array
    kept = [text or "" for text in given[start:]]
    for unit, pieces in (("character", [[*t] for t in kept]), ("word", [t.split() for t in kept])):
        column = cut(texts(values), unit)
        assert column.values.to_pylist() == [piece for text in pieces for piece in text]
        assert column.lengths is not None and column.lengths.tolist() == [len(text) for text in pieces]
        assert column.missing_rows.tolist() == [not text for text in pieces]
        assert not column.steps.missing_rows.any()
    assert [joined([*text], "character") for text in kept] == kept
    assert [joined(text.split(), "word") for text in kept] == [" ".join(text.split()) for text in kept]


def test_no_texts_have_no_units() -> None:
    nothing = pa.array([], pa.large_string())
    for act in (characters_of, words_of):
        found, lengths = act(nothing)
        assert (len(found), len(lengths)) == (0, 0)


# --- texts in columns -------------------------------------------------------------------------------------

TAGGER = """input word: class(auto)[T]
output tag: class(auto)[T]
word -> embedding(4) -> dense(tag.classes) -> tag
"""
KIND = """input words: class(auto)[T]
output kind: binary
words -> embedding(4) -> mean(axis=0) -> dense(1) -> kind
"""
WORDS = ["to be, or", "not  to\nbe", "", "be"]
CUT = [["to", "be,", "or"], ["not", "to", "be"], [], ["be"]]
COLUMNS = {"words": WORDS, "kind": [0, 1, 1, 0]}
UNIT = KIND + 'data {{\n {}\n words = column("words", unit=word)\n}}\n'


def sources(folder: Path) -> dict[str, tuple[str, Any]]:
    """The same rows in each kind of source: the setting of the spec, and what is given in Python."""
    table = pa.table(COLUMNS)
    parquet.write_table(table, folder / "rows.parquet")
    pd.DataFrame(COLUMNS).to_csv(folder / "rows.csv", index=False)
    in_spec = [[words, kind] for words, kind in zip(WORDS, COLUMNS["kind"], strict=True)]
    written = ", ".join(f'["{words}", {kind}]'.replace("\n", "\\n") for words, kind in in_spec)
    return {
        "csv": ('source = csv("rows.csv")', None),
        "parquet": ('source = parquet("rows.parquet")', None),
        "table": (f'source = table([{written}], columns=["words", "kind"])', None),
        "lists": ("", COLUMNS),
        "arrays": ("", {name: np.array(column) for name, column in COLUMNS.items()}),
        "pandas": ("", pd.DataFrame(COLUMNS)),
        "categories": ("", pd.DataFrame(COLUMNS).astype({"words": "category"})),
        "polars": ("", polars.DataFrame(COLUMNS)),
        "arrow": ("", table),
    }


SOURCES = ("csv", "parquet", "table", "lists", "arrays", "pandas", "categories", "polars", "arrow")


@pytest.mark.parametrize("source", SOURCES)
def test_columns_of_texts_are_cut_in_every_source(source: str, tmp_path: Path) -> None:
    setting, given = sources(tmp_path)[source]
    data = rows_of(UNIT.format(setting), tmp_path, given)
    assert units(data, data.train, "words") == CUT
    assert data.classes["words"].names == ("be", "be,", "not", "or", "to")
    assert (data.units, data.lengths) == ({"words": "word"}, {"T"})


def csv_rows(folder: Path, cells: Sequence[str], spec: str, more: str = "") -> Dataset:
    """The rows of a csv file with the texts of `word` and `tag` in the first column and in upper case."""
    lines = [f'"{cell}","{cell.upper()}"' for cell in cells]
    (folder / "rows.csv").write_text("\n".join(["word,tag", *lines]) + "\n", "utf-8")
    return rows_of(f'{spec}data {{\n source = csv("rows.csv")\n {more}\n}}\n', folder)


def test_white_space_and_missing_texts_of_characters(tmp_path: Path) -> None:
    """A space is a class; an empty text has no step, also in a target; and it is not dropped by itself."""
    data = csv_rows(tmp_path, ["a b", "", " ", "ba", "a b"], TAGGER)
    assert units(data, data.train, "word") == [["a", " ", "b"], [], [" "], ["b", "a"], ["a", " ", "b"]]
    assert units(data, data.train, "tag")[:2] == [["A", " ", "B"], []]
    assert data.classes["word"].names == (" ", "a", "b")
    assert not data.train.unknown_values()  # type: ignore[union-attr]
    dropped = csv_rows(tmp_path, ["a b", "", " ", "ba"], TAGGER, "drop = missing")
    assert units(dropped, dropped.train, "word") == [["a", " ", "b"], [" "], ["b", "a"]]
    assert dropped.notes == ("1 of 4 rows of rows.csv left out (`drop = missing`): they miss `word`, `tag`",)


def test_marks_of_missing_texts(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("word,tag\nab,AB\nNA,\n")
    data = rows_of(f'{TAGGER}data {{ source = csv("rows.csv", missing="NA") }}\n', tmp_path)
    assert units(data, data.train, "word") == [["a", "b"], []]


@pytest.mark.parametrize(("cells", "labels", "unit"), [
    (["0112", "2"], (0, 1, 2), "character"),
    (["0112", "2x"], ("0", "1", "2", "x"), "character"),
    (["1 2", "22"], (" ", "1", "2"), "character"),
    (["17 300", "-5"], (-5, 17, 300), "word"),
    (["17 007", "5"], ("007", "17", "5"), "word"),
])  # fmt: skip
def test_classes_of_csv_are_integers_if_every_unit_is_one(
    cells: list[str], labels: tuple[Any, ...], unit: str, tmp_path: Path
) -> None:
    data = csv_rows(
        tmp_path, cells, TAGGER, f'word = column("word", unit={unit})\n tag = column("word", unit={unit})'
    )
    found = data.classes["word"]
    assert (found.names or tuple(found.numbers or ())) == labels


def test_texts_of_a_file_with_types_are_names(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"word": ["01", "1"], "tag": ["a", "ab"]}), tmp_path / "rows.parquet")
    spec = TAGGER.replace("[T]", "[T]", 1).replace("tag: class(auto)[T]", "tag: class(auto)[U]")
    spec = "input word: class(auto)[T]\ninput tag: class(auto)[U]\noutput y: float\n" \
        "mean(embedding(word, 2)) + mean(embedding(tag, 2)) -> y\n"  # fmt: skip
    data = load(dlc.compile(text=spec).compiled, tmp_path, source=source_from(tmp_path / "rows.parquet"),
                fields=["word", "tag"])  # fmt: skip
    assert data.classes["word"].names == ("0", "1")
    assert data.lengths == {"T", "U"}


DNA = "input code: class(a, c, g, t)[4]\noutput y: binary\ncode -> embedding(4) -> flatten -> dense(1) -> y\n"


def dna(folder: Path, cells: str, more: str = "") -> Dataset:
    lines = [f"{cell},{place % 2}" for place, cell in enumerate(cells.split("|"))]
    (folder / "rows.csv").write_text("\n".join(["code,y", *lines]) + "\n")
    return rows_of(f'{DNA}data {{\n source = csv("rows.csv")\n {more}\n}}\n', folder)


def test_texts_of_a_fixed_length(tmp_path: Path) -> None:
    data = dna(tmp_path, "acgt|tttt")
    assert data.train["code"].tolist() == [[0, 1, 2, 3], [3, 3, 3, 3]]  # type: ignore[index]
    found = error_of(dna, tmp_path, "acgt|acg|ac")
    what = 'rows.csv, row 2 (line 3), column "code": its length is 3, and 4 is wanted'
    assert (found.code, found.message) == ("E0704", what)
    found = error_of(dna, tmp_path, "acgt||acgt")
    assert (found.code, found.message) == (
        "E0706",
        'rows.csv, row 2 (line 3), column "code": the text is missing',
    )
    kept = dna(tmp_path, "acgt||acgt", "drop = missing")
    assert kept.train["code"].tolist() == [[0, 1, 2, 3]] * 2  # type: ignore[index]
    found = error_of(dna, tmp_path, "acgt|acxt")
    assert found.message == 'rows.csv, row 2 (line 3), column "code": step 3: "x" is not one of the 4 classes'


def test_fields_of_one_dimension_have_texts_of_one_length(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("word,tag\nab,AB\nabc,A\n")
    found = error_of(rows_of, f'{TAGGER}data {{ source = csv("rows.csv") }}\n', tmp_path)
    assert found.code == "E0704"
    assert found.message.startswith('rows.csv, row 2 (line 3), column "tag": its length is 1, and `T` is 3')


def test_ignored_characters_of_a_target(tmp_path: Path) -> None:
    spec = TAGGER.replace("tag: class(auto)[T]", 'tag: class(auto, ignore=" ")[T]')
    data = csv_rows(tmp_path, ["a b", "b"], spec)
    assert data.classes["tag"].names == ("A", "B")
    [batch] = data.train.batches([2], ["tag", "tag_length"])  # type: ignore[union-attr]
    assert batch["tag"][0].tolist() == [0, -1, 1]


def test_what_is_not_cut(tmp_path: Path) -> None:
    """Several columns, a vector of one place, lists of names and single values have one class a text."""
    rows = [["red", "ab", ["x", "yz"]], ["blue", "cd", ["yz", "x"]]]
    columns = {name: [row[place] for row in rows] for place, name in enumerate(("a", "b", "c"))}
    spec = "input pair: class(auto)[2]\ninput one: class(auto)[1]\ninput names: class(auto)[T]\n" \
        "output y: class(auto)\n" \
        "y_ = mean(embedding(pair, 2)) + mean(embedding(one, 2)) + mean(embedding(names, 2))\n" \
        'y_ -> dense(y.classes) -> y\ndata {\n pair = columns("a", "b")\n one = column("a")\n' \
        ' names = column("c")\n y = column("b")\n}\n'  # fmt: skip
    data = rows_of(spec, tmp_path, columns)
    assert data.classes["pair"].names == ("ab", "blue", "cd", "red")
    assert data.classes["names"].names == ("x", "yz")
    assert (data.units, data.lengths) == ({}, frozenset())


def test_units_are_for_sequences_of_classes() -> None:
    spec = (
        'input x: float\noutput y: class(auto)\nx -> dense(y.classes) -> y\ndata {\n source = csv("a.csv")\n'
    )
    both = ' x = column("a", unit=word)\n y = column("b", unit=character)\n}\n'
    assert errors_of(dlc.compile, text=spec + both) == [
        ("E0408", f"a text is cut for a sequence of classes, and `{name}` is {type}")
        for name, type in (("x", "float"), ("y", "class"))
    ]


def test_cells_of_series_are_steps(tmp_path: Path) -> None:
    """The rows of a series are its steps: a cell is one class, as in a list of names."""
    (tmp_path / "rows.csv").write_text("id,word,tag\n1,red,A\n1,blue,B\n2,red,A\n")
    head = f'{TAGGER}data {{\n source = csv("rows.csv", series="id")\n'
    data = rows_of(head + "}\n", tmp_path)
    assert units(data, data.train, "word") == [["red", "blue"], ["red"]]
    assert data.units == {}
    found = error_of(dlc.compile, text=head + ' word = column("word", unit=word)\n}\n')
    assert found.message == "the steps of `word` are rows of the source, so its texts are not cut"


def test_texts_without_a_unit(tmp_path: Path) -> None:
    assert errors_of(rows_of, TAGGER, tmp_path, {"word": ["", None], "tag": ["", ""]}) == [
        ("E0706", f'the arrays given, row 1, array "{name}": all values are missing, so there is no class')
        for name in ("word", "tag")
    ]


def test_too_many_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classes_of_columns, "MAX_CLASSES", 3)
    found = error_of(windows, tmp_path, "a b c d e", "window=2, unit=word")
    assert (found.code, found.help) == ("E0707", "cut the text into characters")


def test_texts_that_do_not_fit_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A character takes more memory as a class than in the file."""
    monkeypatch.setattr("dlc.runtime.memory.free", lambda: 1 << 20)
    assert error_of(windows, tmp_path, "ab" * 10_000, "window=2").code == "E0716"
    parquet.write_table(
        pa.table({"word": ["ab" * 10_000] * 3, "tag": ["ab" * 10_000] * 3}), tmp_path / "r.parquet"
    )
    found = error_of(rows_of, f'{TAGGER}data {{ source = parquet("r.parquet") }}\n', tmp_path)
    assert (found.code, "r.parquet" in found.message) == ("E0716", True)
