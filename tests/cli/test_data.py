"""`dlc data`: what the rows look like to a spec. pandas computes the same figures from the files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from stories import IRIS, dlc, write

from dlc.runtime.data_figures import ColumnMoments, DistinctCount
from dlc.runtime.data_summary import LengthRange, Summary
from dlc.show.data_table import lines

SPECS = Path(__file__).parents[2] / "specs"
SHIRTS = """# What does a shirt cost?
input  size, washed: float
input  colour: class(auto)
input  words: string
output price: float

(size, washed -> impute(mean), one_hot(colour), words -> vocabulary -> one_hot) -> concat -> dense(1) -> price

data {
  source = csv("shirts.csv")
  test   = 0.25
}
"""
WORDS = ["soft", "with a pocket", "", "long sleeves"]


def shirts(rows: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    size = rng.integers(36, 48, rows)
    washed = np.where(rng.random(rows) < 0.2, np.nan, rng.integers(0, 9, rows))
    colour = rng.choice(["blue", "red", "white"], rows, p=[0.5, 0.3, 0.2])
    price = (size * 0.5 + rng.normal(0, 4, rows)).round(2)
    return pd.DataFrame({"size": size, "washed": washed, "colour": colour, "price": price}).assign(
        words=[WORDS[n % 4] for n in range(rows)]
    )


def fields_of(*arguments: object) -> dict[str, dict[str, Any]]:
    done = dlc("data", *arguments, "--format", "json")
    assert done.exit_code == 0, done.output
    return {one["name"]: one for one in json.loads(done.stdout)["fields"]}


IRIS_TABLE = """150 rows: 106 for training, 22 for validation, 22 for the test
1 of 22 validation rows equal training rows

field         role    type      distinct  min  max   mean     std  classes
------------  ------  --------  --------  ---  ---  -----  ------  -----------------------------------------------
sepal_length  input   float           35  4.3  7.9  5.843  0.8253
sepal_width   input   float           23    2  4.4  3.057  0.4344
petal_length  input   float           43    1  6.9  3.758   1.759
petal_width   input   float           22  0.1  2.5  1.199  0.7597
species       target  class(3)         3                           setosa: 33 %, versicolor: 33 %, virginica: 33 %
"""  # noqa: E501  a table


def test_the_table_of_iris(tmp_path: Path) -> None:
    spec = write(tmp_path, "iris.dl", IRIS.replace("}\n", "\n  validation = 0.15\n  test = 0.15\n}\n"))
    done = dlc("data", spec)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == IRIS_TABLE
    assert not list(tmp_path.glob("runs")), "nothing is trained"


def test_the_page_shows_what_is_printed() -> None:
    page = (SPECS.parent / "docs" / "data.md").read_text("utf-8")
    assert dlc("data", SPECS / "penguins.dl").stdout in page


def test_the_figures_are_those_of_pandas(tmp_path: Path) -> None:
    frame = shirts()
    frame.to_csv(tmp_path / "shirts.csv", index=False)
    found = fields_of(write(tmp_path, "m.dl", SHIRTS))
    described = frame.describe()
    for name in ("size", "washed", "price"):
        one, expected = found[name], described[name]
        assert one["values"] - one["missing"] == expected["count"]
        assert (one["min"], one["max"]) == (expected["min"], expected["max"]), "as written, not as float32"
        assert one["mean"] == pytest.approx(expected["mean"], rel=1e-6)
        assert one["std"] == pytest.approx(frame[name].std(ddof=0), rel=1e-6)
        assert one["distinct"] == frame[name].nunique()
        assert one["missing"] == frame[name].isna().sum()
    counts = frame["colour"].value_counts()
    assert {c["class"]: c["count"] for c in found["colour"]["classes"]} == counts.to_dict()
    assert found["colour"]["classes"][0]["share"] == counts.max() / 40
    assert found["words"]["missing"] == 10
    assert found["words"]["lengths"] == {"least": 4, "median": 12.0, "greatest": 13}
    assert {name: one["role"] for name, one in found.items()} == {
        "size": "input", "washed": "input", "colour": "input", "words": "input", "words_class": "tokens",
        "price": "target",
    }  # fmt: skip


def test_the_rows_of_one_part(tmp_path: Path) -> None:
    frame = shirts()
    frame.to_csv(tmp_path / "shirts.csv", index=False)
    spec = write(tmp_path, "m.dl", SHIRTS)
    parts = [fields_of(spec, "--part", part)["price"] for part in ("train", "test")]
    assert [part["values"] for part in parts] == [30, 10]
    together = sum(part["values"] * part["mean"] for part in parts) / 40
    assert together == pytest.approx(frame["price"].mean(), rel=1e-6)
    done = dlc("data", spec, "--part", "validation")
    assert (done.exit_code, done.stderr.splitlines()) == (1, [
        "error: there are no validation rows", "  = help: `validation = 0.2` in `data` keeps some",
    ])  # fmt: skip


def test_other_rows_and_other_settings(tmp_path: Path) -> None:
    shirts().to_csv(tmp_path / "shirts.csv", index=False)
    shirts(60).to_csv(tmp_path / "more.csv", index=False)
    spec = write(tmp_path, "m.dl", SHIRTS)
    done = dlc("data", spec, "--data", tmp_path / "more.csv", "--set", "data.test=0.5")
    assert done.stdout.startswith("60 rows: 30 for training, 30 for the test\n"), done.output


def test_the_columns_of_a_vector() -> None:
    done = fields_of(SPECS / "breast_cancer.dl", "--columns")
    from sklearn.datasets import load_breast_cancer

    bunch: Any = load_breast_cancer(as_frame=True)
    frame: pd.DataFrame = bunch.data
    columns = done["nuclei"]["columns"]
    assert len(columns) == 30
    for one, (name, values) in zip(columns, frame.items(), strict=True):
        assert one["name"] == str(name).replace(" ", "_")
        assert one["mean"] == pytest.approx(values.mean(), rel=1e-6)
        assert one["std"] == pytest.approx(values.std(ddof=0), rel=1e-5)
        assert one["distinct"] == values.astype(np.float32).nunique()
    every = frame.to_numpy()
    whole = done["nuclei"]
    assert whole["mean"] == pytest.approx(every.mean()) and whole["std"] == pytest.approx(every.std())
    assert whole["distinct"] == len(np.unique(every.astype(np.float32)))
    shown = dlc("data", SPECS / "breast_cancer.dl", "--columns").stdout
    assert "\n  mean_radius " in shown and "\n  worst_area " in shown


def test_rows_that_differ_in_length_and_targets_that_are_ignored(tmp_path: Path) -> None:
    write(tmp_path, "tags.csv", "text,tag\nabc,xyx\nab,x?\na,?\nabca,xxyy\n")
    spec = write(tmp_path, "m.dl", """input  text: class(auto)[T]
output tag: class(x, y, ignore="?")[T]
text -> one_hot -> dense(2) -> tag
data { source = csv("tags.csv") }
""")  # fmt: skip
    found = fields_of(spec)
    assert found["text"]["lengths"] == {"least": 1, "median": 2.5, "greatest": 4}
    assert found["text"]["values"] == 10, "without padding"
    assert {c["class"]: c["count"] for c in found["text"]["classes"]} == {"a": 5, "b": 3, "c": 2}
    assert found["tag"]["ignored"] == 2 and found["tag"]["missing"] == 0
    shown = dlc("data", spec).stdout
    assert "2 ignored" in shown and "1 to 4, median 2.5" in shown


def test_the_values_of_pictures(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 200, (30, 1, 5, 5)).astype(np.uint8)
    np.savez(tmp_path / "p.npz", picture=pictures, there=rng.integers(0, 2, 30))
    text = """input picture: uint8[1, 5, 5]
output there: binary
picture / 255 -> flatten -> dense(1) -> there
data { source = npz("p.npz") }
"""
    found = fields_of(write(tmp_path, "m.dl", text))
    one = found["picture"]
    assert (one["values"], one["min"], one["max"]) == (750, pictures.min(), pictures.max())
    assert one["mean"] == pytest.approx(pictures.mean()) and one["std"] == pytest.approx(pictures.std())
    assert one["distinct"] == len(np.unique(pictures))
    assert {c["class"] for c in found["there"]["classes"]} == {"0", "1"}


def test_warnings_stand_below_the_table_and_can_be_allowed(tmp_path: Path) -> None:
    frame = shirts().assign(washed=np.arange(40))
    frame.to_csv(tmp_path / "shirts.csv", index=False)
    spec = write(tmp_path, "m.dl", SHIRTS)
    done = dlc("data", spec)
    assert done.exit_code == 0
    assert "warning[W0717]: `washed` numbers the rows: each of the 40 has another whole number" in done.stdout
    assert done.stdout.endswith("`dlc explain W0717` explains it, with a corrected spec\n")
    [told] = json.loads(dlc("data", spec, "--format", "json").stdout)["warnings"]
    assert (told["code"], told["line"]) == ("W0717", 2)
    allowed = SHIRTS.replace("washed: float", "washed: float  # allow W0717: the day of the sale")
    assert "warning" not in dlc("data", write(tmp_path, "m.dl", allowed)).output


def test_values_that_no_spec_can_read_are_the_errors_of_training(tmp_path: Path) -> None:
    frame = shirts()
    frame.loc[3, "size"] = np.nan
    frame.to_csv(tmp_path / "shirts.csv", index=False)
    done = dlc("data", write(tmp_path, "m.dl", SHIRTS))
    assert done.exit_code == 1
    assert "row 4" in done.stderr and "size" in done.stderr


def test_a_spec_without_data(tmp_path: Path) -> None:
    done = dlc("data", write(tmp_path, "m.dl", "input x: float[2]\noutput y: float\nsum(x) -> y\n"))
    assert done.exit_code == 1
    assert done.stderr.splitlines()[-1] == "  = help: `dlc data f.dl --data rows.csv` reads a file"


def test_inputs_that_are_drawn() -> None:
    shown = dlc("data", SPECS / "gan_ring.dl").stdout
    assert shown.startswith("rows are drawn for every batch, 10_000 for the test\n")
    assert "jitter  drawn: normal   float[2]\n" in shown


# --- the width of the terminal ----------------------------------------------------------------------------


def fields(count: int) -> list[Summary]:
    numbers = [Summary(f"column_{n}", "input", "float", 10, 0, distinct=9, low=-1.5, high=2.5, mean=0.5,
                       deviation=1.25) for n in range(count)]  # fmt: skip
    classes = {f"class {n}": 10 - n for n in range(8)}
    text = Summary("words", "input", "class(8)[T]", 44, 2, 1, distinct=8, classes=classes,
                   lengths=LengthRange(2, 5.0, 9))  # fmt: skip
    return [*numbers, text]


@pytest.mark.parametrize("room", [30, 60, 80, 100, 120, 160, 240])
def test_every_figure_fits_into_a_terminal(room: int) -> None:
    made = lines(fields(200), room)
    assert max(map(len, made)) <= room
    text = " ".join(" ".join(made).split())
    assert all(f"column_{n} " in text for n in range(200)) and text.count("1.25") == 200
    assert "class 7: 5.8 %" in text and "2 + 1 unknown" in text and "2 to 9, median 5" in text


def test_a_pipe_gets_whole_lines() -> None:
    made = lines(fields(3), None)
    assert len(made) == 2 + 4
    assert made == lines(fields(3), 400)


# --- figures in chunks ------------------------------------------------------------------------------------


def test_figures_in_chunks_are_those_of_all_values() -> None:
    rng = np.random.default_rng(1)
    values = (1e6 + rng.normal(size=(1000, 3)) * [1, 10, 1e-3]).astype(np.float64)
    values[rng.random(values.shape) < 0.1] = np.nan
    values[:, 2] = np.where(np.arange(1000) < 990, np.nan, values[:, 2])
    moments = ColumnMoments(3)
    for start in range(0, 1000, 7):
        moments.add(values[start : start + 7])
    np.testing.assert_allclose(moments.mean, np.nanmean(values, axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.deviation, np.nanstd(values, axis=0), rtol=1e-6)
    assert moments.low is not None and (moments.low == np.nanmin(values, axis=0)).all()
    assert moments.together().deviation[0] == pytest.approx(np.nanstd(values), rel=1e-6)
    assert moments.missing.tolist() == np.isnan(values).sum(axis=0).tolist()


def test_very_many_distinct_values_are_a_lower_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlc.runtime.data_figures.MAX_DISTINCT", 1000)
    monkeypatch.setattr("dlc.runtime.data_figures.WAITING", 100)
    for count, many in ((1000, False), (1001, True), (5000, True)):
        found = DistinctCount()
        for start in range(0, count, 60):
            found.add(np.arange(start, min(start + 60, count)))
        assert (found.count, found.many) == (1000, many)
    small = DistinctCount()
    small.add(np.array([1.0, np.nan, 1.0, 2.0]))
    assert (small.count, small.many) == (2, False)
    shown = Summary("x", "input", "float", 5000, distinct=1000, many=True)
    assert "> 1_000" in lines([shown], None)[2]
