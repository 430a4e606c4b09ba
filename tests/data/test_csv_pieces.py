"""A csv file that is read in pieces has the same rows and the same errors as one that is read as a whole."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from fields import csv_of, error_of, read, wanted
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dlc.compiler.definitions.sections import Csv
from dlc.compiler.diagnostics.problems import CompileError
from dlc.runtime.data.locations.location import Content
from dlc.runtime.data.sources import csv as csv_file
from dlc.runtime.data.sources import csv_rows
from dlc.runtime.data.sources.csv import CsvFile

SIGNS = ["a", "1", "ä", ",", ",", '"', '"', "\n", "\n", "\r", "\r\n", "\\", " ", "#", "\ufeff", "\0", "NA"]
TEXTS = st.lists(st.sampled_from(SIGNS), max_size=60).map(lambda signs: "".join(signs).encode())
BYTES = st.lists(st.sampled_from([*(sign.encode() for sign in SIGNS), b"\xff", b"\xc3"]), max_size=40).map(
    b"".join
)


def opened(content: bytes, **settings: Any) -> CsvFile:
    return CsvFile(Csv(path="rows.csv", **settings), Content(content, "rows.csv"))


def outcome(act: Any) -> Any:
    """What a function returns, or the errors that it raises."""
    try:
        return act()
    except CompileError as error:
        return [(d.code, d.message, d.help, d.notes) for d in error.diagnostics]


def whole(content: bytes, **settings: Any) -> Any:
    file = opened(content, **settings)
    columns = file.read(range(file._width))
    return file.count, [column.values.to_pylist() for column in columns]


def in_pieces(content: bytes, size: int, **settings: Any) -> Any:
    file = opened(content, **settings)
    pieces = list(file.pieces(range(file._width), size))
    cells = [[cell for piece in pieces for cell in piece[i].values.to_pylist()] for i in range(file._width)]
    return file.count, cells


@settings(max_examples=400, deadline=None)
@given(
    body=TEXTS | BYTES, size=st.integers(1, 50), header=st.booleans(), comment=st.sampled_from([None, "#"])
)
@example(body=b'1,"2\n3,4\n5,6\n', size=3, header=True, comment=None)
@example(body=b'1,2\n3,"a\nb" c\n5\n6,7\n', size=4, header=True, comment=None)
@example(body=b"1,2\n3\n4,5\n6,7,8\n9\n", size=5, header=True, comment=None)
@example(body=b"1,2\n3,\xff\n4\n", size=4, header=True, comment=None)
@example(body=b"1,2\n\xef\xbb\xbf3,4\n", size=4, header=True, comment=None)
@example(body=b"1,2\r\n\r\n3,4\r\r5,6", size=1, header=True, comment=None)
@example(body=b'1,"2 \\" 3"\n4,5\n', size=2, header=False, comment=None)
def test_pieces_of_any_size_are_the_whole(body: bytes, size: int, header: bool, comment: str | None) -> None:
    content, kept = b"x,y\n" + body, {"header": header, "comment": comment, "missing": ("NA",)}
    expected = outcome(lambda: whole(content, **kept))
    assert outcome(lambda: in_pieces(content, size, **kept)) == expected


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.lists(st.text("ab,\"\n\r '", max_size=6), min_size=2, max_size=2), min_size=1, max_size=9
    ),
    size=st.integers(1, 40),
)
def test_cells_that_python_writes_come_back(rows: list[list[str]], size: int) -> None:
    """Python's own csv module writes every cell in quotes."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([["x", "y"], *rows])
    count, cells = in_pieces(text.getvalue().encode(), size)
    assert (count, [*zip(*cells, strict=True)]) == (len(rows), [tuple(row) for row in rows])


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_the_first_row_that_cannot_be_read_is_the_error(size: int) -> None:
    """Of a row that is too short and a quote that is not closed behind it, the row is told."""
    content = b'x,y\n1,2\n3\n4,5\n6,"7\n'
    found = error_of(lambda: list(opened(content).pieces([0, 1], size)))
    assert found.message == "rows.csv, row 2 (line 3): found 1 cell, and the heading has 2 columns"
    found = error_of(lambda: list(opened(content.replace(b"3\n", b"3,3\n")).pieces([0, 1], size)))
    assert "the quote that opens in line 5 is not closed" in found.message


def test_a_piece_is_no_larger_than_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"x,y\n" + b"".join(b"%d,%d\n" % (i, i * i) for i in range(5_000))
    file = opened(content)
    counts = [columns[0].count for columns in file.pieces([0], 1000)]
    assert sum(counts) == file.count == 5_000 and 60 < max(counts) < 260


def test_a_file_larger_than_what_is_kept_is_read_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors far behind the beginning have their row and line."""
    from dlc.runtime.data import bounds
    from dlc.runtime.data.sources import csv_text

    monkeypatch.setattr(csv_text, "KEPT", 1000)
    monkeypatch.setattr(bounds, "PIECE", 300)
    lines = [f"{i},{i}\n" for i in range(2_000)]
    rows = read(csv_of(tmp_path, "a,b\n" + "".join(lines)), wanted("a"), folder=tmp_path).train
    assert rows["a"].tolist() == [*range(2_000)]
    lines[1_500] = "3\n"
    found = error_of(read, csv_of(tmp_path, "a,b\n" + "".join(lines)), wanted("a"), folder=tmp_path)
    assert found.message.startswith("rows.csv, row 1501 (line 1502): found 1 cell")
    lines[1_500] = "3,\udcff\n"
    (tmp_path / "rows.csv").write_bytes(("a,b\n" + "".join(lines)).encode("utf-8", "surrogateescape"))
    found = error_of(read, Csv(path="rows.csv"), wanted("b", "string"), folder=tmp_path)
    assert found.help.startswith("line 1502 holds the byte 0xFF")


def test_a_row_may_be_long_but_not_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_rows, "LONGEST", 1000)
    monkeypatch.setattr(csv_file, "LONGEST", 1000)
    long = b"x,y\n1,2\n" + b"a" * 900 + b",b\n"
    assert opened(long).read([0])[0].values.to_pylist() == ["1", "a" * 900]
    longer = opened(long.replace(b"a,b", b"a" * 200 + b",b"))
    for size in (10, 1 << 20):
        found = error_of(lambda size=size: list(longer.pieces([0], size)))
        assert found.message == "rows.csv cannot be read as a csv file: line 3 is longer than 1_000 bytes"


def test_the_size_is_estimated_before_the_rows_are_read(tmp_path: Path) -> None:
    import gzip

    rows = b"x,y\n" + b"".join(b"%d,%d\n" % (i, i * 7919 % 100_003) for i in range(300_000))
    plain = opened(rows)
    needed = sum(column.values.nbytes for column in plain.read([0, 1]))
    assert needed < plain.size([0, 1]) < 12 * needed and plain.size([0]) < plain.size([0, 1])
    packed = CsvFile(Csv(path="r.csv.gz"), Content(gzip.compress(rows), "rows.csv.gz"))
    assert 0.5 < packed.size([0, 1]) / plain.size([0, 1]) < 2
