"""`--set SECTION.NAME=value`: settings of sections, given by a command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import onnx
import pytest
from stories import IRIS, dlc, write

from dlc import compile
from dlc.compiler import CompileError
from dlc.compiler.definitions.sections import ColumnField

if TYPE_CHECKING:
    from pathlib import Path

SPEC = IRIS + "train { optimizer = adam(lr=0.02)\n epochs = 15\n if units > 4 { batch = 16 }\n}\n"
GIVEN = ["train.epochs=3", "train.optimizer=sgd(lr=0.1)", "train.early_stop=none", "export.opset=18",
         "data.test=0.2", "units=5"]  # fmt: skip


def sets(*given: str) -> list[str]:
    return [word for setting in given for word in ("--set", setting)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run of a spec whose settings are given."""
    folder = tmp_path_factory.mktemp("set")
    done = dlc("train", write(folder, "iris.dl", SPEC), *sets(*GIVEN), "--out", folder / "runs")
    assert done.exit_code == 0, done.output
    write(folder, "printed.txt", done.output)
    return folder


def test_given_settings_are_told_and_used(folder: Path) -> None:
    lines = (folder / "printed.txt").read_text("utf-8").splitlines()
    assert lines[0] == (
        "set: train.epochs = 3, train.optimizer = sgd(lr=0.1), train.early_stop = none, "
        "export.opset = 18, data.test = 0.2, units = 5"
    )
    assert lines[1].startswith("epoch 1/3 ")
    assert any(line.startswith("test ") for line in lines), "a third part of the rows"
    model = onnx.load(folder / "runs" / "iris" / "latest" / "model.onnx")
    assert model.opset_import[0].version == 18


def test_a_run_and_its_artifact_keep_them(folder: Path, tmp_path: Path) -> None:
    run = folder / "runs" / "iris" / "latest"
    kept = json.loads((run / "spec.json").read_text("utf-8"))["params"]
    assert kept == {"units": 5, "train.epochs": "3", "train.optimizer": "sgd(lr=0.1)",
                    "train.early_stop": "none", "export.opset": "18", "data.test": "0.2"}  # fmt: skip
    model = onnx.load(run / "model.onnx")
    assert json.loads(next(p.value for p in model.metadata_props if p.key == "dlc.params")) == kept
    assert dlc("export", run, "-o", tmp_path / "again.onnx").exit_code == 0
    assert (tmp_path / "again.onnx").read_bytes() == (run / "model.onnx").read_bytes()
    for command in ("export", "test"):
        assert "a run keeps what it was trained with" in dlc(command, run, *sets("units=3")).stderr


def test_expectations_are_checked_with_given_settings(folder: Path, tmp_path: Path) -> None:
    spec = write(tmp_path, "few.dl", SPEC + "expect { parameters == 43\n test.loss <= 9 }\n")
    assert "data` has no test rows" in dlc("test", spec, *sets("units=5")).output
    done = dlc("test", spec, *sets(*GIVEN))
    assert done.exit_code == 0, done.output
    assert dlc("train", spec, *sets(*GIVEN), "--out", tmp_path).exit_code == 0
    assert dlc("test", tmp_path / "few" / "latest").exit_code == 0, "a run is tested with them"
    assert dlc("check", tmp_path / "few" / "latest" / "model.dl").exit_code == 1, "as it was written"


def test_a_section_that_is_not_in_the_file_is_made() -> None:
    text = IRIS.partition("data {")[0]
    given = {"data.source": 'builtin("iris")', "data.sepal_length": 'column("x")', "export.opset": "18"}
    program = compile(text=text, params=given).compiled
    assert program.data is not None
    assert (program.data.source.set, program.export.opset) == ("iris", 18)
    assert program.data.fields["sepal_length"] == ColumnField(column="x")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(3, 3), ("3 * units", 24), ("none", None), (None, None), ("2 if units > 3 else 1", 2)],
)
def test_a_text_from_python_is_an_expression(value: Any, wanted: Any) -> None:
    params = {"train.epochs": value, "train.batch": "all"}
    assert compile(text=SPEC, params=params).compiled.train.epochs == wanted


NAMED = """input  x: float[2]
output y, z: float
x -> dense(1) -> y
x -> dense(1) -> z
data { source = table([[1, 2, 3, 4], [2, 3, 4, 5]]) }
train {
  scale  = 2
  a      = scale * mse(y)
  b      = mae(z)
  both   = a + b
  loss   = both
  epochs = 1
}
"""


@pytest.mark.parametrize(("loss", "measured"), [
    ("a", {"a"}), ("b + 3 * a", {"a", "b"}), ("2 * both", {"a", "b", "both"}), ("mse(y)", set()),
])  # fmt: skip
def test_names_of_the_old_loss_leave_with_it(loss: str, measured: set[str], tmp_path: Path) -> None:
    path = write(tmp_path, "named.dl", NAMED)
    done = dlc("train", path, *sets(f"train.loss={loss}"), "--out", tmp_path)
    assert done.exit_code == 0, done.output
    run = tmp_path / "named" / "latest"
    figures = json.loads((run / "figures.json").read_text("utf-8"))["figures"]["train"]
    assert figures.keys() & {"scale", "a", "b", "both"} == measured
    assert dlc("export", run, "-o", tmp_path / "again.onnx").exit_code == 0
    shown = write(tmp_path, "shown.dl", dlc("show", run / "model.onnx").output)
    assert dlc("check", shown).exit_code == 0, shown.read_text("utf-8")


def test_a_name_that_no_loss_reads_stays_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, "named.dl", NAMED.replace("epochs =", "epoch  ="))
    done = dlc("check", path, *sets("train.loss=mse(y)"))
    assert [line for line in done.output.splitlines() if line.startswith("error")] == [
        "error[E0601]: `train` has no setting `epoch`"
    ]


ERRORS = {
    "train.epoch=3": """\
error[E0601]: `train` has no setting `epoch`
 --> --set:1:9
  |
1 | train { epoch = 3 }
  |         ^^^^^
  |
  = help: did you mean `epochs`?
""",
    "train.batch=1.5": """\
error[E0403]: `batch` of `train`: expected a whole number of at least 1 or `all`, found `1.5`
 --> --set:1:17
  |
1 | train { batch = 1.5 }
  |                 ^^^
""",
    "trian.epochs=3": """\
error[E0102]: `trian` does not start a statement
 --> --set:1:1
  |
1 | trian { epochs = 3 }
  | ^^^^^
  |
  = help: did you mean `train`?
""",
    "train.optimizer=sgd(lrr=1)": """\
error[E0402]: `sgd` has no setting `lrr`
 --> --set:1:25
  |
1 | train { optimizer = sgd(lrr=1) }
  |                         ^^^
  |
  = help: did you mean `lr`?
""",
    "train.epochs=[": """\
error[E0103]: this `[` is never closed
 --> --set:1:18
  |
1 | train { epochs = [ }
  |                  ^
  |
  = help: a `]` is missing
""",
    "train.optimizer.lr=3": """\
error[E0601]: `train.optimizer.lr` is not the name of a setting, which is `SECTION.SETTING`
  = help: set the whole value: `--set 'train.optimizer=...'`
""",
    "epochs=3": """\
error[E0301]: the spec has no param `epochs`
  = help: did you mean `train.epochs`?
""",
}


@pytest.mark.parametrize("given", ERRORS)
def test_errors_point_at_the_argument(given: str, tmp_path: Path) -> None:
    done = dlc("check", write(tmp_path, "iris.dl", SPEC), *sets(given))
    assert done.exit_code == 1
    assert done.output.startswith(ERRORS[given] + "\n1 error in "), done.output


def test_every_wrong_setting_is_told_at_its_own_place(tmp_path: Path) -> None:
    given = sets("train.epoch=3", "train.batc=3", "export.opste=18")
    done = dlc("check", write(tmp_path, "iris.dl", SPEC), *given)
    assert [line.strip() for line in done.output.splitlines() if "-->" in line] == [
        "--> --set:1:9", "--> --set:2:9", "--> --set:3:10",
    ]  # fmt: skip
    assert dlc("check", tmp_path / "iris.dl", "--set", "train.epochs=").exit_code == 2


def test_a_wrong_setting_has_no_follow_up_errors(tmp_path: Path) -> None:
    spec = write(tmp_path, "iris.dl", SPEC + "expect { train.accuracy >= 0.5 }\n")
    for given in ("train.metrics=[acuracy]", "train.metrics=[", "train.loss=cross(species)"):
        assert "1 error in" in dlc("check", spec, *sets(given)).output


def test_errors_of_the_file_stay_at_their_place(tmp_path: Path) -> None:
    spec = write(tmp_path, "iris.dl", SPEC + "expect { parametrs == 3 }\n")
    done = dlc("check", spec, *sets("train.accumulate=2", "data.seed=3"))
    assert "iris.dl:14:10" in done.output
    assert "1 error in" in done.output


def test_a_comment_on_a_replaced_setting_allows_nothing(tmp_path: Path) -> None:
    text = SPEC.replace("lr=0.02)", "lr=50)  # allow W0410: a test")
    spec = write(tmp_path, "iris.dl", text)
    assert "no errors in" in dlc("check", spec, *sets("train.epochs=3")).output
    assert "no errors in" in dlc("check", spec, *sets("train.optimizer=sgd(lr=0.1)")).output
    found = dlc("check", spec, *sets("train.optimizer=sgd(lr=70)")).output
    assert "--> --set:1:28" in found
    assert "no errors and 1 warning in" in found


def test_a_value_that_the_rows_refuse_is_shown_at_the_argument(tmp_path: Path) -> None:
    done = dlc("train", write(tmp_path, "iris.dl", SPEC), *sets("data.test=1000"), "--out", tmp_path)
    assert done.exit_code == 1
    assert "--> --set:1:15" in done.stderr


def test_values_from_python_are_checked() -> None:
    with pytest.raises(CompileError, match="was set to `nan`, which is not a finite number"):
        compile(text=SPEC, params={"train.epochs": float("nan")})
