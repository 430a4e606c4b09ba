"""Corrections of operators that `onnx.reference` implements incorrectly."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_conv_transpose import ConvTranspose as TheirConvTranspose
from onnx.reference.ops.op_grid_sample import GridSample as TheirGridSample
from onnx.reference.ops.op_max_pool import MaxPool as TheirMaxPool


class ConvTranspose(TheirConvTranspose):
    """`onnx.reference` uses wrong kernels for several groups and the first bias for all of them; for an empty
    batch it returns nothing."""

    def _run(self, x: Any, w: Any, b: Any = None, group: int = 1, **settings: Any) -> tuple[Any]:
        if not len(x):
            one = np.zeros((1, *x.shape[1:]), x.dtype)
            return (self._run(one, w, b, group, **settings)[0][:0],)
        parts = [None] * group if b is None else np.split(b, group)
        both = zip(np.split(x, group, axis=1), np.split(w, group), parts, strict=True)
        made = [TheirConvTranspose._run(self, xs, ws, B=bs, group=1, **settings)[0] for xs, ws, bs in both]
        return (np.concatenate(made, axis=1),)


class Flatten(OpRun):
    """`onnx.reference` cannot infer a size in an empty batch."""

    def _run(self, x: Any, axis: int) -> tuple[Any]:
        return (x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:])),)


class GlobalAveragePool(OpRun):
    """`onnx.reference` divides by the batch size."""

    def _run(self, x: Any) -> tuple[Any]:
        return (x.mean(tuple(range(2, x.ndim)), keepdims=True),)


class GridSample(TheirGridSample):
    """`onnx.reference` does not know the name that `linear` has before opset 20, and no position NaN; for an
    empty batch it returns nothing."""

    def _run(self, x: Any, grid: Any, mode: str = "linear", **settings: Any) -> tuple[Any]:
        if not len(x):
            return (np.zeros((0, x.shape[1], *grid.shape[1:3]), x.dtype),)
        return super()._run(x, np.nan_to_num(grid), mode={"bilinear": "linear"}.get(mode, mode), **settings)


class LogSoftmax(OpRun):
    """`onnx.reference` takes the logarithm of a softmax that has underflowed to 0."""

    def _run(self, x: Any, axis: int) -> tuple[Any]:
        x = x - x.max(axis=axis, keepdims=True)
        return (x - np.log(np.exp(x).sum(axis=axis, keepdims=True)),)


class MaxPool(TheirMaxPool):
    """`onnx.reference` reads past the end with padding and a stride of 1."""

    def _run(self, x: Any, *given: Any, **settings: Any) -> Any:
        return self._max_pool(x, *given, **settings)


class Pow(OpRun):
    """`onnx.reference` rejects integers to negative powers, whose fractions ONNX drops."""

    def _run(self, a: Any, b: Any) -> tuple[Any]:
        if np.asarray(a).dtype.kind != "i" or np.asarray(b).dtype.kind != "i":
            return (np.power(a, b).astype(a.dtype),)
        whole = np.power(a, np.maximum(b, 0))
        parts = np.trunc(np.power(a.astype(np.float64), np.minimum(b, 0)))
        return (np.where(b >= 0, whole, parts.astype(a.dtype)),)


REPAIRED = [ConvTranspose, Flatten, GlobalAveragePool, GridSample, LogSoftmax, MaxPool, Pow]
