"""Comparisons on one thread, of short runs in torch and in ONNX Runtime."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import torch

from benchmarks.timing import Effort, Timing, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Answer = Callable[[np.ndarray], np.ndarray]
    Once = Callable[[], np.ndarray]

LASTS = 0.02  # minimum seconds of a sample
SAMPLES = 6  # of each candidate


@contextmanager
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def in_runtime(model: bytes) -> Answer:
    """The first output of a model of one input."""
    opened = session(model)
    name = opened.get_inputs()[0].name
    return lambda x: np.asarray(opened.run(None, {name: x})[0])


def compare_answers(ours: Once, theirs: Once, effort: Effort) -> Timing:
    """Fails if the answers differ. Each sample is of several runs."""
    np.testing.assert_allclose(ours(), theirs(), atol=1e-4)
    times = 1 if effort.quick else max(1, round(LASTS / seconds(ours)))

    def several(once: Callable[[], object]) -> float:
        return seconds(lambda: [once() for _ in range(times)]) / times

    return Effort(effort.quick, SAMPLES // 2).time(partial(several, ours), partial(several, theirs))
