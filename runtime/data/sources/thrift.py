"""Read structs in the compact protocol of Apache Thrift, the format of Parquet metadata.

Only integers, and structs and lists of them, are read. Fields are identified by number.
"""

from __future__ import annotations

from typing import Any

MAX_DEPTH = 16
# Bytes that a struct or a list takes in Python, and any other value.
OF_PART, OF_ITEM = 240, 40
STOP, YES, NO, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(13)
LONG = 15  # a list of this length or longer has its length after its header

Struct = dict[int, Any]


def struct(content: bytes, most: int) -> tuple[Struct, int]:
    """The fields of a struct by number, and the offset of its end. ValueError if it is malformed or takes
    more than `most` bytes of memory, IndexError if it extends past the content."""
    reader = Reader(content, most)
    return reader.struct(0), reader.at


class Reader:
    """Reads values at an offset, within a memory limit."""

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
        """A value; None for texts and other types, which are skipped."""
        self._left -= OF_PART if kind in (STRUCT, LIST, SET) else OF_ITEM
        if self._left < 0:
            raise ValueError("a struct takes more memory than may be used for it")
        if kind in (I16, I32, I64):
            return self._whole()
        if kind in (STRUCT, LIST, SET) and depth > MAX_DEPTH:
            raise ValueError("a struct is nested too deep")
        if kind == STRUCT:
            return self.struct(depth)
        if kind in (LIST, SET):
            return self._list(depth)
        if kind == BINARY:
            length = self._varint()
            self.at += length
        elif kind in (YES, NO, BYTE, DOUBLE):  # booleans only within lists
            self.at += 8 if kind == DOUBLE else 1
        else:
            raise ValueError(f"a struct has a field of the kind {kind}")
        return None

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        length = head >> 4 if head >> 4 != LONG else self._varint()
        found = []
        for _ in range(length):
            self._content[self.at]  # IndexError past the content
            found.append(self._value(head & 15, depth + 1))
        return found

    def _whole(self) -> int:
        """A zigzag integer: the lowest bit is the sign."""
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
