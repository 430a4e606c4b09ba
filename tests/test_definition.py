"""Required parts of a definition: missing parts are found at class creation, not at first use in a spec."""

from __future__ import annotations

from abc import abstractmethod

import pytest

import dlc.compiler.operators  # noqa: F401  (defines them)
from dlc.compiler import Source, compile
from dlc.compiler.definitions.definition import Definition, family
from dlc.compiler.operators.base import Example, Operator
from dlc.compiler.training.losses import Loss
from dlc.compiler.types import Tensor
from dlc.reference import pages
from dlc.reference.language import Entry
from dlc.reference.specs import type_in
from dlc.reference.words import Word, words

pytestmark = pytest.mark.usefixtures("families")


class OneToOne(Operator, abstract=True):
    examples = (Example("made_up", "float", "float"),)

    def type(self, x: Tensor) -> Tensor:
        return x


class InTorch(OneToOne, abstract=True):
    def torch(self, F, x):
        return x


def test_a_member_has_the_name_of_its_class_and_an_abstract_base_is_not_a_member() -> None:
    class MadeUp(InTorch):
        """`x`."""

        def onnx(self, op, x):
            return op.Identity(x)

    assert family("operator")["made_up"] is MadeUp
    assert not MadeUp.abstract
    assert InTorch.abstract
    assert InTorch not in family("operator").values()


@pytest.mark.parametrize("taken", ["relu", "repeat", "mse"])
def test_a_name_belongs_to_one_operator_combinator_or_loss(taken: str) -> None:
    before = {name: dict(members) for name, members in Definition.families.items()}
    with pytest.raises(TypeError, match=f"`{taken}` is .* already"):

        class Second(InTorch):
            """`x`."""

            name = taken
            training_only = True

    assert before == Definition.families


def test_a_metric_may_have_the_name_of_a_loss() -> None:
    assert family("metric")["mae"] is not family("loss")["mae"]


def test_a_member_has_a_docstring() -> None:
    with pytest.raises(TypeError, match=r"Bare has no docstring; .* `abstract=True`"):

        class Bare(InTorch):
            training_only = True


def test_a_member_defines_the_abstract_methods_of_its_bases() -> None:
    class Shared(Definition, family="made_up", what="a made-up thing"):
        @abstractmethod
        def half(self) -> None: ...

    with pytest.raises(TypeError, match="Whole does not define `half`"):

        class Whole(Shared):
            """All of it."""


def test_an_operator_has_both_forms_or_an_inference_form_or_is_for_training_only() -> None:
    with pytest.raises(TypeError, match="Typed does not define `torch`, `onnx` or `inference`"):

        class Typed(OneToOne):
            """`x`."""

    with pytest.raises(TypeError, match="Trained does not define `onnx` or `inference`"):

        class Trained(InTorch):
            """`x`."""

    class Replaced(InTorch):
        """`x`."""

        def inference(self):
            return self

    class Training(InTorch):
        """`x`."""

        training_only = True

    assert {"replaced", "training"} <= family("operator").keys()


def test_a_public_operator_has_example_rows() -> None:
    with pytest.raises(TypeError, match="Untried does not define `examples`"):

        class Untried(InTorch):
            """`x`."""

            training_only = True
            examples = ()

    class Hidden(InTorch):
        """`x`."""

        public = False
        training_only = True
        examples = ()

    assert family("operator")["hidden"] is Hidden


def test_a_loss_has_a_type_a_torch_form_and_rows() -> None:
    with pytest.raises(TypeError, match="Empty does not define `each`, `torch_each`, `type`, `examples`"):

        class Empty(Loss):
            """0."""


@pytest.mark.parametrize("word", words(), ids=lambda word: f"{word.name} {word.what}")
def test_every_word_has_a_spec_that_uses_it(word: Word) -> None:
    """A word without a generated spec defines one as its `usage`."""
    (block,) = [part for part in pages.body(word) if part.startswith("```dl\n")]
    spec = block.removeprefix("```dl\n").removesuffix("```")
    program = compile(Source("model.dl", spec), type_in=type_in)
    assert program.warnings == ()
    names = word.of.names if isinstance(word.of, Entry) else (word.name,)
    assert any(name.strip("]") in spec for name in names)
    if isinstance(word.of, type) and word.of.family == "operator":
        assert word.of.name in {node.operator.name for node in program.graph.nodes}
