"""Rendering of diagnostics: as text with source lines, and as JSON data."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from dlc.compiler import urls
from dlc.compiler.diagnostics.quoting import printable
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
    from dlc.compiler.diagnostics.source import Source, Span

MOST = 100  # diagnostics that are rendered; errors take precedence over warnings
WINDOW = 100  # characters of a source line that are shown
MARGIN = 20  # characters before the first mark in a line that is cut
TAB = 4

_CODES = {"red": "\033[1;31m", "yellow": "\033[1;33m", "blue": "\033[1;34m", "bold": "\033[1m"}
_RESET = "\033[0m"


def render(diagnostic: Diagnostic, *, color: bool = False) -> str:
    """The diagnostic with its source lines, without a final newline."""
    paint = _Paint(color)
    tone = "red" if diagnostic.severity == "error" else "yellow"
    head = paint(tone, f"{diagnostic.severity}[{diagnostic.code}]") + paint(
        "bold", f": {printable(diagnostic.message)}"
    )
    width = max((len(str(_line_of(label.span))) for label in diagnostic.labels), default=1)
    gutter = _Gutter(width, paint)
    lines = [head, *_places(diagnostic, gutter, tone)]
    remarks = [*diagnostic.notes, *([f"help: {diagnostic.help}"] if diagnostic.help else [])]
    if remarks and diagnostic.labels:
        lines.append(gutter.empty)
    lines += [
        gutter.remark(printable(line), first=i == 0)
        for text in remarks
        for i, line in enumerate(text.split("\n"))
    ]
    return "\n".join(lines)


def render_all(diagnostics: Sequence[Diagnostic], *, color: bool = False) -> Iterator[str]:
    """The text of each diagnostic, at most `MOST`, and then the number of those that are left out."""
    errors = [d for d in diagnostics if d.severity == "error"][:MOST]
    warnings = [d for d in diagnostics if d.severity == "warning"][: MOST - len(errors)]
    chosen = {id(d) for d in (*errors, *warnings)}
    yield from (render(d, color=color) for d in diagnostics if id(d) in chosen)
    if len(diagnostics) > MOST:
        yield f"... and {len(diagnostics) - MOST:_} more"


def to_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """The diagnostic as plain data. Lines and columns count from 1; ends are exclusive."""
    nowhere: dict[str, Any] = dict.fromkeys(("file", "line", "column", "end_line", "end_column"))
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        **(_place(diagnostic.span) if diagnostic.span else nowhere),
        "labels": [{**_place(label.span), "text": label.text} for label in diagnostic.labels],
        "notes": list(diagnostic.notes),
        "help": diagnostic.help,
    }


def _place(span: Span) -> dict[str, Any]:
    line, column = span.source.position(span.start)
    end_line, end_column = span.source.position(span.end)
    return {
        "file": span.source.name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    }


class _Paint:
    """Colours text, if `color` is set."""

    def __init__(self, color: bool) -> None:
        self.color = color

    def __call__(self, tone: str, text: str) -> str:
        return f"{_CODES[tone]}{text}{_RESET}" if self.color and text else text


class _Gutter:
    """The column with line numbers."""

    def __init__(self, width: int, paint: _Paint) -> None:
        self.width = width
        self.paint = paint
        self.empty = " " * (width + 1) + paint("blue", "|")

    def arrow(self, place: str) -> str:
        return " " * self.width + self.paint("blue", "-->") + f" {place}"

    def code(self, number: int, text: str) -> str:
        return (self.paint("blue", f"{number:>{self.width}} |") + f" {text}").rstrip()

    def marks(self, text: str) -> str:
        return f"{self.empty} {text}"

    def remark(self, text: str, *, first: bool) -> str:
        symbol = self.paint("blue", "=") if first else " "
        return f"{' ' * (self.width + 1)}{symbol} {text}"


def _places(diagnostic: Diagnostic, gutter: _Gutter, tone: str) -> Iterable[str]:
    """The source lines of the labels, file by file; the file of the primary label first."""
    sources: list[Source] = []
    for label in diagnostic.labels:
        if not any(label.span.source is source for source in sources):
            sources.append(label.span.source)
    for source in sources:
        labels = [label for label in diagnostic.labels if label.span.source is source]
        yield gutter.arrow(printable(labels[0].span.place))
        yield gutter.empty
        yield from _lines(source, labels, diagnostic.labels[0], gutter, tone)


def _lines(source: Source, labels: list[Label], primary: Label, gutter: _Gutter, tone: str) -> Iterable[str]:
    last = None
    ordered = sorted(labels, key=lambda label: (_line_of(label.span), label.span.start))
    for number, group in groupby(ordered, key=lambda label: _line_of(label.span)):
        if last is not None and number > last + 1:
            yield gutter.paint("blue", "...")
        last = number
        for view in _views(source, number, list(group)):
            yield gutter.code(number, view.text)
            for row in _mark_rows(view, primary, gutter.paint, tone):
                yield gutter.marks(row)


# --- one source line ----------------------------------------------------------------------------------------


@record
class _View:
    """A source line as shown, and its labels, each with start and end column."""

    text: str
    marks: list[tuple[int, int, Label]]


def _views(source: Source, number: int, labels: list[Label]) -> Iterable[_View]:
    """The line once; or several windows of a long line, one for each group of close labels."""
    start = source.line_starts[number - 1]
    line = urls.covered(source.line(number))
    together: list[list[Label]] = []
    for label in labels:
        if together and (
            len(line) <= WINDOW or label.span.end - together[-1][0].span.start <= WINDOW - MARGIN
        ):
            together[-1].append(label)
        else:
            together.append([label])
    for group in together:
        first = group[0].span.start - start
        left = 0 if len(line) <= WINDOW else max(0, min(first - MARGIN, len(line) - WINDOW))
        yield _view(line, start, left, min(len(line), left + WINDOW), group)


def _view(line: str, start: int, left: int, right: int, labels: list[Label]) -> _View:
    before, after = "..." if left else "", "..." if right < len(line) else ""
    shown, columns = _cells(line[left:right], len(before))
    marks = []
    for label in labels:
        first = min(max(label.span.start - start - left, 0), right - left)
        end = min(max(label.span.end - start - left, first), right - left)
        marks.append((columns[first], max(columns[end], columns[first] + 1), label))
    return _View(before + shown + after, marks)


def _cells(text: str, column: int) -> tuple[str, list[int]]:
    """The text with control characters replaced, and the column of each of its characters and of its end."""
    shown: list[str] = []
    columns: list[int] = []
    for character in text:
        columns.append(column)
        cell = " " * (TAB - column % TAB) if character == "\t" else printable(character, "\ufffd")
        shown.append(cell)
        column += _width(cell)
    return "".join(shown), [*columns, column]


def _width(text: str) -> int:
    """The number of terminal columns of a text."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    return sum(0 if category(c) in ("Mn", "Me") else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _mark_rows(view: _View, primary: Label, paint: _Paint, tone: str) -> Iterable[str]:
    """The row of carets with the text of the last label, then the texts of the other labels from right to
    left."""
    marks = sorted(view.marks, key=lambda mark: (mark[1], mark[0]))
    tones: dict[int, str] = {}
    for first, end, label in marks:
        for column in range(first, end):
            tones[column] = tone if label is primary else tones.get(column, "blue")
    columns = groupby(range(max(tones) + 1), key=tones.get)
    row = "".join(_run(tone, len(list(run)), paint) for tone, run in columns)
    *others, (_, _, last) = marks
    yield f"{row} {printable(last.text)}".rstrip()
    texts = [(first, label) for first, _, label in others if label.text]
    while texts:
        first, label = texts.pop()
        waiting = sorted({column for column, _ in texts if column < first})
        yield _bars(waiting, first) + printable(label.text)


def _run(tone: str | None, length: int, paint: _Paint) -> str:
    return paint(tone, "^" * length) if tone else " " * length


def _bars(columns: list[int], width: int) -> str:
    return "".join("|" if column in columns else " " for column in range(width))


def _line_of(span: Span) -> int:
    return span.source.position(span.start)[0]
