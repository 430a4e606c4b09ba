"""Reading of files. All files are opened here, and only regular files of bounded size: no devices and no
pipes. A path is checked by `check` before a library opens it."""

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
# The content of a file by its extension, as messages write it after the name.
ROWS, WEIGHTS, PYTHON, SPEC = "holds rows", "holds weights", "is Python", "is a spec"
HELD = {
    ".csv": ROWS, ".parquet": ROWS, ".npz": ROWS, ".safetensors": WEIGHTS, ".py": PYTHON, ".dl": SPEC,
}  # fmt: skip
MAX_SHIPPED = 1 << 24  # bytes of a text file of the package
# Nonblocking: opening a pipe would wait for a writer.
FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


class Unreadable(OSError):
    """A path that is not a regular file, or a file that is too large. `strerror` is a predicate for messages:
    `is a device, not a regular file`."""


def open_file(path: Path, most: int | None = None) -> BufferedReader:
    """Open a regular file of at most `most` bytes for reading. OSError if that is not possible."""
    try:
        _check(os.stat(path), path, most)
        descriptor = os.open(path, FLAGS)
    except ValueError:  # an invalid path, e.g. with a null character
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
    file = os.fdopen(descriptor, "rb")
    try:
        _check(os.fstat(descriptor), path, most)  # the path may be another file now
    except OSError:
        file.close()
        raise
    return file


def check(path: Path, most: int | None = None) -> int:
    """The size of a file in bytes. OSError as for `open_file`."""
    with open_file(path, most) as file:
        return os.fstat(file.fileno()).st_size


def read(path: Path, most: int) -> bytes:
    """The content of a file of at most `most` bytes. OSError as for `open_file`."""
    with open_file(path, most) as file:
        content = file.read(most + 1)
    if len(content) > most:  # the file grows, or its size is not known
        raise too_large(path, most)
    return content


def read_text(path: Path, most: int) -> str:
    """The text of a file in UTF-8. OSError as for `open_file`; UnicodeDecodeError."""
    return text_of(read(path, most))


def text_of(content: bytes) -> str:
    """The text of bytes in UTF-8, without byte order mark, with `\\n` as newline. UnicodeDecodeError."""
    return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def shipped(module: str, name: str) -> str:
    """A text file of the package, in the folder of a module's file."""
    return read_text(os.path.join(os.path.dirname(module), name), MAX_SHIPPED)


def held(path: Path) -> str:
    """The content of a file by its extension, if it is not an artifact; empty if the extension is unknown."""
    return HELD.get(os.path.splitext(os.fspath(path))[1].lower(), "")


def why(error: OSError) -> str:
    """Why a file cannot be read, as a predicate after its name: `is a folder, not a regular file`."""
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
    """OSError for a path that is not a regular file."""
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable(errno.EINVAL, f"is {kind(found)}, not a regular file", path)


def kind(found: os.stat_result) -> str:
    """The kind of a path that is not a regular file: `a folder`, `a device`."""
    return KINDS.get(stat.S_IFMT(found.st_mode), "something else")
