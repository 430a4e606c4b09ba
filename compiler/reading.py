"""The one place that opens files for reading. What is opened is a regular file of bounded size: no device, no
pipe, nothing without an end. A library that opens a path itself is given one that `check` has looked at."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from io import BufferedReader

    Path = str | os.PathLike[str]

KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe (FIFO)",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}
# What a file holds by the ending of its name, to stand behind that name.
ROWS, WEIGHTS, PYTHON, SPEC = "holds rows", "holds weights", "is Python", "is a spec"
HELD = {
    ".csv": ROWS, ".parquet": ROWS, ".npz": ROWS, ".safetensors": WEIGHTS, ".py": PYTHON, ".dl": SPEC,
}  # fmt: skip
MAX_SHIPPED = 1 << 24  # bytes of a text that comes with dlc
# Opening never waits: a pipe would, until somebody writes into it.
FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


class Unreadable(OSError):
    """A path that is no regular file, or a file past its bound. `strerror` goes on after the file's name:
    `is a device, not a regular file`."""


def open_file(path: Path, most: int | None = None) -> BufferedReader:
    """A regular file of at most so many bytes, opened for reading. OSError if there is none."""
    try:
        _check(os.stat(path), path, most)
        descriptor = os.open(path, FLAGS)
    except ValueError:  # a path that no file can have
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
    file = os.fdopen(descriptor, "rb")
    try:
        _check(os.fstat(descriptor), path, most)  # the path may lead elsewhere by now
    except OSError:
        file.close()
        raise
    return file


def check(path: Path, most: int | None = None) -> int:
    """The size in bytes of a file that can be opened. OSError as `open_file` raises it."""
    with open_file(path, most) as file:
        return os.fstat(file.fileno()).st_size


def read(path: Path, most: int) -> bytes:
    """The content of a file of at most so many bytes. OSError as `open_file` raises it."""
    with open_file(path, most) as file:
        content = file.read(most + 1)
    if len(content) > most:  # it grows, or does not know its size
        raise too_large(path, most)
    return content


def read_text(path: Path, most: int) -> str:
    """The text of a file in UTF-8. OSError as `open_file` raises it; UnicodeDecodeError."""
    return text_of(read(path, most))


def text_of(content: bytes) -> str:
    """Text in UTF-8 without a byte order mark, every line ended by a newline. UnicodeDecodeError."""
    return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def shipped(module: str, name: str) -> str:
    """A text that comes with dlc, in the folder of the file of a module."""
    return read_text(os.path.join(os.path.dirname(module), name), MAX_SHIPPED)


def held(path: Path) -> str:
    """What a file holds that is no artifact by its name; empty where that does not tell."""
    return HELD.get(os.path.splitext(os.fspath(path))[1].lower(), "")


def why(error: OSError) -> str:
    """Why a file cannot be read, to stand behind its name: `is a folder, not a regular file`."""
    if isinstance(error, Unreadable):
        return str(error.strerror)
    return f"cannot be read: {(error.strerror or str(error) or type(error).__name__).lower()}"


def too_large(path: Path, most: int) -> Unreadable:
    return Unreadable(errno.EFBIG, f"is larger than {most:_} bytes", path)


def _check(found: os.stat_result, path: Path, most: int | None) -> None:
    regular(found, path)
    if most is not None and found.st_size > most:
        raise too_large(path, most)


def regular(found: os.stat_result, path: Path) -> None:
    """OSError of a path that leads to something else than a regular file."""
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable(errno.EINVAL, f"is {kind(found)}, not a regular file", path)


def kind(found: os.stat_result) -> str:
    """`a folder`, `a device`: what stands in the place of a regular file."""
    return KINDS.get(stat.S_IFMT(found.st_mode), "something else")
