"""Realistic specs, emitted: names of Python, shared nets, tied weights, nested loops."""

from __future__ import annotations

import ast
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from emitted import assert_close, predicted, with_noise

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.lower.initial_weights import draw
from dlc.compiler.lower.pytorch_source import emit
from dlc.compiler.lower.torch import Model
from dlc.compiler.passes import specialize
from dlc.runtime.artifact.samples import sample

if TYPE_CHECKING:
    from pathlib import Path

STORIES = {
    "names of attributes of modules": """
        block double(x) { return x -> dense(4) -> relu }
        block train(x) {
          weight forward: float[4] = normal(1)
          return double(x) * forward
        }
        input self: float[4]
        output lambda: float[4]
        self -> train -> double -> train -> lambda
    """,
    "a net that blocks share": """
        net critic(x) { return x -> dense(3) -> tanh }
        block twice(x) { return critic(x) + critic(2 * x) }
        input a, b: float[3]
        output y: float[3]
        twice(a) + critic(b) + twice(b) -> y
    """,
    "a cell at every step, with tied weights": """
        input text: class(11)[6]
        output next: class(11)[6]
        weight table: float[11, 5] = normal(1)
        net cell(x, h) { return dense(x, 5) + dense(h, 5, bias=false) -> tanh }
        x = embedding(text, 5, weight=table)
        h = x[0]
        steps = []
        for t in range(6) {
          h = cell(x[t], h)
          steps = steps + [h]
        }
        stack(steps) @ transpose(table) -> next
    """,
    "inputs that the loss alone reads": """
        net embed(x) { return x -> dense(6) -> batchnorm -> relu -> dense(3) }
        input positive, anchor, negative: float[4]
        output code: float[3]
        embed(anchor) -> code
        train { loss = triplet(code, embed(positive), embed(negative), margin=0.5) }
    """,
    "identities before outputs and regularized values": """
        input x: float[4]
        output y, z: float
        h = x -> dense(3) -> identity
        x -> dense(1) -> identity -> y
        h -> dense(1) -> z
        train {
          loss = mse(z)
          regularize = [l1(0.1, on=h)]
        }
    """,
    "constants, and weights that begin with numbers": """
        weight scale: float[3] = [1, 0.5, 2]
        weight mix: float[3, 3] = eye(3)
        block shifted(x) { return x - [[0.5, 1, 2]] }
        input x: float[2, 3]
        input kind: class(4)
        output y: float[2, 3]
        h = ((shifted(x) + shifted(2 * x)) @ mix * scale) @ eye(3) + [1, 2, 3] * (kind == 3)
        h -> dense(3, weight=[[1, 2, 3], [4, 5, 6], [7, 8, 9]] / 10) -> y
    """,
    "a tied weight": """
        weight table: float[5, 4] = normal(0.5)
        block scores(x) { return x @ transpose(table) }
        input word: class(5)
        output next: class(5)
        word -> embedding(4, weight=table) -> dense(4) -> scores -> next
    """,
    "copies within copies": """
        block layer(x; units) { return x -> repeat(2, dense(units) -> layernorm -> gelu) }
        input x: float[3]
        output y: float
        x -> repeat(3, dense(6) -> layer(6)) -> repeat(2, residual(layer(6))) -> dense(1) -> y
    """,
    "several tensors and outputs": """
        block exchange(a, b; units) { return dense(a, units), a + b -> dense(units) }
        input a, b: float[4]
        output left, right: float[4]
        exchange(a, b, 4) -> repeat(3, exchange(4)) -> (left, right)
    """,
    "copies that differ": """
        input x: float[4]
        output y: float
        h = x
        for units in [8, 16, 8] { h = h -> dense(units) -> relu }
        h -> repeat(2, dropout(0.2) -> dense(4)) -> dense(1) -> y
    """,
    "integers and booleans": """
        input x: float[4]
        output count: int64
        output big: bool
        h = x -> dense(4) -> relu
        h -> sum -> count
        h[0] -> sigmoid -> big
    """,
    "unary minus and powers": """
        input x: float[4]
        output y: float[4]
        0 - (-(x ** 2)) * x -> y
    """,
    "losses of scores": """
        input x: float[4]
        output label: class(3)
        x -> dense(3) -> label
        train { loss = focal(label) + hinge(label) }
    """,
    "texts that `ctc` decodes": """
        input x: float[12, 8]
        output text: class(3)[4]
        x -> dense(16) -> relu -> dense(text.classes + 1) -> text
        train { loss = ctc(text) }
    """,
    "few copies among others": """
        input a, b: float[4]
        output y: class(3)
        h, k = (a, b) -> each(dense(8) -> relu)
        (h + k) -> branch(dense(4), dense(6) -> tanh) -> concat -> repeat(2, dense(10) -> relu)
          -> dense(3) -> y
    """,
    "a block with an optional residual connection": """
        block unit(x; units, step = 1) {
          h = x -> dense(units * step) -> relu
          if step == 1 and x.features == units { return x + h }
          return h
        }
        input x: float[4]
        output y: float[6]
        x -> unit(4) -> unit(4, step=2) -> unit(8) -> unit(3, step=2) -> y
    """,
    "a class compared with a number in a block of the loss": """
        input x: float[8]
        output y: class(4)
        x -> dense(4) -> y
        block valid(s, t) { return mean(where(t != 0, 1.0, 0.0) * cross_entropy(s, t, reduce=none)) }
        train { loss = valid(y, y.target) }
    """,
    "an unused layer": """
        input x: float[4]
        output y: float
        block unread(x) { return x -> dense(2) }
        h = x -> unread
        x -> dense(3) -> relu -> dense(1) -> y
    """,
    "a recursive block": """
        block pyramid(x; depth) {
          if depth == 0 { return x -> dense(x.features) -> relu }
          deep = x -> dense(2 * x.features) -> relu -> pyramid(depth - 1)
          return x + dense(deep, x.features)
        }
        input x: float[2]
        output y: float[2]
        x -> pyramid(3) -> y
    """,
}


@pytest.mark.parametrize("story", STORIES)
def test_outputs_equal_those_of_the_module(story: str, tmp_path: Path) -> None:
    program = compile(Source("story.dl", STORIES[story]))
    path = tmp_path / "story.py"
    path.write_text(emit(program, model_alone=True), "utf-8")
    ruff = [sys.executable, "-m", "ruff", "format", "--diff", "--isolated", path]
    done = subprocess.run(ruff, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    types = {i.name: i.declared for i in program.inputs}
    read = {value.name for value in specialize.inference(program).inputs}
    types = {name: type for name, type in types.items() if name in read}
    inputs, weights = sample(types, 4, 0), with_noise(draw(program.graph, seed=0))
    with torch.no_grad():
        module = Model(specialize.inference(program), program.graph.weights, weights)
        wanted = module({name: torch.from_numpy(rows) for name, rows in inputs.items()})
    assert_close(predicted(path, weights, inputs, types), {n: t.numpy() for n, t in wanted.items()})


def test_a_recursive_block_is_an_argument_of_itself() -> None:
    text = emit(compile(Source("story.dl", STORIES["a recursive block"])), model_alone=True)
    assert text.count("(nn.Module)") == 3
    assert "self.pyramid = Pyramid2(2, Pyramid2(4, Pyramid2(8, Pyramid())))" in text


def test_values_that_only_the_loss_needs_are_computed_in_the_loss() -> None:
    text = """
        input x: float[4]
        output y: float
        h = x -> dense(6) -> relu
        h -> dense(1) -> y
        train { loss = mse(y) + 0.01 * mean(square(h)) }
    """
    tree = ast.parse(emit(compile(Source("story.dl", text))))
    model = next(c for c in tree.body if isinstance(c, ast.ClassDef))
    methods = {f.name: ast.unparse(f) for f in model.body if isinstance(f, ast.FunctionDef)}
    assert "square(h)" in methods["compute_loss"]
    assert "square" not in methods["forward"]


def test_modules_are_in_lists_if_loops_use_most_of_them() -> None:
    text = emit(compile(Source("story.dl", STORIES["few copies among others"])))
    assert "for dense in (self.dense_5, self.dense_6):" in text
    assert "ModuleList" not in text
    text = emit(compile(Source("story.dl", STORIES["copies within copies"])))
    assert "ModuleList" in text


def test_augmentations_are_classes_that_return_early() -> None:
    text = """
        input image: float[3, 8, 8]
        output mask: class(2)[8, 8]
        image -> random_flip -> random_flip(axis=-2) -> random_rotate(10) -> conv(2, 1) -> mask
        train { epochs = 1 }
    """
    tree = ast.parse(emit(compile(Source("story.dl", text))))
    forwards = {
        own.name: next(f for f in own.body if isinstance(f, ast.FunctionDef) and f.name == "forward")
        for own in tree.body
        if isinstance(own, ast.ClassDef)
    }
    assert set(forwards) == {"RandomFlip", "RandomRotate", "Story"}
    for name in ("RandomFlip", "RandomRotate"):
        assert ast.unparse(forwards[name].body[0]) == "if not self.training:\n    return (x, mask)"
    assert "rand(" not in ast.unparse(forwards["Story"])
    assert ast.unparse(tree).count("torch.rand(") == 2


def test_modules_are_those_of_torch() -> None:
    text = """
        input word: class(6)
        input image: float[4, 5, 5]
        output y: class(3)
        drawn = image -> groupnorm(2) -> prelu -> global_avgpool -> rmsnorm
        (word -> embedding(4), drawn) -> concat -> dense(3) -> y
    """
    emitted = emit(compile(Source("story.dl", text)))
    for module in ("nn.GroupNorm(2, 4)", "nn.PReLU()", "nn.RMSNorm(4, 1e-05)", "nn.Embedding(6, 4)"):
        assert module in emitted
    assert emitted.count("(nn.Module)") == 1


def test_decoded_texts_end_in_a_label_of_no_class() -> None:
    types = "input x: float[6, 8]\noutput y: class(a, b)[U]\noutput z: class(like=y)\n"
    flows = "x -> dense(3) -> y\nx -> flatten -> dense(2) -> z\ntrain { loss = ctc(y) + cross_entropy(z) }\n"
    found = emit(compile(Source("m.dl", types + flows)), model_alone=True)
    assert 'Y = ["a", "b", ""]\nZ = ["a", "b"]\n' in found


def test_a_spec_without_outputs_is_an_error() -> None:
    program = compile(Source("blocks.dl", "block double(x) { return 2 * x }"))
    with pytest.raises(CompileError, match="has no output"):
        emit(program, model_alone=True)


def test_layers_of_the_loss_alone_are_layers_of_the_model() -> None:
    text = """
        input x: float[4]
        output y: float[4]
        block seen(x) { return x -> dense(2) -> relu }
        x -> dense(4) -> y
        train { loss = mse(seen(y), seen(y.target)) }
    """
    program = compile(Source("story.dl", text))
    written = emit(program, model_alone=True)
    assert "self.seen_2(y)" in written
    module: dict[str, Any] = {}
    exec(written, module)  # noqa: S102
    assert {*module["Story"]().state_dict()} == {weight.name for weight in program.graph.weights}


def test_a_block_with_layers_of_the_network_and_of_the_loss_is_an_error() -> None:
    text = """
        input x: float[4]
        output y: float[4]
        block both(x, t) { return dense(x, 4), dense(t, 4) }
        h, side = both(x, y.target)
        h -> y
        train { loss = mse(y, side) }
    """
    with pytest.raises(CompileError, match="belong to the network, others to the loss") as caught:
        emit(compile(Source("story.dl", text)), model_alone=True)
    assert [d.code for d in caught.value.diagnostics] == ["E0820"]


def test_a_weight_of_a_block_that_is_used_outside_of_it_is_an_error() -> None:
    text = """
        block embed(x) {
          weight table: float[4, 3] = normal(0.5)
          return x @ table, table
        }
        input x: float[4]
        output y: float[4]
        h, table = embed(x)
        h @ transpose(table) -> y
    """
    with pytest.raises(CompileError, match=r"`embed.table` is a weight of a block") as caught:
        emit(compile(Source("story.dl", text)), model_alone=True)
    (found,) = caught.value.diagnostics
    assert (found.code, bool(found.span), bool(found.help)) == ("E0820", True, True)
