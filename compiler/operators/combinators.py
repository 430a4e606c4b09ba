"""Combinators: stages composed of stages."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any

from dlc.compiler.definitions.definition import Definition, setting
from dlc.compiler.definitions.parameter_types import Integer, ParameterType
from dlc.compiler.operators.arithmetic import Add


class Stage:
    """A pipeline that is not yet applied to tensors."""

    def describe(self) -> str:
        return "a stage"


class StageValue(ParameterType):
    """A stage: an operator, a block, a net or a pipeline of them."""

    def describe(self) -> str:
        return "a stage, such as `dense(8) -> relu`"

    def accept(self, value: Any) -> Any:
        if not isinstance(value, Stage):
            raise self.mismatch(value)
        return value


class Combinator(Definition, family="combinator", what="a combinator"):
    """A stage composed of stages. It owns no weights and adds nothing to the weight names of its stages."""

    @abstractmethod
    def flow(self, ev: Any, tensors: list[Any], span: Any) -> Any:
        """The result for the given tensors; `ev.run(stage, tensors, span)` applies a stage."""
        raise NotImplementedError


class Repeat(Combinator):
    """`n` copies of a stage in sequence, each with its own weights; with 0 it is the identity."""

    usage = "repeat(3, dense(8) -> relu)"

    n: int = setting("number of copies", Integer(0, 10_000))
    stage: Any = setting("the stage to repeat", StageValue())

    def flow(self, ev, tensors, span):
        for _ in range(self.n):
            with ev.copy(span):
                tensors = ev.tensors(ev.run(self.stage, tensors, span), span)
        return ev.values(tensors)


class Residual(Combinator):
    """`stage(x) + skip(x)` (He et al. 2015); the weights of the stage are created first."""

    usage = "residual(dense(8) -> relu)"

    stage: Any = setting("the main path", StageValue())
    skip: Any = setting("the skip connection", StageValue(), None, shown="identity")

    def flow(self, ev, tensors, span):
        main = ev.tensors(ev.run(self.stage, tensors, span), self.spans["stage"])
        skip = ev.tensors(
            ev.values(tensors) if self.skip is None else ev.run(self.skip, tensors, span), self.skip_span()
        )
        return ev.node(Add(), [*main, *skip], span)

    def skip_span(self) -> Any:
        """The span of the skip connection: of its stage, or of the word `residual`."""
        return self.spans.get("skip") or replace(self.span, end=self.span.start + len(self.name))


class Each(Combinator):
    """One copy of the stage for each tensor of a tuple, each with its own weights."""

    usage = """
    input  left, right: float[4]
    output kind: class(3)

    (left, right) -> each(dense(8) -> relu) -> concat -> dense(3) -> kind
    """

    stage: Any = setting("the stage applied to each tensor", StageValue())

    def flow(self, ev, tensors, span):
        return tuple(ev.run(self.stage, [tensor], span) for tensor in tensors)


class Branch(Combinator):
    """A tuple of the results of several stages for the same tensors."""

    usage = """
    input  x: float[4]
    output kind: class(3)

    x -> branch(dense(8) -> relu, dense(8) -> tanh) -> concat -> dense(3) -> kind
    """

    stages: Any = setting("the parallel stages", StageValue(), rest=True)

    def flow(self, ev, tensors, span):
        return tuple(ev.run(stage, tensors, span) for stage in self.stages)
