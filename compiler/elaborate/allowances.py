"""Warnings that a file silences: `# allow W0401: why` at the end of their line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics import Diagnostic, Label
from dlc.compiler.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.diagnostics import Problems
    from dlc.compiler.source import Span

ALLOW = re.compile(r"#+\s*allow\s+([EWew]\d+)\b\s*:?\s*(.*)")


def apply(problems: Problems, comments: Iterable[tuple[Span, str]]) -> None:
    """Take out the warnings that comments allow, and tell of comments that allow nothing
    or give no reason."""
    told: list[Diagnostic] = []
    for span, text in comments:
        match = ALLOW.match(text)
        if match is None:
            continue
        code, reason = match[1].upper(), match[2].strip()
        silenced = [
            d for d in problems.found if d.code == code and d.severity == "warning" and on_line(d, span)
        ]
        problems.found = [d for d in problems.found if d not in silenced]
        if silenced and not reason:
            told.append(Diagnostic("W0002", f"this allows {code} and does not say why", (Label(span),), (),
                                   f"give the reason behind it: `# allow {code}: why`"))  # fmt: skip
        elif not silenced and not problems.failed:
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


def on_line(diagnostic: Diagnostic, comment: Span) -> bool:
    span = diagnostic.span
    return (
        span is not None
        and span.source is comment.source
        and diagnostic.line == comment.source.position(comment.start)[0]
    )


def mend(code: str, comment: Span, problems: Problems) -> str:
    if code.startswith("E"):
        return "an error cannot be allowed; it has to be mended"
    near = [d.code for d in problems.found if d.severity == "warning" and on_line(d, comment)]
    return did_you_mean(code, near) or "take the comment out, or put it at the end of the line of the warning"
