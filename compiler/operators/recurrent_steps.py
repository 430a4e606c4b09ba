"""Recurrent layers one step at a time: their states are carried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.operators.base import Operator, setting
from dlc.compiler.operators.stepwise import BoundOperator
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from dlc.compiler.operators.recurrence import Recurrent


class RecurrentStep(Operator):
    """One step of a recurrent layer. The states follow the step as operands and as results, each in the shape
    of an initial state."""

    public = False
    of: Any = setting("the layer, bound to one step", BoundOperator())

    @property
    def whole(self) -> Recurrent:
        return self.of

    def weights(self, *operands: Tensor):
        return self.whole.weights(*self.whole.positional)

    def type(self, x: Tensor, *states: Tensor):
        return x.with_shape(1, self.whole.units), *states

    def torch(self, F, x, *states, **weights):
        layer = self.whole
        made = layer.torch_run(F, x, layer.torch_states(x, states), [*weights.values()], layer.layers, 1)
        last = [made[1 + i] for i in range(len(states))]
        return made[0], *(s.squeeze(0) if layer.layers == 1 else s.transpose(0, 1) for s in last)

    def onnx(self, op, x, *states, **weights):
        layer, count = self.whole, self.whole.layers
        given, x = layer.onnx_states(op, states), op.Transpose(x, perm=[1, 0, 2])
        last: list[list[Any]] = [[] for _ in states]
        for place in range(count):
            initial = [layer.onnx_part(op, s, place) for s in given]
            y, *made = layer.onnx_layer(
                op, x, None, initial, weights, place, layer.directions, outputs=1 + len(states)
            )
            for found, state in zip(last, made, strict=True):
                found.append(state)
            x = layer.onnx_join(op, y, 1)
        joined = (found[0] if count == 1 else op.Concat(*found, axis=0) for found in last)
        if count == 1:
            return op.Transpose(x, perm=[1, 0, 2]), *(
                op.Squeeze(s, op.constant([0], "int64")) for s in joined
            )
        return op.Transpose(x, perm=[1, 0, 2]), *(op.Transpose(s, perm=[1, 0, 2]) for s in joined)
