"""Which memory steps the query steps of `attention` may see, and what is added to their products."""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any

from dlc.compiler.operators.padding import onnx_mask, onnx_places, torch_mask

if TYPE_CHECKING:
    from dlc.compiler.operators.multihead import MultiHead
    from dlc.compiler.types import Tensor

# What is added to products of steps that may not be seen: below all scores that a spec may give to others,
# such as -1e9, and finite, as -inf - -inf is NaN.
HIDDEN = -3e38


def sees_nothing(a: MultiHead) -> bool:
    """Whether there may be a query step that sees no memory step, apart from padding. Scores may be minus
    infinity, such as the logarithm of a constant."""
    return a.mask is not None or a.scores is not None or (a.lengths is not None and not a.is_self)


# --- PyTorch ----------------------------------------------------------------------------------------------


def torch_masks(F: Any, a: MultiHead, q: Any, lengths: Any, mask: Any, scores: Any) -> dict[str, Any]:
    """The arguments of `scaled_dot_product_attention` that say what is seen."""
    whole = a.products
    if a.is_only_causal:
        return {"is_causal": True}
    allowed = [] if mask is None else [torch_raised(mask, a.mask, whole)]
    if lengths is not None:
        allowed.append(torch_mask(F, lengths, F.size(whole.shape[-1]), whole.rank - 1, whole.rank))
    if a.causal or a.window is not None:
        places = F.named("places", F.indices(q, F.size(whole.shape[-1])))
        allowed += near(a, F.named("ahead", places.unsqueeze(1) - places))
    if scores is None:
        return {"attn_mask": reduce(and_, allowed)} if allowed else {}
    scores = torch_raised(scores, a.scores, whole)
    return {"attn_mask": scores.masked_fill(~reduce(and_, allowed), -F.inf) if allowed else scores}


def near(a: MultiHead, ahead: Any) -> list[Any]:
    """What `causal` and `window` allow, from how far each query step is ahead of each memory step."""
    allowed = [ahead >= 0] if a.causal else []
    if a.window is not None:
        allowed.append(ahead < a.window)
        allowed += [] if a.causal else [ahead > -a.window]
    return allowed


def torch_raised(x: Any, have: Tensor, whole: Tensor) -> Any:
    """A mask with axes of size 1 before its own ones, so that it broadcasts to the products. PyTorch wants at
    least the last two."""
    rank, first = (whole.rank, 1) if have.batched else (2, 0)
    for _ in range(rank - have.rank):
        x = x.unsqueeze(first)
    return x


# --- ONNX -------------------------------------------------------------------------------------------------


def onnx_allowed(op: Any, a: MultiHead, lengths: Any, mask: Any, scores: Any) -> Any:
    """True where a query step may see a memory step: it broadcasts to the products; none if all are seen."""
    whole = a.products
    allowed = [] if mask is None else [onnx_raised(op, mask, a.mask, whole)]
    if lengths is not None:
        allowed.append(onnx_mask(op, lengths, whole, whole.rank - 1))
    if a.causal or a.window is not None:
        allowed += onnx_near(op, a, onnx_places(op, whole.shape[-1]))
    if scores is not None:
        scores = onnx_raised(op, scores, a.scores, whole)
        allowed.append(op.Greater(scores, op.constant(float("-inf"), "float32")))
    return reduce(op.And, allowed) if allowed else None


def onnx_near(op: Any, a: MultiHead, places: Any) -> list[Any]:
    """The same as `near`."""
    rows = op.Unsqueeze(places, op.constant([1], "int64"))
    allowed = [op.LessOrEqual(places, rows)] if a.causal else []
    if a.window is not None:
        ahead, window = op.Sub(rows, places), op.constant(a.window, "int64")
        allowed.append(op.Less(ahead, window))
        allowed += [] if a.causal else [op.Less(op.Neg(ahead), window)]
    return allowed


def onnx_added(op: Any, a: MultiHead, allowed: Any, scores: Any, hidden: float = HIDDEN) -> Any:
    """What is added to the products: it broadcasts to them; none for nothing."""
    if scores is not None:
        scores = onnx_raised(op, scores, a.scores, a.products)
    if allowed is None:
        return scores
    seen = op.constant(0, "float32") if scores is None else scores
    return op.Where(allowed, seen, op.constant(hidden, "float32"))


def onnx_raised(op: Any, x: Any, have: Tensor, whole: Tensor) -> Any:
    inserted = range(1, whole.rank - have.rank + 1)
    return op.Unsqueeze(x, op.constant([*inserted], "int64")) if have.batched and inserted else x
