"""Errors in data as diagnostics of the compiler: with a code, a source location in the spec, and a fix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from dlc.compiler import reading
from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.diagnostics.source import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NO_SOURCE = "E0700"  # no source is given
NO_FILE = "E0701"  # the file does not exist or cannot be opened
ABSENT = (NO_SOURCE, NO_FILE)
BROKEN = "E0702"  # the file has another format or is damaged
MISSING_COLUMN = "E0703"
SHAPE = "E0704"
VALUE = "E0705"  # a value that is not of the type
MISSING_VALUE = "E0706"
CLASS = "E0707"  # a value that is not one of the classes
NO_ROWS = "E0708"
SPLIT = "E0709"  # the rows cannot be split as requested
RAGGED = "E0711"
REPEATED = "E0712"  # two columns with the same name
DRAWN = "E0713"
TOO_LARGE = "E0716"


def span_of(thing: Any) -> Span | None:
    """The source span of a definition, if it comes from a spec."""
    span = thing if isinstance(thing, Span) else getattr(thing, "span", None)
    return span if isinstance(span, Span) else None


def span_of_setting(section: Any, key: str) -> Span | None:
    """The source span of one setting of a section, or of the whole section."""
    return span_of(section.spans.get(key)) or span_of(section)


def error(code: str, message: str, *places: tuple[Any, str], help: str = "",
            notes: Iterable[str] = ()) -> Diagnostic:  # fmt: skip
    """A diagnostic. Each place is a span, or a definition that may have one, with the text of its label."""
    labels = tuple(Label(span, text) for thing, text in places if (span := span_of(thing)))
    return Diagnostic(code, message, labels, tuple(notes), help)


def fail(code: str, message: str, *places: tuple[Any, str], help: str = "") -> CompileError:
    """`error` as an exception."""
    return CompileError([error(code, message, *places, help=help)])


SERVER = "is there a network, and is the server right? `endpoint_override` and `region` in the URL, or " \
         "AWS_ENDPOINT_URL, name another one"  # fmt: skip


def unreadable(file: str, problem: OSError, definition: Any, help: str = "") -> CompileError:
    """The error for a file that cannot be opened or read."""
    if isinstance(problem, ConnectionError):
        help = help or SERVER
    return fail(NO_FILE, f"{file} {reading.why(problem)}", (definition, "looked for here"), help=help)


class RowNames(Protocol):
    """Names the rows of a file in messages. They count from 0."""

    def where(self, number: int) -> str: ...

    def others(self, numbers: Sequence[int]) -> str: ...


class Refused(Exception):
    """Invalid values of one column; `rows` are the first of them, counted from 0. `text` is a text that is
    not a number: its source knows the fix. `words` says that the column has no numbers."""

    def __init__(self, code: str, what: str, rows: Iterable[int], help: str = "", text: str = "",
                 words: bool = False) -> None:  # fmt: skip
        super().__init__(what)
        self.code, self.what, self.rows, self.help = code, what, [int(row) for row in rows], help
        self.text, self.words = text, words
        self.of_rows = False  # of a column of sequences: whether `rows` are rows, and not steps

    def diagnostic(self, file: RowNames, column: str, *places: tuple[Any, str]) -> Diagnostic:
        """The error of a file that has the rows; `column` is the name of its column, or empty."""
        where = ", ".join(part for part in (file.where(self.rows[0]), column) if part)
        notes = [f"also {file.others(self.rows[1:4])}"] if len(self.rows) > 1 else []
        if len(self.rows) > 4:
            notes = [f"{notes[0]} and more"]
        return error(self.code, f"{where}: {self.what}", *places, help=self.help, notes=notes)


def counted(number: int, what: str) -> str:
    return f"{number} {plural(what) if number != 1 else what}"


def plural(what: str) -> str:
    return what if what.endswith("s") else f"{what}s"
