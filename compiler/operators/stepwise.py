"""How an operator is computed one step of a sequence at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.parameter_types import ParameterType
from dlc.compiler.record import record

if TYPE_CHECKING:
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.types import Tensor


class BoundOperator(ParameterType):
    """The operator that a part belongs to, with the types of its operands. Only passes give it."""

    def describe(self) -> str:
        return "an operator"

    def accept(self, value: Any) -> Any:
        return value


@record
class Stepwise:
    """`step` takes the operands that change with the steps, one step of each; then the results of `once`, or
    the other operands if there is none; then the `states`. Its results are one step of the result, and the
    next states.

    `prefix` takes what the operator takes, and has the states after all these steps as further results: for
    the steps of a prompt.

    `once` is computed of the other operands, before the first step. `states` are the types of the states
    before the first step, of zeros, and `carried` those in the loop; `given` are the places of operands that
    are the initial states instead. Operands at the places `kept` follow those of `once`, which does not take
    them. With `placed` the number of the step in its row, from 0, follows as the
    last operand. `masked` is the step with one operand more, before the place: a mask of the steps that are
    carried, for prompts with padding.
    """

    step: Operator
    prefix: Operator | None = None
    once: Operator | None = None
    states: tuple[Tensor, ...] = ()
    carried: tuple[Tensor, ...] = ()
    given: tuple[int, ...] = ()
    kept: tuple[int, ...] = ()
    placed: bool = False
    masked: Operator | None = None
