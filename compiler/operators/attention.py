"""Attention: each query step reads a mean of the memory steps, weighted by how well they match."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.initializers import XavierNormal, Zeros
from dlc.compiler.dims.dim import Size, product, same
from dlc.compiler.operators import attention_onnx
from dlc.compiler.operators.attention_masks import torch_masks
from dlc.compiler.operators.base import Example, Operator, WeightSpec
from dlc.compiler.operators.multihead import MultiHead
from dlc.compiler.operators.padding import APART, Fill
from dlc.compiler.operators.rotary import torch_rotated, torch_waves
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Attention(MultiHead):
    """Multi-head attention with its projections (Vaswani et al. 2017; torch `scaled_dot_product_attention`,
    ONNX `MatMul` and `Softmax`, from opset 24 on `Attention` for known numbers of steps).

    Of one tensor it is self-attention; of two, the first holds the queries and the second the memory, of
    which keys and values are made; of three, they are queries, keys and values. All are
    `[..., steps, features]`, and the axes before the last two are treated as the batch. The features of the
    queries are divided among the heads: `softmax(q k^T * scale + scores) v` for each head of each query step,
    joined and projected to the features of the queries. `kv_heads` heads of keys and values serve several
    query heads each (Ainslie et al. 2023).

    `mask` and `scores` broadcast to `[..., heads, query steps, memory steps]`. A query step that may see
    nothing gets 0 from each head. The weights are `query`, `key`, `value` and `output`, each with `weight`
    and `bias`.
    """

    group = "layers"
    takes = "float"
    batchless = True
    mixes = True
    least_in_call = 2  # `attention(memory, 8)` waits for the query
    initial = ""
    differs_on_nan = "Where a query or the memory holds NaN, engines differ in which results become NaN."
    auto = XavierNormal()
    usage = """
    input  words: class(1000)[T]
    output mood: class(3)

    words -> embedding(32) -> position_embedding(200) -> attention(4) -> mean(axis=0) -> dense(3) -> mood
    """

    @property
    def random(self) -> bool:
        return self.drops()

    def drops(self) -> bool:
        return self.dropout > 0

    def inference(self) -> Operator:
        return self.with_settings(dropout=0) if self.drops() else self

    # --- types and weights --------------------------------------------------------------------------------

    def type(self, x: Tensor, memory: Tensor | None = None, values: Tensor | None = None) -> Tensor:
        self.check(x, memory, values)
        return Tensor("float", x.shape)

    def weights(self, query: Tensor, *others: Tensor):
        features, kept = query.shape[-1], self.groups * (query.shape[-1] // self.heads)
        sources = self.three((query, *others))
        columns = (*(x.shape[-1] for x in sources), features)
        for part, inputs, units in zip(
            (*self.PARTS, "output"), columns, (features, kept, kept, features), strict=True
        ):
            yield WeightSpec(f"{part}.weight", (units, inputs), initial=self.init, fans=(inputs, units))
            if self.bias:
                yield WeightSpec(f"{part}.bias", (units,), "bias", Zeros())

    def multiply_adds(self) -> Size:
        query, key, value = self.sources
        *lead, steps, features = query.shape
        kept, memory = self.groups * self.width, key.shape[-2]
        projections = 2 * steps * features * features + memory * kept * (key.shape[-1] + value.shape[-1])
        return product(lead) * (projections + 2 * steps * memory * features)

    def stepwise(self, changing, steps):
        from dlc.compiler.operators.attention_steps import stepwise

        return stepwise(self, changing, steps)

    def padding_of(self, place, axis):
        x, count = self.operands[place], len(self.positional)
        if place < count:
            if axis != x.rank - 2 or place < min(1, count - 1):
                return APART
            return Fill(0, lengths=not (self.causal and self.is_self))  # causal steps never see padding
        return Fill(0) if axis == x.rank - 1 and x.is_float else APART

    # --- forms --------------------------------------------------------------------------------------------

    def torch(self, F, *operands, lengths=None, mask=None, scores=None, **weights):
        def project(part: str, x: Any) -> Any:
            return F.linear(x, weights[f"{part}.weight"], weights.get(f"{part}.bias"))

        return self.attend(F, project, operands, lengths, mask, scores, self.dropout)

    def attend(self, F: Any, project: Callable[[str, Any], Any], operands: Sequence[Any], lengths: Any,
               mask: Any, scores: Any, dropout: Any) -> Any:  # fmt: skip
        """The PyTorch form with these projections. PyTorch is fastest for one axis before the heads."""
        q, k, v = (self.torch_heads(F, part, project(part, x), source)
                   for part, x, source in zip(self.PARTS, self.three(operands), self.sources,
                                              strict=True))  # fmt: skip
        if self.rotary is not None:
            query, memory, _ = self.sources
            waves = torch_waves(F, q, query.shape[-2], self.width, self.rotary)
            q = F.named("q", torch_rotated(F, q, *waves))
            if not same(query.shape[-2], memory.shape[-2]):
                waves = torch_waves(F, k, memory.shape[-2], self.width, self.rotary)
            k = F.named("k", torch_rotated(F, k, *waves))
        settings = torch_masks(F, self, q, lengths, mask, scores) | self.torch_settings(dropout)
        lead = self.operands[0].shape[:-2] if "attn_mask" not in settings else ()
        if lead:
            q, k, v = (x.flatten(0, len(lead)) for x in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, **settings).transpose(-3, -2).flatten(-2)
        return project("output", y.reshape(F.batch, *map(F.size, self.results[0].shape)) if lead else y)

    def torch_heads(self, F: Any, part: str, x: Any, have: Tensor) -> Any:
        """The projections of all heads, `[batch, ..., heads, steps, features]`."""
        x = x.unflatten(-1, (self.heads if part == "query" else self.groups, -1)).transpose(-3, -2)
        return F.named(part[0], x if have.batched else F.expand(x, F.batch, *[-1] * (have.rank + 1)))

    def torch_settings(self, dropout: Any) -> dict[str, Any]:
        settings: dict[str, Any] = {"dropout_p": dropout} if self.drops() else {}
        settings |= {} if self.scale == "auto" else {"scale": float(self.scale)}
        return settings | ({"enable_gqa": True} if self.groups != self.heads else {})

    def modules(self, nn):
        bias = {} if self.bias else {"bias": False}
        weights = (spec for spec in self.weights(*self.positional) if spec.leaf.endswith(".weight"))
        return {spec.leaf.split(".")[0]: nn.Linear(*spec.shape[::-1], **bias) for spec in weights}

    def call(self, F, module, *operands, mask=None, scores=None):
        def project(part: str, x: Any) -> Any:
            return module[part](x)

        return self.attend(F, project, operands, None, mask, scores, F.in_training(self.dropout))

    @property
    def remark(self) -> str:
        shared = f", {self.groups} of keys and values" if self.groups != self.heads else ""
        heads = "head" if self.heads == 1 else "heads"
        return f"{self.heads} {heads} of {self.width} features{shared}"

    @property
    def operand_labels(self) -> tuple[str, ...]:
        return ((), ("query", "memory"), self.PARTS)[len(self.positional) - 1]

    @property
    def class_name(self) -> str:
        return "causal_attention" if self.causal else "attention" if self.is_self else "cross_attention"

    def onnx(self, op, *operands, lengths=None, mask=None, scores=None, **weights):
        return attention_onnx.attention(op, self, operands, weights, lengths, mask, scores)

    examples = (
        Example("attention(2)", "float[5, 4]", "float[5, 4]"),
        Example("attention(2)", "float[T, 4]", "float[T, 4]"),
        Example("attention(1, bias=false)", "float[3, 2]", "float[3, 2]"),
        Example("attention(2)", "uint8[T, 4]", "float[T, 4]", low=0, high=3),
        Example("attention(2, true)", "float[T, 4]", "float[T, 4]"),
        Example("attention(2, causal=true)", "float[2, T, 4]", "float[2, T, 4]"),
        Example("attention(2)", "float[2, 3, T, 4]", "float[2, 3, T, 4]"),
        Example("attention(4, kv_heads=2)", "float[T, 8]", "float[T, 8]"),
        Example("attention(4, kv_heads=1, causal=true)", "float[5, 8]", "float[5, 8]"),
        Example("attention(2, rotary=10000)", "float[T, 8]", "float[T, 8]"),
        Example("attention(2, rotary=100, causal=true)", "float[2, 5, 4]", "float[2, 5, 4]"),
        Example("attention(2, dropout=0.5)", "float[T, 4]", "float[T, 4]"),
        Example("attention(2, window=2)", "float[T, 4]", "float[T, 4]"),
        Example("attention(2, causal=true, window=2)", "float[5, 4]", "float[5, 4]"),
        Example("attention(2, scale=1)", "float[T, 4]", "float[T, 4]"),
        Example("attention(2, init=normal(0.02))", "float[T, 4]", "float[T, 4]"),
        Example("attention(2)", ("float[T, 4]", "float[S, 3]"), "float[T, 4]"),
        Example("attention(2)", ("float[3, 4]", "float[5, 6]"), "float[3, 4]"),
        Example("attention(2, kv_heads=1)", ("float[2, T, 4]", "float[2, 5, 3]"), "float[2, T, 4]"),
        Example("attention(2)", ("float[T, 4]", "float[S, 3]", "float[S, 5]"), "float[T, 4]"),
        Example("attention(2, mask=[true, false, true])", "float[3, 4]", "float[3, 4]"),
        Example("attention(2, mask=[[true], [false], [true]])", "float[3, 4]", "float[3, 4]"),
        Example("attention(2, scores=[[1, -1, 0]])", ("float[T, 4]", "float[3, 2]"), "float[T, 4]"),
        Example("attention(4, kv_heads=2, causal=true, scores=[[[1]], [[2]], [[3]], [[-1]]])", "float[T, 8]",
                "float[T, 8]"),
        Example("attention(3)", "float[T, 4]", rejects="E0404"),
        Example("attention(2)", "float[4]", rejects="E0201"),
        Example("attention(2)", "float[4, T]", rejects="E0201"),
        Example("attention(2)", "class(3)[T]", rejects="E0202"),
        Example("attention(0)", "float[T, 4]", rejects="E0403"),
        Example("attention(4, kv_heads=3)", "float[T, 8]", rejects="E0404"),
        Example("attention(2, rotary=10000)", "float[T, 6]", rejects="E0404"),
        Example("attention(2, causal=true)", ("float[T, 4]", "float[S, 4]"), rejects="E0404"),
        Example("attention(2, window=3)", ("float[3, 4]", "float[4, 4]"), rejects="E0404"),
        Example("attention(2)", ("float[T, 4]", "float[2, S, 4]"), rejects="E0203"),
        Example("attention(2)", ("float[T, 4]", "float[S, 4]", "float[T, 4]"), rejects="E0203"),
        Example("attention(2, mask=[true, false])", "float[3, 4]", rejects="E0203"),
        Example("attention(2, dropout=1)", "float[3, 4]", rejects="E0403"),
    )  # fmt: skip
