"""Warnings that a file silences: `# allow W0401: why` at the end of their line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dlc.compiler.codes import told_by_compiler
from dlc.compiler.diagnostics import Allowed, Diagnostic, Label
from dlc.compiler.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.diagnostics import Problems
    from dlc.compiler.source import Span

ALLOW = re.compile(r"#+\s*allow\s+([EWew]\d+)\b\s*:?\s*(.*)")


def apply(problems: Problems, comments: Iterable[tuple[Span, str]]) -> tuple[Allowed, ...]:
    """Take out the warnings that comments allow, and tell of comments that allow nothing
    or give no reason. Gives those that allow what only the data can tell."""
    told: list[Diagnostic] = []
    waiting: list[Allowed] = []
    for span, text in comments:
        match = ALLOW.match(text)
        if match is None:
            continue
        code, reason = match[1].upper(), match[2].strip()
        allowed = Allowed(code, span)
        silenced = [d for d in problems.found if d.severity == "warning" and allowed.silences(d)]
        problems.found = [d for d in problems.found if d not in silenced]
        known = bool(silenced)
        if code.startswith("W") and not told_by_compiler(code):
            waiting.append(allowed)
            known = True
        if known and not reason:
            told.append(Diagnostic("W0002", f"this allows {code} and does not say why", (Label(span),), (),
                                   f"give the reason behind it: `# allow {code}: why`"))  # fmt: skip
        elif not known and not problems.failed:
            told.append(
                Diagnostic(
                    "W0001",
                    f"there is no {code} on this line to allow",
                    (Label(span),),
                    (),
                    mend(code, span, problems),
                )
            )
    for diagnostic in told:
        problems.add(diagnostic)
    return tuple(waiting)


def mend(code: str, comment: Span, problems: Problems) -> str:
    if code.startswith("E"):
        return "an error cannot be allowed; it has to be mended"
    near = [
        d.code for d in problems.found if d.severity == "warning" and Allowed(d.code, comment).silences(d)
    ]
    return did_you_mean(code, near) or "take the comment out, or put it at the end of the line of the warning"
