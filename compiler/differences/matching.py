"""Which nodes and values of one program are those of another."""

from __future__ import annotations

import re
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from dlc.compiler.differences.alignment import align, gaps, refine
from dlc.compiler.differences.values import comparable
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlc.compiler.differences.alignment import Pair
    from dlc.compiler.ir.graph import Graph, Node, Value, Weight
    from dlc.compiler.operators.base import Operator

NUMBER = re.compile(r"_\d+(?=\.|$)")


class Matching:
    """The nodes of two graphs that belong together.

    Nodes are aligned in their order: first those with equal names and calls, where numbers in names do not
    count, so that a layer can be inserted before others; then those with equal calls, then those with equal
    operators. Of the rest, nodes with equal names and calls belong together wherever they are, and so do two
    nodes that are left in the same place.
    """

    def __init__(self, a: Graph, b: Graph) -> None:
        self.a, self.b = a, b
        self.nodes = self._nodes()
        self.pairs = [(a.nodes[i], b.nodes[j]) for i, j in self.nodes.items()]

    def _nodes(self) -> dict[int, int]:
        """The positions in `b` by those in `a`."""
        a, b = self.a.nodes, self.b.nodes
        calls = [call(n.operator) for n in a], [call(n.operator) for n in b]
        names = [bare(n.name) for n in a], [bare(n.name) for n in b]
        pairs = align([*zip(names[0], calls[0], strict=True)], [*zip(names[1], calls[1], strict=True)])
        pairs = refine(pairs, *calls)
        pairs = refine(pairs, [n.operator.name for n in a], [n.operator.name for n in b])
        found = dict(pairs)
        taken = set(found.values())
        left: dict[Any, list[int]] = {}
        for j in sorted({*range(len(b))} - taken, reverse=True):
            left.setdefault((names[1][j], calls[1][j]), []).append(j)
        for i in range(len(a)):
            if i not in found and left.get(key := (names[0][i], calls[0][i])):
                found[i] = left[key].pop()
                taken.add(found[i])
        return found | alone(pairs, found, taken, a, b)

    @cached_property
    def values(self) -> dict[Value, Value]:
        """The values of `b` by those of `a`: inputs and declared weights by name, others by their nodes."""
        inputs = {(v.kind, v.name): v for v in self.b.inputs}
        found: dict[Value, Value] = {
            v: inputs[v.kind, v.name] for v in self.a.inputs if (v.kind, v.name) in inputs
        }
        known = declared(self.b)
        found |= {w.value: known[name].value for name, w in declared(self.a).items() if name in known}
        for node, other in self.pairs:
            for leaf, weight in node.weights.items():
                if leaf in other.weights:
                    found.setdefault(weight, other.weights[leaf])
            found |= zip(node.results, other.results, strict=False)
        return found

    @cached_property
    def origins(self) -> tuple[dict[Value, int], dict[Value, int]]:
        """For each value of both graphs, as bits, the values with a match that it is computed from: itself,
        or the nearest ones before it."""
        bits = {value: 1 << n for n, value in enumerate(self.values)}
        others = {self.values[value]: bit for value, bit in bits.items()}
        return origins(self.a, bits), origins(self.b, others)

    def same_origin(self, a: Value, b: Value) -> bool:
        """Whether two values are a pair, or are computed from one by nodes that the other graph lacks."""
        first, second = self.origins[0].get(a, 0), self.origins[1].get(b, 0)
        return first == second or bool(first & second)


def origins(graph: Graph, bits: dict[Value, int]) -> dict[Value, int]:
    return graph.depends(bits, {value: ~bit for value, bit in bits.items()})


def alone(
    pairs: Sequence[Pair], found: dict[int, int], taken: set[int], a: Sequence[Node], b: Sequence[Node]
) -> dict[int, int]:
    """Pairs of nodes that are left between two pairs: where one is left on one side, it and the only one on
    the other side, or the first one there with results of the same types."""
    left = {}
    for (i, k), (j, m) in gaps(pairs, len(a), len(b)):
        mine, others = [n for n in range(i, k) if n not in found], [n for n in range(j, m) if n not in taken]
        if len(mine) == len(others) == 1:
            left[mine[0]] = others[0]
        elif 1 in (len(mine), len(others)):
            alike = ((x, y) for x in mine for y in others if types(a[x]) == types(b[y]))
            left.update(islice(alike, 1))
    return left


def types(node: Node) -> list[Tensor]:
    return [value.type for value in node.results]


def declared(graph: Graph) -> dict[str, Weight]:
    """The weights that no node owns: those that the spec declares, by name."""
    owned = {value for node in graph.nodes for value in node.weights.values()}
    return {weight.name: weight for weight in graph.weights if weight.value not in owned}


def bare(name: str) -> str:
    """A name without the numbers that make it unique: `layer.conv` of `layer_3.conv_2`."""
    return NUMBER.sub("", name)


def call(operator: Operator) -> tuple[Any, ...]:
    """The operator with its settings, without those that are tensors, which a node reads."""
    return operator.name, *(
        (key, comparable(value, {}))
        for key, value in operator.values().items()
        if not isinstance(value, Tensor)
    )
