"""The digest in an artifact: of all its bytes, with zeros where the digest itself stands.

Weights that lie beside a file past 2 GB are not in it: those are held by the answers of the proof alone.
"""

from __future__ import annotations

import hashlib
from mmap import ACCESS_READ, mmap
from typing import TYPE_CHECKING

from dlc.compiler import reading
from dlc.runtime.artifact.metadata import PREFIX, UNSEALED

if TYPE_CHECKING:
    from pathlib import Path

# The key as protobuf writes it, and the length of its value.
ENTRY = f"{PREFIX}digest".encode() + bytes([0x12, len(UNSEALED)])


def seal(path: Path) -> None:
    """Put the digest in the place that was left for it."""
    digest = digest_with(path, UNSEALED)
    if digest is None:
        raise ValueError(f"{path.name} has no place for a digest")
    with open(path, "r+b") as file:
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            place = content.find(ENTRY + UNSEALED.encode()) + len(ENTRY)
        file.seek(place)
        file.write(digest.encode())


def is_sealed(path: Path, digest: str) -> bool:
    """Whether nothing was changed since the digest was put in."""
    return digest != UNSEALED and digest_with(path, digest) == digest


def digest_with(path: Path, found: str) -> str | None:
    """The digest of a file that holds this one; none if it does not."""
    with reading.open_file(path) as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        entry = content.find(ENTRY + found.encode())
        if entry < 0:
            return None
        place = entry + len(ENTRY)
        with memoryview(content) as view:
            digest = hashlib.sha256(view[:place])
            digest.update(UNSEALED.encode())
            digest.update(view[place + len(UNSEALED) :])
    return digest.hexdigest()
