"""Tables in several files: folders, patterns, partitions, and files that differ from the others."""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from fields import AUTO, error_of, read, target, wanted
from pyarrow import parquet

import dlc
from dlc.compiler.definitions.sections import Columns, Csv, Idx, Parquet, TextSource
from dlc.compiler.dims.dim import free
from dlc.runtime.data import bounds, open_rows, read_rows
from dlc.runtime.data.locations import listing
from dlc.runtime.data.sources import open_source


def written(folder: Path, **files: Any) -> Path:
    """Files by their paths, `__` as `/`: bytes, text, or a dict of columns that is written as Parquet."""
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_csv", ".csv").replace("_pq", ".parquet")
        place(path, content)
    return folder


def place(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, dict):
        parquet.write_table(pa.table(content), path)
    elif isinstance(content, str):
        path.write_text(content)
    else:
        path.write_bytes(content)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Three files of a folder, written in another order than that of their names."""
    place(tmp_path / "logs/c.csv", "x,y\n5,e\n")
    place(tmp_path / "logs/b.csv", "y,x\nc,3\n\nd,4\n")
    place(tmp_path / "logs/a.csv.gz", gzip.compress(b"x,y\n1,a\n2,b\n"))
    return tmp_path


FIELDS = wanted("x"), wanted("y", "string")


@pytest.mark.parametrize(
    "path", ["logs", "logs/", "logs/*", "logs/*.csv*", "log?", "l*", "**/*.csv*", "logs/**"]
)
def test_a_folder_or_a_pattern_is_one_table(path: str, logs: Path) -> None:
    """The columns of a file may be in any order."""
    rows = read(Csv(path=path), *FIELDS, folder=logs).train
    assert rows["x"].tolist() == [1, 2, 3, 4, 5] and rows["y"].tolist() == [*"abcde"]
    assert [rows.place(row) for row in (1, 3, 4)] == [
        "logs/a.csv.gz, row 2 (line 3)", "logs/b.csv, row 2 (line 4)", "logs/c.csv, row 1 (line 2)",
    ]  # fmt: skip


def test_a_pattern_takes_what_it_matches(logs: Path) -> None:
    assert read(Csv(path="logs/[bc].csv"), *FIELDS, folder=logs).train["x"].tolist() == [3, 4, 5]
    assert read(Csv(path="logs/*.csv"), *FIELDS, folder=logs).train["x"].tolist() == [3, 4, 5]
    assert read(Csv(path=f"{logs}/logs/b*"), *FIELDS).train.place(0) == "logs/b.csv, row 1 (line 2)"
    assert read(Csv(path=f"{logs}/logs"), *FIELDS).train.place(0) == "logs/a.csv.gz, row 1 (line 2)"
    assert read(Csv(path=f"file://{logs}/logs"), *FIELDS).train.count == 5
    place(logs / "logs/[1].csv", "x,y\n7,g\n")
    assert read(Csv(path="logs/[1].csv"), *FIELDS, folder=logs).train["x"].tolist() == [7]


def test_what_tools_keep_beside_the_rows_is_left_out(logs: Path) -> None:
    for name in ("_SUCCESS", "_metadata.csv", ".c.csv.crc", ".hidden.csv", "_temporary/d.csv", "notes.txt"):
        place(logs / "logs" / name, "nothing")
    place(logs / "logs/d.csv", "")  # a part without rows, as Spark writes it
    place(logs / "logs/e.csv", "x,y\n")
    for path in ("logs", "logs/*.csv*"):
        assert read(Csv(path=path), *FIELDS, folder=logs).train.count == 5
    place(logs / "logs/_part.csv", "x,y\n8,h\n")
    assert read(Csv(path="logs/_p*.csv"), *FIELDS, folder=logs).train["x"].tolist() == [8], (
        "as it is asked for"
    )


def test_an_error_is_that_of_a_file_and_its_row(logs: Path) -> None:
    place(logs / "logs/b.csv", "y,x\nc,3\n\nd,four\ne,five\nf,6\n")
    found = error_of(read, Csv(path="logs"), *FIELDS, folder=logs)
    assert found.message == 'logs/b.csv, row 2 (line 4), column "x": "four" is not a number'
    assert found.notes == ("also in row 3",)
    place(logs / "logs/b.csv", "y,x\nc,3\nd\n")
    found = error_of(read, Csv(path="logs"), *FIELDS, folder=logs)
    assert found.message == "logs/b.csv, row 2 (line 3): found 1 cell, and the heading has 2 columns"


def test_a_file_that_differs_is_named(logs: Path) -> None:
    place(logs / "logs/b.csv", "y,z\nc,3\n")
    found = error_of(read, Csv(path="logs"), *FIELDS, folder=logs)
    assert (found.code, found.message) == (
        "E0703", 'logs/b.csv has no column "x", which logs/a.csv.gz has',
    )  # fmt: skip
    assert found.notes == ('it has "y", "z"',)
    assert read(Csv(path="logs"), FIELDS[1], folder=logs).train.count == 4, (
        "a column that is not read may lack"
    )
    place(logs / "logs/b.csv", "y,x,x\nc,3,3\n")
    found = error_of(read, Csv(path="logs"), *FIELDS, folder=logs)
    assert found.message == 'logs/b.csv has 2 times the column "x", logs/a.csv.gz 1 times'


def test_files_without_names_have_the_same_number_of_columns(tmp_path: Path) -> None:
    written(tmp_path, a_csv="1,2\n", b_csv="3,4\n")
    source = Csv(path="*.csv", header=False)
    rows = read(source, wanted("x"), wanted("y"), folder=tmp_path).train
    assert (rows["x"].tolist(), rows["y"].tolist()) == ([1, 3], [2, 4])
    place(tmp_path / "b.csv", "3,4,5\n")
    found = error_of(read, source, wanted("x"), wanted("y"), folder=tmp_path)
    assert (found.code, found.message) == ("E0711", "b.csv has 3 columns, and a.csv has 2")


def test_columns_of_parquet_files_in_any_order(tmp_path: Path) -> None:
    written(tmp_path, a_pq={"x": [1, 2], "y": ["a", "b"]}, b_pq={"y": ["c"], "z": [0], "x": [2.5]},
            c_pq={"x": pa.array([None], pa.int64()), "y": pa.nulls(1)})  # fmt: skip
    rows = read(Parquet(path="[ab].parquet"), wanted("x"), wanted("y", "string"), folder=tmp_path).train
    assert rows["x"].tolist() == [1, 2, 2.5] and rows["y"].tolist() == [*"abc"]
    source = open_source(Parquet(path="*.parquet"), tmp_path)
    x, y = source.read([0, 1])
    assert x.missing_numbers.tolist() == [False, False, False, True] and y.values.to_pylist()[3] is None


@pytest.mark.parametrize(("other", "what"), [
    (["p"], "it holds text, and in a.parquet numbers"),
    ([True], "it holds booleans, and in a.parquet numbers"),
    ([[1.0, 2.0]], "it holds lists of numbers, and in a.parquet numbers"),
])  # fmt: skip
def test_a_column_of_another_type_names_the_file(other: Any, what: str, tmp_path: Path) -> None:
    written(tmp_path, a_pq={"x": [1.5]}, b_pq={"x": other})
    found = error_of(read, Parquet(path="*.parquet"), wanted("x"), folder=tmp_path)
    assert (found.code, found.message) == ("E0705", f'b.parquet, column "x": {what}')


def test_lists_that_differ_between_files_are_sequences(tmp_path: Path) -> None:
    written(tmp_path, a_pq={"x": [[1, 2], [3, 4]]}, b_pq={"x": [[5], [6]]}, c_pq={"x": [[7, 8, 9], [1]]})
    rows = read(Parquet(path="*.parquet"), wanted("x", "float", free("T")), folder=tmp_path).train
    batches = rows.batches([1] * 6)
    assert [b["x"][0].tolist() for b in batches] == [[1, 2], [3, 4], [5], [6], [7, 8, 9], [1]]
    source = open_source(Parquet(path="*.parquet"), tmp_path)
    assert [piece[0].lengths.tolist() for piece in source.pieces([0])] == [[2, 2], [1, 1], [3, 1]]


def test_pieces_of_many_files_are_the_rows(tmp_path: Path) -> None:
    for part in range(1, 7):
        frame = pd.DataFrame({"x": np.arange(part * 10, part * 10 + part) + 0.5, "s": [f"{part}"] * part})
        (tmp_path / f"year={part % 3}").mkdir(exist_ok=True)
        frame.to_parquet(tmp_path / f"year={part % 3}/{part}.parquet")
    source = open_source(Parquet(path="."), tmp_path)
    expected = pd.read_parquet(tmp_path)
    whole = source.read([0, 1, 2])
    pieces = [*source.pieces([2, 0, 1])]
    for index, name in enumerate(["x", "s", "year"]):
        one = [str(v) for v in whole[index].values.tolist()]
        assert sorted(one) == sorted(map(str, expected[name].tolist()))
        place = (index + 1) % 3
        assert [str(v) for piece in pieces for v in piece[place].values.tolist()] == one
    assert source.count == 21 and source.size([0, 1, 2]) > 0


# --- partitions -------------------------------------------------------------------------------------------


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    table = pd.DataFrame({"year": [2023, 2023, 2024, 2024], "city": ["Bonn", "New York", "Bonn", None],
                          "n": [1, 2, 3, 4]})  # fmt: skip
    parquet.write_to_dataset(pa.table(table), tmp_path / "sales", ["year", "city"])
    return tmp_path


def test_the_names_of_folders_are_columns(sales: Path) -> None:
    """Numbers where they are numbers, text where they are text, as pandas and pyarrow write them."""
    fields = wanted("n"), wanted("year"), wanted("city", "class", classes=AUTO)
    rows = read(Parquet(path="sales/*/city=[BN]*"), *fields, folder=sales).train
    assert rows["n"].tolist() == [1, 2, 3] and rows["year"].tolist() == [2023, 2023, 2024]
    assert rows["city"].tolist() == [1, 2, 1] or rows["city"].tolist() == [0, 1, 0]
    city = target("city", "class", classes=("Bonn", "New York"))
    found = error_of(read, Parquet(path="sales"), wanted("n"), city, folder=sales)
    assert found.code == "E0706" and found.message.startswith(
        "sales/year=2024/city=__HIVE_DEFAULT_PARTITION__/"
    )
    found = error_of(read, Parquet(path="sales"), wanted("city"), folder=sales)
    assert '"Bonn" is not a number' in found.message


def test_a_partition_below_the_path_is_no_column(sales: Path) -> None:
    found = error_of(read, Parquet(path="sales/year=2023"), wanted("year"), folder=sales)
    assert found.message == 'sales/year=2023 has no column "year", which input `year` takes'
    assert read(Parquet(path="sales/year=2023"), wanted("city", "string"), folder=sales).train.count == 2


def test_a_partition_that_is_also_a_column(sales: Path) -> None:
    place(sales / "sales/year=2023/city=Ulm/p.parquet", {"n": [1], "year": [7]})
    found = error_of(read, Parquet(path="sales"), wanted("n"), folder=sales)
    assert (found.code, found.message) == (
        "E0712", 'sales/year=2023/city=Ulm/p.parquet has a column "year", and so has its folder',
    )  # fmt: skip


def test_folders_that_are_named_otherwise(sales: Path) -> None:
    place(sales / "sales/year=2025/p.parquet", {"n": [1]})
    found = error_of(read, Parquet(path="sales"), wanted("n"), folder=sales)
    assert found.message.startswith(
        'the folders of sales/year=2025/p.parquet have "year", and those of sales/year=2023'
    )


def test_csv_files_in_partitions(tmp_path: Path) -> None:
    place(tmp_path / "m=01/a.csv", "x\n1\n2\n")
    place(tmp_path / "m=10/a.csv", "x\n3\n")
    rows = read(
        Csv(path="."), wanted("v", "float", 2, source=Columns(columns=("x", "m"))), folder=tmp_path
    ).train
    assert rows["v"].tolist() == [[1, 1], [2, 1], [3, 10]]


# --- paths ------------------------------------------------------------------------------------------------


def test_a_path_that_stands_for_no_file(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    place(tmp_path / "texts/a.txt", "x")
    place(tmp_path / "zero/a.csv", "")
    cases = {
        "*.csv": "no file matches *.csv", "no/*.csv": "no file matches no/*.csv", "no": "there is no file no",
        "empty": "the folder empty has no csv files", "texts": "the folder texts has no csv files",
        "texts/*/x": "no file matches texts/*/x", "zero": "the 1 files of zero are empty",
    }  # fmt: skip
    for path, message in cases.items():
        assert error_of(read, Csv(path=path), wanted("x"), folder=tmp_path).message == message
    given = Csv(path=str(tmp_path / "no" / "2024-*" / "*.csv"))  # as the command line makes paths
    assert error_of(read, given, wanted("x")).message == "no file matches no/2024-*/*.csv"


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    place(tmp_path / "in/a.csv", "x\n1\n")
    place(tmp_path / "out/b.csv", "x\n2\n")
    os.symlink("..", tmp_path / "in/up")
    os.symlink(tmp_path / "out", tmp_path / "in/there")
    os.symlink("self", tmp_path / "in/self")
    for path in ("in", "in/**/*.csv"):
        rows = read(Csv(path=path), wanted("x"), folder=tmp_path).train["x"].tolist()
        assert rows == [1, 2, 2], path
    os.symlink("gone.csv", tmp_path / "in/c.csv")
    found = error_of(read, Csv(path="in"), wanted("x"), folder=tmp_path)
    assert (found.code, found.message) == ("E0701", "in/c.csv cannot be read: no such file or directory")


def test_links_between_folders_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_FOLDERS", 20)
    for name in "abcd":
        place(tmp_path / f"in/{name}/rows.csv", "x\n1\n")
    for name in "abcd":
        for other in {*"abcd"} - {name}:
            os.symlink(f"../{other}", tmp_path / f"in/{name}/{other}")
    for path in ("in", "in/**/*.csv"):
        found = error_of(read, Csv(path=path), wanted("x"), folder=tmp_path)
        assert found.message == f"{path} has more than 20 folders, or folders 100 deep"


def test_a_file_that_is_no_file(tmp_path: Path) -> None:
    place(tmp_path / "in/a.csv", "x\n1\n")
    os.mkfifo(tmp_path / "in/b.csv")
    found = error_of(read, Csv(path="in"), wanted("x"), folder=tmp_path)
    assert found.message == "in/b.csv is a pipe (FIFO), not a regular file"


def test_a_broken_file_among_others(tmp_path: Path) -> None:
    place(tmp_path / "in/a.csv", "x\n1\n")
    place(tmp_path / "in/b.csv.gz", gzip.compress(b"x\n" + b"1\n" * 9999)[:-20])
    place(tmp_path / "pq/a.parquet", {"x": [1]})
    place(tmp_path / "pq/b.parquet", b"")
    found = error_of(read, Csv(path="in"), wanted("x"), folder=tmp_path)
    assert found.message.startswith("in/b.csv.gz cannot be read as a csv file: ")
    found = error_of(read, Parquet(path="pq"), wanted("x"), folder=tmp_path)
    assert found.message.startswith("pq/b.parquet cannot be read as a Parquet file: ")


def test_a_bomb_among_others(tmp_path: Path) -> None:
    place(tmp_path / "in/a.csv", "x\n1\n")
    with pa.output_stream(str(tmp_path / "in/b.csv.zst"), compression="zstd") as stream:
        stream.write(b"x\n")
        for _ in range(100):
            stream.write(b"0\n" * 500_000)
    found = error_of(read, Csv(path="in"), wanted("x"), folder=tmp_path)
    assert found.code == "E0716" and found.message.startswith("in/b.csv.zst expands to more than 2_000 times")


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_FILES", 10)
    for number in range(11):
        place(tmp_path / f"{number}.csv", "x\n1\n")
    found = error_of(read, Csv(path="*.csv"), wanted("x"), folder=tmp_path)
    assert found.message == "*.csv stands for more than 10 files"


def test_all_files_together_respect_the_memory_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part in "ab":
        place(tmp_path / f"{part}.parquet", {"x": np.zeros(50_000)})
    monkeypatch.setattr(bounds, "memory_limit", lambda: 1_500_000)
    assert open_source(Parquet(path="a.parquet"), tmp_path).read([0])[0].count == 50_000
    monkeypatch.setattr(bounds, "memory_limit", lambda: 700_000)
    found = error_of(lambda: open_source(Parquet(path="*.parquet"), tmp_path).read([0]))
    assert found.code == "E0716"


def test_a_thousand_files_in_seconds(tmp_path: Path) -> None:
    for number in range(1_000):
        place(tmp_path / f"{number:04}.csv", f"x,y\n{number},a\n")
    begun = time.process_time()
    rows = read(Csv(path="*.csv"), wanted("x"), folder=tmp_path).train
    assert rows["x"].tolist() == [*range(1_000)] and time.process_time() - begun < 10


# --- compressed texts and images --------------------------------------------------------------------------


def packed(path: Path, content: bytes) -> None:
    with pa.output_stream(str(path), compression="zstd") as stream:
        stream.write(content)


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_text_may_be_compressed(suffix: str, tmp_path: Path) -> None:
    text = b"to be or not to be " * 20
    write = {
        "": Path.write_bytes,
        ".gz": lambda path, held: path.write_bytes(gzip.compress(held)),
        ".zst": packed,
    }
    write[suffix](tmp_path / f"book.txt{suffix}", text)
    source = TextSource(path=f"book.txt{suffix}", window=5)
    column = open_source(source, tmp_path).read([0])[0]
    assert "".join(column.values.to_pylist()) == text.decode()[:375]


def test_a_broken_or_a_false_text(tmp_path: Path) -> None:
    (tmp_path / "book.txt.gz").write_bytes(b"no gzip")
    found = error_of(open_source, TextSource(path="book.txt.gz", window=5), tmp_path)
    assert (found.code, found.message[:47]) == ("E0702", "book.txt.gz cannot be read as a text: zlib infl")
    packed(tmp_path / "bomb.txt.zst", b"a" * 200_000_000)
    found = error_of(open_source, TextSource(path="bomb.txt.zst", window=5), tmp_path)
    assert found.code == "E0716"


def test_images_may_be_compressed_by_zstd(tmp_path: Path) -> None:
    packed(
        tmp_path / "train-images-idx3-ubyte.zst",
        bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, *range(8)]),
    )
    packed(tmp_path / "train-labels-idx1-ubyte.zst", bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]))
    images, labels = open_source(Idx(path="."), tmp_path).read([0, 1])
    assert images.values.reshape(2, 4).tolist() == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
    ] and labels.values.tolist() == [7, 9]
    packed(tmp_path / "train-labels-idx1-ubyte.zst", bytes([0, 0, 8, 1, 0, 0, 0, 2, 7]))
    found = error_of(lambda: open_source(Idx(path="."), tmp_path).read([1]))
    assert "holds less than the 2 bytes that its header announces" in found.message


# --- commands ---------------------------------------------------------------------------------------------


def test_the_kind_of_a_folder_or_a_pattern_is_that_of_its_files(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    place(Path("t/a.tsv.gz"), gzip.compress(b"x\ty\n1\t2\n"))
    place(Path("p/k=1/a.parquet"), {"x": [3]})
    for path, x in (("t", 1), ("t/*", 1), ("p", 3), ("p/*/*.parquet", 3), ("p/k=*", 3)):
        assert read_rows(Path(path), [wanted("x")])["x"].tolist() == [x], path
    assert read_rows(f"file://{tmp_path}/p", [wanted("x")])["x"].tolist() == [3]
    place(Path("t/b.parquet"), {"x": [3]})
    found = error_of(open_rows, Path("t"))
    assert (found.message, found.help) == (
        "t has files of several kinds: .parquet and .tsv",
        "name those of one kind by a pattern, such as `rows/*.csv`",
    )


SPEC = """
input  x: float
output y: float

x -> dense(1) -> y

data { source = csv("rows/*.csv", separator=";") }
train { epochs = 1 }
"""


def test_training_predictions_and_figures_of_many_files(tmp_path: Path, monkeypatch: Any) -> None:
    """The command line and Python take patterns and folders; files that are read are not overwritten."""
    from click.testing import CliRunner

    from dlc.cli import commands

    monkeypatch.chdir(tmp_path)
    for part in range(3):
        place(
            Path(f"rows/{part}.csv"), "x;y\n" + "".join(f"{i};{i}\n" for i in range(part * 5, part * 5 + 5))
        )
    place(Path("m.dl"), SPEC)
    result = dlc.train("m.dl", out="runs")
    expected = result.model and dlc.load(result.model).predict({"x": np.arange(15)})["y"]
    run = CliRunner()
    for given in ("rows", "rows/*.csv", "rows/[012].csv", f"file://{tmp_path}/rows"):
        answer = run.invoke(commands, ["predict", str(result.model), given])
        found = [float(line) for line in answer.output.split()[1:]]
        assert np.allclose(found, np.asarray(expected).ravel(), atol=1e-4), (given, answer.output)
        assert "15 rows of " in run.invoke(commands, ["eval", str(result.model), given]).output
    for given in ("rows", "rows/*.csv"):
        answer = run.invoke(commands, ["predict", str(result.model), given, "-o", "rows/1.csv"])
        assert answer.exit_code == 1 and "rows/1.csv is read here, and would be overwritten" in answer.output
    answer = run.invoke(commands, ["predict", str(result.model), "rows/*.tsv"])
    assert answer.exit_code == 1 and "rows/*.tsv" in answer.output


@pytest.mark.parametrize("path", ["rows/*.csv", "rows", "s3://rows/a.csv"])
def test_several_files_are_not_emitted(path: str, tmp_path: Path) -> None:
    """pandas reads one csv file; the script would not read the rows that dlc reads."""
    from click.testing import CliRunner

    from dlc.cli import commands

    place(tmp_path / "m.dl", SPEC.replace('"rows/*.csv"', f'"{path}"'))
    answer = CliRunner().invoke(commands, ["emit", str(tmp_path / "m.dl")])
    assert answer.exit_code == 1 and "E0822" in answer.output
