"""Attention one step at a time: keys and values of earlier steps are carried, those of a memory are computed
once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.parameter_types import Boolean
from dlc.compiler.dims.dim import free
from dlc.compiler.operators import attention_onnx
from dlc.compiler.operators.attention_masks import torch_masks
from dlc.compiler.operators.base import Operator, setting
from dlc.compiler.operators.stepwise import BoundOperator
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.operators.attention import Attention

PAST = free("past")  # the number of steps that are carried


class AttentionPart(Operator, abstract=True):
    """A part of an `attention`, which has some of its weights."""

    public = False
    of: Any = setting("the attention", BoundOperator())

    @property
    def whole(self) -> Attention:
        return self.of

    def parts(self) -> tuple[str, ...]:
        """The projections that it computes."""
        raise NotImplementedError

    def weights(self, *operands: Tensor):
        specs = self.whole.weights(*self.whole.positional)
        return (spec for spec in specs if spec.leaf.split(".")[0] in self.parts())


def heads_type(a: Attention, steps: Any) -> Tensor:
    """The type of keys or values: `[groups, steps, features of a head]`."""
    return Tensor("float", (a.groups, steps, a.width))


class MemoryKeys(AttentionPart):
    """The keys and values of a memory, for all steps that read it."""

    def parts(self):
        return "key", "value"

    def type(self, memory: Tensor, values: Tensor | None = None) -> tuple[Tensor, Tensor]:
        made = heads_type(self.whole, memory.shape[0])
        return made, made

    def torch(self, F, *sources, **weights):
        return tuple(torch_heads(F, self.whole, part, x, weights)
                     for part, x in zip(self.parts(), (sources[0], sources[-1]), strict=True))  # fmt: skip

    def onnx(self, op, *sources, **weights):
        pairs = zip(self.parts(), (sources[0], sources[-1]), strict=True)
        return tuple(attention_onnx.heads(op, self.whole, part, x, weights) for part, x in pairs)


def torch_heads(F: Any, a: Attention, part: str, x: Any, weights: Any) -> Any:
    """The projections of all heads, as `Attention.attend` computes them."""
    projected = F.linear(x, weights[f"{part}.weight"], weights.get(f"{part}.bias"))
    return a.torch_heads(F, part, projected, a.sources[a.PARTS.index(part)])


class AttentionPrefix(AttentionPart):
    """All steps of a prompt, with their keys and values as further results."""

    def parts(self):
        return "query", "key", "value", "output"

    def type(self, x: Tensor, counts: Tensor | None = None):
        made = heads_type(self.whole, x.shape[0])
        return x, made, made

    def torch(self, F, x, counts=None, **weights):
        a = self.whole
        q, k, v = (torch_heads(F, a, part, x, weights) for part in a.PARTS)
        settings = torch_masks(F, a, q, counts, None, None) | a.torch_settings(0.0)
        return torch_output(F, F.scaled_dot_product_attention(q, k, v, **settings), weights), k, v

    def onnx(self, op, x, counts=None, **weights):
        a = self.whole
        q, k, v = (attention_onnx.heads(op, a, part, x, weights) for part in a.PARTS)
        return (
            attention_onnx.output(op, a, attention_onnx.attend(op, a, q, k, v, counts, None, None), weights),
            k,
            v,
        )


def torch_output(F: Any, y: Any, weights: Any) -> Any:
    """The heads joined and projected."""
    return F.linear(y.transpose(-3, -2).flatten(-2), weights["output.weight"], weights.get("output.bias"))


class AttentionStep(AttentionPart):
    """One step of attention over keys and values. `of` is bound to a query of one step and to a memory of the
    steps that are read; `counts` are the steps of each row of the memory. Where it `carries` them, the step's
    own key and value are appended, and are results too."""

    carries: bool = setting("whether keys and values of earlier steps are carried", Boolean(), False)

    def parts(self):
        return ("query", "key", "value", "output") if self.carries else ("query", "output")

    def seen(self, given: Sequence[Any]) -> tuple[Any, Any]:
        """The steps of each row of a memory, and the mask of the steps that are carried."""
        found = given[0] if given else None
        return (None, found) if self.carries else (found, None)

    def type(self, x: Tensor, keys: Tensor, values: Tensor, seen: Tensor | None = None):
        if not self.carries:
            return x
        longer = (k.with_axis(1, k.shape[1] + 1) for k in (keys, values))
        return x, *longer

    def torch(self, F, x, keys, values, *given, **weights):
        a = self.whole
        if self.carries:
            keys = F.cat((keys, torch_heads(F, a, "key", x, weights)), -2)
            values = F.cat((values, torch_heads(F, a, "value", x, weights)), -2)
        q = torch_heads(F, a, "query", x, weights)
        counts, mask = self.seen(given)
        settings = torch_masks(F, a, q, counts, mask, None) | a.torch_settings(0.0)
        y = torch_output(F, F.scaled_dot_product_attention(q, keys, values, **settings), weights)
        return (y, keys, values) if self.carries else y

    def onnx(self, op, x, keys, values, *given, **weights):
        a = self.whole
        if self.carries:
            one: Any = a.with_settings(mask=None).bind(self.operands[0])
            keys = op.Concat(keys, attention_onnx.heads(op, one, "key", x, weights), axis=2)
            values = op.Concat(values, attention_onnx.heads(op, one, "value", x, weights), axis=2)
        q = attention_onnx.heads(op, a, "query", x, weights)
        counts, mask = self.seen(given)
        means = attention_onnx.attend(op, a, q, keys, values, counts, mask, None)
        y = attention_onnx.output(op, a, means, weights)
        return (y, keys, values) if self.carries else y
