"""Names that are bound in a section with a loss, such as `recon = mse(y)` in `train`."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dlc.compiler import syntax
from dlc.compiler.elaborate import statements
from dlc.compiler.elaborate.loss_names import names_of_loss
from dlc.compiler.elaborate.scope import Scope
from dlc.compiler.elaborate.values import Halt
from dlc.compiler.ir.graph import Value
from dlc.compiler.ir.names import UniqueNames

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from dlc.compiler.elaborate.context import Evaluator


def run(
    ev: Evaluator,
    written: Sequence[syntax.Bind],
    parts: Sequence[syntax.Section],
    settings: Container[str],
    *,
    lost: bool,
) -> tuple[Evaluator, list[syntax.Bind]]:
    """Execute the bindings that the loss uses, or that the steps and phases in the section, its `parts`, use.
    Returns an evaluator that knows their names, and all other statements. `settings` are the names that are
    not bound. If `lost`, the loss may be in a statement with a syntax error, and all bindings are executed.
    """
    bindings = [s for s in written if not any(t.id in settings for t in s.targets)]
    known = {*ev.scope.candidates()} if bindings else ()
    used = (
        {t.id for s in bindings for t in s.targets}
        if lost
        else names_of_loss(bindings, written, parts, known)
    )
    is_bound = [any(target.id in used for target in statement.targets) for statement in written]
    scope = Scope(ev.scope.file, top=True)
    scope.names.update(ev.scope.names)
    with suppress(Halt):
        bindings = [statement for statement, bound in zip(written, is_bound, strict=True) if bound]
        statements.run(ev.within(scope, losses=True), bindings)
    return ev.within(scope), [s for s, bound in zip(written, is_bound, strict=True) if not bound]


def named_values(scope: Scope, outer: Scope) -> dict[str, Value]:
    """The values that are bound in a section or made by a block that its loss uses, by name: `recon`, `elbo`,
    and `elbo.kl` for a value that is bound in the block. A value with several names has the first one."""
    own = {name: value for name, value in scope.names.items() if outer.names.get(name) is not value}
    found: dict[Value, str] = {}
    for name, value in named_in(scope, own, ""):
        if isinstance(value, Value):
            found.setdefault(value, name)
    return {name: value for value, name in found.items()}


def named_in(scope: Scope, names: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    yield from ((f"{prefix}{name}", value) for name, value in names.items())
    unique = UniqueNames(names)
    for block, value, inside in scope.blocks:
        name = f"{prefix}{unique.claim(block)}"
        yield name, value
        yield from named_in(inside, inside.names, f"{name}.")
