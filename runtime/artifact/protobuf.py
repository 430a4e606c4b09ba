"""The fields of a protobuf message, read one by one from its bytes: nothing is built of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

    Buffer = bytes | mmap
    Place = tuple[int, int]  # where bytes begin and end

VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5  # how a value is written
SIZES = {EIGHT: 8, FOUR: 4}
LONGEST = 63  # the shift of the last byte of a whole number


def fields(content: Buffer, place: Place) -> Iterator[tuple[int, int, int | Place]]:
    """Each field between two places: its number, how it is written, and its value, a whole number or the
    place of its bytes. ValueError if it is no message."""
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
            raise ValueError("it is no ONNX file")
        if at + length > end:
            raise ValueError("it is cut off, or no ONNX file")
        yield number, wire, (at, at + length)
        at += length


def varint(content: Buffer, at: int, end: int) -> tuple[int, int]:
    """A whole number, and the place behind it."""
    number = shift = 0
    while at < end and shift <= LONGEST:
        byte = content[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return number, at
    raise ValueError("it is cut off, or no ONNX file")
