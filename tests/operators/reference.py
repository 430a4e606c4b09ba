"""Corrections of operators that `onnx.reference` implements incorrectly."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_conv_transpose import ConvTranspose as TheirConvTranspose
from onnx.reference.ops.op_grid_sample import GridSample as TheirGridSample
from onnx.reference.ops.op_gru import GRU as TheirGRU
from onnx.reference.ops.op_lstm import LSTM as TheirLSTM
from onnx.reference.ops.op_max_pool import MaxPool as TheirMaxPool
from onnx.reference.ops.op_rnn import RNN_14 as TheirRNN


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


class RowByRow:
    """`onnx.reference` ignores the lengths of sequences, and fails without steps or rows. Each row runs
    alone, cut to its length."""

    def _run(self, x: Any, w: Any, r: Any, b: Any = None, lengths: Any = None, *states: Any, **settings: Any):
        steps, rows = x.shape[:2]
        directions, units = r.shape[0], r.shape[2]
        y = np.zeros((steps, directions, rows, units), x.dtype)
        last = [np.zeros((directions, rows, units), x.dtype) for _ in range(self.n_outputs - 1)]  # type: ignore[attr-defined]
        for row, length in enumerate(np.full(rows, steps) if lengths is None else lengths):
            if length:
                one, own = slice(row, row + 1), x[:length, row : row + 1]
                given = [state[:, one] for state in states]
                made = super()._run(own, w, r, b, None, *given, **settings)  # type: ignore[misc]
                y[:length, :, one] = made[0]
                for state, found in zip(last, made[1:], strict=True):
                    state[:, one] = found
        return y, *last


class LSTM(RowByRow, TheirLSTM):
    pass


class GRU(RowByRow, TheirGRU):
    pass


class RNN(RowByRow, TheirRNN):
    """`onnx.reference` knows no `Relu`."""

    def choose_act(self, name: str, alpha: Any, beta: Any) -> Any:
        return (lambda x: np.maximum(x, 0)) if name == "Relu" else super().choose_act(name, alpha, beta)


REPAIRED = [ConvTranspose, Flatten, GlobalAveragePool, GridSample, LogSoftmax, MaxPool, Pow, LSTM, GRU, RNN]
