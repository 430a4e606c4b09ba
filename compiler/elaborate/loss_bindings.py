"""Names that are bound in a section with a loss, such as `recon = mse(y)` in `train`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.elaborate import statements
from dlc.compiler.elaborate.scope import Scope
from dlc.compiler.elaborate.values import Halt
from dlc.compiler.ir.graph import Value
from dlc.compiler.ir.names import UniqueNames

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from dlc.compiler.elaborate.context import Evaluator


def run(
    ev: Evaluator, written: Sequence[syntax.Bind], settings: Container[str]
) -> tuple[Evaluator, list[syntax.Bind]]:
    """Execute the bindings that the loss uses. Returns an evaluator that knows their names, and all other
    statements."""
    bindings = used_bindings([s for s in written if not any(t.id in settings for t in s.targets)], written)
    scope = Scope(ev.scope.file, top=True)
    scope.names.update(ev.scope.names)
    within = ev.within(scope)
    with suppress(Halt):
        statements.run(ev.within(scope, losses=True), bindings)
    return within, [statement for statement in written if statement not in bindings]


def used_bindings(bindings: Sequence[syntax.Bind], written: Sequence[syntax.Bind]) -> list[syntax.Bind]:
    """The bindings whose names `loss` reads, directly or through other bindings."""
    waiting = [statement for statement in written if statement.targets[0].id == "loss"]
    used: set[str] = set()
    while waiting:
        read = {e.id for e in syntax.expressions(waiting.pop()) if isinstance(e, syntax.Name)} - used
        used |= read
        waiting += [s for s in bindings if any(t.id in read for t in s.targets)]
    return [s for s in bindings if any(t.id in used for t in s.targets)]


def named_values(scope: Scope, outer: Scope) -> dict[str, Value]:
    """The values that are bound in a section or made by a block that its loss uses, by name: `recon`, `elbo`,
    and `elbo.kl` for a value that is bound in the block."""
    own = {name: value for name, value in scope.names.items() if outer.names.get(name) is not value}
    found: dict[str, Value] = {}
    for name, value in named_in(scope, own, ""):
        if isinstance(value, Value) and value not in found.values():
            found[name] = value
    return found


def named_in(scope: Scope, names: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    yield from ((f"{prefix}{name}", value) for name, value in names.items())
    unique = UniqueNames(names)
    for block, value, inside in scope.blocks:
        name = f"{prefix}{unique.claim(block)}"
        yield name, value
        yield from named_in(inside, inside.names, f"{name}.")
