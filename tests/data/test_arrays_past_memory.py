"""Arrays of npz and idx files that are past memory are read in pieces, once, into the cache."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from fields import error_of, read, target, wanted

from dlc.compiler.definitions.sections import DataSource, Idx, Npz
from dlc.compiler.types import Classes
from dlc.runtime.data import RequiredField, bounds
from dlc.runtime.data.past_memory.stored_rows import StoredRows
from dlc.runtime.data.sources import idx, npz, open_source

ROWS = 500


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLC_CACHE", str(tmp_path / "cache"))
    for module in (idx, npz):
        monkeypatch.setattr(module, "PIECE", 1 << 12)


def assert_same(source: DataSource, *fields: RequiredField, folder: Path) -> None:
    kept = read(source, *fields, folder=folder, test=0.2)
    with bounds.allowed(4000):
        stored = read(source, *fields, folder=folder, test=0.2)
    assert isinstance(stored.train, StoredRows) and not isinstance(kept.train, StoredRows)
    assert kept.fingerprint == stored.fingerprint
    for (_, one), (_, other) in zip(kept.parts(), stored.parts(), strict=True):
        for few, same in zip(one.batches(64), other.batches(64), strict=True):
            assert all(np.array_equal(few[name], same[name]) for name in few)


def test_arrays_of_an_archive(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = {
        "x": rng.normal(size=(ROWS, 3)),
        "n": rng.integers(0, 9, ROWS),
        "kind": rng.choice(["no", "yes"], ROWS),
    }
    np.savez_compressed(tmp_path / "rows.npz", **rows)
    kind = target("kind", "class", classes=Classes(2, ("no", "yes")))
    assert_same(Npz(path="rows.npz"), wanted("x", "float", 3), wanted("n", "int64"), kind, folder=tmp_path)


@pytest.mark.parametrize("pack", [False, True])
def test_pictures_and_labels_in_idx_files(pack: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    arrays = {"train-images-idx3-ubyte": rng.integers(0, 256, (ROWS, 4, 5), np.uint8),
              "train-labels-idx1-ubyte": rng.integers(0, 10, ROWS, np.uint8)}  # fmt: skip
    for name, array in arrays.items():
        header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        content = header + array.tobytes()
        path = tmp_path / f"{name}{'.gz' if pack else ''}"
        path.write_bytes(gzip.compress(content) if pack else content)
    digit = target("digit", "class", classes=10)
    assert_same(Idx(path="."), wanted("image", "uint8", 1, 4, 5), digit, folder=tmp_path)


def test_an_array_in_the_order_of_fortran_is_read_whole(tmp_path: Path) -> None:
    values = np.asfortranarray(np.arange(3.0 * ROWS).reshape(ROWS, 3))
    np.savez(tmp_path / "rows.npz", x=values)
    assert np.array_equal(open_source(Npz(path="rows.npz"), tmp_path).read([0])[0].values, values)
    with bounds.allowed(4000):
        found = error_of(read, Npz(path="rows.npz"), wanted("x", "float", 3), folder=tmp_path)
    assert found.code == "E0716"
