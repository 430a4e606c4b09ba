"""Atomic file writes. This module is cheap to import."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from dlc.compiler import reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeVar

    P = TypeVar("P", bound="str | os.PathLike[str]")


def write(path: P, content: bytes) -> P:
    """Write a file atomically. Returns the path."""
    with writing(path) as file:
        file.write(content)
    return path


@contextmanager
def writing(path: str | os.PathLike[str], *, durable: bool = False) -> Iterator[BinaryIO]:
    """A file to write to, that is there once the block ends: a temporary file in its folder, which is
    renamed. An error in the block leaves nothing. Keeps a symbolic link and the file mode. OSError names the
    path. What is written to a device or a pipe is there at once. If it is `durable`, a power loss leaves the
    whole file or none: it is on the disk before it has its name."""
    if is_stream(path):
        with naming_path(path), open(path, "ab") as file:
            yield file
        return
    place = os.path.realpath(path)
    beside = os.path.join(os.path.dirname(place), f".{os.path.basename(place)}.{os.getpid()}")
    with naming_path(path, beside):
        try:
            with open(beside, "wb") as file:
                yield file
            if durable:
                sync(beside)
            if os.path.exists(place):
                os.chmod(beside, os.stat(place).st_mode)
            os.replace(beside, place)
            if durable:
                sync(os.path.dirname(place))
        finally:
            with suppress(OSError):
                os.unlink(beside)


def sync(path: str | os.PathLike[str]) -> None:
    """Write a file, or the names of the files in a folder, from the memory of the system to the disk."""
    is_folder = os.path.isdir(path)
    if is_folder and os.name != "posix":
        return
    opened = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def locked(folder: str | os.PathLike[str], *, wait: bool = False) -> Iterator[bool]:
    """Lock a folder against other processes that lock it, until the block ends; there is no lock on Windows.
    False if another process has it; with `wait`, it is waited for."""
    try:
        import fcntl
    except ImportError:
        yield True
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            is_free = True
        except OSError as error:  # some network file systems have no locks
            is_free = error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
        yield is_free
    finally:
        os.close(opened)


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
