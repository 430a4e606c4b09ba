"""`dlc show`: the network as a table, its weights, its stages as text."""

from __future__ import annotations

import builtins
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from shipped import SPECS as FOLDER
from shipped import compiled
from stories import IRIS, dlc, write

from dlc.compiler.dims.dim import evaluate
from dlc.compiler.passes.cost import flops, parameters
from dlc.show.columns import columns

if TYPE_CHECKING:
    from typing import Any

SPECS = sorted(FOLDER.glob("*.dl"))
LEARNT = re.compile(r"class\(auto\)|tokenize\(|vocabulary")  # classes that rows say
COUNTED = [spec for spec in SPECS if not LEARNT.search(spec.read_text("utf-8"))]
STEPS = 1400  # the size of the free dimensions T and N
SIZE = re.compile(r"[\d_TN+*/() -]*\d[\d_TN+*/() -]*")
STAGES = ("syntax", "graph", "training", "inference", "torch", "onnx")

BLOCKS = """input left, right: float[8]
output same: binary

net encoder(x) { return x -> dense(4) -> relu }
block basic(x) { return x -> residual(dense(8) -> relu) }
weight scale: float[4] = ones

a = left -> basic -> basic -> encoder
b = right -> encoder
abs(a - b) * scale -> dense(1) -> same
"""

TABLE = """\
blocks

stage                       makes     parameters  multiply-adds  initial values  reads
--------------------------  --------  ----------  -------------  --------------  ----------------------
left                        float[8]
right                       float[8]
basic
  dense(8)                  float[8]          72             64  he_normal       left
  relu                      float[8]
  add                       float[8]                                             relu, left
basic_2 (as basic)          float[8]          72             64
encoder
  dense(4)                  float[4]          36             32  he_normal
  relu                      float[4]
encoder (the same weights)  float[4]                         32
subtract                    float[4]                                             encoder.relu, encoder.relu_2
abs                         float[4]
multiply                    float[4]           4                 ones            abs, scale
dense(1)                    float[1]           5              4  xavier_normal
same                        binary

189 parameters (756 bytes), 196 multiply-adds for one sample
"""


def test_blocks_are_shown_once_and_shared_weights_counted_once(tmp_path: Path) -> None:
    done = dlc("show", write(tmp_path, "blocks.dl", BLOCKS))
    assert done.exit_code == 0
    assert [line.split() for line in done.output.splitlines() if "---" not in line] == [
        line.split() for line in TABLE.splitlines() if "---" not in line
    ]


@pytest.mark.parametrize("spec", COUNTED, ids=lambda p: p.stem)
def test_the_columns_add_up_to_the_totals(spec: Path) -> None:
    lines = dlc("show", spec).output.splitlines()
    head = next(line for line in lines if line.startswith("stage"))
    total = next(line for line in lines if line.endswith("multiply-adds for one sample"))
    program = compiled(spec)
    sums = {}
    for title in ("parameters", "multiply-adds"):
        if title in head:
            end = head.index(title) + len(title)
            cells = [
                line[:end].rsplit("  ", 1)[-1].strip()
                for line in lines[4 : lines.index("", 4)]
                if len(line) >= end
            ]
            sums[title] = sum(map(number, cells))
    assert sums.get("parameters", 0) == parameters(program.graph)
    assert total.split(" ")[0] == f"{parameters(program.graph):_}"
    assert sums.get("multiply-adds", 0) * 2 == evaluate(flops(program), {"T": STEPS, "N": STEPS})


def number(cell: str) -> int:
    """The number in a cell of the table, which is written as in Python, for sequences of `STEPS`; 0 where
    there is none."""
    return eval(cell, {"T": STEPS, "N": STEPS}) if SIZE.fullmatch(cell) else 0


def test_a_file_of_blocks_has_no_table(tmp_path: Path) -> None:
    shown = dlc("show", write(tmp_path, "blocks.dl", "block f(x) { return x -> dense(4) }\n")).output
    assert shown == "blocks\n\n0 parameters, 0 multiply-adds for one sample\n"


def test_params_change_the_network(tmp_path: Path) -> None:
    done = dlc("show", "--set", "units=12", write(tmp_path, "iris.dl", IRIS))
    assert "dense(12)" in done.output
    assert "99 parameters" in done.output
    assert done.output.endswith("params: units = 12\n")


def test_free_dimensions_stay_in_the_figures(tmp_path: Path) -> None:
    text = "input x: float[T, 4]\noutput y: float[T, 2]\nx -> dense(2) -> y\n"
    assert (
        "10 parameters (40 bytes), 8 * T multiply-adds"
        in dlc("show", write(tmp_path, "free.dl", text)).output
    )


def test_weights_have_names_shapes_and_roles(tmp_path: Path) -> None:
    lines = dlc("show", "--weights", write(tmp_path, "iris.dl", IRIS)).output.splitlines()
    rows = [line.split("  ") for line in lines]
    assert [[cell.strip() for cell in row if cell.strip()] for row in rows[2:5]] == [
        ["standardize.mean", "[4]", "4", "fitted", "from the rows"],
        ["standardize.std", "[4]", "4", "fitted", "from the rows"],
        ["dense.weight", "[8, 4]", "32", "weight", "he_normal"],
    ]
    assert lines[-1] == "67 parameters, and 8 numbers that no optimizer changes"


@pytest.mark.parametrize("stage", STAGES)
def test_stages_are_text_and_do_not_depend_on_the_path(stage: str, tmp_path: Path) -> None:
    texts = []
    for folder in (tmp_path / "a", tmp_path / "b" / "c"):
        folder.mkdir(parents=True)
        done = dlc("show", "--stage", stage, write(folder, "iris.dl", IRIS))
        assert done.exit_code == 0, done.output
        texts.append(done.output)
    assert texts[0] == texts[1]
    assert "relu" in texts[0].lower()
    assert str(tmp_path) not in texts[0]


def test_the_graph_is_read_line_by_line(tmp_path: Path) -> None:
    lines = dlc("show", "--stage", "graph", write(tmp_path, "iris.dl", IRIS)).output.splitlines()
    assert lines[0] == "graph iris {"
    assert (
        "  %dense = dense(units=8) %standardize weight=%dense.weight bias=%dense.bias"
        " : float[8]  # iris.dl:7:31" in lines
    )
    assert "  weight %dense.weight : float[8, 4] = he_normal  # iris.dl:7:31" in lines
    assert "  fitted %standardize.mean : float[4] = zeros  # iris.dl:7:16" in lines
    assert lines[-3:] == ["  output species = %dense_2", "  output loss = %cross_entropy", "}"]


def test_a_regularizer_is_shown_as_a_spec_writes_it(tmp_path: Path) -> None:
    spec = write(tmp_path, "kept.dl", BLOCKS + "train { regularize = l2(0.1, on=encoder) }\n")
    shown = dlc("show", spec, "--stage", "training").output
    assert "penalty(regularizer=l2(on=encoder, x=0.1)) %encoder.dense.weight" in shown


def test_onnx_as_text_has_constants_and_no_weights(tmp_path: Path) -> None:
    text = dlc("show", "--stage", "onnx", write(tmp_path, "iris.dl", IRIS)).output
    assert "  weight %dense.weight : float[8, 4]\n" in text
    assert 'constant %constant_2 : string[3] = ["setosa", "versicolor", "virginica"]' in text
    assert (
        "%dense/Gemm:0 = Gemm(transB=1) %standardize/Div:0 %dense.weight %dense.bias  # iris.dl:7:31" in text
    )


def test_the_syntax_of_a_spec_is_shown_even_if_its_names_mean_nothing(tmp_path: Path) -> None:
    spec = write(tmp_path, "x.dl", "x -> nothing(3)\n")
    assert dlc("show", spec).exit_code == 1
    assert "name nothing  # 1:6" in dlc("show", "--stage", "syntax", spec).output
    assert dlc("show", "--stage", "syntax", write(tmp_path, "y.dl", "x -> (3\n")).exit_code == 1


def test_open_classes_are_reported(tmp_path: Path) -> None:
    text = IRIS.replace("class(setosa, versicolor, virginica)", "class(auto)").replace(
        "dense(3)", "dense(species.classes)"
    )
    spec = write(tmp_path, "auto.dl", text)
    assert "8 * species.classes" in dlc("show", spec).output
    done = dlc("show", "--stage", "onnx", spec)
    assert done.exit_code == 1
    assert "E0801" in done.stderr


def test_a_missing_torch_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_torch(name: str, *rest: Any) -> Any:
        if name.split(".")[0] == "torch" or name == "dlc.compiler.lower.torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    spec = write(tmp_path, "iris.dl", IRIS)
    for command in (["show", "--stage", "torch"], ["train"]):
        done = dlc(*command, spec)
        assert (done.exit_code, done.stderr) == (
            1,
            'error: this command needs torch: pip install "dlc[train]"\n',
        )


def test_options_exclude_each_other(tmp_path: Path) -> None:
    assert dlc("show", "--weights", "--stage", "graph", write(tmp_path, "iris.dl", IRIS)).exit_code == 2


def test_columns_respect_wide_letters_and_omit_empty_ones() -> None:
    rows = [("日本", "", "1"), ("e\u0301", "", "22")]
    assert columns(("a", "b", "n"), rows, (2,)) == "a      n\n----  --\n日本   1\ne\u0301     22"


def test_of_a_loss_the_table_has_the_layers_and_not_what_the_whole_batch_makes(tmp_path: Path) -> None:
    """Barlow twins: the projection is trained, and is not a part of the artifact."""
    text = """input  x: float[4]
output y: float[2]
x -> dense(2) -> y
z = y -> dense(3) -> relu
train {
  correlation = batch(z).T @ batch(z) / B
  loss        = sum((correlation - eye(3)) ** 2) + mean((eye(B) - batch(z) @ batch(z).T) ** 2)
}
"""
    text = text.replace("batch(z).T", "transpose(batch(z))")
    table = dlc("show", write(tmp_path, "twins.dl", text)).output
    first = [line.split()[0] for line in table.splitlines()[4:] if line]
    assert first[:5] == ["x", "dense(2)", "dense_2(3)", "relu", "y"], table
    assert first[5].isdigit(), "the line with the parameters"


def test_the_nets_within_an_average_net_keep_their_names(tmp_path: Path) -> None:
    text = """
input  x: float[4]
output y: float

block unit(x) { return x -> dense(3) -> relu }
net back(x) { return x -> unit -> unit }
net whole(x) { return x -> back -> dense(1) }
net slow = average(whole, decay=0.9)

x -> whole -> y

train { loss = mse(y) + mse(whole(x), slow(x)) }
"""
    lines = dlc("show", write(tmp_path, "nets.dl", text)).output.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("slow"))
    names = [line.split("  float")[0].rstrip() for line in lines[start : start + 5]]
    assert names == ["slow", "  back", "    unit", "      dense(3)", "      relu"]
    assert lines[start + 5].startswith("    unit_2 (as unit)")
