"""The ONNX form of `attention`: matrix products and a softmax, with an added finite mask; from opset 24 on,
for known numbers of steps, the operator `Attention`."""

from __future__ import annotations

from math import inf, sqrt
from typing import TYPE_CHECKING, Any

from dlc.compiler.dims.dim import has_free, same
from dlc.compiler.operators.attention_masks import onnx_added, onnx_allowed, sees_nothing
from dlc.compiler.operators.operands import onnx_repeat, onnx_reshape, onnx_rows
from dlc.compiler.operators.rotary import onnx_rotated
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dlc.compiler.operators.multihead import MultiHead


def attention(op: Any, a: MultiHead, operands: Sequence[Any], weights: Mapping[str, Any], lengths: Any,
              mask: Any, scores: Any) -> Any:  # fmt: skip
    q, k, v = (heads(op, a, part, x, weights) for part, x in zip(a.PARTS, a.three(operands), strict=True))
    means = by_operator if has_operator(op, a) else attend
    return output(op, a, means(op, a, q, k, v, lengths, mask, scores), weights)


def output(op: Any, a: MultiHead, y: Any, weights: Mapping[str, Any]) -> Any:
    """The heads joined and projected, `[batch, ..., steps, features]`."""
    y = y if is_one(a.results[0]) else op.Transpose(y, perm=swapped(a))
    rows = onnx_rows(op, y, a.results[0])
    y = op.Gemm(rows, weights["output.weight"], weights.get("output.bias"), transB=1)
    return onnx_reshape(op, y, a.results[0], batch=-1)


def heads(op: Any, a: MultiHead, part: str, x: Any, weights: Mapping[str, Any]) -> Any:
    """The projections of all heads, rotated by position, `[batch, ..., heads, steps, features]`."""
    have = a.sources[a.PARTS.index(part)]
    y = projected(op, a, part, x, weights, have)
    if a.rotary is None or part == "value":
        return y
    return onnx_rotated(op, y, heads_type(a, part, have), a.rotary)


def heads_type(a: MultiHead, part: str, have: Tensor) -> Tensor:
    """The type of all heads of what is made of a tensor."""
    count = a.heads if part == "query" else a.groups
    return Tensor("float", (*have.shape[:-2], count, have.shape[-2], a.width))


def projected(op: Any, a: MultiHead, part: str, x: Any, weights: Mapping[str, Any], have: Tensor) -> Any:
    """The projections of all heads of a tensor of this type, without rotation."""
    count = a.heads if part == "query" else a.groups
    rows = onnx_rows(op, x, have)
    y = op.Gemm(rows, weights[f"{part}.weight"], weights.get(f"{part}.bias"), transB=1)
    steps = have.shape[-2]
    split = (count, steps) if is_one(have) else (steps, count)
    y = onnx_reshape(op, y, have.with_shape(*have.shape[:-2], *split, a.width), batch=-1)
    if not have.batched:
        y = onnx_repeat(op, op.Unsqueeze(y, op.constant([0], "int64")), have.rank + 1)
    return y if is_one(have) else op.Transpose(y, perm=swapped(a))


def is_one(x: Tensor) -> bool:
    """Whether there is one step, so that swapping heads and steps moves nothing."""
    return same(x.shape[-2], 1)


def swapped(a: MultiHead) -> list[int]:
    """The axes with heads and steps in each other's place."""
    last = a.operands[0].rank + 1
    return [*range(last - 2), last - 1, last - 2, last]


def attend(op: Any, a: MultiHead, q: Any, k: Any, v: Any, lengths: Any, mask: Any, scores: Any) -> Any:
    """Means of the values, `[batch, ..., heads, query steps, features]`. Query heads that share a head of
    keys and values are joined as further steps."""
    products, results = a.products, a.products.with_axis(-1, a.width)
    shared, allowed = a.heads // a.groups, onnx_allowed(op, a, lengths, mask, scores)

    def grouped(x: Any, have: Tensor) -> Any:
        return onnx_reshape(op, x, a.grouped(have)) if shared > 1 else x

    def apart(x: Any, have: Tensor) -> Any:
        return onnx_reshape(op, x, have) if shared > 1 else x

    last = products.rank
    keys = op.Transpose(k, perm=[*range(last - 1), last, last - 1])
    q = op.Mul(q, op.constant(1 / sqrt(a.width) if a.scale == "auto" else a.scale, "float32"))
    s = apart(op.MatMul(grouped(q, results), keys), products)
    added = onnx_added(op, a, allowed, scores)
    s = op.Softmax(s if added is None else op.Add(s, added), axis=-1)
    if sees_nothing(a):
        s = op.Mul(s, op.Cast(allowed, to=1))
    return apart(means_of(op, products, grouped(s, products), v), results)


def means_of(op: Any, products: Tensor, s: Any, v: Any) -> Any:
    """The values weighted by `s`. For one step over a memory whose length grows from 1, a product of matrices
    gives wrong numbers in OpenVINO (2026.4), so it gets a sum of products."""
    if not op.in_openvino or products.shape[-2] != 1 or not has_free(products.shape[-1]):
        return op.MatMul(s, v)
    s, v = (op.Unsqueeze(x, op.constant([axis], "int64")) for x, axis in ((s, -1), (v, -3)))
    return op.ReduceSum(op.Mul(s, v), op.constant([-2], "int64"), keepdims=0)


def has_operator(op: Any, a: MultiHead) -> bool:
    """Whether `Attention` is used. It takes one axis before the heads, and ONNX Runtime refuses rows without
    steps, which free sizes allow. ONNX Runtimes that targets of opset 24 allow give 0 for a query that sees
    nothing; older ones give NaN."""
    return op.opset >= 24 and all(x.rank == 2 and not has_free(x.shape[0]) for x in a.sources)


def by_operator(op: Any, a: MultiHead, q: Any, k: Any, v: Any, lengths: Any, mask: Any, scores: Any) -> Any:
    """The same as `attend`, by the operator `Attention`."""
    scale = None if a.scale == "auto" else a.scale
    if a.is_only_causal:
        return op.Attention(q, k, v, is_causal=1, scale=scale)
    added = onnx_added(op, a, onnx_allowed(op, a, lengths, mask, scores), scores, hidden=-inf)
    if added is not None:  # it does not broadcast the last two axes
        added = op.Expand(added, op.shape(Tensor("float", a.products.shape[-2:], batched=False)))
    return op.Attention(q, k, v, added, scale=scale)
