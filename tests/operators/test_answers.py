"""Postprocessing of outputs and preprocessing of named inputs, per operator, in PyTorch and ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx.reference import ReferenceEvaluator

from dlc.compiler.diagnostics.source import Site, Source, Span
from dlc.compiler.ir.graph import Graph, GraphInput, Node, Value
from dlc.compiler.lower import onnx as to_onnx
from dlc.compiler.lower.torch import TorchFunctions
from dlc.compiler.operators import postprocessing
from dlc.compiler.types import INTEGERS, Classes, Tensor

SITE = Site(Span(Source("answers.dl", ""), 0, 0))


def exported(operator: Any, type: Tensor, x: np.ndarray, opset: int = 18) -> np.ndarray:
    """The result of the operator in ONNX Runtime, compared with `onnx.reference` where that implements it."""
    bound = operator.bind(type)
    taken, made = GraphInput("x", type, SITE, "input", "x"), Value("y", bound.results[0], SITE)
    graph = Graph((taken,), (), (Node(bound, (taken,), {}, (made,), "y", SITE),), {"y": made})
    model = to_onnx.model(graph, {}, opset=opset, ml_opset=3, ir_version=8, name="answers")
    proto = onnx.load_model_from_string(to_onnx.serialize(model))
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"x": x})
    (reference,) = ReferenceEvaluator(proto).run(None, {"x": x})
    assert np.asarray(reference).tolist() == found.tolist()
    return found


def in_torch(operator: Any, type: Tensor, x: np.ndarray) -> torch.Tensor:
    return operator.bind(type).torch(TorchFunctions({}), torch.from_numpy(x))


def both(operator: Any, type: Tensor, x: np.ndarray) -> np.ndarray:
    """The result in ONNX, after a comparison with PyTorch."""
    found, made = exported(operator, type, x), in_torch(operator, type, x).numpy()
    assert (found.dtype, found.tolist()) == (made.dtype, made.tolist())
    assert exported(operator, type, x, opset=21).tolist() == found.tolist()
    return found


SCORES = np.array([[0.1, 0.7, 0.2], [3, -1, 3], [-5, -4, -4]], np.float32)


def test_class_indices_are_the_argmax():
    assert both(postprocessing.ClassNumber(), Tensor("float", (3,)), SCORES).tolist() == [1, 0, 1]
    assert postprocessing.ClassNumber().bind(Tensor("float", (3,))).results[0] == Tensor(
        "class", (), Classes(3)
    )


def test_class_indices_of_an_image():
    scores = np.random.default_rng(0).standard_normal((2, 5, 4, 3)).astype(np.float32)
    found = both(postprocessing.ClassNumber(axis=0), Tensor("float", (5, 4, 3)), scores)
    assert found.tolist() == scores.argmax(1).tolist()


@pytest.mark.parametrize("element", ["int64", "uint8", "float64"])
def test_scores_of_other_elements(element):
    scores = np.array([[1, 3, 2], [4, 0, 4]], element)
    assert both(postprocessing.ClassNumber(), Tensor(element, (3,)), scores).tolist() == [1, 0]
    assert both(postprocessing.BinaryAnswer(), Tensor(element, (3,)), scores).all()
    assert (
        both(postprocessing.AtLeastHalf(), Tensor(element, (3,)), scores).tolist() == (scores >= 0.5).tolist()
    )


def test_class_names():
    names, numbers = ("setosa", "größer", "two words"), np.array([[2, 0], [1, 1]])
    type = Tensor("class", (2,), Classes(3, names))
    found = exported(postprocessing.ClassName(names=names), type, numbers)
    assert found.tolist() == [["two words", "setosa"], ["größer", "größer"]]
    assert in_torch(postprocessing.ClassName(names=names), type, numbers).tolist() == numbers.tolist()


def test_an_unknown_class_name_has_the_index_minus_one():
    names = ("a", "b", "two words")
    operator = postprocessing.ClassIndex(names=names)
    found = exported(operator, Tensor("string", (2,)), np.array([["b", "two words"], ["c", "a"]], object))
    assert (found.dtype, found.tolist()) == (np.int64, [[1, 2], [-1, 0]])
    assert operator.bind(Tensor("string", (2,))).results[0] == Tensor("class", (2,), Classes(3, names))


def test_binary_answers_are_true_for_scores_from_zero():
    scores = np.array([-1e-30, -0.0, 0.0, 2.0, -3.0], np.float32)
    assert both(postprocessing.BinaryAnswer(), Tensor("float"), scores).tolist() == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_binary_names():
    operator, type = postprocessing.BinaryName(names=("<=50K", ">50K")), Tensor("bool", (2,))
    bools = np.array([[True, False]])
    assert exported(operator, type, bools).tolist() == [[">50K", "<=50K"]]
    assert in_torch(operator, type, bools).tolist() == bools.tolist()


def test_binary_indices():
    operator = postprocessing.BinaryIndex(names=("<=50K", ">50K"))
    found = exported(operator, Tensor("string"), np.array([">50K", "<=50K", "?"], object))
    assert (found.dtype, found.tolist()) == (np.bool_, [True, False, False])


def test_at_least_half():
    x = np.array([0.49999997, 0.5, 1, 0], np.float32)
    assert both(postprocessing.AtLeastHalf(), Tensor("float"), x).tolist() == [False, True, True, False]


def test_rounding_is_half_to_even():
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 3.49, 3.51], np.float32)
    assert both(postprocessing.RoundTo(element="int32"), Tensor("float"), x).tolist() == [
        0,
        2,
        2,
        0,
        -2,
        3,
        4,
    ]


@pytest.mark.parametrize("element", INTEGERS)
def test_rounding_clips_to_the_range(element):
    range = np.iinfo(element)
    x = np.array([-1e30, -3e9, -129, -1, 0, 254.6, 255.4, 1e5, 3e9, 1e30], np.float32)
    found = both(postprocessing.RoundTo(element=element), Tensor("float"), x)
    wanted = [min(max(round(float(v)), range.min), range.max) for v in x]
    assert found.dtype == element
    np.testing.assert_allclose(found.astype(float), wanted, rtol=1e-6)  # float32 has no 2 ** 31 - 1
    assert (np.diff(found.astype(object)) >= 0).all()


GIVEN = {
    "int64": [-(2**63), -300, -1, 0, 127, 200, 2**31, 2**63 - 1],
    "int32": [-(2**31), -300, -1, 0, 127, 200, 2**31 - 1],
    "uint8": [0, 1, 127, 255],
    "bool": [False, True],
    "float64": [-(2.0**40), -300.0, -0.5, 127.5, 200.0, 2.0**30],
}


@pytest.mark.parametrize("element", INTEGERS)
@pytest.mark.parametrize("given", GIVEN)
def test_integers_are_clipped_exactly(element, given):
    found = both(postprocessing.RoundTo(element=element), Tensor(given), np.array(GIVEN[given], given))
    range = np.iinfo(element)
    assert found.dtype == element
    assert found.tolist() == [min(max(round(v), range.min), range.max) for v in GIVEN[given]]
