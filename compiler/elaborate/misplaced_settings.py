"""Settings of sections written at the top of a file, where they only bind names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler import syntax
from dlc.compiler.elaborate.section_settings import in_other_section
from dlc.compiler.elaborate.values import BROKEN, is_tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.compiler.elaborate.context import Evaluator


def warn(ev: Evaluator, tree: syntax.File) -> None:
    """Warn of `epochs = 50` outside of `train` where nothing reads that name."""
    bound = {s.targets[0].id: s for s in tree.body if isinstance(s, syntax.Bind) and len(s.targets) == 1}
    settings = {name: hint for name in bound if (hint := in_other_section(None, name))}
    read = set(_names(tree.body)) if settings else set()
    for name, hint in settings.items():
        span = bound[name].targets[0].span
        value = ev.scope.names.get(name, BROKEN)
        known = value is not BROKEN and not is_tensor(value)
        if known and name not in read and name not in ev.state.recovery.names:
            message = f"nothing reads `{name}`, which is a name here, not a setting"
            ev.state.problems.report("W0414", span, message, help=hint)


def _names(body: Sequence[syntax.Statement]) -> Iterator[str]:
    """The names that statements and their bodies read."""
    for statement in body:
        for expr in syntax.expressions(statement):
            if isinstance(expr, syntax.Name):
                yield expr.id
        yield from _names(syntax.bodies(statement))
