"""Namespaces of nodes and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics.source import Use
from dlc.compiler.ir.names import UniqueNames

if TYPE_CHECKING:
    from dlc.compiler.diagnostics.source import Span
    from dlc.compiler.elaborate.scope import Scope
    from dlc.compiler.elaborate.values import Template


class Level:
    """A namespace of node and weight names: the file, one use of a block, or a net. In an average net, which
    averages the net with the prefix `source`, the weights follow those with the prefix `follows`; both are
    None elsewhere."""

    def __init__(
        self,
        prefix: str = "",
        *,
        net: str | None = None,
        source: str | None = None,
        follows: str | None = None,
    ):
        self.prefix, self.net, self.source, self.follows = prefix, net, source, follows
        self.names = UniqueNames()

    def within(self, name: str) -> Level:
        """The namespace of one use of a block in this one."""
        follows = None if self.follows is None else f"{self.follows}{name}."
        return Level(f"{self.prefix}{name}.", net=self.net, source=self.source, follows=follows)

    def copies(self, prefix: str) -> Level:
        """In an average net, the namespace of its copies of the weights with a prefix."""
        own = "" if prefix == self.source else prefix
        return Level(f"{self.net}.{own}", net=self.net, source=self.source, follows=prefix)


def use_of(template: Template, span: Span, prefix: str, scope: Scope) -> Use:
    return Use(f"{template.what} {template.name}", span, prefix, {**scope.names}, scope.names, scope.decided)
