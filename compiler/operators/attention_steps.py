"""Attention one step at a time: keys and values of earlier steps are carried, those of a memory are computed
once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import Reject
from dlc.compiler.definitions.parameter_types import Boolean, FromPasses, Integer
from dlc.compiler.dims.dim import product
from dlc.compiler.operators import attention_onnx
from dlc.compiler.operators.attention_masks import onnx_raised, torch_masks, torch_raised
from dlc.compiler.operators.attention_onnx import heads_type
from dlc.compiler.operators.base import Operator, setting
from dlc.compiler.operators.operands import broadcast
from dlc.compiler.operators.rotary import (
    onnx_rotated_at,
    torch_rotated,
    torch_rotated_at,
    torch_waves,
)
from dlc.compiler.operators.step_order import on_axis
from dlc.compiler.operators.stepwise import PAST, Stepwise
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.operators.multihead import MultiHead

SEEN = Tensor("bool", (1, 1, PAST + 1))  # which of the steps that are carried, and the step itself, are seen


def stepwise(a: MultiHead, changing: Sequence[int], steps: Size) -> Stepwise | None:
    """How an attention is computed one step at a time."""
    sources = a.positional
    count = len(sources)
    if not any(on_axis(steps, x, -2) for x in sources):
        return None  # in each step, it has steps of its own
    if any(on_axis(steps, x, axis) for x in sources for axis in range(x.rank - 2)):
        raise Reject("it reads pairs of steps")
    if not on_axis(steps, sources[0], -2):
        raise Reject("its query waits for the last step of the memory", at=1)
    carries = on_axis(steps, sources[-1], -2)
    if carries and not a.causal and a.window != 1:
        raise Reject("it reads later steps", at=0, help="`causal=true` hides them")
    given = [i for i in range(count, len(a.operands)) if a.given[i - count] != "lengths"]
    rows = {i: read_row(a.operands[i], steps, a.given[i - count], carries) for i in given if i in changing}
    types = [rows.get(i, a.operands[i]) for i in given]
    masks = {a.given[i - count]: type for i, type in zip(given, types, strict=True)}
    one = sources[0].with_axis(-2, 1)
    if not carries:
        kept = tuple(range(count, len(a.operands)))
        of = (
            a.with_settings(**masks)
            .knowing(lengths=a.lengths)
            .bind(one, *sources[1:], *types, *a.operands[count + len(given) :])
        )
        step = AttentionStep(of=of)
        return Stepwise(step, once=MemoryKeys(of=of), kept=kept, rows=rows, placed=a.rotary is not None)
    longer = [x.with_axis(-2, PAST + 1) for x in (sources[1:] if count > 1 else sources)]
    plain = a.knowing(lengths=None).with_settings(causal=False, window=None, **masks)
    of = plain.bind(one, *longer, *types)
    states = [heads_type(a, "key", sources[0].with_axis(-2, size)) for size in (0, PAST)]
    return Stepwise(
        AttentionStep(of=of, sources=count),
        masked=AttentionStep(of=of, sources=count, masked=True),
        prefix=AttentionPrefix(of=a),
        states=(states[0],) * 2,
        carried=(states[1],) * 2,
        kept=tuple(given),
        rows=rows,
        placed=a.rotary is not None,
        window=a.window,
    )


def read_row(x: Tensor, steps: Size, name: str, carries: bool) -> Tensor:
    """What one query step reads of a mask or scores: `[..., 1, memory steps so far]`."""
    if any(on_axis(steps, x, axis) for axis in range(max(x.rank - 2, 0))):
        raise Reject(f"`{name}` has the steps on an axis before the last two", at=name)
    if on_axis(steps, x, -1):
        if not carries:
            raise Reject(f"`{name}` has the steps on the axis of the memory", at=name)
        x = x.with_axis(-1, PAST + 1)
    return x.with_axis(-2, 1) if x.rank > 1 and on_axis(steps, x, -2) else x


class AttentionPart(Operator, abstract=True):
    """A part of an `attention`, which has some of its weights."""

    public = False
    of: Any = setting("the attention", FromPasses())

    @property
    def whole(self) -> Any:
        return self.of

    def parts(self) -> tuple[str, ...]:
        """The projections that it computes."""
        raise NotImplementedError

    def weights(self, *operands: Tensor):
        specs = self.whole.weights(*self.whole.positional)
        return (spec for spec in specs if spec.leaf.split(".")[0] in self.parts())

    def kept_adds(self, steps: Size) -> Size:
        """The multiply-adds of the keys and values of so many steps of a memory."""
        _, key, value = self.whole.sources
        own = self.whole.groups * self.whole.width * (key.shape[-1] + value.shape[-1])
        return product(key.shape[:-2]) * steps * own

    def torch_heads(self, F: Any, part: str, x: Any, have: Tensor, weights: Any) -> Any:
        """The projections of all heads of a tensor of this type, without rotation."""
        projected = F.linear(x, weights[f"{part}.weight"], weights.get(f"{part}.bias"))
        return self.whole.torch_heads(F, part, projected, have)

    def torch_rotated(self, F: Any, part: str, x: Any) -> Any:
        """Heads of all steps, rotated by their positions."""
        a = self.whole
        if a.rotary is None:
            return x
        steps = a.sources[a.PARTS.index(part)].shape[-2]
        return torch_rotated(F, x, *torch_waves(F, x, steps, a.width, a.rotary))


class MemoryKeys(AttentionPart):
    """The keys and values of a memory, for all steps that read it."""

    def parts(self):
        return "key", "value"

    def type(self, memory: Tensor, values: Tensor | None = None) -> tuple[Tensor, Tensor]:
        made = heads_type(self.whole, "key", memory)
        return made, made

    def multiply_adds(self):
        return self.kept_adds(self.whole.sources[1].shape[-2])

    def torch(self, F, *sources, **weights):
        given = zip(self.parts(), (sources[0], sources[-1]), self.whole.sources[1:], strict=True)
        k, v = (self.torch_heads(F, part, x, have, weights) for part, x, have in given)
        return self.torch_rotated(F, "key", k), v

    def onnx(self, op, *sources, **weights):
        pairs = zip(self.parts(), (sources[0], sources[-1]), strict=True)
        return tuple(attention_onnx.heads(op, self.whole, part, x, weights) for part, x in pairs)


class AttentionPrefix(AttentionPart):
    """All steps of a prompt, with their keys and values as further results."""

    def parts(self):
        return "query", "key", "value", "output"

    def type(self, *operands: Tensor):
        made = heads_type(self.whole, "key", operands[0])
        return operands[0], made, made

    def multiply_adds(self):
        return self.whole.multiply_adds()

    def torch(self, F, *operands, **weights):
        a = self.whole
        xs, given = a.split(operands)
        q, k, v = (self.torch_heads(F, part, x, have, weights)
                   for part, x, have in zip(a.PARTS, a.three(xs), a.sources, strict=True))  # fmt: skip
        q, k = self.torch_rotated(F, "query", q), self.torch_rotated(F, "key", k)
        masks = (given.get(name) for name in ("lengths", "mask", "scores"))
        settings = torch_masks(F, a, q, *masks) | a.torch_settings(0.0)
        return torch_output(F, F.scaled_dot_product_attention(q, k, v, **settings), weights), k, v

    def onnx(self, op, *operands, **weights):
        a = self.whole
        xs, given = a.split(operands)
        q, k, v = (attention_onnx.heads(op, a, part, x, weights)
                   for part, x in zip(a.PARTS, a.three(xs), strict=True))  # fmt: skip
        masks = (given.get(name) for name in ("lengths", "mask", "scores"))
        return attention_onnx.output(op, a, attention_onnx.attend(op, a, q, k, v, *masks), weights), k, v


def torch_output(F: Any, y: Any, weights: Any) -> Any:
    """The heads joined and projected."""
    return F.linear(y.transpose(-3, -2).flatten(-2), weights["output.weight"], weights.get("output.bias"))


class AttentionStep(AttentionPart):
    """One step of attention over keys and values. `of` is bound to a query of one step and to a memory of the
    steps that are read.

    Its operands are the query, the keys and the values of a memory, and what `of` is given. With `sources`,
    the keys and values of earlier steps are carried: its operands are one step of what queries, keys and
    values are made of, what `of` is given, and the keys and values so far; and if it is `masked`, which of
    them are seen. The step's own key and value are appended, and are results too. The place of the step
    follows, if `of` is `rotary`.
    """

    sources: int = setting("the number of sources; 0 if nothing is carried", Integer(0), 0)
    masked: bool = setting("whether it takes a mask of the steps that are carried", Boolean(), False)

    def parts(self):
        return ("query", "key", "value", "output") if self.sources else ("query", "output")

    def type(self, x: Tensor, *others: Tensor):
        keys, *_ = self.memory(others)
        return (x, *[keys.with_axis(-2, keys.shape[-2] + 1)] * 2) if self.sources else x

    def multiply_adds(self):
        others = self.kept_adds(self.whole.sources[1].shape[-2] - (1 if self.sources else 0))
        return self.whole.multiply_adds() - others

    def memory(self, others: Sequence[Any]) -> tuple[Any, ...]:
        """Keys, values and what `of` is given, by its names, of the operands behind the query."""
        given = len(self.whole.given)
        first = self.sources - 1 + given if self.sources else 0
        start = self.sources - 1 if self.sources else 2
        return (*others[first : first + 2], dict(zip(self.whole.given, others[start:], strict=False)))

    def last(self, others: Sequence[Any]) -> tuple[Any, Any]:
        """The mask of what is carried, and the place of the step; none if there is none."""
        place = others[-1] if self.whole.rotary is not None else None
        rest = others[:-1] if place is not None else others
        return rest[-1] if self.masked else None, place

    def torch(self, F, x, *others, **weights):
        a, (keys, values, given), (seen, place) = self.whole, self.memory(others), self.last(others)
        own = a.three((x, *others[: self.sources - 1])) if self.sources else (x,)

        def made(part: str, x: Any) -> Any:
            have = self.operands[0].with_axis(-1, x.shape[-1])
            y = self.torch_heads(F, part, x, have, weights)
            if a.rotary is None or part == "value":
                return y
            return torch_rotated_at(F, y, place, heads_type(a, part, self.operands[0]), a.rotary)

        q, *new = (made(part, x) for part, x in zip(a.PARTS, own, strict=False))
        if self.sources:
            keys, values = (F.cat(pair, -2) for pair in zip((keys, values), new, strict=True))
        mask = given.get("mask")
        if seen is not None and mask is not None:
            seen = torch_raised(seen, SEEN, a.products) & torch_raised(mask, a.mask, a.products)
        a = self.with_seen()
        masks = given.get("lengths"), mask if seen is None else seen, given.get("scores")
        settings = torch_masks(F, a, q, *masks) | a.torch_settings(0.0)
        y = torch_output(F, F.scaled_dot_product_attention(q, keys, values, **settings), weights)
        return (y, keys, values) if self.sources else y

    def onnx(self, op, x, *others, **weights):
        a, (keys, values, given), (seen, place) = self.whole, self.memory(others), self.last(others)
        own = a.three((x, *others[: self.sources - 1])) if self.sources else (x,)
        types = a.three(self.operands[: self.sources]) if self.sources else self.operands[:1]

        def made(part: str, x: Any, have: Tensor) -> Any:
            y = attention_onnx.projected(op, a, part, x, weights, have)
            if a.rotary is None or part == "value":
                return y
            return onnx_rotated_at(op, y, place, heads_type(a, part, have), a.rotary)

        q, *new = (made(*each) for each in zip(a.PARTS, own, types, strict=False))
        if self.sources:
            axis = self.operands[0].rank
            keys, values = (op.Concat(*pair, axis=axis) for pair in zip((keys, values), new, strict=True))
        mask = given.get("mask")
        if seen is not None and mask is not None:
            whole = a.products
            seen = op.And(onnx_raised(op, seen, SEEN, whole), onnx_raised(op, mask, a.mask, whole))
        a = self.with_seen()
        masks = given.get("lengths"), mask if seen is None else seen, given.get("scores")
        y = attention_onnx.output(op, a, attention_onnx.attend(op, a, q, keys, values, *masks), weights)
        return (y, keys, values) if self.sources else y

    def with_seen(self) -> Any:
        """The attention whose mask hides what is not seen of the steps that are carried."""
        a = self.whole
        if not self.masked:
            return a
        mask = SEEN
        if a.mask is not None:
            raised = a.products.with_element("bool")
            mask = raised.with_shape(*ones(raised, broadcast((SEEN, a.mask), "combined")))
        scores = [] if a.scores is None else [a.scores]
        return a.with_settings(mask=mask).bind(*a.positional, mask, *scores)


def ones(whole: Tensor, shape: tuple[Size, ...]) -> tuple[Size, ...]:
    """A shape with axes of size 1 before its own ones."""
    return (*[1] * (whole.rank - len(shape)), *shape)
