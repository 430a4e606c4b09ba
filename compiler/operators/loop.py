"""A loop in a graph: its body is a graph within the node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.parameter_types import FromPasses, Integer
from dlc.compiler.dims.dim import has_free
from dlc.compiler.operators.base import Operator, setting
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ITERATION = Tensor("int64", (), batched=False)  # the number of an iteration, from 0
CONTINUES = Tensor("bool", (), batched=False)  # whether another iteration follows


class Loop(Operator):
    """Runs its `body` until that ends it, at most `most` times and at least once (ONNX `Loop`).

    The operands are the initial states. The body takes the number of the iteration and the states; it
    returns whether it `continues`, the next states, and any values to stack. The results are the last states,
    of the types `states`, which may grow along a free dimension, and the stacked values: each has a first
    axis of the sample with an entry for each iteration that ran.
    """

    public = False
    takes = "any"
    batchless = True
    mixes = True
    runs = ("body",)
    most: int = setting("the greatest number of iterations", Integer(1))
    states: Any = setting("the types of the last states", FromPasses())
    stacked: Any = setting("the types of the stacked values", FromPasses(), ())
    limits: Any = setting("the greatest values of sizes around it", FromPasses(), ())

    def type(self, *states: Tensor) -> tuple[Tensor, ...]:
        return (*self.states, *self.stacked)

    def size_limits(self):
        yield from self.limits

    def body_faults(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Iterator[str]:
        """What is wrong with a body of these types, a sentence each. A state may grow in each step along the
        axes whose size is free."""
        taken = [as_grown(x, state) for x, state in zip(inputs[1:], self.states, strict=False)]
        if [*inputs[:1], *taken, *inputs[1 + len(self.states) :]] != [ITERATION, *self.states]:
            yield f"takes {listed(inputs)}, not the iteration and the states {listed(self.states)}"
        grown = [as_grown(x, state) for x, state in zip(outputs[1:], self.states, strict=False)]
        entries = [stacked.with_shape(*stacked.shape[1:]) for stacked in self.stacked]
        if [*outputs[:1], *grown, *outputs[1 + len(self.states) :]] != [CONTINUES, *self.states, *entries]:
            wanted = f"the states {listed(self.states)} and the entries {listed(entries)}"
            yield f"returns {listed(outputs)}, not whether it continues, {wanted}"

    def torch(self, F, *states, body):
        return F.loop(body, self.most, states)

    def onnx(self, op, *states, body):
        count = len(self.states) + len(self.stacked)
        made = op.Loop(
            op.constant(self.most, "int64"), op.constant(True, "bool"), *states, body=body(), outputs=count
        )
        made = made if count > 1 else (made,)
        last, stacked = made[: len(self.states)], made[len(self.states) :]
        return (*last, *(batch_first(op, x, type) for x, type in zip(stacked, self.stacked, strict=True)))


def as_grown(type: Tensor, state: Tensor) -> Tensor:
    """The type of a state after a step, with the sizes of the state before it where these are free."""
    if type.rank != state.rank:
        return type
    sizes = (own if has_free(own) else size for size, own in zip(type.shape, state.shape, strict=True))
    return type.with_shape(*sizes)


def listed(types: Iterable[Tensor]) -> str:
    return f"[{', '.join(map(str, types))}]"


def batch_first(op: Any, x: Any, type: Tensor) -> Any:
    """Values of all iterations, `[iterations, batch, ...]`, with the batch as the first axis."""
    return op.Transpose(x, perm=[1, 0, *range(2, type.rank + 1)])
