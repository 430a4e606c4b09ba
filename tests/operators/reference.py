"""Operators of `onnx.reference` that are wrong there, as ONNX defines them."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_conv_transpose import ConvTranspose as TheirConvTranspose
from onnx.reference.ops.op_max_pool import MaxPool as TheirMaxPool


class ConvTranspose(TheirConvTranspose):
    """Theirs gives several groups the wrong kernels, and all of them the first bias; of no samples it makes
    nothing at all."""

    def _run(self, x: Any, w: Any, b: Any = None, group: int = 1, **settings: Any) -> tuple[Any]:
        if not len(x):
            one = np.zeros((1, *x.shape[1:]), x.dtype)
            return (self._run(one, w, b, group, **settings)[0][:0],)
        parts = [None] * group if b is None else np.split(b, group)
        both = zip(np.split(x, group, axis=1), np.split(w, group), parts, strict=True)
        made = [TheirConvTranspose._run(self, xs, ws, B=bs, group=1, **settings)[0] for xs, ws, bs in both]
        return (np.concatenate(made, axis=1),)


class Flatten(OpRun):
    """Theirs cannot tell how many values each of no samples has."""

    def _run(self, x: Any, axis: int) -> tuple[Any]:
        return (x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:])),)


class GlobalAveragePool(OpRun):
    """Theirs divides by the number of samples."""

    def _run(self, x: Any) -> tuple[Any]:
        return (x.mean(tuple(range(2, x.ndim)), keepdims=True),)


class LogSoftmax(OpRun):
    """Theirs is the logarithm of a softmax that is 0 already."""

    def _run(self, x: Any, axis: int) -> tuple[Any]:
        x = x - x.max(axis=axis, keepdims=True)
        return (x - np.log(np.exp(x).sum(axis=axis, keepdims=True)),)


class MaxPool(TheirMaxPool):
    """Theirs reads past the end where it has padding and a stride of 1."""

    def _run(self, x: Any, *given: Any, **settings: Any) -> Any:
        return self._max_pool(x, *given, **settings)


class Pow(OpRun):
    """Theirs refuses whole numbers to negative powers, whose fractions ONNX leaves off."""

    def _run(self, a: Any, b: Any) -> tuple[Any]:
        if np.asarray(a).dtype.kind != "i" or np.asarray(b).dtype.kind != "i":
            return (np.power(a, b).astype(a.dtype),)
        whole = np.power(a, np.maximum(b, 0))
        parts = np.trunc(np.power(a.astype(np.float64), np.minimum(b, 0)))
        return (np.where(b >= 0, whole, parts.astype(a.dtype)),)


REPAIRED = [ConvTranspose, Flatten, GlobalAveragePool, LogSoftmax, MaxPool, Pow]
