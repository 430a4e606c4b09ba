"""The names that a loss reads, as the syntax tree shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler import syntax
from dlc.compiler.diagnostics.suggest import nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence


def names_of_loss(
    bindings: Sequence[syntax.Bind],
    written: Sequence[syntax.Bind],
    parts: Sequence[syntax.Statement] = (),
    known: Collection[str] | None = None,
) -> set[str]:
    """The bound names that `loss`, or any statement in the `parts` of its section, reads, directly or through
    other bindings; also if `loss` or such a name is misspelled, if the names of other things are `known`."""
    binding: dict[str, list[syntax.Bind]] = {}
    for statement in bindings:
        for target in statement.targets:
            binding.setdefault(target.id, []).append(statement)
    used: set[str] = set()
    waiting: list[syntax.Statement] = [s for s in written if s.targets[0].id == "loss"]
    waiting = waiting or [s for s in written if nearest(s.targets[0].id, ("loss",))]
    waiting += within(parts)
    while waiting:
        read = {e.id for e in syntax.expressions(waiting.pop()) if isinstance(e, syntax.Name)}
        unknown = read - binding.keys() - {*known} if known is not None else ()
        read |= {near for name in unknown if (near := nearest(name, binding))}
        new = (read & binding.keys()) - used
        used |= new
        waiting += [statement for name in sorted(new) for statement in binding[name]]
    return used


def within(statements: Sequence[syntax.Statement]) -> Iterator[syntax.Statement]:
    """The statements in the bodies of others."""
    for statement in statements:
        inner = syntax.bodies(statement)
        yield from inner
        yield from within(inner)
