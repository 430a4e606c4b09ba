"""Windows of a series, from the file of rows to the answers of the artifact."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from stories import dlc, write

import dlc as dlc_package
from dlc.cli import commands
from dlc.compiler import CompileError

SPEC = """# The next hours from the last ones, with the calendar of both.
input  past: float[12, 2]
input  calendar: float[3]
output load: float[3]

(past -> flatten, calendar) -> concat -> dense(3) -> load

data {
  source     = csv("rows.csv", series="site", order="hour", window=12, step=2)
  past       = columns("load", "free")
  calendar   = ahead("free", 3)
  load       = ahead("load", 3)
  validation = 0.2
  test       = 0.2
}
train {
  optimizer = adam(lr=0.03)
  epochs    = 25
  batch     = 16
  metrics   = [mae]
}
expect { test.mae <= 0.5 }
"""


def rows_of_sites(hours: int = 80) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    made = []
    for site, base in (("north", 2), ("south", -1)):
        hour = np.arange(hours)
        free = (hour % 24 >= 12).astype(int)
        load = base + np.sin(2 * np.pi * hour / 6) - free + rng.normal(0, 0.05, hours)
        made.append(pd.DataFrame({"site": site, "hour": hour, "load": load.round(4), "free": free}))
    return pd.concat(made)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("load")
    rows_of_sites().sample(frac=1, random_state=0).to_csv(folder / "rows.csv", index=False)
    done = dlc("train", write(folder, "load.dl", SPEC), "--out", folder)
    assert done.exit_code == 0 and "cross a border of the split" in done.output, done.output
    return folder / "load" / "latest"


def table(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text))


def windows(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """The inputs of all windows, by pandas and NumPy."""
    past, calendar = [], []
    for _, site in rows.groupby("site", sort=False):
        site = site.sort_values("hour")
        for start in range(0, len(site) - 15 + 1, 2):
            past.append(site[["load", "free"]].to_numpy()[start : start + 12])
            calendar.append(site.free.to_numpy()[start + 12 : start + 15])
    return {"past": np.array(past, np.float32), "calendar": np.array(calendar, np.float32)}


def test_one_answer_for_each_window(run: Path, tmp_path: Path) -> None:
    rows = rows_of_sites(20)
    rows.to_csv(tmp_path / "new.csv", index=False)
    rows.to_parquet(tmp_path / "new.parquet")
    answers = dlc_package.load(run).predict(windows(rows))["load"]
    assert answers.shape == (6, 3)
    found = table(dlc("predict", run, tmp_path / "new.csv", "--keep", "site", "--keep", "hour").output)
    assert found.site.tolist() == ["north"] * 3 + ["south"] * 3
    assert found.hour.tolist() == [11, 13, 15] * 2
    np.testing.assert_allclose(found[["load.0", "load.1", "load.2"]], answers, atol=1e-5)
    same = dlc("predict", run, tmp_path / "new.csv").output
    assert dlc("predict", run, tmp_path / "new.parquet").output == same
    for text in ((tmp_path / "new.csv").read_text(), rows.to_json(orient="records")):
        assert CliRunner().invoke(commands, ["predict", str(run), "-"], input=text).output == same
    np.testing.assert_array_equal(dlc_package.load(run).predict(rows)["load"].tolist(), answers)


def test_windows_are_given_as_arrays_too(run: Path, tmp_path: Path) -> None:
    given = windows(rows_of_sites(20))
    answers = dlc_package.load(run).predict(given)["load"]
    np.savez(tmp_path / "new.npz", **given)
    objects = [{name: values[i].tolist() for name, values in given.items()} for i in range(len(answers))]
    text = json.dumps(objects)
    for done in (dlc("predict", run, tmp_path / "new.npz"),
                 CliRunner().invoke(commands, ["predict", str(run), "-"], input=text)):  # fmt: skip
        np.testing.assert_allclose(table(done.output), answers, atol=1e-5)


def test_rows_ahead_need_no_target(run: Path, tmp_path: Path) -> None:
    rows = rows_of_sites(15)
    answers = dlc_package.load(run).predict(windows(rows))["load"]
    rows.loc[rows.hour >= 12, "load"] = np.nan
    rows.to_csv(tmp_path / "new.csv", index=False)
    found = table(dlc("predict", run, tmp_path / "new.csv").output)
    np.testing.assert_allclose(found, answers, atol=1e-5)


def test_all_windows_are_measured(run: Path, tmp_path: Path) -> None:
    rows = rows_of_sites(30)
    rows.to_csv(tmp_path / "new.csv", index=False)
    answers = dlc_package.load(run).predict(windows(rows))["load"]
    targets = [site.load.to_numpy()[start + 12 : start + 15]
               for _, site in rows.groupby("site") for start in range(0, 30 - 14, 2)]  # fmt: skip
    done = dlc("eval", run, tmp_path / "new.csv")
    assert done.output.splitlines()[0] == f"{len(answers)} windows of {tmp_path / 'new.csv'}"
    assert float(done.output.split()[-1]) == pytest.approx(np.abs(answers - targets).mean(), abs=1e-4)


def test_rows_that_make_no_window(run: Path, tmp_path: Path) -> None:
    rows_of_sites(14).to_csv(tmp_path / "few.csv", index=False)
    done = dlc("predict", run, tmp_path / "few.csv")
    assert done.exit_code == 1 and "no series of more than 14 rows, and a window of 12" in done.stderr
    (tmp_path / "none.csv").write_text("site,hour,load,free\n")
    assert dlc("predict", run, tmp_path / "none.csv").stdout == "load.0,load.1,load.2\n"
    rows = pd.concat([rows_of_sites(15)[:15], rows_of_sites(14)[14:]])
    rows.to_csv(tmp_path / "some.csv", index=False)
    done = dlc("predict", run, tmp_path / "some.csv")
    assert len(done.stdout.splitlines()) == 2 and "note: 1 of the 2 series of " in done.stderr


def test_expectations_hold(run: Path) -> None:
    assert dlc("test", run.parents[1] / "load.dl").exit_code == 0
    assert dlc("gradcheck", run.parents[1] / "load.dl").exit_code == 0


def test_a_script_cannot_read_windows(run: Path) -> None:
    spec = run.parents[1] / "load.dl"
    done = dlc("emit", write(spec.parent, "plain.dl", SPEC.replace("  metrics   = [mae]\n", "")))
    assert "error[E0822]: `window` is not supported without dlc" in done.output
    assert dlc("emit", "--model", spec).exit_code == 0


def test_a_frame_in_place_of_the_file(run: Path, tmp_path: Path) -> None:
    rows = rows_of_sites()
    rows["hour"] = pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(rows.hour, "h")
    made = dlc_package.train(run.parents[1] / "load.dl", data=rows, out=tmp_path)
    assert made.figures["test"]["mae"] < 0.5
    with pytest.raises(CompileError, match="no column"):
        dlc_package.train(run.parents[1] / "load.dl", data=rows.drop(columns="hour"), out=tmp_path)


TEST = 'test       = csv("rows.csv", series="site", order="hour", window=12)'


@pytest.mark.parametrize(
    ("old", "new", "warned"),
    [
        ("test       = 0.2", TEST, True),
        ("test       = 0.2", TEST + "  # allow W0711: a smoke test", False),
        ("test       = 0.2", TEST.replace("rows.csv", "later.csv"), False),
        ("", "", False),
    ],
)
def test_windows_of_test_rows_that_are_trained_on(tmp_path: Path, old: str, new: str, warned: bool) -> None:
    rows = rows_of_sites(160)
    rows[rows.hour < 80].to_csv(tmp_path / "rows.csv", index=False)
    rows[rows.hour >= 80].to_csv(tmp_path / "later.csv", index=False)
    text = SPEC.replace("epochs    = 25", "epochs = 1").replace(old, new)
    done = dlc("train", write(tmp_path, "load.dl", text), "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert ("warning[W0711]" in done.output) == warned
    assert not warned or "of up to 8 rows in test windows" in done.output


MISTAKES = (
    ("12, 2]", "2, 12]", "E0704]: `past` is float[2, 12], and a window of 2 columns is float[12, 2]"),
    ("calendar: float[3]", "calendar: float[4]", "E0704]: `calendar` is float[4], and 3 rows are"),
    ("window=12, step=2", "step=2", "E0408]: `step` is that of windows, and there are none"),
    (", window=12, step=2", "", "E0408]: `calendar` is ahead of a window"),
    ('ahead("load", 3)', 'ahead("load")', "E0403]: `n` of `ahead`: expected a whole number"),
    ('ahead("load", 3)', "ahead(3)", "E0405]: `ahead` needs `columns`"),
    ("test       = 0.2", "test = 0.2\n  split = random", "E0408]: `split = random` would put windows"),
    ("test       = 0.2", "test = 0.2\n  stratify = load", "E0408]: `stratify` chooses rows of each"),
    ("test       = 0.2", 'test = csv("rows.csv")', "`test` has rows, and `source` has windows of 12"),
)


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES)
def test_what_is_wrong_is_told_without_the_file(tmp_path: Path, old: str, new: str, message: str) -> None:
    done = dlc("check", write(tmp_path, "load.dl", SPEC.replace(old, new)))
    assert done.exit_code == 1 and message in done.output, done.output


def test_groups_of_windows_are_groups_of_series(tmp_path: Path) -> None:
    text = SPEC.replace("  validation", '  split = groups("site")\n  validation')
    assert dlc("check", write(tmp_path, "load.dl", text)).exit_code == 0
    done = dlc("check", write(tmp_path, "load.dl", text.replace('series="site", ', "")))
    assert "E0408]: `split = groups(...)` chooses whole series" in done.output


def test_a_window_may_be_as_long_as_a_free_dimension(tmp_path: Path) -> None:
    rows_of_sites().to_csv(tmp_path / "rows.csv", index=False)
    text = SPEC.replace("float[12, 2]", "float[T, 2]").replace("past -> flatten", "mean(past, axis=0)")
    done = dlc("train", write(tmp_path, "load.dl", text), "--out", tmp_path)
    assert done.exit_code == 0, done.output
    model = dlc_package.load(tmp_path / "load" / "latest")
    assert model.predict({"past": np.zeros((2, 5, 2)), "calendar": np.zeros((2, 3))})["load"].shape == (2, 3)


def test_one_answer_for_each_series(tmp_path: Path) -> None:
    """Without windows, a sample is a whole series; they differ in length."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"id": np.repeat(np.arange(30), np.arange(30) % 4 + 1)})
    rows["kind"] = np.where(rows.id % 2, "odd", "even")
    rows["x"] = rng.normal(size=len(rows)) + 3 * (rows.id % 2)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    text = """
    input  x: float[T]
    output kind: class(auto)
    stack(mean(x), sum(x)) -> dense(kind.classes) -> kind
    data { source = csv("rows.csv", series="id")
           test = 0.2 }
    train { optimizer = adam(lr=0.05)
            epochs = 60 }
    """
    done = dlc("train", write(tmp_path, "kind.dl", text), "--out", tmp_path)
    assert done.exit_code == 0, done.output
    model = tmp_path / "kind" / "latest"
    shuffled = rows.sample(frac=1, random_state=0)
    shuffled.to_csv(tmp_path / "new.csv", index=False)
    found = table(dlc("predict", model, tmp_path / "new.csv", "--keep", "id").output)
    assert found.id.tolist() == shuffled.id.unique().tolist()
    run = dlc_package.load(model)
    alone = [run.predict({"x": [shuffled[shuffled.id == k].x.to_numpy()]})["kind"][0] for k in found.id]
    assert found.kind.tolist() == alone
    done = dlc("eval", model, tmp_path / "new.csv")
    assert done.output.startswith(f"30 series of {tmp_path / 'new.csv'}\naccuracy")


def test_an_output_without_a_target_has_any_shape(tmp_path: Path) -> None:
    text = """
    input  past: float[12, 2]
    output again: float[12, 2]
    past -> flatten -> dense(3) -> dense(24) -> reshape(12, 2) -> again
    data { source = csv("rows.csv", series="site", order="hour", window=12)
           past   = columns("load", "free") }
    train { loss = mse(again, past)
            epochs = 1 }
    """
    rows_of_sites(20).to_csv(tmp_path / "rows.csv", index=False)
    done = dlc("train", write(tmp_path, "again.dl", text), "--out", tmp_path)
    assert done.exit_code == 0, done.output
