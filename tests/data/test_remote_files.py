"""Tables at URLs, on a real S3 server of this machine. No other network is touched."""

from __future__ import annotations

import gzip
import io
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fields import error_of, errors_of, read, wanted
from pyarrow import parquet
from s3_server import KEY, SECRET, Server, served

import dlc
from dlc.compiler import urls
from dlc.compiler.definitions.sections import Csv, Parquet
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.diagnostics.render import render_all
from dlc.runtime.data import read_rows
from dlc.runtime.data.locations import remote, spool
from dlc.runtime.data.sources import open_source

FIELDS = wanted("x"), wanted("y", "string")


def as_parquet(columns: Any, **how: Any) -> bytes:
    content = io.BytesIO()
    parquet.write_table(pa.table(columns), content, **how)
    return content.getvalue()


NUMBERS = np.arange(40_000.0)


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with served() as server:
        server.put("logs/b.csv", "y,x\nc,3\n")
        server.put("logs/a.csv.gz", gzip.compress(b"x,y\n1,a\n2,b\n"))
        server.put("logs/_SUCCESS", "")
        server.put("bad/a.csv", "x,y\n1,a\n")
        server.put("bad/b.csv", "x,y\n2,b\nthree,c\n")
        server.put("a b/100%.csv", "x,y\n7,z\n")
        server.put("days/day=1/p.parquet", as_parquet({"x": [1.5], "y": ["a"]}))
        server.put("days/day=2/p.parquet", as_parquet({"y": ["b", "c"], "x": [2, 3]}))
        server.put(
            "large.parquet", as_parquet({f"c{i}": NUMBERS + i for i in range(4)}, row_group_size=10_000)
        )
        yield server


@pytest.fixture
def server(running: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    return running


@pytest.mark.parametrize("path", ["logs", "logs/", "logs/*", "log*/*.csv*", "**/logs/*.csv*"])
def test_a_folder_or_a_pattern_of_a_bucket(path: str, server: Server) -> None:
    rows = read(Csv(path=f"s3://rows/{path}"), *FIELDS).train
    assert rows["x"].tolist() == [1, 2, 3] and rows["y"].tolist() == [*"abc"]
    assert rows.place(1) == "s3://rows/logs/a.csv.gz, row 2 (line 3)"


def test_one_file(server: Server) -> None:
    assert read(Csv(path="s3://rows/logs/b.csv"), *FIELDS).train["x"].tolist() == [3]
    assert read(Csv(path="s3://rows/a%20b/100%25.csv"), *FIELDS).train["x"].tolist() == [7]
    assert read_rows("s3://rows/logs", [FIELDS[0]])["x"].tolist() == [1, 2, 3], "by the names of its files"


def test_partitions_of_a_bucket(server: Server) -> None:
    rows = read(Parquet(path="s3://rows/days"), *FIELDS, wanted("day")).train
    assert rows["x"].tolist() == [1.5, 2, 3] and rows["day"].tolist() == [1, 2, 2]


def test_each_part_of_a_parquet_file_is_fetched_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[tuple[int, int]] = []
    fill = spool.Spool.__init__

    def counting(self: Any, size: int, fetch: Any) -> None:
        fill(self, size, lambda start, number: fetched.append((start, number)) or fetch(start, number))

    monkeypatch.setattr(spool, "BLOCK", 1 << 15)
    monkeypatch.setattr(spool.Spool, "__init__", counting)
    source = open_source(Parquet(path="s3://rows/large.parquet"), Path())
    assert source.size([0]) > NUMBERS.nbytes
    [column] = source.read([2])
    assert np.array_equal(column.values, NUMBERS + 2)
    pieces = [piece[0].values for piece in source.pieces([2])]
    assert np.array_equal(np.concatenate(pieces), NUMBERS + 2)
    assert len(fetched) == len({*fetched}), "no part is fetched twice"
    size = server.files.get_file_info(["rows/large.parquet"])[0].size
    assert sum(number for _, number in fetched) < size, "other columns are not fetched"


@pytest.mark.parametrize(("path", "message"), [
    ("s3://rows/no.csv", "there is no file or folder s3://rows/no.csv"),
    ("s3://nothing/x.csv", "there is no file or folder s3://nothing/x.csv"),
    ("s3://nothing/*.csv", "no file matches s3://nothing/*.csv"),
    ("s3://rows/logs/z*.csv", "no file matches s3://rows/logs/z*.csv"),
    ("s3://rows/days", "the folder s3://rows/days has no csv files"),
    ("foo://rows/x.csv", "foo://rows/x.csv cannot be read: unrecognized filesystem type in uri: foo://rows"),
    ("http://rows/x.csv", "http://rows/x.csv is not opened: download the file, and name it"),
    ("s3://rows/x.csv?by=1", "s3://rows/x.csv cannot be read: unexpected query parameter in s3 uri: 'by'"),
])  # fmt: skip
def test_what_is_not_there(path: str, message: str, server: Server) -> None:
    found = error_of(read, Csv(path=path), *FIELDS)
    assert (found.code, found.message) == ("E0701", message)


def test_an_error_in_a_file_of_a_bucket(server: Server) -> None:
    found = error_of(read, Csv(path="s3://rows/bad"), *FIELDS)
    assert found.message == 's3://rows/bad/b.csv, row 2 (line 3), column "x": "three" is not a number'


def test_a_dead_endpoint_is_an_error_after_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.monotonic()
    with socket.socket() as free:  # bound, but nothing listens
        free.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{free.getsockname()[1]}"
        url = f"s3://{KEY}:{SECRET}@rows/x.csv?scheme=http&endpoint_override={dead}&region=us-east-1"
        found = error_of(read, Csv(path=url), *FIELDS)
    assert found.message.startswith("s3://rows/x.csv cannot be read: its server does not answer: ")
    assert found.help.startswith("is there a network, and is the server right?")
    assert time.monotonic() - begun < 60


def test_what_signs_in_is_in_the_url_and_is_never_shown(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in server.environment:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    query = f"?scheme=http&endpoint_override={server.address}&region=us-east-1"
    url = f"s3://{KEY}:{SECRET}@rows/%s{query}"
    rows = read(Csv(path=url % "logs/*"), *FIELDS).train
    assert rows["x"].tolist() == [1, 2, 3] and rows.place(0).startswith("s3://rows/logs/a.csv.gz, ")
    for key in ("no.csv", "bad", "bad/b.csv", "z*", "days", "logs/b.csv&x=1"):
        for code, message in errors_of(read, Csv(path=url % key), *FIELDS):
            assert code in ("E0701", "E0705") and not any(word in message for word in (KEY, SECRET, "scheme"))


def test_no_access(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"AWS Error ACCESS_DENIED during HeadObject operation: No response body for {SECRET}."
    error = remote.remote_error(OSError(text), f"s3://{KEY}:{SECRET}@rows/x.csv")
    assert isinstance(error, PermissionError) and error.filename == "s3://rows/x.csv"
    assert "no access: the environment names who signs in" in str(error)
    error = remote.remote_error(OSError(f"it was {SECRET}"), f"s3://{KEY}:{SECRET}@rows/x.csv")
    assert str(error.strerror) == "it was ***"


SPEC = """
input  x: float
output y: float

x -> dense(1) -> y

data { source = csv("s3://rows/logs.csv") }
train { epochs = 2 }
"""


def test_a_spec_is_checked_without_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: Any) -> Any:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(remote.RemoteStore, "__init__", refuse)
    assert dlc.compile(text=SPEC).compiled.data is not None


@pytest.mark.parametrize("url", ["s3://key:sesame@rows/a.csv", "abfs://c@a.net/a.csv?client_secret=abcd"])
def test_a_spec_holds_no_password(url: str) -> None:
    """It is kept with the runs and the artifacts. The line that the error shows hides the password too."""
    with pytest.raises(CompileError) as caught:
        dlc.compile(text=SPEC.replace("s3://rows/logs.csv", url))
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == (
        "E0403", "`path` of `csv`: a spec is kept with its models, so a URL in it has no password",
    )  # fmt: skip
    shown = render_all(caught.value.diagnostics)
    assert "://" in "".join(shown) and not any(
        word in text for word in ("key:", "sesame", "abcd") for text in shown
    )


def test_training_from_a_bucket_leaves_no_password(server: Server, tmp_path: Path) -> None:
    server.put("train.csv", "x,y\n" + "".join(f"{i},{2 * i}\n" for i in range(50)))
    url = (
        f"s3://{KEY}:{SECRET}@rows/train.csv?scheme=http&endpoint_override={server.address}&region=us-east-1"
    )
    result = dlc.train(text=SPEC, data=url, out=tmp_path)
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) > 3
    assert not any(
        word.encode() in path.read_bytes() for path in kept for word in (KEY, SECRET, server.address)
    )
    found = json.loads(json.dumps(dlc.load(result.model).evaluate("s3://rows/train.csv").rows))
    assert found == 50


def test_how_urls_are_shown() -> None:
    assert urls.without_secrets("s3://a:b@c/d e?x=1") == "s3://c/d e"
    assert urls.without_secrets("abfss://box:pw@acc.net/d") == "abfss://box@acc.net/d"
    assert urls.without_secrets("rows/a@b.csv") == "rows/a@b.csv" and not urls.is_url("C:/rows.csv")
    assert urls.is_pattern("s3://a/*.csv") and not urls.is_pattern("s3://a/b.csv?x=1")
