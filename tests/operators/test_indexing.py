"""Indexing compared with NumPy, for known and free sizes, and sizes that cannot be proved."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from engines import agree, inference
from hypothesis import given, settings
from hypothesis import strategies as st

from dlc.compiler import CompileError, Source, compile
from dlc.compiler.definitions.parameter_types import Reject
from dlc.compiler.dims.dim import free, same, substitute
from dlc.compiler.lower.torch import TorchFunctions
from dlc.compiler.operators.indexing import Slice
from dlc.compiler.types import Tensor

ENTRY = st.one_of(
    st.integers(-4, 4),
    st.tuples(*[st.none() | st.integers(-6, 6)] * 2, st.none() | st.integers(1, 3)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(ENTRY, max_size=3), st.booleans())
def test_indexing_known_sizes_equals_numpy(entries, batched):
    x = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)[: 1 + batched]
    sample, keys = x[0], tuple(slice(*e) if isinstance(e, tuple) else e for e in entries)
    type = Tensor("int64", sample.shape, batched=batched)
    try:
        wanted = sample[keys]
    except IndexError:
        with pytest.raises(Reject, match=r"out of range|is empty"):
            Slice(entries=tuple(entries)).bind(type)
        return
    if wanted.size == 0:
        with pytest.raises(Reject, match="is empty"):
            Slice(entries=tuple(entries)).bind(type)
        return
    bound = Slice(entries=tuple(entries)).bind(type)
    assert bound.results[0].shape == wanted.shape
    whole = x if batched else sample
    made = bound.torch(TorchFunctions({}), torch.from_numpy(whole)).numpy()
    np.testing.assert_array_equal(made, x[(slice(None), *keys)] if batched else wanted)


@settings(max_examples=200, deadline=None)
@given(ENTRY, st.integers(0, 5), st.integers(1, 12))
def test_proved_sizes_hold_for_every_length(entry, offset, length):
    T = free("T")
    try:
        (made,) = Slice(entries=(entry,)).bind(Tensor("float", (T + offset,))).results
    except Reject:
        return
    x = np.arange(length + offset)
    if not isinstance(entry, tuple):
        assert x[entry].shape == made.shape == ()
        return
    assert (substitute(made.shape[0], {"T": length}),) == x[slice(*entry)].shape


@pytest.mark.parametrize(
    ("index", "size"),
    [("1:", "T - 1"), (":-1", "T - 1"), ("::3", "(T + 2) // 3"), (":", "T"), ("-1:", "1"), (":1", "1")],
)
def test_sizes_of_slices_of_a_free_axis(index, size):
    program = compile(Source("slices.dl", f"input a: float[T, 4]\ny = a[{index}]\n"))
    (made, _) = program.bindings["y"].type.shape
    assert str(made) == size


@pytest.mark.parametrize(
    ("type", "index", "code", "words"),
    [
        ("float[3]", "3", "E0209", "index 3 is out of range: axis 0 of float[3] has 3 entries"),
        ("float[2, 1]", "0, 1", "E0209", "axis 1 of float[2, 1] has 1 entry"),
        ("float[3]", "2:1", "E0209", "the slice of axis 0 of float[3], which has 3 entries, is empty"),
        ("float[3]", "::-1", "E0209", "entries cannot be reversed"),
        ("float[T]", "2", "E0204", "cannot be proved"),
        ("float[T]", ":5", "E0204", "whether the slice ends after the last entry depends on `T`"),
        ("float[T]", "2:", "E0204", "whether the slice begins after the last entry depends on `T`"),
        ("float[T + 3]", "2:1", "E0204", "whether the slice ends before it begins depends on `T + 3`"),
    ],
)
def test_errors(type, index, code, words):
    with pytest.raises(CompileError) as caught:
        compile(Source("slices.dl", f"input a: {type}\ny = a[{index}]\n"))
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert words in f"{found.message}\n{found.help}"


def test_a_declared_weight_is_indexed_without_a_batch():
    text = "input x: float[4]\nweight w: float[3, 4] = zeros\ny = x * w[1] + w[..., 0][-1]\n"
    program = compile(Source("slices.dl", text))
    agree(inference(program.graph, (program.bindings["y"],)))


def test_indices_with_free_dimensions():
    text = (
        "input x: float[2 * T, 3]\nbefore = x[:T]\nafter = x[T:, 1:]\nmiddle = x[T]\n"
        "y = (before[:, 1:] - after) * middle[0]\n"
    )
    program = compile(Source("slices.dl", text))
    value = program.bindings["y"]
    assert same(value.type.shape[0], free("T"))
    agree(inference(program.graph, (value,)))
