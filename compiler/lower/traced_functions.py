"""Functions that a traced graph calls where a function of PyTorch alone does not do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import fx, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

if TYPE_CHECKING:
    from collections.abc import Sequence


class Fourier:
    """`torch.fft`, in which Intel's library refuses an empty batch."""

    @staticmethod
    def rfft(x: Any) -> Any:
        """The spectrum over the last axis; a call of it while tracing."""
        if isinstance(x, fx.Proxy):
            return x.tracer.create_proxy("call_function", rfft, (x,), {})
        return rfft(x)


def rfft(x: torch.Tensor) -> torch.Tensor:
    if x.numel():
        return torch.fft.rfft(x)
    return x.new_zeros((*x.shape[:-1], x.shape[-1] // 2 + 1), dtype=torch.complex(x, x).dtype)


def without_cudnn(name: str, *given: Any) -> Any:
    """A recurrent layer, whose derivative cuDNN cannot differentiate."""
    with torch.backends.cudnn.flags(enabled=False):
        return getattr(torch, name)(*given)


def recurrent_by_length(kind: str, x: torch.Tensor, states: Sequence[torch.Tensor],
                        lengths: torch.Tensor | None, weights: Sequence[torch.Tensor], bias: bool,
                        layers: int) -> tuple[torch.Tensor, ...]:  # fmt: skip
    """All steps, and the states after these lengths (after all steps if None), 0 after none as in ONNX."""
    function, hx = getattr(torch, kind), tuple(states) if len(states) > 1 else states[0]
    steps, *last = function(x, hx, weights, bias, layers, 0.0, False, False, True)
    if lengths is None or not len(lengths):
        return steps, *last
    counts = lengths.clamp(min=1).cpu()
    packed = nn.utils.rnn.pack_padded_sequence(x, counts, batch_first=True, enforce_sorted=False)
    order, back = packed.sorted_indices, packed.unsorted_indices
    assert order is not None and back is not None
    hx = [s.index_select(1, order) for s in states]
    given = tuple(hx) if len(hx) > 1 else hx[0]
    _, *last = function(packed.data, packed.batch_sizes, given, weights, bias, layers, 0.0, False, False)
    return steps, *(s.index_select(1, back) * (lengths > 0).to(s).unsqueeze(-1) for s in last)


def attention_twice(*given: Any, **settings: Any) -> Any:
    """Attention in plain operations: the derivatives of the faster kernels cannot be differentiated."""
    with sdpa_kernel(SDPBackend.MATH):
        return nn.functional.scaled_dot_product_attention(*given, **settings)
