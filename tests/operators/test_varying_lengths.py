"""Rows of several lengths in one padded batch give what each row gives alone: all examples of all operators
and losses with a free dimension."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bounds import bound
from engines import OPSETS, Bounds, compare, run_onnxruntime, run_reference
from test_examples import OPERATORS, flow
from varying import Case, Rows, each_row, forms, free_dims, compiled, model, refused, tensors, weights_of
import onnx

from dlc.compiler.lower import onnx as to_onnx

CASES = [
    Case(name, row, flow(name, row), dim)
    for name, operator in sorted(OPERATORS.items())
    for row in operator.examples
    if not row.rejects
    for dim in free_dims(row)
]
REFUSED: set[str] = set()
TAKEN = [case for case in CASES if case.label not in REFUSED]


def test_list():
    for case in CASES:
        m = refused(case)
        if m: print(case.label, "|", m)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.label) for case in CASES])
def test_rows(case):
    if refused(case):
        pytest.skip()
    program = compiled(case)
    padded, alone = forms(program, True)
    rows = Rows(alone, case.dim, Bounds(case.row.low, case.row.high))
    assert len(rows.lengths) > 1
    weights = weights_of(alone)
    with torch.no_grad():
        single = model(alone, weights)
        wanted = [{n: t.numpy()[0] for n, t in single(tensors(row)).items()} for row in rows.rows]
        batch = rows.batch(garbage=True)
        batch = {v.name: batch[v.name] for v in padded.inputs}
        made = {n: t.numpy() for n, t in model(padded, weights)(tensors(batch)).items()}
    for want, have in zip(wanted, each_row(rows, made, alone.outputs)):
        compare("padded torch", have, want, bound(case.name) or 0)
    written = to_onnx.model(padded, weights, opset=18, ml_opset=3, ir_version=8, name="example")
    proto = onnx.load_model_from_string(to_onnx.serialize(written))
    for run in (run_onnxruntime(proto),):
        made = run(batch)
        for want, have in zip(wanted, each_row(rows, made, alone.outputs)):
            compare("ORT", have, want, bound(case.name))
