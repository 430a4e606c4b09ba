"""Comments that suppress a warning: `# allow W0401: why` at the end of its line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.codes import reported_by_check
from dlc.compiler.diagnostics.diagnostic import Allowed, Diagnostic, Label
from dlc.compiler.diagnostics.suggest import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dlc.compiler.diagnostics.problems import Problems
    from dlc.compiler.diagnostics.source import Span

ALLOW = re.compile(r"#+\s*allow\s+([EWew]\d+)\b\s*:?\s*(.*)")


def apply(problems: Problems, comments: Iterable[tuple[Span, str]]) -> tuple[Allowed, ...]:
    """Remove the warnings that comments allow. Report comments that match no warning or give no reason.
    Returns the comments for warnings that only the data can cause."""
    reported: list[Diagnostic] = []
    deferred: list[Allowed] = []
    silenced: set[int] = set()  # by identity
    warnings = by_line(problems)
    for span, text in comments:
        match = ALLOW.match(text)
        if match is None:
            continue
        code, reason = match[1].upper(), match[2].strip()
        there = warnings.get(line_of(span), ())
        matching = [id(d) for d in there if d.code == code]
        silenced.update(matching)
        known = bool(matching)
        if code.startswith("W") and not reported_by_check(code):
            deferred.append(Allowed(code, span))
            known = True
        if known and not reason:
            reported.append(Diagnostic("W0002", f"this allows {code} without a reason", (Label(span),), (),
                                   f"give the reason: `# allow {code}: why`"))  # fmt: skip
        elif not known and not problems.failed:
            reported.append(
                Diagnostic(
                    "W0001",
                    f"there is no {code} on this line to allow",
                    (Label(span),),
                    (),
                    fix(code, [d.code for d in there]),
                )
            )
    problems.found = [d for d in problems.found if id(d) not in silenced]
    for diagnostic in reported:
        problems.add(diagnostic)
    return tuple(deferred)


def by_line(problems: Problems) -> dict[tuple[str, int], list[Diagnostic]]:
    """The warnings, grouped by file and by the line on which they begin."""
    found: dict[tuple[str, int], list[Diagnostic]] = {}
    for diagnostic in problems.found:
        if diagnostic.severity == "warning" and diagnostic.span:
            found.setdefault(line_of(diagnostic.span), []).append(diagnostic)
    return found


def line_of(span: Span) -> tuple[str, int]:
    return span.source.name, span.source.position(span.start)[0]


def fix(code: str, near: Iterable[str]) -> str:
    """The fix for a comment that matches no warning. `near` are the warnings of its line."""
    if code.startswith("E"):
        return "an error cannot be allowed; it has to be fixed"
    return did_you_mean(code, near) or "remove the comment, or put it at the end of the line of the warning"
