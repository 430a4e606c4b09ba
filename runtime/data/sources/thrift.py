"""Structs in the compact protocol of Apache Thrift, in which Parquet files describe themselves.

Only whole numbers, and structs and lists of them, are read: by the numbers of the fields that hold them.
"""

from __future__ import annotations

from typing import Any

DEEPEST = 16
STOP, YES, NO, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(13)
LONG = 15  # a list of at least so many has its length behind its head

Struct = dict[int, Any]


def struct(content: bytes, at: int = 0, depth: int = 0) -> tuple[Struct, int]:
    """The fields of a struct by number, and the place behind it. ValueError if it is none, IndexError if it
    goes on behind the content."""
    if depth > DEEPEST:
        raise ValueError("a struct is nested too deep")
    fields: Struct = {}
    number = 0
    while (head := content[at]) != STOP:
        at += 1
        if head >> 4:
            number += head >> 4
        else:
            number, at = _whole(content, at)
        if head & 15 not in (YES, NO):
            fields[number], at = _value(content, at, head & 15, depth)
    return fields, at + 1


def _value(content: bytes, at: int, kind: int, depth: int) -> tuple[Any, int]:
    """A value and the place behind it; none for texts and the like, which are passed over."""
    if kind in (I16, I32, I64):
        return _whole(content, at)
    if kind == BINARY:
        length, at = _varint(content, at)
        return None, at + length
    if kind == STRUCT:
        return struct(content, at, depth + 1)
    if kind in (LIST, SET):
        return _list(content, at, depth)
    if kind in (YES, NO, BYTE, DOUBLE):  # the first two within lists alone
        return None, at + (8 if kind == DOUBLE else 1)
    raise ValueError(f"a struct has a field of the kind {kind}")


def _list(content: bytes, at: int, depth: int) -> tuple[list[Any], int]:
    head, at = content[at], at + 1
    length = head >> 4
    if length == LONG:
        length, at = _varint(content, at)
    found = []
    for _ in range(length):
        content[at]  # it does not go on behind the content
        value, at = _value(content, at, head & 15, depth + 1)
        found.append(value)
    return found, at


def _whole(content: bytes, at: int) -> tuple[int, int]:
    """A whole number, whose sign is its last bit."""
    number, at = _varint(content, at)
    return (number >> 1) ^ -(number & 1), at


def _varint(content: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while shift < 70:
        byte = content[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
    raise ValueError("a number does not end")
