"""Untrusted data that expands to more memory than is free, or that announces a false size."""

from __future__ import annotations

import gzip
import io
import shutil
import struct
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from fields import error_of, read, read_whole, target, wanted
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from dlc.compiler import tensor_files
from dlc.compiler.definitions.sections import Csv, Idx, Npz, Parquet
from dlc.compiler.diagnostics.problems import CompileError
from dlc.runtime import memory
from dlc.runtime.data import bounds
from dlc.runtime.data.locations.location import LocalFile
from dlc.runtime.data.past_memory.stored_rows import StoredRows
from dlc.runtime.data.sources import open_source, parquet_pages
from dlc.runtime.data.sources.npz import NpzFile
from dlc.runtime.data.sources.parquet import ParquetFile

MIB = 1 << 20


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> int:
    """64 MiB are free; a source may use half of them."""
    monkeypatch.setattr(memory, "free", lambda: 64 * MIB)
    return 32 * MIB


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> int:
    """100 GB are free on the disk of the cache, on whatever machine the tests run."""
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**11))
    return 10**11


# --- csv --------------------------------------------------------------------------------------------------


def test_a_compressed_csv_file_respects_the_memory_limit(little: int, tmp_path: Path) -> None:
    rows = b"x,y\n" + b"1,2\n" * 1000
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress(rows))
    assert read(Csv(path="rows.csv.gz"), wanted("x"), folder=tmp_path).train.count == 1000
    with gzip.open(tmp_path / "rows.csv.gz", "wb", compresslevel=1) as file:
        file.write(b"x,y\n")
        for _ in range(40):
            file.write(b"1,2\n" * (MIB // 4))
    found = error_of(read_whole, Csv(path="rows.csv.gz"), wanted("x"), folder=tmp_path)
    assert found.code == "E0716"
    assert found.message.startswith("rows.csv.gz needs ")
    assert found.message.endswith(" of memory, and at most 33.6 MB may be used for it")


def test_a_csv_file_larger_than_memory_is_not_read(little: int, disk: int, tmp_path: Path) -> None:
    with open(tmp_path / "rows.csv", "wb") as file:
        file.write(b"x,y\n" + b"1,2\n" * (12 * MIB))
        file.truncate(10**12)  # a sparse file
    begun = time.monotonic()
    found = error_of(read, Csv(path="rows.csv"), wanted("x"), folder=tmp_path)
    assert found.code == "E0841"
    assert found.message.startswith("rows.csv ") and found.message.endswith(" are free")
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("cell", ["1", ""])
def test_short_cells_are_counted_with_their_overhead(cell: str, little: int, tmp_path: Path) -> None:
    """4 MB that expand to 60 MB."""
    names = [f"c{i}" for i in range(20)]
    line = ",".join([cell] * 20) + "\n"
    (tmp_path / "rows.csv").write_text(",".join(names) + "\n" + line * 100_000)
    fields = [wanted(name, "string") for name in names]
    found = error_of(read_whole, Csv(path="rows.csv"), *fields, folder=tmp_path)
    assert (found.code, found.message[:15]) == ("E0716", "rows.csv needs ")
    assert read(Csv(path="rows.csv"), *fields[:2], folder=tmp_path).train.count == 100_000


def test_long_cells_are_counted_after_they_are_read(little: int, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("x,y\n" + f"{'a' * 1000},1\n" * 10_000)
    assert read(Csv(path="rows.csv"), wanted("y"), folder=tmp_path).train.count == 10_000
    found = error_of(read_whole, Csv(path="rows.csv"), wanted("x", "string"), folder=tmp_path)
    assert found.message == "rows.csv needs 40.4 MB of memory, and at most 33.6 MB may be used for it"


@pytest.mark.parametrize("text", [b"0,0\n", b"#" * 999 + b"\n", b"#"], ids=["rows", "comments", "one line"])
def test_a_decompression_bomb_is_refused_early(text: bytes, tmp_path: Path) -> None:
    """300 MB from a few kilobytes: refused even if the memory is sufficient, also if comments hold it all."""
    with pa.output_stream(str(tmp_path / "rows.csv.zst"), compression="zstd") as stream:
        stream.write(b"x,y\n")
        for _ in range(300):
            stream.write(text * (1_000_000 // len(text)))
    packed = memory.format_size((tmp_path / "rows.csv.zst").stat().st_size)
    source = Csv(path="rows.csv.zst", comment="#")
    found = error_of(read, source, wanted("x"), folder=tmp_path)
    assert (found.code, found.help) == ("E0716", "unpack it, and name the unpacked file")
    assert (
        found.message
        == f"rows.csv.zst expands to more than 2_000 times its {packed}, which real data does not"
    )


def test_a_small_file_may_expand_freely(tmp_path: Path) -> None:
    with pa.output_stream(str(tmp_path / "rows.csv.zst"), compression="zstd") as stream:
        stream.write(b"x,y\n" + b"0,0\n" * 5_000_000)
    assert (tmp_path / "rows.csv.zst").stat().st_size * bounds.RATIO < 20 * MIB
    assert read(Csv(path="rows.csv.zst"), wanted("x"), folder=tmp_path).train.count == 5_000_000


# --- npz --------------------------------------------------------------------------------------------------


def header(shape: str, element: str = "'<f8'") -> bytes:
    text = f"{{'descr': {element}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def archive(folder: Path, content: bytes, **how: int) -> Npz:
    with zipfile.ZipFile(folder / "rows.npz", "w", **how) as file:
        file.writestr("x.npy", content)
    return Npz(path="rows.npz")


@pytest.mark.parametrize(
    "shape",
    ["(True,)", "(2, True)", "(-1,)", "(1.0,)", "3", "[3]", "(0, 10**9)", f"(0, {10**30})", "None", "('a',)",
     f"(0, {2**62}, {2**62})", f"({10**30},)", "(1,) * 3", "(" * 60 + "1" + ")" * 60, f"(100, {'1, ' * 80})"],
)  # fmt: skip
@pytest.mark.filterwarnings("error")
def test_an_invalid_shape_is_an_error(shape: str, tmp_path: Path) -> None:
    """`(True,)` once raised a traceback."""
    found = error_of(read, archive(tmp_path, header(shape) + bytes(800)), wanted("x"), folder=tmp_path)
    assert found.code == "E0702"
    assert found.message.startswith("rows.npz cannot be read as an npz file: ")


def test_arrays_together_respect_the_memory_limit(little: int, tmp_path: Path) -> None:
    half = np.zeros(little // 16)
    np.savez_compressed(tmp_path / "rows.npz", x=half, y=half[:-1000], z=half)
    source = Npz(path="rows.npz")
    assert len(NpzFile(source, tmp_path).read([0])[0].values) == len(half)
    found = error_of(read_whole, source, wanted("x"), wanted("y"), wanted("z"), folder=tmp_path)
    assert found.code == "E0716"
    assert found.message == "rows.npz needs 50.3 MB of memory, and at most 33.6 MB may be used for it"


def test_texts_of_an_archive_are_counted_as_python_text(little: int, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "rows.npz", x=np.full(600_000, "a"))
    assert error_of(read_whole, Npz(path="rows.npz"), wanted("x", "string"), folder=tmp_path).code == "E0716"


def test_an_array_of_a_false_size_is_not_allocated(tmp_path: Path) -> None:
    """The list of members announces an array of terabytes."""
    archive(tmp_path, header(f"({10**12},)"))
    content = bytearray((tmp_path / "rows.npz").read_bytes())
    entry = content.index(b"PK\1\2")
    content[entry + 24 : entry + 28] = b"\xff\xff\xff\xfe"
    (tmp_path / "rows.npz").write_bytes(content)
    assert error_of(read, Npz(path="rows.npz"), wanted("x"), folder=tmp_path).code == "E0702"


def test_a_member_that_is_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    """NumPy does not write `bzip2` and similar methods, whose expansion is unlimited."""
    content = header("(100_000,)") + bytes(800_000)
    for kind in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        found = error_of(read, archive(tmp_path, content, compression=kind), wanted("x"), folder=tmp_path)
        assert found.message == (
            'rows.npz cannot be read as an npz file: the array "x" has a compression '
            "that NumPy does not write"
        )


def test_a_central_directory_that_is_too_long_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "rows.npz", "w") as file:
        for i in range(1000):
            file.writestr(f"{i}.npy", header("(1,)") + bytes(8))
    assert read(Npz(path="rows.npz"), wanted("3"), folder=tmp_path).train.count == 1
    monkeypatch.setattr(tensor_files, "MAX_DIRECTORY", 1 << 15)
    found = error_of(read, Npz(path="rows.npz"), wanted("3"), folder=tmp_path)
    assert found.message == "rows.npz cannot be read as an npz file: its list of members is too long"


def test_texts_with_invalid_code_points(tmp_path: Path) -> None:
    content = header("(2,)", "'<U1'") + b"\xff" * 8
    assert error_of(read, archive(tmp_path, content), wanted("x", "string"), folder=tmp_path).code == "E0702"


# --- idx --------------------------------------------------------------------------------------------------


def idx(folder: Path, shape: tuple[int, ...], content: bytes, element: int = 8, pack: bool = False) -> Idx:
    images = bytes([0, 0, element, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + content
    labels = bytes([0, 0, 8, 1]) + struct.pack(">I", shape[0]) + bytes(shape[0] % 1000)
    name = folder / f"train-images-idx3-ubyte{'.gz' if pack else ''}"
    name.write_bytes(gzip.compress(images, 1) if pack else images)
    (folder / "train-labels-idx1-ubyte").write_bytes(labels)
    return Idx(path=".")


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("shape", [(5, 2**32 - 1, 2**32 - 1), (5, 0, 2**32 - 1, 2**32 - 1, 2**32 - 1)])
@pytest.mark.filterwarnings("error")
def test_a_header_that_announces_more_than_the_file_contains(
    shape: tuple[int, ...], pack: bool, tmp_path: Path
) -> None:
    source = idx(tmp_path, shape, b"", pack=pack)
    found = error_of(read, source, wanted("x", "uint8", *(s or 1 for s in shape[1:])), folder=tmp_path)
    assert found.code in ("E0702", "E0704")


def test_images_respect_the_memory_limit(little: int, tmp_path: Path) -> None:
    pixels = bytes(40 * MIB)
    source = idx(tmp_path, (40, 1024, 1024), pixels, pack=True)
    found = error_of(read_whole, source, wanted("x", "uint8", 1024, 1024), folder=tmp_path)
    needs = "/train-images-idx3-ubyte.gz needs 41.9 MB of memory, and at most 33.6 MB may be used for it"
    assert found.code == "E0716" and found.message.endswith(needs)
    rows = read(source, wanted("x", "uint8", 1024, 1024), folder=tmp_path).train  # in pieces, once
    assert isinstance(rows, StoredRows) and rows.count == 40


# --- Parquet ----------------------------------------------------------------------------------------------


def test_page_values_are_counted_like_arrow(tmp_path: Path) -> None:
    """For all page formats that Arrow writes: the values of every page, compared with what Arrow reads."""
    rows = 20_000
    table = pa.table({
        "number": np.arange(rows),
        "text": [f"text {i % 100}" for i in range(rows)],
        "list": [[1.0, 2.0, 3.0]] * rows,
        "words": [["a", "bc"]] * rows,
        "gaps": pa.array([None, 1.5] * (rows // 2)),
    })  # fmt: skip
    values = [rows, rows, 3 * rows, 2 * rows, rows]
    for how in (
        {}, {"data_page_version": "2.0"}, {"compression": "zstd"}, {"write_page_checksum": True},
        {"write_page_index": True},
        {"use_dictionary": False, "data_page_size": 1000}, {"row_group_size": 3000},
        {"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}},
    ):  # fmt: skip
        path = tmp_path / "rows.parquet"
        parquet.write_table(table, path, **how)
        location = LocalFile(path, "rows.parquet")
        found = parquet_pages.columns(location, parquet_pages.footer(location), list(range(5)))
        assert [sum(page.values for page in found[j]) for j in range(5)] == values, how
        read_ = ParquetFile(Parquet(path="rows.parquet"), location).read(range(5))
        assert read_[1].values.to_pylist() == table["text"].to_pylist()
        assert read_[3].shape == (2,)


@pytest.mark.parametrize("stored", [True, False])
def test_one_long_text_repeated_in_all_rows_is_refused_early(stored: bool, disk: int, tmp_path: Path) -> None:
    """A small page in which 100 000 rows refer to one text of a megabyte."""
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(100_000, np.int32)), pa.array(["a" * 1_000_000]))
    parquet.write_table(
        pa.table({"x": text}), tmp_path / "rows.parquet", compression="zstd", store_schema=stored
    )
    assert (tmp_path / "rows.parquet").stat().st_size < 5000
    found = error_of(read, Parquet(path="rows.parquet"), wanted("x", "string"), folder=tmp_path)
    assert (found.code, found.help) == ("E0716", "write it again with fewer rows, or as csv")


@pytest.mark.parametrize("nested", [False, True])
def test_too_many_values_are_not_read(nested: bool, little: int, tmp_path: Path) -> None:
    """Ten million zeros in a few bytes, possibly all in one row."""
    zeros = pa.array(np.zeros(10_000_000, np.uint8))
    column = pa.ListArray.from_arrays(pa.array([0, len(zeros)], pa.int32()), zeros) if nested else zeros
    parquet.write_table(pa.table({"x": column}), tmp_path / "rows.parquet", compression="zstd")
    assert (tmp_path / "rows.parquet").stat().st_size < 100_000
    found = error_of(read_whole, Parquet(path="rows.parquet"), wanted("x", "uint8"), folder=tmp_path)
    assert (found.code, found.message) == (
        "E0716",
        "rows.parquet needs 120 MB of memory, and at most 33.6 MB may be used for it",
    )


def test_a_false_row_count(tmp_path: Path) -> None:
    """1000 rows that are announced as 8191, in one field or in several."""
    parquet.write_table(pa.table({"x": np.arange(1000.0)}), tmp_path / "rows.parquet")
    content = (tmp_path / "rows.parquet").read_bytes()
    places = [i for i in range(len(content)) if content.startswith(b"\xd0\x0f", i)]
    assert len(places) > 3
    lies = [content[:i] + b"\xfe\x7f" + content[i + 2 :] for i in places]
    lies.append(content.replace(b"\xd0\x0f", b"\xfe\x7f"))
    codes = []
    for lie in lies:
        (tmp_path / "rows.parquet").write_bytes(lie)
        try:
            assert read(Parquet(path="rows.parquet"), wanted("x"), folder=tmp_path).train.count == 1000
        except CompileError as error:
            codes += [d.code for d in error.diagnostics]
    assert set(codes) == {"E0702"}
    assert len(codes) > 2


def test_a_footer_that_is_too_long(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_bytes(b"PAR1" + bytes(100) + struct.pack("<I", 2**31) + b"PAR1")
    found = error_of(read, Parquet(path="rows.parquet"), wanted("x"), folder=tmp_path)
    assert "its footer is longer than 33_554_432 bytes" in found.message


# --- arbitrary bytes --------------------------------------------------------------------------------------


def whole_npz() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, x=np.arange(30.0), y=np.array(["a", "bb", "c"] * 10))
    return file.getvalue()


def whole_parquet() -> bytes:
    file = io.BytesIO()
    table = {"x": np.arange(30.0), "y": ["a", "bb", "c"] * 10, "z": [[1, 2]] * 30}
    parquet.write_table(pa.table(table), file)
    return file.getvalue()


WHOLE = {Npz: whole_npz(), Parquet: whole_parquet()}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", WHOLE)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_bytes_give_rows_or_an_error(
    kind: type, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(WHOLE[kind])
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.getbasetemp()
    (folder / "strange").write_bytes(content)
    try:
        source = open_source(kind(path="strange"), folder)
        source.read(range(len(source.names)))
    except CompileError as error:
        assert {d.code for d in error.diagnostics} <= {
            "E0702",
            "E0704",
            "E0706",
            "E0708",
            "E0711",
            "E0716",
            "E0705",
        }


def test_targets_are_read_as_before(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "rows.npz", x=np.arange(6.0), y=np.array(["b", "a"] * 3))
    rows = read(
        Npz(path="rows.npz"), wanted("x"), target("y", "class", classes=("a", "b")), folder=tmp_path
    ).train
    assert rows["y"].tolist() == [1, 0] * 3


LISTS = b"\x19" * 50_000  # a list of one list of one list
EMPTY = b"\x19\xfc" + b"\x80\x80\x80\x08" + bytes(1 << 24)  # the same number of empty structs
FOOTERS = {"a struct is nested too deep": LISTS, "a struct takes more memory than may be used for it": EMPTY}


@pytest.mark.parametrize("why", FOOTERS)
def test_a_footer_that_expands_too_far(why: str, little: int, tmp_path: Path) -> None:
    """Nested lists once raised a traceback, and empty structs took 70 bytes for each byte of the file."""
    footer = FOOTERS[why]
    (tmp_path / "rows.parquet").write_bytes(b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1")
    found = error_of(read, Parquet(path="rows.parquet"), wanted("x"), folder=tmp_path)
    assert (found.code, found.message) == (
        "E0702", f"rows.parquet cannot be read as a Parquet file: {why}",
    )  # fmt: skip
