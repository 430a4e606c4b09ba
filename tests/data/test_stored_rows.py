"""Rows that take more memory than they may are encoded into a cache, and are then the rows in memory."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import dlc
from dlc.cli import commands
from dlc.compiler import CompileError
from dlc.compiler.definitions.sections import Data, GroupsSplit, OrderedSplit
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.operators import order_statistics
from dlc.runtime import lints, memory, open_rows
from dlc.runtime.data import bounds
from dlc.runtime.data.past_memory.stored_rows import StoredRows
from dlc.runtime.data.rows.dataset import Dataset
from dlc.runtime.data.rows.orders import POOL, BlockOrder
from dlc.runtime.data.sources import parquet
from dlc.runtime.data.split.many_rows import parts_of_rows
from dlc.runtime.data.split.row_split import split_rows
from dlc.runtime.data.store import cache, writer
from dlc.runtime.data.store.layout import Damaged, header_from
from dlc.runtime.data.store.reader import read_header
from dlc.runtime.training.fit import fit

ROWS = 900
SPEC = """
input  n: float[3]
input  kind: class(auto)
input  level: class(low, high)
input  text: string
input  steps: float[T]
output y: class(auto)

whole = n -> impute(median)
(whole -> standardize, whole -> bucketize(3) -> one_hot -> flatten, kind -> embedding(2),
 level -> embedding(2), text -> tokenize(words, max=3) -> embedding(2) -> mean(axis=0),
 steps -> mean(axis=0)) -> concat -> dense(8) -> relu -> dense(y.classes) -> y

data {{
  source     = {source}
  n          = columns("a", "b", "c")
  {settings}
}}
train {{
  epochs = 2
  batch  = 64
}}
"""
SIMPLE = """
input  x: float[2]
output y: class(no, yes)

x -> standardize -> dense(8) -> relu -> dense(2) -> y

data {
  source = csv("rows.csv")
  x      = columns("a", "b")
  test   = 0.2
}
train {
  epochs    = 6
  batch     = 16
  optimizer = adam(2e-2)
}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DLC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(parquet, "PIECE", 1 << 14)  # bytes: several pieces
    return tmp_path


def table() -> pl.DataFrame:
    """Rows with missing numbers, missing texts, lists of different lengths, and groups."""
    rng = np.random.default_rng(0)
    a, b, c = rng.normal((0, 5, 1e6), (1, 3, 2), (ROWS, 3)).T
    kinds = [f"k{n}" for n in rng.integers(0, 5, ROWS)]
    words = [" ".join(rng.choice(["red", "green", "blue", "grey"], n)) for n in rng.integers(0, 4, ROWS)]
    return pl.DataFrame({
        "a": a.astype(np.float32), "b": np.where(rng.random(ROWS) < 0.1, np.nan, b), "c": c, "kind": kinds,
        "level": rng.choice(["low", "high"], ROWS), "text": words,
        "steps": [rng.normal(size=n).tolist() for n in rng.integers(1, 6, ROWS)],
        "y": rng.choice([3, 7, 11], ROWS), "site": [f"s{n}" for n in rng.integers(0, 40, ROWS)],
    }).with_columns(kind=pl.when(pl.col("a") > 1.5).then(None).otherwise(pl.col("kind")))  # fmt: skip


def opened(path: str, memory: int | None) -> tuple[dlc.Program, Dataset]:
    program = dlc.compile(path)
    with bounds.allowed(memory):
        return program, open_rows.open_data(program, None)


def assert_same_rows(ours: Dataset, theirs: Dataset) -> None:
    """Every value, length, place and count of unknown values of both is the same."""
    for (part, one), (_, other) in zip(ours.parts(), theirs.parts(), strict=True):
        assert (one.count, list(one.types.items())) == (other.count, list(other.types.items()))
        for name in (*one.types, *one.length_names.values()):
            pairs = zip(one.batches(100, [name]), other.batches(100, [name]), strict=True)
            for batch, same in pairs:
                np.testing.assert_array_equal(batch[name], same[name], part)
        assert one.place(7) == other.place(7)
        assert [(u.name, u.total, u.unknown, u.missing) for u in one.unknown_values()] == [
            (u.name, u.total, u.unknown, u.missing) for u in other.unknown_values()
        ]
        assert {n: [p.column for p in of] for n, of in one.precision_losses.items()} == {
            n: [p.column for p in of] for n, of in other.precision_losses.items()
        }
    assert ours.fingerprint == theirs.fingerprint
    assert (ours.columns, ours.units, ours.lengths) == (theirs.columns, theirs.units, theirs.lengths)


@pytest.mark.parametrize(
    "how",
    ["test = 0.2\n  validation = 100", "drop = missing\n  test = 0.2\n  stratify = y",
     'split = groups("site")\n  test = 0.3\n  validation = 0.1', "split = ordered\n  test = 0.1"],
)  # fmt: skip
def test_encoded_rows_are_those_in_memory(here: Path, how: str) -> None:
    table().write_parquet(here / "rows.parquet", row_group_size=250)
    (here / "m.dl").write_text(SPEC.format(source='parquet("rows.parquet")', settings=how))
    program, kept = opened("m.dl", None)
    other, stored = opened("m.dl", 20_000)
    assert isinstance(stored.train, StoredRows) and not isinstance(kept.train, StoredRows)
    assert program.compiled.facts == other.compiled.facts  # classes, vocabularies, lengths
    assert_same_rows(kept, stored)
    assert [*kept.notes] == [*stored.notes[1:]]
    fitted = [
        fit(p.compiled, d.train, draw(p.compiled.graph, 0)) for p, d in ((program, kept), (other, stored))
    ]
    for name, value in fitted[0].items():
        np.testing.assert_array_equal(value, fitted[1][name])
    assert [*map(str, lints.run_lints(program.compiled, kept, fitted[0]))] == [
        *map(str, lints.run_lints(other.compiled, stored, fitted[1]))
    ]


def test_csv_files_and_sources_of_their_own_are_encoded_too(here: Path) -> None:
    rows = table().drop("steps")
    rows.head(600).write_csv(here / "rows.csv")
    rows.tail(300).write_csv(here / "other.csv")
    spec = SPEC.replace("input  steps: float[T]\n", "").replace(",\n steps -> mean(axis=0)", "")
    how = 'test = csv("other.csv")\n  validation = 0.2'
    (here / "m.dl").write_text(spec.format(source='csv("rows.csv")', settings=how))
    (_, kept), (_, stored) = opened("m.dl", None), opened("m.dl", 20_000)
    assert isinstance(stored.test, StoredRows)
    assert_same_rows(kept, stored)


def simple(here: Path, rows: int = 400) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(rows, 2))
    yes = np.where(x.sum(1) > 0, "yes", "no")
    pl.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": yes}).write_csv(here / "rows.csv")
    (here / "m.dl").write_text(SIMPLE)


def run(*arguments: str) -> str:
    done = CliRunner().invoke(commands, arguments)
    assert done.exit_code == 0, done.output
    return done.output


def test_training_encodes_once_and_learns_the_same_each_time(here: Path) -> None:
    simple(here)
    first, second = (dlc.train("m.dl", memory="10k", out=here / "runs") for _ in range(2))
    in_memory = dlc.train("m.dl", out=here / "runs")
    assert "its rows were encoded, " in first.notes[0] and "were encoded before" in second.notes[0]
    for name, value in first.weights.items():
        np.testing.assert_array_equal(value, second.weights[name])
    assert first.figures["test"]["accuracy"] > 0.9
    assert abs(first.figures["test"]["loss"] - in_memory.figures["test"]["loss"]) < 0.05
    data = [json.loads((r.folder / "data.json").read_text())["fingerprint"] for r in (first, in_memory)]
    assert data[0] == data[1]


def test_the_command_lists_the_cache_and_empties_it(here: Path) -> None:
    simple(here)
    assert run("cache").startswith("nothing is in ")
    assert "note: rows.csv is past the memory it may take" in run("train", "m.dl", "--memory", "10k")
    listed, total = run("cache").splitlines()
    name, *_, source = listed.split()
    assert source == "rows.csv" and total.endswith("cache")
    assert CliRunner().invoke(commands, ["cache", "--empty", "zzz"]).exit_code == 1
    assert run("cache", "--empty", name[:5]).startswith("removed 1 of ")
    assert run("cache").startswith("nothing is in ")


def test_changed_rows_are_encoded_again(here: Path) -> None:
    simple(here)
    before = opened("m.dl", 10_000)[1].fingerprint
    simple(here, rows=500)
    assert opened("m.dl", 10_000)[1].fingerprint != before
    assert len(cache.cached_stores()) == 2


@pytest.mark.parametrize("harm", ["truncated", "changed", "no header", "other sizes", "gone"])
def test_a_damaged_store_is_noticed_and_encoded_again(here: Path, harm: str) -> None:
    simple(here)
    whole = opened("m.dl", 10_000)[1].fingerprint
    [store] = (here / "cache").iterdir()
    rows, header = store / "train.rows", store / "header.json"
    content = rows.read_bytes()
    if harm == "truncated":
        rows.write_bytes(content[:-1])
    elif harm == "changed":
        rows.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])
    elif harm == "no header":
        header.write_text("[" * 10_000)
    elif harm == "other sizes":
        written = json.loads(header.read_text())
        written["parts"]["train"]["count"] = 1 << 60
        header.write_text(json.dumps(written))
    else:
        rows.unlink()
    _, again = opened("m.dl", 10_000)
    assert again.fingerprint == whole and "its rows were encoded, " in again.notes[0]
    assert rows.read_bytes() == content


def test_an_interrupted_encoding_leaves_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simple(here)

    def stop(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(writer.PartWriter, "append", stop)
    with pytest.raises(KeyboardInterrupt):
        opened("m.dl", 10_000)
    assert [*(here / "cache").iterdir()] == []


def test_a_full_disk_is_an_error_that_names_the_cache(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simple(here)

    def full(self: object, content: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writer.WrittenFile, "write", full)
    with pytest.raises(CompileError) as caught:
        opened("m.dl", 10_000)
    [problem] = caught.value.diagnostics
    assert problem.code == "E0841" and "no space left on device" in problem.message
    assert [*(here / "cache").iterdir()] == []


def test_two_processes_may_encode_the_same(here: Path) -> None:
    """The second one finds the store of the first, and drops its own. What a process has left that has ended
    is removed; what is being written stays."""
    simple(here)
    left = here / "cache" / f"{cache.UNFINISHED}left"
    left.mkdir(parents=True)
    (left / cache.LOCK).touch()
    with cache.new_store("f" * 64) as being_written:
        assert not left.exists()
        _, first = opened("m.dl", 10_000)
        [store] = [p for p in (here / "cache").iterdir() if not p.name.startswith(".")]
        with cache.new_store(read_header(store).key) as second:
            (second / "train.rows").write_bytes(b"other")
        assert being_written.exists() and not second.exists()
    assert opened("m.dl", 10_000)[1].fingerprint == first.fingerprint


def test_rows_that_are_invalid_are_refused_as_in_memory(here: Path) -> None:
    simple(here)
    with (here / "rows.csv").open("a") as file:
        file.write("1.5,oops,yes\n")
    found = []
    for size in (None, 10_000):
        with pytest.raises(CompileError) as caught:
            opened("m.dl", size)
        found.append(str(caught.value))
    assert found[0] == found[1] and "row 401" in found[0]
    assert [*(here / "cache").iterdir()] == []


@pytest.mark.parametrize(("setting", "what"), [("stratify = y", "y"), ('split = groups("a")', 'groups("a")')])
def test_a_split_that_is_past_memory_names_its_setting(
    here: Path, setting: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    simple(here)
    text = (here / "m.dl").read_text().replace("test   = 0.2", f"test   = 0.2\n  {setting}")
    (here / "m.dl").write_text(text)
    monkeypatch.setattr(memory, "free", lambda: 20_000)
    with pytest.raises(CompileError) as caught:
        opened("m.dl", None)
    (found,) = caught.value.diagnostics
    assert (found.code, found.span and found.span.text) == ("E0716", what)
    if what == "y":  # rows that are not split take no memory for it
        (here / "m.dl").write_text(text.replace("test   = 0.2", ""))
        assert isinstance(opened("m.dl", None)[1].train, StoredRows)


WITHOUT_SIZES = {"version": 1, "key": "", "source": "", "fields": [], "parts": {"train": {}}, "facts": {}}
OBJECTS = {"name": "x", "kind": "fixed", "dtype": "|O", "shape": []}


@pytest.mark.parametrize(
    "written",
    [[1], {}, {"version": 1}, WITHOUT_SIZES, WITHOUT_SIZES | {"parts": {}, "key": 3},
     WITHOUT_SIZES | {"parts": {}, "fields": [OBJECTS]}],
)  # fmt: skip
def test_a_header_of_a_stranger_is_refused(written: object) -> None:
    with pytest.raises(Damaged):
        header_from(json.dumps(written))


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(3, 300), seed=st.integers(0, 1000), test=st.sampled_from([0, 1, 0.2, 0.5]),
    validation=st.sampled_from([0, 1, 0.1]), how=st.sampled_from(["random", "ordered", "labels", "groups"]),
)  # fmt: skip
def test_the_split_is_that_in_memory(rows: int, seed: int, test: float, validation: float, how: str) -> None:
    codes = np.random.default_rng(seed).integers(0, 9, rows)
    codes[:9] = np.arange(min(rows, 9))
    split = {"ordered": OrderedSplit(), "groups": GroupsSplit(column="g")}.get(how)
    data = Data(seed=seed, test=test, validation=validation, split=split)
    labels, groups = codes if how == "labels" else None, codes if how == "groups" else None
    try:
        wanted = split_rows(rows, data, labels, "rows.csv", groups)
    except CompileError:
        return
    parts = parts_of_rows(rows, data, "rows.csv", labels, groups)
    for number, of in enumerate((wanted.train, wanted.validation, wanted.test)):
        np.testing.assert_array_equal(np.flatnonzero(parts == number), of)


NUMBERS = st.floats(allow_nan=True, allow_infinity=False, width=32) | st.integers(-3, 3).map(float)


@settings(max_examples=30, deadline=None)
@given(columns=st.lists(st.tuples(NUMBERS, NUMBERS), max_size=60), pieces=st.integers(1, 4))
def test_statistics_of_many_values_are_those_of_numpy(
    columns: list[tuple[float, float]], pieces: int
) -> None:
    rows = np.array(columns, np.float64).reshape(-1, 2)
    shares = np.linspace(0, 1, 7)[1:-1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order_statistics, "KEPT", -1 if len(rows) else 0)
        passes = order_statistics.ValuePasses(lambda: np.array_split(rows, pieces))
        patch.setattr(order_statistics, "KEPT", 40)
        patch.setattr(order_statistics, "COUNTERS", 1 << 10)
        known = [column[~np.isnan(column)] for column in rows.T]
        made = order_statistics.quantiles(np, passes, shares)
        middle = order_statistics.medians(np, passes)
        often = order_statistics.most_frequent(np, passes, 2)
    for feature, values in enumerate(known):
        if len(values):
            np.testing.assert_array_equal(made[feature], np.quantile(values, shares))
            assert middle[feature] == np.median(values)
            distinct, counts = np.unique(values, return_counts=True)
            assert often[feature] == distinct[counts.argmax()]


@pytest.mark.parametrize("uneven", [False, True])
def test_an_order_of_blocks_has_every_row_once(uneven: bool) -> None:
    rng = np.random.default_rng(0)
    count, batch = 3 * 64 * POOL + 17, 50
    order = BlockOrder.drawn(count, 1 << 14, rng.permutation, batch)
    lengths = rng.integers(1, 100, count) if uneven else None
    again, seen, widths = order.pools(lengths), [], []
    for pool, same in zip(order.pools(lengths), again, strict=True):
        np.testing.assert_array_equal(pool.order, same.order)
        rows = np.concatenate([*(np.array(order.rows(int(b))) for b in pool.blocks), pool.carried])
        seen.append(rows[pool.order[: pool.used]])
    every = np.concatenate(seen)
    np.testing.assert_array_equal(np.sort(every), np.arange(count))
    assert np.corrcoef(every, np.arange(count))[0, 1] < 0.5
    if lengths is not None:
        widths = [np.ptp(lengths[every[at : at + batch]]) for at in range(0, count - batch, batch)]
        assert np.mean(widths) < 20  # of 99


def test_batches_continue_where_they_stopped(here: Path) -> None:
    table().write_parquet(here / "rows.parquet")
    (here / "m.dl").write_text(SPEC.format(source='parquet("rows.parquet")', settings=""))
    rows = opened("m.dl", 20_000)[1].train
    assert isinstance(rows, StoredRows)
    order, sizes = rows.order(np.random.default_rng(3).permutation, 64), [64] * 14 + [4]
    every = [batch["steps"] for batch in rows.batches(sizes, ["steps"], order)]
    rest = [batch["steps"] for batch in rows.batches(sizes, ["steps"], order, 9)]
    for whole, part in zip(every[9:], rest, strict=True):
        np.testing.assert_array_equal(whole, part)
    taken = rows.take(np.array([700, 3, 4, 5]))
    in_order = rows.head(800)
    np.testing.assert_array_equal(taken["n"], in_order["n"][[700, 3, 4, 5]])


def test_each_number_of_a_vector_loses_its_own_digits(here: Path) -> None:
    """Beside a number near 0, a time in seconds loses as much as alone."""
    seconds = 1.7e9 + np.arange(ROWS) % 60
    pl.DataFrame({"x": np.stack([np.zeros(ROWS), seconds], 1), "y": np.arange(ROWS) % 2}).write_parquet(
        here / "rows.parquet"
    )
    (here / "m.dl").write_text(
        "input x: float[2]\noutput y: binary\nx -> dense(1) -> y\n"
        'data { source = parquet("rows.parquet") }\ntrain { epochs = 1 }\n'
    )
    for allowed in (None, 1000):
        _, data = opened("m.dl", allowed)
        assert data.train is not None
        [loss] = data.train.precision_losses["x"]
        assert (loss.column, loss.step) == ('column "x"', 128)
        assert loss.deviation == pytest.approx(float(np.std(seconds)))
