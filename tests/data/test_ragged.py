"""Rows that differ in length: ragged arrays, padded batches and the order of an epoch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dlc.compiler.diagnostics.problems import CompileError
from dlc.runtime import memory
from dlc.runtime.artifact.equal_lengths import equally_long, in_order
from dlc.runtime.data.rows.dataset import InMemoryRows, in_buckets
from dlc.runtime.data.sequences.ragged import Ragged

LENGTHS = st.lists(st.integers(0, 6), min_size=1, max_size=12).map(lambda found: np.array(found, np.int64))


@given(LENGTHS, st.integers(0, 1), st.data())
def test_rows_of_a_ragged_array_are_those_of_a_list(
    lengths: np.ndarray, axis: int, data: st.DataObject
) -> None:
    values = data.draw(
        arrays.arrays(np.float32, (int(lengths.sum()), 2), elements=st.floats(-9, 9, width=32))
    )
    rows = np.split(values, np.cumsum(lengths)[:-1])
    rows = rows if axis == 0 else [row.T for row in rows]
    ragged = Ragged(values, lengths, axis)
    chosen = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6)), np.int64)
    taken, padded = ragged[chosen], ragged[chosen].padded()
    assert len(taken) == len(chosen)
    assert taken.shape == padded.shape
    for place, number in enumerate(chosen):
        row, length = rows[number], lengths[number]
        cut = padded[place][:length] if axis == 0 else padded[place][:, :length]
        np.testing.assert_array_equal(cut, row)
        if length:  # padding repeats the last step
            rest = padded[place][length:] if axis == 0 else padded[place][:, length:].T
            last = row[-1] if axis == 0 else row[:, -1]
            assert (rest == last).all()


def test_one_long_row_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = np.array([1 << 20] + [1] * 99)
    rows = Ragged(np.zeros((lengths.sum(), 1), np.float32), lengths)
    monkeypatch.setattr(memory, "free", lambda: 1 << 28)
    with pytest.raises(CompileError) as caught:
        rows.padded()
    (found,) = caught.value.diagnostics
    assert found.code == "E0716"
    assert found.message == (
        "100 rows, as long as the longest one of 1048576 steps, take 419 MB, and 268 MB of memory is free"
    )
    assert rows[np.arange(50)].padded().shape == (50, 1 << 20, 1)


@given(LENGTHS, st.integers(1, 4), st.integers(0, 9))
def test_an_epoch_has_each_row_once(lengths: np.ndarray, batch: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    random = rng.permutation(len(lengths))
    order = in_buckets(random, lengths, batch, rng.permutation)
    assert sorted(order) == [*range(len(lengths))]
    rest = len(lengths) % batch
    assert order[len(order) - rest :].tolist() == random[len(random) - rest :].tolist()


def test_batches_have_rows_of_similar_length() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 200, 32 * 160)
    random = rng.permutation(len(lengths))
    order = in_buckets(random, lengths, 32, rng.permutation)
    padded, before = (lengths[found].reshape(-1, 32).max(1).sum() * 32 for found in (order, random))
    assert padded < 1.1 * lengths.sum() < 1.8 * lengths.sum() < before


def test_small_data_is_shuffled() -> None:
    """The rows of one batch are not together in the next epoch."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(7, 30, 288)
    first, second = (
        in_buckets(rng.permutation(288), lengths, 32, rng.permutation).reshape(9, 32) for _ in range(2)
    )
    batch_of = np.empty(288, int)
    batch_of[second.ravel()] = np.repeat(np.arange(9), 32)
    together = np.mean([(batch_of[rows][:, None] == batch_of[rows]).mean() for rows in first])
    assert together < 0.35


def test_an_epoch_of_rows_of_one_length_has_the_order_of_the_permutation() -> None:
    rows = InMemoryRows({"x": np.zeros((5, 3))}, 5)
    order = np.array([3, 1, 4, 0, 2])
    np.testing.assert_array_equal(rows.order(lambda count: order, 2), order)


def test_a_batch_has_the_lengths_that_are_asked_for() -> None:
    lengths = np.array([1, 3, 2])
    rows = InMemoryRows({"x": Ragged(np.arange(6), lengths)}, 3, lengths={"x_length": lengths})
    first, second = rows.batches([2, 1], ["x", "x_length"])
    assert first["x"].tolist() == [[0, 0, 0], [1, 2, 3]]
    assert first["x_length"].tolist() == [1, 3]
    assert second["x"].tolist() == [[4, 5]]
    assert rows.types["x"].shape == (3,)
    assert rows.held() is None
    assert rows.take(np.array([2, 0])).lengths["x_length"].tolist() == [2, 1]


@given(LENGTHS, LENGTHS)
def test_groups_of_equal_length_hold_every_row_once(a: np.ndarray, b: np.ndarray) -> None:
    from dlc.compiler.dims.dim import free
    from dlc.compiler.types import Tensor

    count = min(len(a), len(b))
    a, b = a[:count], b[:count]
    types = {"x": Tensor("float", (free("T"), 2)), "y": Tensor("float", (3, free("S")))}
    batch = {"x": np.zeros((count, 6, 2)), "y": np.zeros((count, 3, 6))}
    groups = equally_long(types, {"x_length": a, "y_length": b}, count)
    assert sorted(np.concatenate([group.rows for group in groups])) == [*range(count)]
    for group in groups:
        made = group.of(types, batch)
        assert {*a[group.rows]} == {made["x"].shape[1]} == {*made["x_length"]}
        assert {*b[group.rows]} == {made["y"].shape[2]}
    found = in_order([g.rows for g in groups], [g.of(types, batch)["x"] for g in groups])
    assert [len(row) for row in found] == a.tolist()


@pytest.mark.parametrize("length", [0, 4])
def test_rows_of_one_length_are_one_array(length: int) -> None:
    from dlc.runtime.data.sequences.sequence_shapes import joined

    made = joined(np.zeros((3 * length, 2)), np.full(3, length), 1)
    assert isinstance(made, np.ndarray)
    assert made.shape == (3, 2, length)
