"""Atomic file writes. This module is cheap to import."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from dlc.compiler import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeVar

    P = TypeVar("P", bound="str | os.PathLike[str]")


def write(path: P, content: bytes) -> P:
    """Write a file atomically: write a temporary file in its folder and rename it. Returns the path. Keeps a
    symbolic link and the file mode. OSError names the path."""
    if is_stream(path):
        with naming_path(path), open(path, "ab") as file:
            file.write(content)
        return path
    place = os.path.realpath(path)
    beside = os.path.join(os.path.dirname(place), f".{os.path.basename(place)}.{os.getpid()}")
    with naming_path(path, beside):
        try:
            with open(beside, "wb") as file:
                file.write(content)
            if os.path.exists(place):
                os.chmod(beside, os.stat(place).st_mode)
            os.replace(beside, place)
        finally:
            with suppress(OSError):
                os.unlink(beside)
    return path


def writable(path: P, *, streams: bool = True) -> P:
    """The path, if a file can be written there; else OSError, to fail before the work for the file is done.
    `streams` allows devices and pipes such as /dev/stdout: for text, but not for a model."""
    folder = os.path.dirname(path) or "."
    if is_stream(path):
        if streams:
            return path
        kind = reading.kind(os.stat(path))
        raise reading.Unreadable(errno.EINVAL, f"is {kind}, and a model needs a regular file", path)
    if os.path.exists(path):
        reading.regular(os.stat(path), path)
    if not os.path.isdir(folder):
        raise os_error(errno.ENOENT, path)
    if not os.access(folder, os.W_OK):
        raise os_error(errno.EACCES, path)
    return path


def spared(path: P, read: Iterable[str | os.PathLike[str]]) -> P:
    """The path of an output file. OSError if it is one of the input files."""
    if is_stream(path) or not os.path.exists(path):
        return path
    if any(os.path.exists(other) and os.path.samefile(path, other) for other in read):
        raise overwrite_error(path, "is read here, and would be overwritten")
    return path


def overwrite_error(path: str | os.PathLike[str], why: str) -> OSError:
    """The error for an output that would overwrite another file."""
    error = reading.Unreadable(errno.EEXIST, why, os.fspath(path))
    error.add_note("name another file")
    return error


def os_error(code: int, path: str | os.PathLike[str]) -> OSError:
    return OSError(code, os.strerror(code), os.fspath(path))


def is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether it is a device or a pipe of a shell: /dev/stdout, /dev/null, /dev/fd/63."""
    return os.path.abspath(path).startswith("/dev/") and os.path.exists(path) and not os.path.isdir(path)


def append(path: str | os.PathLike[str], line: bytes) -> None:
    """Append a line to a file; on an error the file stays unchanged."""
    size = os.path.getsize(path) if os.path.exists(path) else 0
    with naming_path(path):
        try:
            with open(path, "ab") as file:
                file.write(line)
        except OSError:
            with suppress(OSError):
                os.truncate(path, size)
            raise


@contextmanager
def naming_path(path: str | os.PathLike[str], unfinished: str = "") -> Iterator[None]:
    """An OSError in the block that names no file, or a file at or below `unfinished`, names this path."""
    try:
        yield
    except OSError as error:
        if error.filename is not None and not (unfinished and str(error.filename).startswith(unfinished)):
            raise
        raise OSError(error.errno, error.strerror or str(error), os.fspath(path)) from None
