"""Errors in data, told as the compiler tells its own: with a code, the place in the spec, and the fix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.diagnostics.source import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NO_SOURCE = "E0700"  # nothing says where rows come from
NO_FILE = "E0701"  # the file is not there, or cannot be opened
ABSENT = (NO_SOURCE, NO_FILE)
BROKEN = "E0702"  # the file is not what it should be
MISSING_COLUMN = "E0703"
SHAPE = "E0704"
VALUE = "E0705"  # a value that the type does not know
MISSING_VALUE = "E0706"
CLASS = "E0707"  # a class that nobody declared
NO_ROWS = "E0708"
PARTING = "E0709"  # rows cannot be parted as asked
RAGGED = "E0711"
REPEATED = "E0712"  # two columns under one name
DRAWN = "E0713"
TOO_LARGE = "E0716"


def span_of(thing: Any) -> Span | None:
    """The place of a definition in the spec, if it came from one."""
    span = thing if isinstance(thing, Span) else getattr(thing, "span", None)
    return span if isinstance(span, Span) else None


def place_of(section: Any, key: str) -> Span | None:
    """The place of one setting of a section, or of the whole section."""
    return span_of(section.spans.get(key)) or span_of(section)


def error(code: str, message: str, *places: tuple[Any, str], help: str = "",
            notes: Iterable[str] = ()) -> Diagnostic:  # fmt: skip
    """A diagnostic; each place is a span, or a definition that may have one, with the words under it."""
    labels = tuple(Label(span, text) for thing, text in places if (span := span_of(thing)))
    return Diagnostic(code, message, labels, tuple(notes), help)


def fail(code: str, message: str, *places: tuple[Any, str], help: str = "") -> CompileError:
    """The same as an exception."""
    return CompileError([error(code, message, *places, help=help)])


class Refused(Exception):
    """Values of one column that cannot be what they should be; `rows` are the first of them, counted from 0.
    Of a `text` that is no number its source knows the fix; `words` says that the column holds no number."""

    def __init__(self, code: str, what: str, rows: Iterable[int], help: str = "", text: str = "",
                 words: bool = False) -> None:  # fmt: skip
        super().__init__(what)
        self.code, self.what, self.rows, self.help = code, what, [int(row) for row in rows], help
        self.text, self.words = text, words

    def diagnostic(
        self, file: str, row: Callable[[int], str], column: str, *places: tuple[Any, str]
    ) -> Diagnostic:
        where = ", ".join(part for part in (file, row(self.rows[0]), column) if part)
        more = [str(r + 1) for r in self.rows[1:4]]
        notes = [f"also in {'row' if len(more) == 1 else 'rows'} {', '.join(more)}"] if more else []
        if len(self.rows) > 4:
            notes = [f"{notes[0]} and more"]
        return error(self.code, f"{where}: {self.what}", *places, help=self.help, notes=notes)


def counted(number: int, what: str) -> str:
    return f"1 {what}" if number == 1 else f"{number} {what}s"
