"""Rows of several lengths in one padded batch give what each row gives alone: all examples of all operators
that have a free dimension, and some nets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from bounds import bound
from engines import compare, run_onnxruntime, run_reference
from second_engine import run_openvino
from test_examples import OPERATORS, flow
from varying import (
    Arrays,
    Case,
    Rows,
    cases,
    compiled,
    equal_gradients,
    forms,
    gradients,
    is_refused,
    run,
    tensors,
    weights_of,
)

import dlc
from dlc.compiler.dims.dim import evaluate, names
from dlc.compiler.ir.graph import Graph
from dlc.compiler.lower import onnx as to_onnx
from dlc.compiler.lower.torch import Model
from dlc.compiler.operators.base import Example
from dlc.compiler.operators.padding import APART
from dlc.compiler.passes.lengths import length_inputs, padded_axes, treatment
from dlc.runtime.training.length_limits import sizes_needed

LANGUAGE = Path(__file__).parents[2] / "docs" / "language.md"

# What cannot leave padding out: it would read the end of a row, put values behind it, or move it.
REFUSED = {
    "color_jitter": {
        "color_jitter along W of float[8, W]",
        "color_jitter(0.5, 0.4, 0.3, 0.1) along H of float[3, H, W]",
        "color_jitter(0.5, 0.4, 0.3, 0.1) along W of float[3, H, W]",
    },
    "concat": {
        "concat(axis=0) along T of float[T, 4], float[1, 4]",
    },
    "cutmix": {
        "cutmix(0.5) along H of float[H, W]",
        "cutmix(0.5) along W of float[H, W]",
    },
    "flatten": {
        "flatten along T of float[T, 4]",
    },
    "glu": {
        "glu along T of float[3, 2 * T]",
    },
    "mixup": {
        "mixup(1) along T of float[T, 4]",
    },
    "random_crop": {
        "random_crop(H, 4, padding=1) along H of float[3, H, 6]",
        "random_crop(H, W, padding=4) along H of float[3, H, W]",
        "random_crop(H, W, padding=4) along W of float[3, H, W]",
    },
    "random_erase": {
        "random_erase(0.3) along H of float[3, H, W]",
        "random_erase(0.3) along W of float[3, H, W]",
    },
    "random_flip": {
        "random_flip(0.3) along W of float[3, H, W]",
    },
    "random_resized_crop": {
        "random_resized_crop(4) along H of float[3, H, W]",
        "random_resized_crop(4) along W of float[3, H, W]",
        "random_resized_crop(H, W, scale=[0.25, 1]) along H of float[3, H, W]",
        "random_resized_crop(H, W, scale=[0.25, 1]) along W of float[3, H, W]",
    },
    "random_rotate": {
        "random_rotate(degrees=90) along H of float[3, H, W]",
        "random_rotate(degrees=90) along W of float[3, H, W]",
    },
    "reshape": {
        "reshape(-1, 3) along T of float[T, 6]",
        "reshape(H * W, 4) along H of float[H, W, 4]",
        "reshape(H * W, 4) along W of float[H, W, 4]",
        "reshape(H, 2, W, 2) along W of float[H, W, 4]",
    },
    "resize": {
        "resize(3, 4, mode=bicubic) along H of float[2, H, W]",
        "resize(3, 4, mode=bicubic) along W of float[2, H, W]",
        "resize(5, 12, antialias=true) along H of float[2, H, W]",
        "resize(5, 12, antialias=true) along W of float[2, H, W]",
        "resize(H + 2, 2 * W, mode=nearest) along H of float[2, H, W]",
    },
    "slice": {
        "a[-1] along T of float[T, 4]",
        "a[-3:, 0] along T of float[T + 2, 4]",
        "a[T:] along T of float[2 * T, 4]",
    },
    "split": {
        "split(2, axis=0) along T of float[2 * T, 4]",
        "split([T, 1], axis=0) along T of float[T + 1, 4]",
    },
}
NETS = (
    ("softmax(a @ transpose(a)) @ a", "float[T, 3]"),
    ("a -> transpose -> conv(4, 3, stride=2, padding=same, bias=false) -> batchnorm -> relu -> maxpool(2)",
     "float[T, 3]"),
    ("a / sum(a ** 2, axis=0, keepdims=true)", "float[T, 3]"),
    ("log(softmax(a, axis=0)) * log_softmax(a, axis=0)", "float[T, 3]"),
    ("sqrt(1 / sort(abs(a) + 0.1)[0])", "float[T]"),
    ("sum(a * reshape(a.mask, -1, 1), axis=0) / a.length", "float[T, 3]"),
    ("(a -> last) + (a -> mean(axis=0)) + where(reshape(a.mask, -1, 1), a, 7)", "float[T, 3]"),
    ("(a -> embedding(3) -> shift(-1)) * (a -> one_hot)", "class(3)[T]"),
    ("a -> reshape(T, 1, 2, 3) -> transpose(1, 0, 2, 3) -> reshape(T, 6) -> layernorm(0)", "float[T, 6]"),
    ("a -> upsample([1, 3]) -> avgpool([1, 3], 2, [0, 1], count_padding=false)", "float[2, 3, W]"),
    ("a -> std(axis=0) -> log", "float[T, 3]"),
    ("a -> argmax(axis=0)", "float[T, 3]"),
    ("a -> argmin(axis=0)", "float[T, 3]"),
    ("a -> norm(axis=0)", "float[T, 3]"),
    ("a -> softmax(axis=0)", "bool[T, 3]"),
    ("(a @ transpose(a)) -> std", "float[T, 3]"),
    ("(a @ transpose(a)) -> mean(axis=[0, 1])", "float[T, 3]"),
    ("a -> reshape(1, 3, T) -> groupnorm(1) -> adaptive_avgpool(1)", "float[3, T]"),
    ("a -> pad(0, 2, axis=0, mode=edge) -> pad(1, 1, axis=0, value=2) -> cumsum(axis=0)", "float[T, 3]"),
)  # fmt: skip
# Results of `sort` and `softmax` have 0 in their padding, where slopes are infinite.
FILLED_WITH_ZEROS = (
    "w / sort(a ** 2 + 1, axis=0)[0]",
    "w * softmax(a, axis=0) ** 0.5",
    "log(softmax(a, axis=0)) * w",
    "w * sqrt(softmax(a, axis=0))",
    "(softmax(a, axis=0) -> layernorm(eps=0)) * w",
    "softmax(a, axis=0) / sum(softmax(a, axis=0), axis=1, keepdims=true) * w",
    "(sort(a, axis=0)[0] % softmax(a, axis=0)) * w",
)
CASES = [
    case
    for name, operator in sorted(OPERATORS.items())
    for row in operator.examples
    if not row.rejects
    for case in cases(name, row, f"y = {flow(name, row)}")
]
CASES += [case for net, type in NETS for case in cases("net", Example(net, (type,), ""), f"y = {net}")]
RANDOM = {name for name, operator in OPERATORS.items() if operator.random}


def taken() -> list[Case]:
    return [case for case in CASES if case.label not in REFUSED.get(case.name, ())]


def deterministic() -> list[Case]:
    """The cases whose rows do not depend on each other in training."""
    return [case for case in taken() if case.name not in RANDOM and "batchnorm" not in case.text]


def parameters(chosen: list[Case]) -> list:
    """The cases; one is fast of each operator that keeps entries apart along all axes."""
    made, seen = [], set()
    for case in chosen:
        repeated = case.name in seen and case.name != "net" and OPERATORS[case.name].elementwise
        seen.add(case.name)
        made.append(pytest.param(case, id=f"{case.name}: {case.label}", marks=[pytest.mark.slow] * repeated))
    return made


@pytest.mark.parametrize("name", sorted({case.name for case in CASES}))
def test_what_cannot_leave_out_padding_is_an_error(name: str) -> None:
    found = {case.label for case in CASES if case.name == name and is_refused(case)}
    assert found == REFUSED.get(name, set())


@pytest.mark.parametrize("case", parameters(taken()))
def test_a_padded_batch_gives_what_each_row_gives_alone(case: Case) -> None:
    padded, alone = forms(compiled(case), inference=True)
    rows, weights = Rows(alone, case), weights_of(alone)
    wanted = [{n: y[0] for n, y in run(alone, weights, row).items()} for row in rows.rows]
    batch, within = rows.batch(padded, garbage=True), 1e-5 if case.name == "net" else bound(case.name)
    answers = {
        "torch": run(padded, weights, batch),
        "ONNX Runtime": run_onnxruntime(written(padded, weights))(batch),
    }
    for engine, made in answers.items():
        for want, have in zip(wanted, rows.parts(made, alone.outputs), strict=True):
            compare(engine, have, want, within)


def needs(case: Case) -> set[str]:
    """The operators that have no result for a row without steps."""
    graph, shortest = forms(compiled(case), inference=True)[1], {case.dim: 0}
    return {node.operator.name for node in graph.nodes for size, least in sizes_needed(node, shortest)
            if names(size) <= shortest.keys() and evaluate(size, shortest) < least}  # fmt: skip


NEEDING_STEPS = {
    "adaptive_avgpool", "argmax", "argmin", "avgpool", "conv", "conv_transpose", "gather", "global_avgpool",
    "global_maxpool", "grid_sample", "groupnorm", "instancenorm", "last", "local_response_norm", "logsumexp",
    "max", "maxpool", "min", "pad", "resize", "spectrogram", "std", "topk", "upsample", "var",
}  # fmt: skip


def of_no_steps() -> list[Case]:
    """The cases that may have a row without steps. Sizes of slices are proved for at least one step."""
    chosen = [c for c in deterministic() if c.name not in NEEDING_STEPS | {"slice"}]
    return [c for c in chosen if "-" not in c.row.operands[0] and (c.name != "net" or not needs(c))]


def test_what_needs_steps() -> None:
    assert {name for case in taken() for name in needs(case)} == NEEDING_STEPS


@pytest.mark.parametrize("case", parameters(of_no_steps()))
def test_other_rows_without_steps_give_what_they_give_alone(case: Case) -> None:
    padded, alone = forms(compiled(case), inference=True)
    rows, weights = Rows(alone, case, lengths=(4, 7, 0, 6)), weights_of(alone)
    batch, row = rows.batch(padded, garbage=True), rows.lengths.index(0)
    wanted = {n: y[0] for n, y in run(alone, weights, rows.rows[row]).items()}
    answers = {
        "torch": run(padded, weights, batch),
        "ONNX Runtime": run_onnxruntime(written(padded, weights))(batch),
    }
    for engine, made in answers.items():
        compare(engine, [*rows.parts(made, alone.outputs)][row], wanted, 1e-5)
    found = run_onnxruntime(written(alone, weights))(rows.rows[row])
    compare("ONNX Runtime, alone", {n: y[0] for n, y in found.items()}, wanted, 1e-5)


OF_NOTHING = (
    "sum(axis=0)",
    "mean(axis=0)",
    "norm(axis=0)",
    "softmax(axis=0) -> sum(axis=0)",
    "transpose -> conv(3, 3, stride=2, padding=same, bias=false) -> global_avgpool",
    "transpose -> groupnorm(1) -> sum(axis=1)",
    "transpose -> adaptive_avgpool(1) -> flatten",
)


@pytest.mark.parametrize("stage", OF_NOTHING)
def test_a_row_without_steps_gives_0_and_a_finite_gradient(stage: str) -> None:
    (case,) = cases("net", Example(stage, ("float[T, 3]",), ""), f"y = a -> {stage}")
    padded, alone = forms(compiled(case), inference=False)
    rows, weights = Rows(alone, case), weights_of(alone)
    batch, first = rows.batch(padded, garbage=False), rows.lengths.index(max(rows.lengths))
    batch["steps_length"][first] = 0
    whole = {"y0": np.ones((len(rows.rows), 3))}
    assert all(np.isfinite(g).all() for g in gradients(padded, batch, weights, whole).values())
    for made in (run(padded, weights, batch), run_onnxruntime(written(padded, weights))(batch)):
        assert not made["y0"][first].any()
        for k in {*range(len(rows.rows))} - {first}:
            compare(stage, {"y0": made["y0"][k]}, {"y0": run(alone, weights, rows.rows[k])["y0"][0]}, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("case", parameters([case for case in taken() if case.name == "net"]))
def test_so_do_nets_in_openvino(case: Case) -> None:
    padded, alone = forms(compiled(case), inference=True)
    rows, weights = Rows(alone, case), weights_of(alone)
    made = run_openvino(written(padded, weights).SerializeToString(), rows.batch(padded, garbage=True))
    for row, have in zip(rows.rows, rows.parts(made, alone.outputs), strict=True):
        compare("OpenVINO", have, {n: y[0] for n, y in run(alone, weights, row).items()}, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("case", parameters(taken()))
def test_so_it_does_in_onnx_reference(case: Case) -> None:
    padded, alone = forms(compiled(case), inference=True)
    rows, weights = Rows(alone, case), weights_of(alone)
    batch = rows.batch(padded, garbage=True)
    made = run_reference(written(padded, weights))(batch)
    for row, have in zip(rows.rows, rows.parts(made, alone.outputs), strict=True):
        compare("onnx.reference", have, {n: y[0] for n, y in run(alone, weights, row).items()}, 1e-5)


@pytest.mark.parametrize("net", FILLED_WITH_ZEROS)
def test_gradients_are_finite_where_padding_is_0(net: str) -> None:
    (case,) = cases("net", Example(net, ("float[T, 3]",), ""), f"weight w: float[3] = ones\ny = {net}")
    equal_gradients(*forms(compiled(case), inference=False), case)


def test_the_page_of_the_language_lists_them() -> None:
    section = LANGUAGE.read_text().partition("### Sequences of varying length")[2].partition("\n## ")[0]
    rows = [row.split("|")[1] for row in section.splitlines() if row.startswith("|")][2:]
    left_out, read_behind, _, refused, _ = (set(re.findall("`([^`]+)`", row)) for row in rows)
    found = {name for case in taken() for name in treated(case)}
    assert left_out | read_behind == found - {"layernorm", "matmul"} | {"@"}
    moving = {name for name in REFUSED if name in RANDOM} - {"mixup", "cutmix"}
    assert refused == REFUSED.keys() - moving - {"slice"} | {"batch"}


def treated(case: Case) -> Iterator[str]:
    """The operators that do not keep entries apart along the axis."""
    program = compiled(case)
    known = length_inputs(program)
    for node in program.graph.nodes:
        if not node.operator.elementwise and node.operator.name not in ("sequence_mask", "sequence_length"):
            apart = {treatment(node, *at) for at in padded_axes(node, known)} <= {APART}
            yield from () if apart else (node.operator.name,)


def written(graph: Graph, weights: Arrays) -> onnx.ModelProto:
    made = to_onnx.model(graph, weights, opset=18, ml_opset=3, ir_version=8, name="example")
    return onnx.load_model_from_string(to_onnx.serialize(made))


@pytest.mark.parametrize(
    "case",
    parameters(deterministic()),
)
def test_gradients_are_those_of_the_rows_alone(case: Case) -> None:
    equal_gradients(*forms(compiled(case), inference=False), case)


@pytest.mark.parametrize("type", ["float[3, T]", "float[3, 4, T, 2]"])
def test_batch_statistics_are_those_of_all_valid_steps(type: str) -> None:
    (case,) = cases("batchnorm", Example("batchnorm(0.3)", (type,), type), "y = a -> batchnorm(0.3)")
    padded, alone = forms(compiled(case), inference=False)
    rows, weights = Rows(alone, case), weights_of(alone)
    axis = 2 if type == "float[3, T]" else 3
    joined = {"a": np.concatenate([row["a"] for row in rows.rows], axis)}
    both = [Model(graph, graph.weights, weights) for graph in (padded, alone)]
    given = rows.batch(padded, garbage=False), joined
    made, wanted = (
        model(tensors(feed))["y0"].detach().numpy() for model, feed in zip(both, given, strict=True)
    )
    steps = [part["y0"] for part in rows.parts({"y0": made}, alone.outputs)]
    np.testing.assert_allclose(np.concatenate(steps, axis - 1), wanted[0], 1e-5, 1e-6)
    for name, statistic in both[1].state_dict().items():
        np.testing.assert_allclose(both[0].state_dict()[name], statistic, 1e-5)


def test_a_row_may_be_too_short_next_to_an_axis_that_does_not_differ() -> None:
    flow = "concat(a, b, axis=0) -> transpose -> conv(4, 9) -> global_avgpool -> dense(1) -> y"
    program = dlc.compile(text=f"input a: float[U, 2]\ninput b: float[T, 2]\noutput y: float\n{flow}\n")
    rows = {"a": np.ones((3, 4, 2)), "b": [np.ones((n, 2)) for n in (5, 4, 7)], "y": [0.0, 1.0, 2.0]}
    with pytest.raises(dlc.CompileError) as caught:
        program.fit(rows)
    (found,) = caught.value.diagnostics
    assert found.message == "the arrays given, row 2: `T` is 4 there, and `conv` needs more"
    program.fit({**rows, "b": [np.ones((n, 2)) for n in (5, 6, 7)]})
