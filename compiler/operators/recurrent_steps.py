"""Recurrent layers one step at a time: their states are carried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.parameter_types import FromPasses
from dlc.compiler.operators.base import Operator, setting
from dlc.compiler.types import Tensor

INT32 = 6

if TYPE_CHECKING:
    from collections.abc import Sequence


class RecurrentStep(Operator):
    """One step of a recurrent layer. The states follow the step as operands and as results, each in the shape
    of an initial state."""

    public = False
    of: Any = setting("the layer, bound to one step", FromPasses())

    @property
    def whole(self) -> Any:
        return self.of

    def weights(self, *operands: Tensor):
        return self.whole.weights(*self.whole.positional)

    def type(self, x: Tensor, *states: Tensor):
        return x.with_shape(1, self.whole.units), *states

    def multiply_adds(self):
        return self.whole.multiply_adds()

    def torch(self, F, x, *states, **weights):
        layer = self.whole
        made = layer.torch_run(F, x, layer.torch_states(x, states), [*weights.values()], layer.layers, 1)
        return made[0], *shaped(layer, [made[1 + i] for i in range(len(states))])

    def onnx(self, op, x, *states, **weights):
        return onnx_run(op, self.whole, x, None, states, weights)


class RecurrentPrefix(RecurrentStep):
    """All steps of a prompt, with the states after them as further results."""

    of: Any = setting("the layer", FromPasses())

    def type(self, x: Tensor, *others: Tensor):
        state = Tensor("float", self.whole.state_shape())
        return *self.whole.results, *(state,) * self.whole.state_count()

    def apart(self, others: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        """The initial states, and the lengths of rows."""
        return (others, None) if self.whole.lengths is None else (others[:-1], others[-1])

    def torch(self, F, x, *others, **weights):
        layer, (states, counts) = self.whole, self.apart(others)
        given = layer.torch_states(x, states), counts, [*weights.values()], layer.bias, layer.layers
        made = F.recurrent_by_length(layer.function, x, *given)
        return made[0], *shaped(layer, [made[1 + i] for i in range(layer.state_count())])

    @property
    def not_in_openvino(self) -> str:
        by_length = self.whole.lengths is not None and self.whole.state_count() > 1
        return (
            f"the cell states of `{self.whole.name}` after prompts of different lengths" if by_length else ""
        )

    def onnx(self, op, x, *others, **weights):
        states, counts = self.apart(others)
        by_length = counts is not None and op.in_openvino
        limits = self.whole.onnx_steps(op) if counts is None or by_length else counts
        limits = limits and op.Cast(limits, to=INT32)
        return onnx_run(op, self.whole, x, limits, states, weights, counts if by_length else None)


def shaped(layer: Any, states: Sequence[Any]) -> list[Any]:
    """The last states as initial states: `[batch, units]`, or `[batch, layers, units]`."""
    return [s.squeeze(0) if layer.layers == 1 else s.transpose(0, 1) for s in states]


def onnx_run(op: Any, layer: Any, x: Any, limits: Any, states: Sequence[Any], weights: Any,
             counts: Any = None) -> tuple[Any, ...]:  # fmt: skip
    """All steps, and the last states of all layers as initial states. `counts` are the steps of rows where
    OpenVINO, which takes all steps, runs the node."""
    given, x = layer.onnx_states(op, states), op.Transpose(x, perm=[1, 0, 2])
    count = layer.state_count()
    found: list[list[Any]] = []
    for place in range(layer.layers):
        initial = [layer.onnx_part(op, s, place) for s in given]
        given_layer = (initial, weights, place, layer.directions)
        if counts is None:
            y, *last = layer.onnx_layer(op, x, limits, *given_layer, outputs=1 + count)
        else:
            y, *last = layer.onnx_by_length(op, counts, x, limits, *given_layer)
        found.append(last)
        x = layer.onnx_join(op, y, 1)
    states_of = [[last[i] for last in found] for i in range(count)]
    joined = [op.Concat(*parts, axis=0) if len(parts) > 1 else parts[0] for parts in states_of]
    axis = op.constant([0], "int64")
    made = (op.Squeeze(s, axis) if layer.layers == 1 else op.Transpose(s, perm=[1, 0, 2]) for s in joined)
    return op.Transpose(x, perm=[1, 0, 2]), *made
