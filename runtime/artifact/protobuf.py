"""Iterate over the fields of a protobuf message in its bytes, without building objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

    Buffer = bytes | mmap
    Place = tuple[int, int]  # start and end offset

VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5  # wire types
SIZES = {EIGHT: 8, FOUR: 4}
MAX_SHIFT = 63  # of the last byte of a varint


def fields(content: Buffer, place: Place) -> Iterator[tuple[int, int, int | Place]]:
    """Each field of a message: its number, its wire type, and its value, which is an integer or the offsets
    of its bytes. ValueError if it is malformed."""
    at, end = place
    while at < end:
        tag, at = varint(content, at, end)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, at = varint(content, at, end)
            yield number, wire, value
            continue
        if wire == BYTES:
            length, at = varint(content, at, end)
        elif wire in SIZES:
            length = SIZES[wire]
        else:
            raise ValueError("it is not an ONNX file")
        if at + length > end:
            raise ValueError("it is cut off, or not an ONNX file")
        yield number, wire, (at, at + length)
        at += length


def varint(content: Buffer, at: int, end: int) -> tuple[int, int]:
    """An integer, and the offset of its end."""
    number = shift = 0
    while at < end and shift <= MAX_SHIFT:
        byte = content[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
    raise ValueError("it is cut off, or not an ONNX file")
