"""Text that is copied along with a spec: merge conflicts, Markdown, diffs, line numbers, prompts.

Each is reported once and replaced by spaces, so that the rest of the text keeps its positions.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.diagnostics.source import Source, Span
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Callable

    from dlc.compiler.diagnostics.problems import Problems

MAX_MARKS = 10

_FENCE = re.compile(r"[ \t]*(?:`{3,}|~{3,})[ \t]*([\w+.-]*)[ \t]*\r?$")
_HEADER = re.compile(r"(?:diff --git |index [0-9a-f]{7,}\.\.|--- \S|\+\+\+ \S|@@ -\d|\\ No newline)")
_CHANGED = re.compile(
    r"[-+][ \t]*(?:->|\w+[ \t]*=(?!=)|(?:data|train|export|expect|tune)[ \t]*\{|"
    r"(?:input|output|param|weight|block|net|import)[ \t]+\w)"
)
_NUMBERED = re.compile(r"[ \t]*([0-9]{1,6})[ \t]*[.:|)]?(?=[ \t\r]|$)")
_PROMPT = re.compile(r"(?:In|Out)[ ]?\[[\d *]*\]:|>>>(?=[ \r]|$)")
_COMMAND = re.compile(
    r"(?:[!$][ ]?[a-z][\w.-]*[ ]|%%?(?:writefile|bash|sh|pip|conda|matplotlib|load_ext|time|timeit|run|cd|"
    r"capture|autoreload)\b)[^\r]*"
)


@record
class _Pasted:
    """Copied text: its marks (line, start column, end column), the message, and the lines without it."""

    marks: list[tuple[int, int, int]]
    message: str
    help: str
    left: list[str]


def remove_pasted(source: Source, problems: Problems) -> str:
    """The text with copied text replaced by spaces; each kind is reported."""
    lines = source.text.split("\n")
    for kind in _KINDS:
        found = kind(lines)
        if found is None:
            continue
        starts = source.line_starts
        spans = [Span(source, starts[line] + a, starts[line] + b) for line, a, b in found.marks[:MAX_MARKS]]
        problems.add(Diagnostic("E0106", found.message, tuple(map(Label, spans)), (), found.help))
        lines = found.left
    return "\n".join(lines)


def _blank(line: str, start: int = 0, end: int | None = None) -> str:
    end = len(line) if end is None else end
    return line[:start] + " " * (end - start) + line[end:]


def _conflicts(lines: list[str]) -> _Pasted | None:
    """Merge conflict markers; the first side is kept."""
    left, marks = list(lines), []
    side = ""
    for i, line in enumerate(lines):
        mark = line[:7]
        if len(set(mark)) == 1 and len(mark) == 7 and line[7:8] in ("", " ", "\r"):
            expected = {"": "<", "<": "|=", "|": "=", "=": ">"}[side]
            if mark[0] in expected:
                marks.append((i, 0, 7))
                left[i] = _blank(line)
                side = "" if mark[0] == ">" else mark[0]
                continue
        if side in ("|", "="):
            left[i] = _blank(line)
    if side or not marks:
        return None
    help = "keep one of the two sides, and remove the lines with `<<<<<<<`, `=======` and `>>>>>>>`"
    return _Pasted(marks, "this is an unresolved merge conflict", help, left)


def _fences(lines: list[str]) -> _Pasted | None:
    """Fences of Markdown; the code in fences with the language of the first one is kept."""
    fences = [(i, found[1]) for i, line in enumerate(lines) if (found := _FENCE.match(line))]
    if not fences:
        return None
    marks = [(i, 0, len(lines[i].rstrip())) for i, _ in fences]
    message = "this is Markdown, not part of a spec"
    if len(fences) == 1:
        left = [_blank(line) if i == fences[0][0] else line for i, line in enumerate(lines)]
        return _Pasted(marks, message, "leave it out", left)
    kept: set[int] = set()
    for (start, language), (end, _) in list(pairwise(fences))[::2]:
        if language == fences[0][1]:
            kept.update(range(start + 1, end))
    left = [line if i in kept else _blank(line) for i, line in enumerate(lines)]
    return _Pasted(marks, message, "keep only the text between these two lines", left)


def _changes(lines: list[str]) -> _Pasted | None:
    """A diff; its new lines are kept."""
    headers = [bool(_HEADER.match(line)) for line in lines]
    pieces = any(line.startswith("@@ -") for line in lines)
    if not pieces and sum(1 for line in lines if _CHANGED.match(line)) < 2:
        return None
    marks, left = [], []
    for i, (line, header) in enumerate(zip(lines, headers, strict=True)):
        mark = "@" if header else line[:1]
        if mark in ("@", "-", "+"):
            marks.append((i, 0, len(line.rstrip()) if header else 1))
        left.append(_blank(line, 0, 1 if mark == "+" else None) if mark in ("@", "-", "+") else line)
    help = "keep the lines with `+`, without the `+`, and remove the others"
    return _Pasted(marks, "these are lines of a diff", help, left)


def _numbers(lines: list[str]) -> _Pasted | None:
    """Line numbers before every line."""
    found = [(i, _NUMBERED.match(line)) for i, line in enumerate(lines) if line.strip()]
    if len(found) < 3 or not all(match for _, match in found):
        return None
    numbered = [(i, match) for i, match in found if match]
    if not all(int(a[1]) < int(b[1]) for (_, a), (_, b) in pairwise(numbered)):
        return None
    left = list(lines)
    for i, match in numbered:
        left[i] = _blank(lines[i], 0, match.end())
    first, match = numbered[0]
    help = "remove the line numbers"
    return _Pasted([(first, match.start(1), match.end())], "every line begins with a line number", help, left)


def _prompts(lines: list[str]) -> _Pasted | None:
    return _at_start(lines, _PROMPT, "this is a prompt, not part of a spec", "leave it out")


def _commands(lines: list[str]) -> _Pasted | None:
    message = "this is a command, not part of a spec"
    return _at_start(lines, _COMMAND, message, "leave it out: it is typed in a terminal")


def _at_start(lines: list[str], pattern: re.Pattern[str], message: str, help: str) -> _Pasted | None:
    marks, left = [], list(lines)
    for i, line in enumerate(lines):
        if match := pattern.match(line):
            marks.append((i, 0, match.end()))
            left[i] = _blank(line, 0, match.end())
    return _Pasted(marks, message, help, left) if marks else None


_KINDS: tuple[Callable[[list[str]], _Pasted | None], ...] = (
    _conflicts, _fences, _changes, _numbers, _prompts, _commands,
)  # fmt: skip
