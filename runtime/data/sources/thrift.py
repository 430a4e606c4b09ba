"""Structs in the compact protocol of Apache Thrift, in which Parquet files describe themselves.

Only whole numbers, and structs and lists of them, are read: by the numbers of the fields that hold them.
"""

from __future__ import annotations

from typing import Any

DEEPEST = 16
# Bytes that a struct or a list takes in Python, and anything else.
OF_PART, OF_ITEM = 240, 40
STOP, YES, NO, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(13)
LONG = 15  # a list of at least so many has its length behind its head

Struct = dict[int, Any]


def struct(content: bytes, most: int) -> tuple[Struct, int]:
    """The fields of a struct by number, and the place behind it. ValueError if it is none, or takes more than
    so many bytes of memory, IndexError if it goes on behind the content."""
    reader = Reader(content, most)
    return reader.struct(0), reader.at


class Reader:
    """A place in what is read, and what was read before it."""

    def __init__(self, content: bytes, most: int) -> None:
        self._content, self.at = content, 0
        self._left = most

    def struct(self, depth: int) -> Struct:
        fields: Struct = {}
        number = 0
        while (head := self._byte()) != STOP:
            number = number + (head >> 4) if head >> 4 else self._whole()
            if head & 15 not in (YES, NO):
                fields[number] = self._value(head & 15, depth + 1)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        """A value; none for texts and the like, which are passed over."""
        self._left -= OF_PART if kind in (STRUCT, LIST, SET) else OF_ITEM
        if self._left < 0:
            raise ValueError("a struct takes more memory than may be taken for it")
        if kind in (I16, I32, I64):
            return self._whole()
        if kind in (STRUCT, LIST, SET) and depth > DEEPEST:
            raise ValueError("a struct is nested too deep")
        if kind == STRUCT:
            return self.struct(depth)
        if kind in (LIST, SET):
            return self._list(depth)
        if kind == BINARY:
            length = self._varint()
            self.at += length
        elif kind in (YES, NO, BYTE, DOUBLE):  # the first two within lists alone
            self.at += 8 if kind == DOUBLE else 1
        else:
            raise ValueError(f"a struct has a field of the kind {kind}")
        return None

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        length = head >> 4 if head >> 4 != LONG else self._varint()
        found = []
        for _ in range(length):
            self._content[self.at]  # it does not go on behind the content
            found.append(self._value(head & 15, depth + 1))
        return found

    def _whole(self) -> int:
        """A whole number, whose sign is its last bit."""
        number = self._varint()
        return (number >> 1) ^ -(number & 1)

    def _varint(self) -> int:
        number = shift = 0
        while shift < 70:
            byte = self._byte()
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number
        raise ValueError("a number does not end")

    def _byte(self) -> int:
        byte = self._content[self.at]
        self.at += 1
        return byte
