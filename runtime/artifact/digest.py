"""The digest in an artifact: SHA-256 of all its bytes, with zeros in place of the digest itself.

External weights, of models above 2 GB, are not part of it: only the outputs of the proof cover them.
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
    """Write the digest over its placeholder."""
    digest = digest_with(path, UNSEALED)
    if digest is None:
        raise ValueError(f"{path.name} has no place for a digest")
    with open(path, "r+b") as file:
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            place = content.find(ENTRY + UNSEALED.encode()) + len(ENTRY)
        file.seek(place)
        file.write(digest.encode())


def is_sealed(path: Path, digest: str) -> bool:
    """Whether the file is unchanged since `seal`."""
    return digest != UNSEALED and digest_with(path, digest) == digest


def digest_with(path: Path, found: str) -> str | None:
    """The digest of a file that contains the digest `found`; None if it does not contain it."""
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
