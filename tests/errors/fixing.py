"""Applies the fix in the help of a diagnostic, as an editor could, from the text of the help alone.

- "write `X`", "did you mean `X`?", "it is written `X` here", "it is called `X` here": `X` replaces the marked
  text, or the call around it if that calls the same operator;
- "leave it out": the marked text is removed, with the comma before it;
- "put a new line in its place": a newline replaces the marked text;
- "`a=1` in `f(x)` makes it fit": the call gets that setting.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dlc.compiler import CompileError, Diagnostic, Source, compile

if TYPE_CHECKING:
    from collections.abc import Callable

REPLACED = re.compile(r"(?:\bwrite|did you mean|it is written|it is called) `([^`]+)`")
SETTING = re.compile(r"^`(\w+)=([^`]+)` in `([^`]+)` makes it fit")
PLACEHOLDERS = re.compile(r"\.\.\.|\bOUTPUT\b|\bNAME\b|\(x -> f\)|x -> f")


def diagnostics_of(text: str, make: Callable[[Source], object] = compile) -> tuple[Diagnostic, ...]:
    """The diagnostics of a text."""
    try:
        make(Source("model.dl", text))
    except CompileError as error:
        return error.diagnostics
    return ()


def fixed(text: str, problem: Diagnostic) -> str | None:
    """The text with the fix of a diagnostic applied; None if the help has no fix that can be applied."""
    if problem.span is None:
        return None
    if found := SETTING.match(problem.help):
        return with_setting(text, *found.groups())
    marks = [label.span for label in problem.labels if label is problem.labels[0] or not label.text]
    places = [(span.start, span.end) for span in marks]
    if re.match("leave it out(:|$)", problem.help):
        places, meant = [without_comma(text, *place) for place in places], ""
    elif problem.help.startswith("put a new line in "):
        meant = "\n"
    elif (found := REPLACED.search(problem.help)) and not PLACEHOLDERS.search(found[1]):
        meant = found[1]
        word = re.match(r"\w+", meant)
        around = word and call_around(text, *places[0], word[0])
        places = [around] if around else places
    else:
        return None
    for start, end in sorted(places, reverse=True):
        blank = " " * (meant[-1:].isalnum() and text[end : end + 1].isalnum())  # `not` for `!`
        text = text[:start] + meant + blank + text[end:]
    return text


def with_setting(text: str, name: str, value: str, call: str) -> str:
    """The text with a setting added to, or changed in, the only occurrence of a call."""
    assert text.count(call) == 1
    if re.search(rf"\b{name}=", call):
        return text.replace(call, re.sub(rf"\b{name}=[^,)]+", f"{name}={value}", call))
    inside = call.removesuffix(")") if call.endswith(")") else f"{call}("
    return text.replace(call, f"{inside}{'' if inside.endswith('(') else ', '}{name}={value})")


def call_around(text: str, start: int, end: int, word: str) -> tuple[int, int] | None:
    """The innermost call of that name around a span, if the span is not such a call itself."""
    found = None
    for call in re.finditer(rf"\b{word}\(", text):
        stop, level = call.end(), 1
        while level and stop < len(text):
            level += {"(": 1, ")": -1}.get(text[stop], 0)
            stop += 1
        if call.start() < start and end < stop:
            found = (call.start(), stop)
    return found


def without_comma(text: str, start: int, end: int) -> tuple[int, int]:
    """The span with the comma before it, or with the spaces after it; after an opening bracket with the comma
    after it."""
    before = re.search(r",\s*$", text[:start])
    if before:
        return before.start(), end
    opens = text[:start].rstrip().endswith(("(", "[", "{"))
    behind = re.match(r"\s*,\s*|[ \t]+" if opens else r"[ \t]+", text[end:])
    return start, end + (len(behind[0]) if behind else 0)


def fixed_throughout(text: str, make: Callable[[Source], object] = compile) -> str:
    """The text after all fixes are applied, one at a time, until there are none."""
    for _ in range(60):
        problems = [d for d in diagnostics_of(text, make) if d.severity == "error"]
        better = next((t for d in problems if (t := fixed(text, d)) is not None and t != text), None)
        if better is None:
            return text
        text = better
    raise AssertionError(f"the fixes do not end:\n{text}")
