"""Files that are written whole or not at all. Light to import."""

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
    """Write beside the file and rename, so that nobody ever sees half of it, and give the path. A link stays
    a link, and a mode as it is. OSError names the path."""
    if is_stream(path):
        with telling(path), open(path, "ab") as file:
            file.write(content)
        return path
    place = os.path.realpath(path)
    beside = os.path.join(os.path.dirname(place), f".{os.path.basename(place)}.{os.getpid()}")
    with telling(path, beside):
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
    """The path, if a file can be written there; OSError before the work is done that the file is for. Text
    may go to what the system has in /dev too, as /dev/stdout; a model may not."""
    folder = os.path.dirname(path) or "."
    if is_stream(path):
        if streams:
            return path
        kind = reading.kind(os.stat(path))
        raise reading.Unreadable(errno.EINVAL, f"is {kind}, and a model needs a regular file", path)
    if os.path.exists(path):
        reading.regular(os.stat(path), path)
    if not os.path.isdir(folder):
        raise problem(errno.ENOENT, path)
    if not os.access(folder, os.W_OK):
        raise problem(errno.EACCES, path)
    return path


def spared(path: P, read: Iterable[str | os.PathLike[str]]) -> P:
    """The path of an output, which is none of the files that are read. OSError."""
    if is_stream(path) or not os.path.exists(path):
        return path
    if any(os.path.exists(other) and os.path.samefile(path, other) for other in read):
        raise lost(path, "is read here, and would be lost")
    return path


def lost(path: str | os.PathLike[str], why: str) -> OSError:
    """The error of an output in whose place something else stands."""
    error = reading.Unreadable(errno.EEXIST, why, os.fspath(path))
    error.add_note("name another file")
    return error


def problem(code: int, path: str | os.PathLike[str]) -> OSError:
    return OSError(code, os.strerror(code), os.fspath(path))


def is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether it is a device, or a pipe that a shell made: /dev/stdout, /dev/null, /dev/fd/63."""
    return os.path.abspath(path).startswith("/dev/") and os.path.exists(path) and not os.path.isdir(path)


def append(path: str | os.PathLike[str], line: bytes) -> None:
    """Add a line to a file, or leave it as it is."""
    size = os.path.getsize(path) if os.path.exists(path) else 0
    with telling(path):
        try:
            with open(path, "ab") as file:
                file.write(line)
        except OSError:
            with suppress(OSError):
                os.truncate(path, size)
            raise


@contextmanager
def telling(path: str | os.PathLike[str], unfinished: str = "") -> Iterator[None]:
    """An OSError within that names no file, or one at or below an unfinished path, names this one."""
    try:
        yield
    except OSError as error:
        if error.filename is not None and not (unfinished and str(error.filename).startswith(unfinished)):
            raise
        raise OSError(error.errno, error.strerror or str(error), os.fspath(path)) from None
