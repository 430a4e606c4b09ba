"""Rows that are read in pieces: answers, figures, notes and errors are those of rows that are read whole."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from artifacts import make
from click.testing import CliRunner

import dlc
from dlc.cli import commands
from dlc.runtime.artifact import row_pieces
from dlc.runtime.data import decoded_rows, source
from dlc.runtime.data.sources import parquet
from dlc.runtime.data.sources.csv import CsvFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COUNT = 2600  # rows: more than two chunks of those that run together
BYTES = 20_000  # of a piece


@pytest.fixture
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    """Makes all rows too many, and pieces small. The list has the number of rows of each piece."""

    def begin() -> list[int]:
        counts: list[int] = []

        def decoded(piece: Any, *given: Any, **settings: Any) -> Any:
            found = decoded_rows(piece, *given, **settings)
            counts.append(piece.count)
            return found

        pieces = CsvFile.pieces
        monkeypatch.setattr(CsvFile, "pieces", lambda file, indices: pieces(file, indices, BYTES))
        for module in (source, parquet):
            monkeypatch.setattr(module, "PIECE", BYTES)
        for opened in (source.Opened, CsvFile, parquet.ParquetFile):
            monkeypatch.setattr(opened, "size", lambda *_: 1 << 60)
        monkeypatch.setattr(row_pieces, "decoded_rows", decoded)
        return counts

    return begin


def command(name: str, model: Path, rows: Path, *more: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(commands, [name, str(model), str(rows), *map(str, more)])
    return done.exit_code, done.stdout, done.stderr


def same_in_pieces(begin: Callable[[], list[int]], *asked: tuple[Any, ...]) -> list[tuple[int, str, str]]:
    """What commands print, once it is shown that it is the same if their rows are read in pieces."""
    whole = [command(*one) for one in asked]
    counts = begin()
    for one, wanted in zip(asked, whole, strict=True):
        before = len(counts)
        assert command(*one) == wanted
        assert len(counts) > before + 3
    return whole


KINDS = """input colour: class(red, green, "blue")
input code: class(low, high)
input size: float
input count: int64
output kind: class(a, b, c)
output left: float[2]
h = concat(size, colour -> embedding(4), code -> embedding(3), count)
h -> dense(8) -> relu -> dense(3) -> kind
h -> dense(2) -> left
train { metrics = [accuracy, confusion_matrix, auroc, mae, r2] }
data { source = csv("rows.csv")
  left = columns("u", "v")
  drop = missing }
"""


def of_kinds(folder: Path, ending: str) -> Path:
    """Rows with unknown classes and missing ones in some pieces, and codes that are numbers at first."""
    rng = np.random.default_rng(1)
    colours = np.array(["red", "green", "blue"], object)[rng.integers(0, 3, COUNT)]
    colours[1500:1503], colours[2100] = ["pink", "mauve", "pink"], None
    codes = np.array(["0", "1"], object)[rng.integers(0, 2, COUNT)]
    codes[-5:] = "high"  # so the ones before are no indices of classes
    frame = pd.DataFrame({
        "id": [f"00{n}" for n in range(COUNT)], "colour": colours, "code": codes,
        "size": rng.normal(size=COUNT),
        "count": rng.integers(0, 9, COUNT), "kind": np.array(["a", "b", "c"])[rng.integers(0, 3, COUNT)],
        "u": rng.normal(size=COUNT), "v": rng.normal(size=COUNT),
    })  # fmt: skip
    frame.loc[[3, 1700], "u"] = None
    path = folder / f"rows.{ending}"
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path, index=False)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(KINDS, tmp_path_factory.mktemp("kinds")).path


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_is_predicted_and_measured(ending: str, model: Path, tmp_path: Path, in_pieces: Any) -> None:
    rows = of_kinds(tmp_path, ending)
    predicted, as_json, measured, _ = same_in_pieces(
        in_pieces,
        ("predict", model, rows, "--keep", "id", "--keep", "u"),
        ("predict", model, rows, "--format", "json", "--keep", "colour"),
        ("eval", model, rows),
        ("eval", model, rows, "--format", "json"),
    )
    assert predicted[1].splitlines()[1700 + 1].startswith("001700,,")
    assert '3 of the 2600 values of `colour` are not among its classes ("pink", "mauve")' in predicted[2]
    assert [row["colour"] for row in json.loads(as_json[1])][1500:1503] == ["pink", "mauve", "pink"]
    assert "3 of 2600 rows of" in measured[2] and "2597 rows of" in measured[1]


def test_integers_are_indices_of_classes_only_if_all_are(model: Path, tmp_path: Path, in_pieces: Any) -> None:
    frame = pd.read_csv(of_kinds(tmp_path, "csv"), dtype=str)
    names, mixed, numbers = (tmp_path / f"{name}.csv" for name in ("names", "mixed", "numbers"))
    frame.code = frame.code.replace({"high": "1"})
    frame.to_csv(numbers, index=False)
    frame.replace({"code": {"0": "low", "1": "high"}}).to_csv(names, index=False)
    frame.loc[COUNT - 1, "code"] = "high"
    frame.to_csv(mixed, index=False)
    found = same_in_pieces(in_pieces, *(("predict", model, path) for path in (names, mixed, numbers)))
    assert found[0][1] == found[2][1] != found[1][1]
    assert "2599 of the 2600 values of `code` are not among its classes" in found[1][2]


def test_an_error_names_the_row_and_leaves_no_file(model: Path, tmp_path: Path, in_pieces: Any) -> None:
    rows = of_kinds(tmp_path, "csv")
    lines = rows.read_text().splitlines()
    lines[2000] = lines[2000].replace(lines[2000].split(",")[3], "large")
    rows.write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"
    out.mkdir()
    whole, _ = same_in_pieces(
        in_pieces, ("predict", model, rows, "-o", out / "answers.csv"), ("eval", model, rows)
    )
    assert (
        whole[0] == 1 and 'rows.csv, row 2000 (line 2001), column "size": "large" is not a number' in whole[2]
    )
    assert not [*out.iterdir()]


WINDOWS = """input colour: class(red, green)[4]
input v: float[4, 2]
output kind: class(low, high)
output next: float[2]
h = concat(v -> flatten, colour -> embedding(3) -> flatten) -> dense(4)
h -> dense(2) -> kind
h -> dense(2) -> next
train { metrics = [accuracy, mae] }
data { source = csv("rows.csv", window=4, step=STEP)
  v = columns("a", "b")
  next = ahead("a", 2) }
"""


@pytest.mark.parametrize("step", [1, 3, 9])
def test_windows_go_over_the_borders_of_pieces(step: int, tmp_path: Path, in_pieces: Any) -> None:
    made = make(WINDOWS.replace("STEP", str(step)), tmp_path).path
    rng = np.random.default_rng(2)
    colours = np.array(["red", "green", "pink", None], object)[rng.choice(4, COUNT, p=[0.5, 0.4, 0.05, 0.05])]
    a, b = rng.normal(size=(2, COUNT))
    kinds = np.array(["low", "high"])[rng.integers(0, 2, COUNT)]
    pd.DataFrame({"colour": colours, "a": a, "b": b, "kind": kinds}).to_parquet(tmp_path / "rows.parquet")
    rows = tmp_path / "rows.parquet"
    predicted, measured = same_in_pieces(
        in_pieces, ("predict", made, rows, "--keep", "a"), ("eval", made, rows)
    )
    starts = range(0, COUNT - 3, step)
    assert len(predicted[1].splitlines()) == len(starts) + 1
    answered = [float(line.split(",")[0]) for line in predicted[1].splitlines()[1:]]
    assert answered == [a[start + 3] for start in starts]
    in_windows = {row for start in starts for row in range(start, start + 4)}
    unknown = sum(colours[row] == "pink" for row in in_windows)
    assert f"{unknown} of the {len(in_windows)} values of `colour` are not among its classes" in predicted[2]
    assert f"{len(range(0, COUNT - 5, step))} windows of" in measured[1]


SEQUENCES = """input words: class(a, b, c, d)[T]
input sound: float[2, S]
output length: float[T]
output kind: class(no, yes)
h = words -> embedding(4) -> gru(1)
h[:, 0] -> length
concat(sound -> mean(axis=-1), words -> embedding(3) -> mean(axis=0)) -> dense(2) -> kind
export { lengths = LENGTHS }
"""


@pytest.mark.slow
@pytest.mark.parametrize("lengths", ["false", "true"])
def test_rows_that_differ_in_length(lengths: str, tmp_path: Path, in_pieces: Any) -> None:
    rng = np.random.default_rng(3)
    texts = ["".join(rng.choice(list("abcd?"), size)) for size in rng.integers(1, 9, COUNT)]
    sounds = [rng.normal(size=(size, 2)).tolist() for size in np.repeat([2, 1, 3, 2], COUNT // 4)]
    kinds = np.array(["no", "yes"])[rng.integers(0, 2, COUNT)]
    rows = tmp_path / "rows.parquet"
    facts = {"words": [*map(list, texts)], "sound": sounds, "kind": kinds}
    facts["length"] = [[0.5] * len(text) for text in texts]
    pq.write_table(pa.table(facts), rows)
    made = make(SEQUENCES.replace("LENGTHS", lengths), tmp_path).path
    found, _, _ = same_in_pieces(
        in_pieces,
        ("predict", made, rows, "--keep", "sound"),
        ("predict", made, rows, "--keep", "words", "--format", "json"),
        ("eval", made, rows),
    )
    table = [*csv.DictReader(io.StringIO(found[1]))]
    assert [json.loads(row["sound"]) for row in table] == sounds
    assert [len(json.loads(row["length"])) for row in table] == [*map(len, texts)]
    unknown, count = sum(text.count("?") for text in texts), sum(map(len, texts))
    assert f"{unknown} of the {count} values of `words` are not among its classes" in found[2]


DRAWN = """input  x: float[2]
output y: class(4)[T]
(shift(y.target) -> embedding(2), x) -> gru(2) -> dense(y.classes) -> y
export { decode = sample(y, max=5) }
"""


def test_draws_depend_on_the_number_of_the_row(tmp_path: Path, in_pieces: Any) -> None:
    made = make(DRAWN, tmp_path).path
    pd.DataFrame({"x": [[0.0, 0.0]] * COUNT}).to_parquet(tmp_path / "rows.parquet")
    asked = ("predict", made, tmp_path / "rows.parquet")
    drawn, other = same_in_pieces(in_pieces, asked, (*asked, "--seed", "7"))
    assert drawn != other
    alone = dlc.load(made).predict({"x": np.zeros((COUNT, 2))})["y"]
    assert [json.loads(row["y"]) for row in csv.DictReader(io.StringIO(drawn[1]))] == [
        row.tolist() for row in alone
    ]


def test_series_and_sorted_rows_are_read_together(tmp_path: Path, in_pieces: Any) -> None:
    text = WINDOWS.replace("step=STEP", 'order="at"')
    made = make(text, tmp_path).path
    rng = np.random.default_rng(4)
    order = rng.permutation(40)
    frame = pd.DataFrame({"at": order, "a": order * 1.0, "b": 0.0, "colour": "red"})
    frame.to_parquet(tmp_path / "rows.parquet")
    wanted = command("predict", made, tmp_path / "rows.parquet", "--keep", "at")
    counts = in_pieces()
    assert command("predict", made, tmp_path / "rows.parquet", "--keep", "at") == wanted
    assert counts == [40]
    assert [line.split(",")[0] for line in wanted[1].splitlines()[1:]] == [str(n) for n in range(3, 40)]
