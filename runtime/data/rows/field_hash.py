"""The hash of the values of a field, of which the fingerprint of the data is made."""

from __future__ import annotations

import hashlib

import numpy as np

from dlc.runtime.data.sequences.ragged import Ragged


class FieldHash:
    """The hash of the values of a field: SHA-256 of the values of all rows, without padding, and of the
    SHA-256 of the lengths of rows that differ in length."""

    def __init__(self) -> None:
        self._values, self._lengths = hashlib.sha256(), hashlib.sha256()
        self._least, self._most = np.iinfo(np.int64).max, 0

    def add(self, rows: np.ndarray | Ragged) -> None:
        """The rows that follow those before."""
        if isinstance(rows, Ragged):
            self._lengths.update(little(rows.lengths.astype(np.int64)))
            self._least = min(self._least, int(rows.lengths.min(initial=self._least)))
            self._most = max(self._most, int(rows.lengths.max(initial=0)))
            rows = rows.steps
        self._values.update(text_bytes(rows) if rows.dtype == object else little(rows))

    def hexdigest(self) -> str:
        values = self._values.copy()
        values.update(self._lengths.digest() if self._least < self._most else b"")
        return values.hexdigest()


def text_bytes(texts: np.ndarray) -> bytes:
    return b"".join(len(text).to_bytes(8, "little") + text for text in map(str.encode, texts.ravel()))


def little(array: np.ndarray) -> memoryview | bytes:
    """The bytes of an array, little-endian."""
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return plain.reshape(-1).view(np.uint8).data if plain.size else b""
