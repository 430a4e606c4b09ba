"""`dlc new`: from a table to a spec that is checked, formatted and the same each time, and that learns."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from benchmarks.tables import of_data, of_river, of_sklearn, rows
from click.testing import CliRunner
from tables import customers, reviews

import dlc
from dlc.cli import commands
from dlc.compiler.diagnostics.source import Source
from dlc.compiler.format.formatter import format

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

GOLDEN = Path(__file__).parent / "golden"
# Each with its file and its targets.
TABLES: dict[str, tuple[Callable[[Path], Path], tuple[str, ...]]] = {
    "iris": (lambda folder: of_sklearn(folder, "iris"), ("target",)),
    "wine": (lambda folder: of_sklearn(folder, "wine"), ("target",)),
    "diabetes": (lambda folder: of_sklearn(folder, "diabetes"), ("target",)),
    "penguins": (lambda folder: of_data(folder, "penguins"), ("species",)),
    "loans": (lambda folder: of_data(folder, "loans"), ("paid",)),
    "spam": (lambda folder: of_data(folder, "spam"), ("kind",)),
    "films": (lambda folder: of_data(folder, "films"), ("liked",)),
    "bananas": (lambda folder: of_river(folder, "bananas"), ("target",)),
    "kunden": (customers, ("Preis",)),
    "reviews": (reviews, ("stars", "returned")),
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(commands, [str(a) for a in arguments])


def new(path: Path, *targets: str) -> str:
    """The text of the spec that is written beside a table."""
    done = run("new", path, *(part for name in targets for part in ("--target", name)))
    assert done.exit_code == 0, done.output
    return path.with_suffix(".dl").read_text("utf-8")


@pytest.mark.parametrize("name", TABLES)
def test_the_spec_of_a_table_is_checked_formatted_and_the_golden_one(name: str, tmp_path: Path) -> None:
    make, targets = TABLES[name]
    text = new(make(tmp_path), *targets)
    assert text == (GOLDEN / f"{name}.dl").read_text("utf-8")
    assert dlc.compile(text=text).compiled.warnings == ()
    assert format(Source("first.dl", text)) == text
    assert new_again(tmp_path / f"{name}.csv", targets) == text


def new_again(path: Path, targets: tuple[str, ...]) -> str:
    out = path.with_name("again.dl")
    given = [part for name in targets for part in ("--target", name)]
    assert run("new", path, *given, "-o", out).exit_code == 0
    return out.read_text("utf-8")


def test_from_a_table_to_an_artifact_that_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    of_data(tmp_path, "penguins")
    done = run("new", "penguins.csv", "--target", "species")
    assert done.output.splitlines() == ["wrote    penguins.dl", "next     dlc train penguins.dl"]
    checked = run("check", "penguins.dl")
    assert checked.output.startswith("no errors in penguins.dl")
    done = run("train", "penguins.dl", "--set", "train.epochs=6")
    assert done.exit_code == 0, done.output
    assert "warning" not in done.output + done.stderr
    names = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "island", "sex", "year"]
    birds = [
        [39.1, 18.7, 181, 3750, "Torgersen", "male", 2007],
        [46.1, 13.2, 211, 4500, "Biscoe", "", 2007],
    ]
    rows(tmp_path / "some.csv", names, birds)
    answered = run("predict", "runs/penguins/latest/model.onnx", "some.csv")
    assert [line.split(",")[0] for line in answered.stdout.splitlines()[1:]] == ["Adelie", "Gentoo"]


def test_what_it_expects_is_better_than_the_majority_class_and_the_mean(tmp_path: Path) -> None:
    penguins = new(of_data(tmp_path, "penguins"), "species")
    (share,) = re.findall(r"test.accuracy > ([\d.]+)", penguins)
    assert float(share) == pytest.approx(152 / 344, abs=5e-4)
    assert "test.r2 > 0" in new(of_sklearn(tmp_path, "diabetes"), "target")


@pytest.mark.slow
def test_a_training_meets_what_it_expects(tmp_path: Path) -> None:
    path = of_sklearn(tmp_path, "wine")
    new(path, "target")
    done = run("test", path.with_suffix(".dl"))
    assert done.exit_code == 0, done.output


def test_marks_of_missing_values_are_found_and_filled(tmp_path: Path) -> None:
    sizes = ["" if i % 7 == 0 else "n/a" if i % 5 == 0 else i * 0.5 for i in range(60)]
    lines = [[size, "?" if i % 4 == 0 else "ab"[i % 2], (i * 37) % 60 * 2.5] for i, size in enumerate(sizes)]
    path = rows(tmp_path / "t.csv", ["size", "kind", "y"], lines)
    text = new(path, "y")
    assert 'missing=["?", "n/a"]' in text
    assert "impute(median)" in text and "impute(own)" in text
    result = dlc.train(path.with_suffix(".dl"), params={"train.epochs": 1}, out=tmp_path / "runs")
    assert not result.warnings and not result.notes


def test_a_number_that_marks_missing_values_is_no_value(tmp_path: Path) -> None:
    path = rows(
        tmp_path / "t.csv",
        ["age", "a", "y"],
        [[-999 if i % 6 == 0 else 20 + i % 30, -i * 0.3, i] for i in range(50)],
    )
    assert 'missing="-999"' in new(path, "y")
    path = rows(tmp_path / "u.csv", ["balance", "y"], [[-999 + 40 * i, i * i] for i in range(50)])
    assert "missing" not in new(path, "y")


def test_rows_without_a_target_are_left_out_of_the_training(tmp_path: Path) -> None:
    path = rows(
        tmp_path / "t.csv",
        ["a", "y"],
        [[i % 13, "" if i % 5 == 0 else "yes" if i % 13 > 6 else "no"] for i in range(100)],
    )
    text = new(path, "y")
    assert re.search(r"drop +(= missing)", text)
    result = dlc.train(path.with_suffix(".dl"), params={"train.epochs": 2}, out=tmp_path / "runs")
    assert any("20" in note for note in result.notes)


def test_none_is_a_class_of_a_target(tmp_path: Path) -> None:
    lines = [[i, i % 7, ("none", "mild", "severe")[i % 3]] for i in range(60)]
    text = new(rows(tmp_path / "t.csv", ["a", "b", "pain"], lines), "pain")
    assert 'output pain: class(mild, "none", severe)' in text
    assert "missing" not in text


@pytest.mark.parametrize(("values", "declared"), [
    (["yes", "no"], 'binary("no", "yes")'), (["True", "False"], 'binary("False", "True")'),
    ([0, 1], "binary"), ([1, 2], "class(auto)"), ([0, 1, 2], "class(3)"), ([3, 4, 8], "class(auto)"),
    (["a b", "c", "d"], 'class("a b", c, d)'), ([1.5, 2.5, 3.25], "float"), ([*range(40)], "float"),
])  # fmt: skip
def test_the_values_of_a_target_decide_its_type(values: list[object], declared: str, tmp_path: Path) -> None:
    lines = [[f"{i * 0.37 % 1:.2f}", values[i % len(values)]] for i in range(120)]
    assert f"output y: {declared}\n" in new(rows(tmp_path / "t.csv", ["a", "y"], lines), "y")


def test_columns_of_no_use_are_left_out_with_the_reason(tmp_path: Path) -> None:
    names = ["id", "name", "when", "price", "same", "nothing", "photo", "a", "y"]
    lines = [
        [i + 1, f"person {i}", f"2024-03-{1 + i % 28:02d}", f"${i}", "x", "", f"in/{i}.JPG", i % 11, i * 0.5]
        for i in range(60)
    ]
    text = new(rows(tmp_path / "t.csv", names, lines), "y")
    heading = " ".join(line.removeprefix("# ") for line in text.split("\n\n")[0].splitlines())
    left_out = re.search(r"Left out: (.*)\.$", heading)
    assert left_out is not None
    assert re.findall(r"`(\w+)` \(", left_out[1]) == names[:-2]
    assert '`photo` (names of files: `files("photo", root=...)` in `data` reads them)' in left_out[1]
    assert re.findall(r"^input .*", text, re.MULTILINE) == ["input  a: float"]


def test_names_that_the_language_does_not_take_are_changed(tmp_path: Path) -> None:
    names = ["Sepal length (cm)", "source", "relu", "2nd", "größe", "fine_name", "y"]
    lines = [[*(f"{(i * p) % 7}.5" for p in (2, 3, 4, 5, 6, 8)), i] for i in range(60)]
    text = new(rows(tmp_path / "t.csv", names, lines), "y")
    assert dlc.compile(text=text).compiled.warnings == ()
    assert set(re.findall(r'= column\("(.*)"\)', text)) == {*names[:5]}


def test_many_columns_are_one_vector(tmp_path: Path) -> None:
    names = [f"x {i}" for i in range(200)]
    lines = [[*((i * p) % 211 * 0.3 for p in range(1, 201)), i] for i in range(60)]
    text = new(rows(tmp_path / "t.csv", [*names, "y"], lines), "y")
    assert "input  numbers: float[200]" in text
    program = dlc.compile(text=text)
    assert program.compiled.warnings == () and max(map(len, text.splitlines())) <= 110


def test_rows_without_names_fill_the_inputs_in_order(tmp_path: Path) -> None:
    lines = [[i % 7 + 0.5, ("red", "blue")[i % 2], i * 0.25, "yes" if i % 7 > 3 else "no"] for i in range(80)]
    path = rows(tmp_path / "t.csv", [], lines)
    text = new(path)
    declared = re.findall(r"^(?:input|output) +(\w+): (.*)", text, re.MULTILINE)
    assert declared == [("column_1", "float"), ("column_2", "class(auto)"), ("column_3", "float"),
                        ("column_4", 'binary("no", "yes")')]  # fmt: skip
    assert "header=false" in text
    assert dlc.train(
        path.with_suffix(".dl"), params={"train.epochs": 1}, out=tmp_path / "runs"
    ).model.is_file()


def test_numbers_that_count_the_columns_are_names(tmp_path: Path) -> None:
    lines = [[i % 7 + 0.5, i % 5 - 0.5, "yes" if i % 7 > 3 else "no"] for i in range(80)]
    text = new(rows(tmp_path / "t.csv", ["1", "2", "y"], lines), "y")
    assert "header" not in text and 'column("1")' in text


def test_a_parquet_file_has_types(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    draw = np.random.default_rng(0)
    table = {"v": draw.normal(size=(50, 4)).tolist(), "flag": [i % 2 == 0 for i in range(50)],
             "name": [None if i % 5 == 0 else "ab"[i % 2] for i in range(50)],
             "n": [None if i % 7 == 0 else i % 20 for i in range(50)],
             "y": [i * 0.5 for i in range(50)]}  # fmt: skip
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table(table), path)
    text = new(path, "y")
    assert re.findall(r"^input +(.*)", text, re.MULTILINE) == [
        "n: float",
        "v: float[4]",
        "flag: class(auto)",
        "name: class(auto)",
    ]
    result = dlc.train(path.with_suffix(".dl"), params={"train.epochs": 1}, out=tmp_path / "runs")
    assert not result.warnings


def test_times_in_seconds_keep_their_digits(tmp_path: Path) -> None:
    lines = [[1_700_000_000 + 7 * (i * i % 50), i % 3, i * 0.5] for i in range(60)]
    path = rows(tmp_path / "t.csv", ["at", "b", "y"], lines)
    assert "float64" in new(path, "y")
    assert not dlc.train(path.with_suffix(".dl"), params={"train.epochs": 1}, out=tmp_path / "runs").warnings


# --- errors -----------------------------------------------------------------------------------------------


def refused(tmp_path: Path, names: list[str], lines: list[list[object]], *arguments: str) -> str:
    done = run("new", rows(tmp_path / "t.csv", names, lines), *arguments)
    assert done.exit_code == 1
    assert not (tmp_path / "t.dl").exists()
    return done.stderr


def test_a_name_that_is_not_there_has_a_suggestion(tmp_path: Path) -> None:
    told = refused(tmp_path, ["price", "size"], [[i, i * 2.5] for i in range(30)], "--target", "prize")
    assert "has no column `prize`" in told and "did you mean `price`" in told


@pytest.mark.parametrize(("column", "why"), [
    (lambda i: "", "no row of `y` of t.csv has a value"),
    (lambda i: "same", "all rows of `y` of t.csv have the same value, same"),
    (lambda i: f"person {i}", "too many for classes"),
    (lambda i: f"2024-03-{1 + i % 28:02d}", "holds dates, such as 2024-03-01"),
    (lambda i: f"${i}.50", "is not written as numbers: $0.50"),
])  # fmt: skip
def test_targets_that_cannot_be_learnt(column: Callable[[int], object], why: str, tmp_path: Path) -> None:
    told = refused(tmp_path, ["a", "y"], [[i % 9 + 0.5, column(i)] for i in range(40)], "--target", "y")
    assert why in told
    assert "= help: " in told


def test_without_a_target_the_last_column_is_taken_and_said(tmp_path: Path) -> None:
    done = run("new", rows(tmp_path / "t.csv", ["a", "b"], [[i % 9 + 0.5, i * 0.5] for i in range(40)]))
    assert "note: no --target is named: `b` is predicted" in done.stderr


def test_without_a_target_a_last_column_of_no_use_lists_the_others(tmp_path: Path) -> None:
    told = refused(tmp_path, ["a", "b", "id"], [[i % 9 + 0.5, i * 0.5, i] for i in range(40)])
    assert "name one with --target: `a` and `b`" in told or "name one with --target: `a`, `b`" in told


def test_files_without_rows(tmp_path: Path) -> None:
    assert "t.csv has 0 rows" in refused(tmp_path, ["a", "b"], [])
    assert "t.csv has 3 rows" in refused(tmp_path, ["a", "b"], [[1, 2], [3, 4], [5, 6]])
    (tmp_path / "t.csv").write_text("")
    assert "t.csv is empty" in run("new", tmp_path / "t.csv").stderr
    assert "no such file" in run("new", tmp_path / "none.csv").stderr


def test_a_spec_is_overwritten_only_if_asked(tmp_path: Path) -> None:
    path = of_data(tmp_path, "penguins")
    spec = tmp_path / "penguins.dl"
    spec.write_text("mine")
    done = run("new", path, "--target", "species")
    assert done.exit_code == 1 and "exists already" in done.stderr
    assert spec.read_text() == "mine"
    assert run("new", path, "--target", "species", "--force").exit_code == 0
    assert "species" in spec.read_text()


def test_a_column_without_others_predicts_nothing(tmp_path: Path) -> None:
    told = refused(tmp_path, ["id", "y"], [[i, i % 3 * 0.5] for i in range(40)], "--target", "y")
    assert "no column that `y` can be predicted from" in told


def test_rows_without_names_have_to_keep_their_columns(tmp_path: Path) -> None:
    told = refused(tmp_path, [], [["x", i + 0.5, i * 0.25] for i in range(40)])
    assert "write names above the rows" in told


def test_a_spec_in_another_folder_finds_the_rows(tmp_path: Path) -> None:
    path = of_data(tmp_path, "penguins")
    (tmp_path / "specs").mkdir()
    out = tmp_path / "specs/first.dl"
    assert run("new", path, "--target", "species", "-o", out).exit_code == 0
    assert 'csv("../penguins.csv"' in out.read_text()


def test_json_of_strings_stays_text(tmp_path: Path) -> None:
    """Quotes, backslashes and line breaks in names are written as text of the language."""
    names = ['a "quoted" name', "back\\slash", "two\nlines", "y"]
    lines = [[i % 5 + 0.5, i % 3 + 0.5, i % 7 + 0.5, i * 0.5] for i in range(40)]
    path = rows(tmp_path / "t.csv", names, lines)
    text = new(path, "y")
    assert json.dumps(names[0]) in text
    assert dlc.train(
        path.with_suffix(".dl"), params={"train.epochs": 1}, out=tmp_path / "runs"
    ).model.is_file()
