"""The graph by the blocks and nets that made it: each use is a frame, within the frame that uses it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dlc.compiler.ir.graph import Value
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from dlc.compiler.ir.graph import Node, Use
    from dlc.compiler.lower.pytorch_source.code import Code


NUMBERED = re.compile(r"(.*?)(?:_(\d+))?")


@record(eq=False)
class Let:
    """`a, b = code`. `joins` if what flows in may stand within it, `glue` if it says little by itself,
    `within` the context that it stands in."""

    targets: tuple[Any, ...]
    code: Code
    joins: bool = False
    glue: bool = False
    hint: str = ""
    within: str = ""


@record(eq=False)
class Each:
    """A loop over copies. `members` are the lists that it runs over: a name for the entry, the list, where it
    begins, and the step. `carried` are values: what comes out, what it is within, and what that begins as
    and goes on as."""

    copies: int
    members: tuple[tuple[str, str, int, int], ...]
    carried: tuple[tuple[Any, Any, Code, Code], ...]
    body: tuple[Let | Each, ...]


@record(eq=False)
class When:
    """`target` is `otherwise`, or what the body makes of it under a condition."""

    condition: Code
    target: Any
    otherwise: Code
    body: tuple[Any, ...]
    result: Code


@record(eq=False)
class Guard:
    """Where it is not trained, an operator returns these."""

    condition: Code
    returns: tuple[Code, ...]


Statement = Let | Each | When | Guard


@record(eq=False)
class Copies:
    """What a `repeat` repeats, a list of items for each time."""

    copies: tuple[tuple[Any, ...], ...]


class Frame:
    """One use of a block or net, an operator that is a class of its own, or the whole model, and how it is
    written: filled by the writer. `operator` is the one of the spec."""

    operator: Any = None

    def __init__(self, what: str, name: str, prefix: str, nodes: Sequence[Node], use: Use | None = None):
        self.what, self.name, self.prefix, self.use = what, name, prefix, use
        self.nodes = tuple(nodes)
        self.params: list[Any] = []
        self.members: dict[str, Code] = {}
        self.lists: set[str] = set()
        self.body: list[Any] = []
        self.returns: list[Value] = []

    @property
    def given(self) -> Mapping[str, Any]:
        return self.use.given if self.use else {}

    def names(self) -> dict[Value, str]:
        """What the spec calls values of its body."""
        found = {**(self.use.names if self.use else {}), **self.given}
        return {value: name for name, value in found.items() if isinstance(value, Value)}

    @property
    def has_weights(self) -> bool:
        return any(name.startswith(self.prefix) for n in self.nodes for name in weight_names(n))


def weight_names(node: Node) -> list[str]:
    return [value.name for value in node.weights.values()]


def items_of(nodes: Sequence[Node], depth: int) -> list[Any]:
    """Nodes at a depth of uses, with a frame for each block or net, and copies for what repeats."""
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
            what, name = use.what.split(maxsplit=1)
            items.append(Frame(what, name, use.prefix, inside, use))
        else:
            copy = tuple(items_of(inside, depth + 1))
            before = items[-1] if items else None
            if isinstance(before, Copies) and last_use(before, depth).span == use.span:
                items[-1] = Copies((*before.copies, copy))
            else:
                items.append(Copies((copy,)))
        start = end
    return items


def is_net(item: Any) -> bool:
    return isinstance(item, Frame) and item.what == "net" and item.has_weights


def use_at(node: Node, depth: int) -> Use | None:
    uses = node.site.uses
    return uses[len(uses) - 1 - depth] if depth < len(uses) else None


def last_use(copies: Copies, depth: int) -> Any:
    return use_at(nodes_of(copies.copies[-1])[0], depth)


def nodes_of(items: Collection[Any]) -> list[Node]:
    found: list[Node] = []
    for item in items:
        if isinstance(item, Copies):
            found += [node for copy in item.copies for node in nodes_of(copy)]
        else:
            found += item.nodes if isinstance(item, Frame) else [item]
    return found


def depth_of(frame: Frame) -> int:
    """How many uses lie around what stands directly in a frame."""
    if frame.use is None:
        return 0
    uses = frame.nodes[0].site.uses
    return len(uses) - next(i for i, use in enumerate(uses) if use is frame.use)


def numbered_name(attr: str) -> tuple[str, int]:
    """`conv_2` as the second of the list of `conv`: its name, and its place from 0."""
    base, count = NUMBERED.fullmatch(attr).groups()  # type: ignore[union-attr]
    return base, int(count or 1) - 1
