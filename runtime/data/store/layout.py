"""The layout of a store: a folder with a header in JSON, and for each part of the split

- `PART.rows`: a record for each row: the values of all fields of fixed shape, beside each other;
- `PART.N.values` and `PART.N.ends`: the steps of a field whose rows differ in length, or the bytes of texts
  in UTF-8, one row after the other, and where each row or text ends (int64);
- `PART.numbers`: the number of each row in the source (int64).

Numbers are in the byte order of x86 and ARM, little-endian. A store is data: nothing in it is run, and sizes
that the header states are compared with the files.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from dlc.runtime.strict_json import all_are, is_dict_of, is_integer, parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERSION = 1
HEADER = "header.json"
FIXED, RAGGED, TEXT = KINDS = ("fixed", "ragged", "text")
DTYPES = ("<f8", "<f4", "<f2", "<i8", "<i4", "<i2", "|i1", "|u1", "|b1")
MAX_AXES, MAX_FIELDS = 16, 1 << 20
INDEX = np.dtype("<i8")


class Damaged(ValueError):
    """A store that is not as its header says, or whose header is not one."""


@dataclass(frozen=True)
class StoredField:
    """A field: the dtype and shape of one row, of one step of a `ragged` row, or of the texts of one row.
    `axis` is the sample axis of the steps, along which rows may differ in length."""

    name: str
    kind: str
    dtype: str
    shape: tuple[int, ...] = ()
    axis: int = 0

    @property
    def size(self) -> int:
        """Bytes of a row, or of a step."""
        return np.dtype(self.dtype).itemsize * prod(self.shape)


@dataclass(frozen=True)
class StoredPart:
    """A part of the split: its number of rows, the bytes and the CRC-32 of each of its files, and the hash
    of each field (`Rows.hashes`)."""

    count: int
    sizes: Mapping[str, int]
    checks: Mapping[str, int]
    hashes: Mapping[str, str]
    facts: Mapping[str, Any] = field(default_factory=dict)  # about its values, for `StoredRows`


@dataclass(frozen=True)
class Header:
    """The content of a header. `source` names the rows in messages; `facts` are about all parts."""

    key: str
    source: str
    fields: tuple[StoredField, ...]
    parts: Mapping[str, StoredPart]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> bytes:
        return json.dumps({"version": VERSION, **asdict(self)}, indent=1).encode()


def record_of(fields: Sequence[StoredField]) -> np.dtype:
    """The dtype of a record. Its fields have their places in the header as names, and begin at multiples of
    the size of their numbers."""
    fixed = [(str(place), f) for place, f in enumerate(fields) if f.kind == FIXED]
    fixed.sort(key=lambda named: -np.dtype(named[1].dtype).itemsize)
    offsets = np.cumsum([0, *(f.size for _, f in fixed)]).tolist()
    return np.dtype({
        "names": [name for name, _ in fixed],
        "formats": [(f.dtype, f.shape) for _, f in fixed],
        "offsets": offsets[:-1],
        "itemsize": -(-offsets[-1] // 8) * 8,
    })  # fmt: skip


def header_from(text: str) -> Header:
    """The header in a JSON text. `Damaged` if it is not valid."""
    try:
        found = parse(text)
        if not isinstance(found, dict) or found.pop("version", None) != VERSION:
            raise Damaged("it was written by another version")
        fields = tuple(field_from(given) for given in found["fields"])
        parts = {str(name): part_from(given) for name, given in found["parts"].items()}
        header = Header(found["key"], found["source"], fields, parts, found["facts"])
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise Damaged(str(error)) from None
    texts = isinstance(header.key, str) and isinstance(header.source, str)
    if not texts or not isinstance(header.facts, dict) or len({f.name for f in fields}) != len(fields):
        raise Damaged("its header is not one")
    for part in parts.values():
        check_sizes(fields, part)
    return header


def field_from(given: Any) -> StoredField:
    found = StoredField(**given | {"shape": tuple(given["shape"])})
    sized = len(found.shape) <= MAX_AXES and all(is_integer(size) and size >= 0 for size in found.shape)
    known = isinstance(found.name, str) and found.kind in KINDS and found.dtype in DTYPES
    if not (known and sized and prod(found.shape) < 1 << 40 and found.axis in (0, 1)):
        raise Damaged("a field of its header is not one")
    return found


def part_from(given: Any) -> StoredPart:
    found = StoredPart(**given)
    numbers = all(
        is_dict_of(of, int) and all(v >= 0 for v in of.values()) for of in (found.sizes, found.checks)
    )
    hashes = is_dict_of(found.hashes, str) and all_are(str, found.hashes)
    if not (
        is_integer(found.count) and found.count >= 0 and numbers and hashes and isinstance(found.facts, dict)
    ):
        raise Damaged("a part in its header is not one")
    return found


def check_sizes(fields: Sequence[StoredField], part: StoredPart) -> None:
    """`Damaged` if the sizes of the files in the header are not those of so many rows."""
    wanted = {"rows": part.count * record_of(fields).itemsize, "numbers": part.count * INDEX.itemsize}
    for place, of in enumerate(fields):
        if of.kind != FIXED:
            texts = prod(of.shape) if of.kind == TEXT else 1
            wanted[f"{place}.ends"] = part.count * texts * INDEX.itemsize
    others = {f"{place}.values" for place, of in enumerate(fields) if of.kind != FIXED}
    stated = {name: size for name, size in part.sizes.items() if name not in others}
    if stated != wanted or not others <= part.sizes.keys() or part.checks.keys() != part.sizes.keys():
        raise Damaged("the sizes in its header do not fit together")
