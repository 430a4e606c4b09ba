"""How an operator is computed one step of a sequence at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.dims.dim import free
from dlc.compiler.record import field, record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dlc.compiler.types import Tensor


PAST = free("past")  # the number of steps that are carried

AnOperator = Any  # an `Operator`, whose file imports this one


@record
class Stepwise:
    """`step` takes one step of each operand that changes with the steps; then the results of `once`, or the
    other operands if there is none; then the operands at the places `kept`; then the states. Its results are
    one step of each result, and the next states.

    Without a `step`, each step is computed alone, by the operator itself.

    - `once` is computed of the operands that do not change, before the first step.
    - `states` are the types of the states before the first step, which hold the number `start`, and `carried`
      those in the loop. `given` are the places of operands that are the initial states instead.
    - The states after a prompt: `prefix` takes what the operator takes, and has them as further results;
      `recent` takes the first operand that changes, or the first result if it is `of_result`, and the lengths
      of rows if they differ. One of them is needed where there are states.
    - `early` computes those entries of the results which are there before the first step, of those of the
      operands; by default the operator itself.
    - `rows` are the types in which operands that are `kept` are read, by their places: one step of them, or
      all steps so far, `past + 1`.
    - `placed`: the number of the step in its row, from 0, is the last operand.
    - `masked` is the step with one operand more, before the place: a mask of the steps that are carried. It
      is used for prompts with padding, and where a step sees only those less than `window` steps away.
    - `most` is the greatest number of steps.
    """

    step: AnOperator | None
    prefix: AnOperator | None = None
    recent: AnOperator | None = None
    of_result: bool = False
    early: AnOperator | None = None
    once: AnOperator | None = None
    states: tuple[Tensor, ...] = ()
    start: float = 0
    carried: tuple[Tensor, ...] = ()
    given: tuple[int, ...] = ()
    kept: tuple[int, ...] = ()
    rows: Mapping[int, Tensor] = field(default_factory=dict)
    placed: bool = False
    masked: AnOperator | None = None
    window: int | None = None
    most: int | None = None


ALONE = Stepwise(None)
