"""`dlc new` on tables that are odd: separators, cut files, numbers past float32, dates of Parquet files."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import dlc
from dlc.cli import commands

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

RNG = np.random.default_rng(0)
X = RNG.normal(size=400)


def new(path: Path, *arguments: str) -> Result:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return CliRunner().invoke(commands, ["new", str(path), *arguments])


def written(path: Path, *arguments: str) -> str:
    done = new(path, *arguments)
    assert done.exit_code == 0, done.output
    return path.with_suffix(".dl").read_text("utf-8")


def refused(path: Path, *arguments: str) -> str:
    done = new(path, *arguments)
    assert done.exit_code == 1, done.output
    return " ".join(done.output.split())


@pytest.mark.parametrize("rows", [20, 150, 250, 1000])
@pytest.mark.parametrize("heading", ["size;kind;price\n", ""])
@pytest.mark.parametrize("row", ["{n},5;k{k};{n},25", "{n},5;k{k}, b, c;{n}", "-{n},5;{k};1,{n}"])
def test_decimal_commas_are_no_separators(rows: int, heading: str, row: str, tmp_path: Path) -> None:
    path = tmp_path / "german.csv"
    path.write_text(heading + "".join(row.format(n=n * 7 % 101 + 1, k=n % 3) + "\n" for n in range(rows)))
    header = "" if heading else ", header=false"
    source = f'csv("german.csv", separator=";", decimal=","{header})'
    assert source in written(path, "--target", "price" if heading else "column 3")


def test_commas_in_quotes_and_text_with_semicolons(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("a,b,y\n" + "".join(f'{n}.5,"left; right, {n % 3}",{n % 7}.25\n' for n in range(300)))
    assert 'csv("f.csv")' in written(path)


def test_a_file_that_cannot_be_read_is_the_error_of_its_row(tmp_path: Path) -> None:
    lines = ["a,b,y", *(f"1.{n},2,3.{n}" for n in range(300))]
    lines[249] += ",9"
    path = tmp_path / "f.csv"
    path.write_text("\n".join(lines) + "\n")
    assert "error[E0711]: f.csv, row 249 (line 250): found 4 cells, and the heading has 3" in refused(path)


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1.0, 1e8, 5e9, 1e14])
def test_targets_of_any_usual_size_are_learnt(scale: float, tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    pd.DataFrame({"x": X, "y": (2 * X + 0.1 * RNG.normal(size=400) + 3) * scale}).to_csv(path, index=False)
    written(path)
    done = dlc.train(path.with_suffix(".dl"), out=tmp_path / "runs", device="cpu")
    assert done.figures["test"]["r2"] > 0.5


@pytest.mark.parametrize(
    "scale, why", [(1e18, "as large as"), (1e25, "as large as"), (1e-25, "that deviate by")]
)
def test_targets_past_a_loss_in_float32_are_refused(scale: float, why: str, tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    pd.DataFrame({"x": X, "y": X * scale}).to_csv(path, index=False)
    said = refused(path, "--target", "y")
    assert f"error: `y` of f.csv has numbers {why}" in said
    assert "write the target in another unit" in said


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e300])
def test_a_column_past_float32_is_left_out_with_its_row(value: float, tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    frame = pd.DataFrame({"x": X, "z": X**2, "y": 2 * X})
    frame.loc[299, "z"] = value
    frame.to_csv(path, index=False)
    text = " ".join(written(path).replace("\n# ", " ").split())
    assert f"Left out: `z` (row 300 has {value:g}, which float32 does not hold)" in text
    assert "`z` of f.csv cannot be predicted: row 300 has" in refused(path, "--target", "z", "--force")
    dlc.train(path.with_suffix(".dl"), out=tmp_path / "runs", device="cpu", params={"train.epochs": 1})


def test_codes_of_single_rows_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    codes = RNG.permutation(100_000)[:400] // 10
    path.write_text("code,x,y\n" + "".join(f"{c:05},{x},{2 * x}\n" for c, x in zip(codes, X, strict=True)))
    text = " ".join(written(path, "--target", "y").replace("\n# ", " ").split())
    assert "Left out: `code` (numbers with leading zeros are codes, and almost every row has its own)" in text


def test_a_decimal_with_a_leading_zero_makes_no_codes(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    cells = ["00", *(f"{x:.3f}" for x in X[1:])]
    path.write_text("z,y\n" + "".join(f"{c},{2 * x}\n" for c, x in zip(cells, X, strict=True)))
    assert "input  z: float" in written(path, "--target", "y")


def test_dates_of_a_parquet_file_are_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    when = pd.date_range("2020", periods=400, freq="h")
    pd.DataFrame({"x": X, "when": when, "y": 2 * X}).to_parquet(path)
    text = " ".join(written(path).replace("\n# ", " ").split())
    assert "Left out: `when` (a column of timestamp[" in text
    assert "is neither numbers nor text: write it as a number, such as seconds since" in text
    said = refused(path, "--target", "when", "--force")
    assert "`when` of f.parquet cannot be predicted: a column of timestamp[" in said
