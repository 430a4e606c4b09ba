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
from dlc.runtime.data import classes as classes_of_columns
from dlc.runtime.data import load
from dlc.runtime.data.text_units import characters_of, cut, joined, words_of
from dlc.runtime.data.source import texts
from dlc.runtime.open_rows import source_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.runtime.data import Dataset, Rows

NEXT = "input text: class(auto)[T]\noutput next: class(auto)[T]\ntext -> embedding(4) -> dense(next.classes) -> next\n"


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
    data = f'data {{\n source = text("book.txt", window=3, unit=word)\n test = 2\n}}\n'
    (tmp_path / "spec.dl").write_text(NEXT + data + "train { epochs = 1 }\n")
    done = dlc.train(tmp_path / "spec.dl", out=tmp_path)
    warned = {w.code: w for w in done.warnings}
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
    for unit, wanted in (("character", [[*t] for t in kept]), ("word", [t.split() for t in kept])):
        column = cut(texts(values), unit)
        assert column.values.to_pylist() == [piece for text in wanted for piece in text]
        assert column.lengths is not None and column.lengths.tolist() == [len(text) for text in wanted]
        assert column.missing_rows.tolist() == [not text for text in wanted]
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
