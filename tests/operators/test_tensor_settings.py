"""A tensor in a setting is an operand: the type rule sees it, passes rewire it, and both forms get it by its
name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from engines import agree, compile_flow, inference

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.definitions.definition import setting
from dlc.compiler.definitions.parameter_types import ConstantTensors, OneOf, Reject
from dlc.compiler.definitions.tensor_parameter_types import TensorValue
from dlc.compiler.format.printer import print_graph
from dlc.compiler.ir.graph import Value
from dlc.compiler.lower.pytorch_source import emit
from dlc.compiler.operators.base import Example, Operator
from dlc.compiler.passes import specialize
from dlc.compiler.passes.graph_rewrite import rewired
from dlc.compiler.passes.offsets import subtract_in_float64
from dlc.compiler.passes.verify import verify
from dlc.compiler.types import Tensor
from dlc.reference.forms import in_onnx, in_torch

TEXT = "input a, b: float[3]\noutput y: float[3]\n"


@pytest.fixture(autouse=True)
def chosen(families: None) -> None:
    """Defines an operator `chosen` for these tests."""

    class Chosen(Operator):
        """`x + scores` where `mask` is true, else 0."""

        offset = "subtracts"
        mask: Any = setting("what is kept", OneOf(TensorValue("bool"), ConstantTensors()), None, keyword=True,
                            shown="all")  # fmt: skip
        scores: Any = setting(
            "what is added",
            OneOf(TensorValue("float"), ConstantTensors()),
            None,
            keyword=True,
            shown="nothing",
        )

        def type(self, x: Tensor) -> Tensor:
            for name in ("mask", "scores"):
                given = getattr(self, name)
                if given is not None and given.shape != x.shape:
                    raise Reject(f"`{name}` has to be of the shape of {x}, found {given}", at=name,
                                 code="E0406")  # fmt: skip
            return x

        def torch(self, F, x, mask=None, scores=None):
            x = x if scores is None else x + scores
            return x if mask is None else F.where(mask, x, 0.0)

        def onnx(self, op, x, mask=None, scores=None):
            x = x if scores is None else op.Add(x, scores)
            if mask is None:
                return op.Identity(x)
            wide = self.operands[0].element == "float64"
            return op.Where(mask, x, op.constant(0.0, "float64" if wide else "float32"))

        examples = (Example("chosen", "float[3]", "float[3]"),)


GIVEN = {
    "both": "mask=b > 0, scores=b * 2",
    "one": "scores=b",
    "the other": "mask=b < 0",
    "in another order": "scores=b, mask=a > b",
    "of another element": "mask=b, scores=b > 0",
    "numbers": "mask=[1, 0, 1], scores=[1, 2, 3]",
    "numbers and a tensor": "mask=[true, false, true], scores=b",
    "what flows": "mask=a, scores=a",
}


@pytest.mark.parametrize("case", GIVEN)
def test_all_engines_get_the_tensor_of_a_setting(case: str) -> None:
    values, graph = compile_flow(f"chosen(a + 0 * b, {GIVEN[case]})", ("float[3]", "float[3]"))
    verify(graph)
    agree(inference(graph, values))


def test_a_declared_weight_in_a_setting() -> None:
    values, graph = compile_flow("a -> chosen(scores=w)\nweight w: float[3] = normal(1)", ("float[3]",))
    (node,) = (n for n in graph.nodes if n.operator.name == "chosen")
    assert not node.operator.scores.batched
    agree(inference(graph, values))


def test_the_printed_graph_shows_the_tensor_of_a_setting() -> None:
    program = compile(Source("m.dl", TEXT + "a -> chosen(scores=b, mask=a > b) -> y\n"))
    assert "%chosen = chosen %a mask=%greater scores=%b : float[3]" in print_graph(program.graph, "m")
    (node,) = (n for n in program.graph.nodes if n.operator.name == "chosen")
    assert [v.name for v in node.operands] == ["a", "greater", "b"]
    assert node.operator.mask == Tensor("bool", (3,))


@pytest.mark.parametrize(("given", "code", "column"), [
    ("scores=[1, 2]", "E0406", 20), ("mask=b @ b", "E0406", 18), ("mask=3", "E0403", 18),
    ("scores=[[1], [2, 3]]", "E0201", 20), ("scores=c", "E0202", 20),
])  # fmt: skip
def test_errors_about_the_tensor_of_a_setting_have_its_location(given: str, code: str, column: int) -> None:
    with pytest.raises(CompileError) as caught:
        compile(Source("m.dl", f"input c: class(3)\n{TEXT}a -> chosen({given}) -> y\n"))
    (found,) = caught.value.diagnostics
    assert (found.code, found.span and found.span.place) == (code, f"m.dl:4:{column}")


def test_an_emitted_file_passes_the_tensor_of_a_setting() -> None:
    written = emit(compile(Source("m.dl", TEXT + "a -> chosen(mask=a > b, scores=b) -> y\n")))
    module: dict[str, Any] = {}
    exec(written, module)  # noqa: S102
    a, b = torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[0.5, 4.0, 2.0]])
    assert module["M"]().predict(a, b)["y"].tolist() == [[1.5, 0.0, 5.0]]


def test_the_reference_shows_the_tensor_of_a_setting_in_both_forms() -> None:
    graph = compile(Source("m.dl", TEXT + "a -> chosen(mask=a > b, scores=b) -> y\n")).graph
    (node,) = (n for n in graph.nodes if n.operator.name == "chosen")
    assert in_torch(node) == ["torch.where(mask, x + scores, 0.0)"]
    assert in_onnx(node) == ["add = Add(x, scores)", "Where(mask, add, 0.0)"]


# --- passes -----------------------------------------------------------------------------------------------


def test_passes_rewire_the_tensor_of_a_setting() -> None:
    program = compile(Source("m.dl", TEXT + "a -> chosen(mask=a > b, scores=b) -> y\n"))
    (node,) = (n for n in program.graph.nodes if n.operator.name == "chosen")
    other = Value("other", Tensor("float", (3,)), node.site)
    changed = rewired(node, {node.operands[2]: other})
    assert [v.name for v in changed.operands] == ["a", "greater", "other"]
    assert changed.operator.split(changed.operands)[1]["scores"] is other


def test_dropout_before_a_setting_is_removed_at_inference() -> None:
    program = compile(Source("m.dl", TEXT + "a -> chosen(scores=b -> dropout(0.5)) -> y\n"))
    graph = specialize.inference(program)
    verify(graph)
    assert "chosen %a scores=%b" in print_graph(graph, "m")


def test_the_tensor_of_a_setting_is_computed_in_float64_with_the_operands() -> None:
    text = "input a, b: float64[3]\noutput y: float[3]\na -> chosen(scores=b) -> y\n"
    graph = subtract_in_float64(compile(Source("m.dl", text))).graph
    verify(graph)
    (node,) = (n for n in graph.nodes if n.operator.name == "chosen")
    assert [v.type.element for v in node.reads] == ["float64", "float64"]
    agree(inference(graph, node.results))


# --- weights that a setting gives -------------------------------------------------------------------------


def test_dropout_before_a_weight_is_removed_at_inference() -> None:
    text = "a -> dense(3, weight=w -> dropout(0.5)) -> y\nweight w: float[3, 3] = normal(1)\n"
    program = compile(Source("m.dl", TEXT + text))
    graph = specialize.inference(program)
    verify(graph)
    assert "dense(units=3) %a weight=%w" in print_graph(graph, "m")
    agree(graph)


def test_a_boolean_weight_is_cast_to_float() -> None:
    values, graph = compile_flow(
        "a -> dense(3, weight=w > 0)\nweight w: float[3, 3] = normal(1)", ("float[3]",)
    )
    verify(graph)
    agree(inference(graph, values))


def test_settings_of_operators_hold_types_of_tensors() -> None:
    text = "a -> dense(3, weight=w, bias=[1, 2, 3]) -> y\nweight w: float[3, 3] = normal(1)\n"
    graph = compile(Source("m.dl", TEXT + text)).graph
    (dense,) = (n.operator for n in graph.nodes if n.operator.name == "dense")
    assert dense.weight == Tensor("float", (3, 3), batched=False)
    assert dense.bias == Tensor("float", (3,), batched=False)
