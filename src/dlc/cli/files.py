"""Files that commands write."""

from __future__ import annotations

import os

from dlc.compiler import reading


def write(beside: str, path: str, content: bytes) -> None:
    """Write a file; what goes wrong is told of the name that it will get."""
    try:
        with open(beside, "wb") as file:
            file.write(content)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None


def replace(path: str, content: bytes) -> None:
    """Write beside the file and rename, so that nobody ever sees half of it."""
    reading.replaceable(path)
    path = os.path.realpath(path)
    beside = f"{path}.{os.getpid()}.tmp"
    try:
        write(beside, path, content)
        if os.path.exists(path):
            os.chmod(beside, os.stat(path).st_mode)
        os.replace(beside, path)
    finally:
        if os.path.exists(beside):
            os.unlink(beside)
