"""An emitted file reads the same rows as dlc from every source."""

from __future__ import annotations

import runpy
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
import torch
from click.testing import CliRunner
from emitted import load
from pyarrow import parquet

from dlc.cli import commands
from dlc.compiler import CompileError, Source, compile
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.lower.pytorch_source import emit
from dlc.runtime import data as rows_of
from dlc.runtime.data import InMemoryRows
from dlc.runtime.training.fit import fit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FLOW = "(size, weight) -> concat -> impute(mean) -> dense(1) -> fast"
CARS = """size,Weight (kg),fast,make
1.5,900,no,b
,1200,yes,a
2.5,NA,yes,b
"""


def write_cars(folder: Path) -> None:
    (folder / "cars.csv").write_text(CARS, "utf-8")


def write_parquet(folder: Path) -> None:
    columns = {
        "size": [1.5, None, 2.5],
        "weight": [900, 1200, 1100],
        "place": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],
        "make": ["b", "a", "b"],
        "fast": [False, True, True],
        'its "kind" of car': ["b", "a", "b"],
    }
    parquet.write_table(pa.table(columns), folder / "cars.parquet")


def write_arrays(folder: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {"x": rng.standard_normal((5, 2, 3)), "y": rng.integers(0, 3, (5, 2, 3))}
    np.savez(folder / "rows.npz", **arrays)


STORIES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "class names and missing values in csv": (
        f"""input size, weight: float
        output fast: binary(no, yes)
        {FLOW}
        data {{ source = csv("cars.csv", missing="NA")
        weight = column("Weight (kg)") }}""",
        write_cars,
    ),
    "a class and a vector in csv": (
        """input place: float[2]
        output make: class(a, b)
        place -> impute(median) -> dense(2) -> make
        data { source = csv("cars.csv", missing=["NA", "?"])
        place = columns("size", "Weight (kg)") }""",
        write_cars,
    ),
    "another separator, decimal sign and encoding in csv": (
        """input size, weight: float
        output make: class("M\u00fcller", a)
        (size, weight) -> concat -> impute(mean) -> dense(2) -> make
        data { source = csv("cars.csv", separator="\\t", decimal=",", encoding="cp1252") }""",
        lambda folder: (folder / "cars.csv").write_text(
            "size\tweight\tmake\n1,5\t900\tM\u00fcller\n\t1200,25\ta\n", "cp1252"
        ),
    ),
    "an integer that marks missing values in csv": (
        """input size: float
        output fast: binary
        size -> impute(mean) -> dense(1) -> fast
        data { source = csv("cars.csv", missing="-999") }""",
        lambda folder: folder.joinpath("cars.csv").write_text("size,fast\n-999,1\n-999.0,0\n2,1\n", "utf-8"),
    ),
    "numbers, booleans and classes in parquet": (
        """input size, weight: float
        input make: class(a, b)
        output fast: binary
        ((size, weight) -> concat -> impute(0), one_hot(make)) -> concat -> dense(1) -> fast
        data { source = parquet("cars.parquet") }""",
        write_parquet,
    ),
    "vectors in parquet": (
        """input place: float[2]
        input both: float[2]
        output make: class(a, b)
        (place, both -> impute(0)) -> concat -> dense(2) -> make
        data { source = parquet("cars.parquet")
        both = columns("weight", "size") }""",
        write_parquet,
    ),
    "a column name with quotes in parquet": (
        """input size: float
        output make: class(a, b)
        size -> impute(0) -> dense(2) -> make
        data { source = parquet("cars.parquet")
        make = column("its \\"kind\\" of car") }""",
        write_parquet,
    ),
    "booleans as classes": (
        """input size: float
        input fast: class("False", "True")
        output slow: class("False", "True")
        (size -> impute(0), fast -> one_hot) -> concat -> dense(2) -> slow
        data { source = parquet("cars.parquet")
        slow = column("fast") }""",
        write_parquet,
    ),
    "booleans as classes in a table": (
        """input size: float
        input fast: class("False", "True")
        output slow: class("False", "True")
        (size, fast -> one_hot) -> concat -> dense(2) -> slow
        data { source = table([[4, true, false], [25, none, true]], columns=[size, fast, slow]) }""",
        lambda folder: None,
    ),
    "a table": (
        """input size, weight: float
        output fast: binary
        (size, weight) -> concat -> impute(mean) -> dense(1) -> fast
        data { source = table([[1, 2.5, 0], [none, 3, 1]]) }""",
        lambda folder: None,
    ),
    "a table with strings": (
        """input place: float[2]
        input size: float
        output make: class(plum, melon)
        (place, size) -> concat -> dense(2) -> make
        data { source = table([[4, "plum", 1, 0.5], [25, "melon", 2, 1]],
                              columns=[size, make, place, place]) }""",
        lambda folder: None,
    ),
    "arrays": (
        """input x: float[2, 3]
        output y: class(3)[2, 3]
        x -> reshape(1, 2, 3) -> conv(3, 1) -> y
        data { source = npz("rows.npz") }""",
        write_arrays,
    ),
    "some columns of a built-in data set": (
        """input ash, hue: float
        input rest: float[11]
        output kind: class(3)
        (ash, rest, hue) -> concat -> dense(3) -> kind
        data { source = builtin("wine") }""",
        lambda folder: None,
    ),
    "the last columns of a built-in data set": (
        """input alcohol: float
        input rest: float[12]
        output kind: class(3)
        (alcohol, rest) -> concat -> dense(3) -> kind
        data { source = builtin("wine") }""",
        lambda folder: None,
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_rows(story: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, write = STORIES[story]
    program = compile(Source("story.dl", text))
    write(tmp_path)
    path = tmp_path / "story.py"
    path.write_text(emit(program), "utf-8")
    monkeypatch.chdir(tmp_path)
    wanted = rows_of.load(program, tmp_path).train
    assert wanted is not None
    names = [*(i.name for i in program.inputs), *(o.name for o in program.outputs)]
    found = dict(zip(names, load(path).load_rows().tensors, strict=True))
    for name, tensor in found.items():
        np.testing.assert_allclose(tensor.numpy(), wanted[name], rtol=1e-6, err_msg=name)


def emitted(story: str, folder: Path) -> Path:
    """The emitted file of a story with two epochs, beside its rows."""
    text, write = STORIES[story]
    write(folder)
    path = folder / "story.py"
    path.write_text(emit(compile(Source("story.dl", f"{text}\ntrain {{ epochs = 2 }}\n"))), "utf-8")
    return path


@pytest.mark.parametrize("story", STORIES)
def test_is_formatted_like_ruff_and_trains(story: str, tmp_path: Path, monkeypatch, capsys) -> None:
    path = emitted(story, tmp_path)
    ruff = [sys.executable, "-m", "ruff", "format", "--check", "--isolated", path]
    done = subprocess.run(ruff, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out.startswith("training {'loss': ")
    assert (tmp_path / "story.pt").exists()


def test_is_a_script_of_its_own(tmp_path: Path) -> None:
    path = emitted("class names and missing values in csv", tmp_path)
    python = [sys.executable, "-W", "error", path]
    done = subprocess.run(python, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_folder_name_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / 'the {best} "digits"'
    folder.mkdir()
    for piece, array in (("images-idx3", np.arange(8).reshape(2, 2, 2)), ("labels-idx1", np.array([1, 0]))):
        sizes = np.array(array.shape, ">u4").tobytes()
        content = bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()
        (folder / f"train-{piece}-ubyte").write_bytes(content)
    text = """input x: uint8[2, 2]
    output y: class(2)
    x / 255 -> flatten -> dense(2) -> y
    data { source = idx("the {best} \\"digits\\"") }"""
    path = tmp_path / "story.py"
    path.write_text(emit(compile(Source("story.dl", text))), "utf-8")
    monkeypatch.chdir(tmp_path)
    x, y = load(path).load_rows("train").tensors
    assert x.flatten().tolist() == [*range(8)]
    assert y.tolist() == [1, 0]


def test_fitted_constants(tmp_path: Path) -> None:
    """Fitted constants equal those of dlc, with missing values and with equally frequent values."""
    x = np.random.default_rng(0).integers(0, 4, (40, 3)).astype(np.float32)
    x[np.random.default_rng(1).random(x.shape) < 0.3] = np.nan
    x[:, 2] = np.nan
    for fill in ("mean", "median", "most_frequent"):
        text = f"""input x: float[3]
        output y: float
        x -> impute({fill}) -> dense(1) -> y
        train {{ epochs = 1 }}"""
        program = compile(Source("story.dl", text))
        path = tmp_path / f"{fill}.py"
        path.write_text(emit(program), "utf-8")
        module = load(path)
        model = module.Story()
        module.fit(model, torch.utils.data.TensorDataset(torch.from_numpy(x), torch.zeros(40)))
        wanted = fit(program, InMemoryRows({"x": x, "y": np.zeros(40)}, 40), draw(program.graph, 0))
        np.testing.assert_allclose(model.impute.value.numpy(), wanted["impute.value"], rtol=1e-5)


def test_classes_of_the_rows_are_listed(tmp_path: Path) -> None:
    write_cars(tmp_path)
    spec = tmp_path / "cars.dl"
    spec.write_text("""input both: float[2]
    output make: class(auto)
    both -> impute(mean) -> dense(make.classes) -> make
    data { source = csv("cars.csv", missing="NA")
    both = columns("size", "Weight (kg)") }""")
    done = CliRunner().invoke(commands, ["emit", str(spec)])
    assert 'MAKE = ["a", "b"]' in done.stdout
    assert "nn.Linear(2, 2)" in done.stdout


def test_a_file_that_reads_files_says_where_to_run_it() -> None:
    text = """# A line.
    input x: float
    output y: float
    stack(x, x) -> dense(1) -> y
    """
    where = "Run it in the folder of the spec: its paths are relative to that."
    opening = f'"""A line.\n\n{where}"""\n'
    assert emit(compile(Source("story.dl", text))).startswith('"""A line."""\n')
    program = compile(Source("story.dl", text + 'data { source = csv("rows.csv") }'))
    assert emit(program).startswith(opening)
    assert emit(program, model_alone=True).startswith('"""A line."""\n')


def test_classes_of_unread_rows_are_an_error() -> None:
    text = "input x: float[2]\noutput y: class(auto)\nx -> dense(y.classes) -> y\n"
    with pytest.raises(CompileError, match="is not known before the training rows are read"):
        emit(compile(Source("story.dl", text)))


UNSUPPORTED = {
    "has a source of its own": 'data { source = csv("fruits.csv")\ntest = csv("more.csv") }',
    "`split` is not supported": 'data { source = csv("fruits.csv")\ntest = 0.2\nsplit = ordered }',
    "`drop` is not supported": 'data { source = csv("fruits.csv")\ndrop = missing }',
    "`header` is not supported": 'data { source = csv("fruits.csv", header=false) }',
    "`comment` is not supported": 'data { source = csv("fruits.csv", comment="#") }',
    "is drawn for each batch": 'data { source = csv("fruits.csv")\nx = normal() }',
}


def test_ignored_values_are_not_read() -> None:
    text = (
        'input x: float\noutput y: float(ignore=-1)\nx -> dense(1) -> y\ndata { source = csv("rows.csv") }\n'
    )
    with pytest.raises(CompileError, match="the ignored values of `y` are not read") as caught:
        emit(compile(Source("story.dl", text)))
    assert [d.code for d in caught.value.diagnostics] == ["E0822"]


@pytest.mark.parametrize("message", UNSUPPORTED)
def test_unsupported_data_is_an_error_unless_the_model_is_emitted_alone(message: str) -> None:
    text = f"input x: float\noutput y: float\nx -> dense(1) -> y\n{UNSUPPORTED[message]}\n"
    program = compile(Source("story.dl", text))
    with pytest.raises(CompileError, match=message) as caught:
        emit(program)
    (found,) = caught.value.diagnostics
    assert (found.code, "dlc emit --model" in found.help, bool(found.span)) == ("E0822", True, True)
    assert "def compute_loss(self, x, y)" in emit(program, model_alone=True)


def test_a_vector_of_a_csv_file_needs_its_columns() -> None:
    text = 'input x: float[2]\noutput y: float\nx -> dense(1) -> y\ndata { source = csv("rows.csv") }\n'
    with pytest.raises(CompileError, match="no column of the source fills `x`") as caught:
        emit(compile(Source("story.dl", text)))
    assert [d.code for d in caught.value.diagnostics] == ["E0822"]
    named = text.replace('csv("rows.csv")', 'csv("rows.csv")\n  x = columns("a", "b")')
    assert 'table[["a", "b"]]' in emit(compile(Source("story.dl", named)))


@pytest.mark.parametrize("source", ['parquet("rows.parquet")', "table([[[1, 2], 3], [[4], 5]])"])
def test_lengths_of_rows_are_not_read(source: str) -> None:
    text = f"input x: float[T]\noutput y: float\nx -> mean -> dense(1) -> y\ndata {{ source = {source} }}\n"
    with pytest.raises(CompileError, match="the lengths of `x` are not read") as caught:
        emit(compile(Source("story.dl", text)))
    assert [d.code for d in caught.value.diagnostics] == ["E0822"]


def test_arrays_have_their_own_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "rows.npz", x=np.ones((6, 4, 2)), y=np.zeros(6))
    text = """input x: float[T, 2]
    output y: float
    x -> mean(axis=0) -> dense(1) -> y
    data { source = npz("rows.npz") }"""
    path = tmp_path / "story.py"
    path.write_text(emit(compile(Source("story.dl", text))), "utf-8")
    monkeypatch.chdir(tmp_path)
    assert load(path).load_rows().tensors[0].shape == (6, 4, 2)
