"""Groups the nodes of a graph into frames: one for each use of a block or net, nested as in the spec."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dlc.compiler.ir.graph import Value
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from dlc.compiler.diagnostics.source import Use
    from dlc.compiler.ir.graph import Node
    from dlc.compiler.lower.python_code import Code
    from dlc.compiler.lower.pytorch_source.statements import Statement
    from dlc.compiler.lower.symbolic import Local


NUMBERED = re.compile(r"(.*?)(?:_(\d+))?")


@record(eq=False)
class Copies:
    """The copies of a `repeat`, each with its items."""

    copies: tuple[tuple[Any, ...], ...]


class BlockFrame:
    """One use of a block or net, an operator that is a class of its own, or the whole model. `prefix` is the
    start of the names of its weights. The writer sets its parameters, its modules and weights (`members`),
    which of them are in lists, its statements (`body`), and its results (`returns`)."""

    operator: Any = None  # as in the spec; only in the frame of an operator

    def __init__(self, kind: str, name: str, prefix: str, nodes: Sequence[Node], use: Use | None = None):
        self.kind, self.name, self.prefix, self.use = kind, name, prefix, use
        self.nodes = tuple(nodes)
        self.params: dict[Local, Any] = {}  # each with its value, or the name of its net
        self.members: dict[str, Code] = {}
        self.lists: set[str] = set()
        self.body: list[Statement] = []
        self.returns: list[Code] = []

    @property
    def given(self) -> Mapping[str, Any]:
        """The tensors and settings that the block is called with, by name."""
        return self.use.given if self.use else {}

    @property
    def settings(self) -> Mapping[str, Any]:
        return self.operator.values() if self.kind == "operator" else self.given

    @property
    def given_tensors(self) -> dict[Value, str]:
        return {value: name for name, value in self.given.items() if isinstance(value, Value)}

    def names(self) -> dict[Value, str]:
        """The names of values of its body in the spec."""
        made = self.use.names.items() if self.use else ()
        return {value: name for name, value in made if isinstance(value, Value)} | self.given_tensors

    @property
    def has_weights(self) -> bool:
        return any(value.name.startswith(self.prefix) for n in self.nodes for value in n.weights.values())

    def is_within_itself(self, code: Code) -> bool:
        """Whether a member is a nested use of the same block."""
        return code.kind == "make" and (code.value.kind, code.value.name) == (self.kind, self.name)

    def items(self) -> list[Any]:
        """Its direct contents: nodes, frames, and copies."""
        if self.use is None:
            return [*self.nodes]
        uses = self.nodes[0].site.uses
        return items_of(self.nodes, len(uses) - next(i for i, use in enumerate(uses) if use is self.use))


def items_of(nodes: Sequence[Node], depth: int) -> list[Any]:
    """Nodes at a depth of nested uses, grouped into frames of blocks and nets, and copies of repeats."""
    items: list[Any] = []
    start = 0
    while start < len(nodes):
        use = use_at(nodes[start], depth)
        end = start + 1
        while use is not None and end < len(nodes) and use_at(nodes[end], depth) is use:
            end += 1
        inside = nodes[start:end]
        if use is None:
            items += inside
        elif not use.is_copy:
            kind, name = use.what.split(maxsplit=1)
            items.append(BlockFrame(kind, name, use.prefix, inside, use))
        else:
            copy = tuple(items_of(inside, depth + 1))
            before = use_at(nodes[start - 1], depth) if start else None
            if before is not None and before.is_copy and before.span == use.span:
                items[-1] = Copies((*items[-1].copies, copy))
            else:
                items.append(Copies((copy,)))
        start = end
    return items


def use_at(node: Node, depth: int) -> Use | None:
    uses = node.site.uses
    return uses[len(uses) - 1 - depth] if depth < len(uses) else None


def nodes_of(items: Collection[Any]) -> list[Node]:
    found: list[Node] = []
    for item in items:
        if isinstance(item, Copies):
            found += [node for copy in item.copies for node in nodes_of(copy)]
        else:
            found += item.nodes if isinstance(item, BlockFrame) else [item]
    return found


def numbered_name(attr: str) -> tuple[str, int]:
    """The base name and the index from 0: `("conv", 1)` for `conv_2`."""
    base, count = NUMBERED.fullmatch(attr).groups()  # type: ignore[union-attr]
    return base, int(count or 1) - 1
