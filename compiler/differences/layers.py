"""What differs between the layers of two programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.differences.difference import Change, Difference
from dlc.compiler.differences.matching import Matching, bare, declared
from dlc.compiler.differences.values import comparable, spelled
from dlc.compiler.format.printer import print_call, print_type
from dlc.compiler.passes.cost import spell, summed, weight_size
from dlc.compiler.passes.liveness import live_out
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.differences.difference import Kind
    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Node, Value, Weight
    from dlc.compiler.program import CompiledProgram

# The changes of a layer that other layers cause; others begin with `TYPE_OF`.
CAUSED = ("makes", "parameters")
TYPE_OF = "type of "


class Layers:
    """The nodes of a program: which belong to losses alone, and the parameters of each."""

    def __init__(self, program: CompiledProgram) -> None:
        self.graph = graph = program.graph
        losses = set(program.losses)
        needed = graph.needed_by(value for value in live_out(program) if value not in losses)
        self._of_losses = {n for n in graph.nodes if not (n.net or n.weights or needed & set(n.results))}
        self.weights = {weight.value: weight for weight in graph.weights}
        self._parameters: dict[Node, Size] = {}
        read: set[Value] = set()
        for node in graph.nodes:
            own = [self.weights[v] for v in node.weights.values() if v in self.weights and v not in read]
            self._parameters[node] = summed(weight_size(w) for w in own if w.trainable)
            read.update(node.weights.values())

    def kind(self, node: Node) -> Kind:
        return "loss" if node in self._of_losses else "layer"

    def parameters(self, node: Node) -> str:
        """The parameters of its weights that no node before it reads; empty if there are none."""
        size = self._parameters[node]
        return "" if size == 0 else spell(size)

    def reads(self, node: Node) -> str:
        """The names of its operands, and of weights that are no weights of its own."""
        own = {
            node.weights[leaf] for leaf in node.weights if node.weights[leaf].name == f"{node.name}.{leaf}"
        }
        return ", ".join(value.name for value in (*node.operands, *node.weights.values()) if value not in own)


class LayerDifferences:
    """The differences of the nodes and the declared weights of two programs, which are matched."""

    def __init__(self, a: CompiledProgram, b: CompiledProgram) -> None:
        self.matching = Matching(a.graph, b.graph)
        self.a, self.b = Layers(a), Layers(b)
        # Where layers are added or removed, the numbers in the names of others change too.
        self._renumbered = len(self.matching.pairs) < max(len(a.graph.nodes), len(b.graph.nodes))
        self.nodes: dict[Node, Difference] = {}  # by the node of `b`, of `a` if it is removed; in order
        for node, other in self._in_order():
            found = self._of(node, other)
            if found is not None:
                self.nodes[other or node] = found  # type: ignore[index]

    def _in_order(self) -> Iterator[tuple[Node | None, Node | None]]:
        """The pairs of nodes in the order of `b`, each removed node behind the one that it followed."""
        a, b, pairs = self.a.graph.nodes, self.b.graph.nodes, self.matching.nodes
        removed: dict[int, list[Node]] = {}
        place = 0
        for i, node in enumerate(a):
            place = pairs[i] + 1 if i in pairs else place
            if i not in pairs:
                removed.setdefault(place, []).append(node)
        of = {j: a[i] for i, j in pairs.items()}
        for j in range(len(b) + 1):
            yield from ((gone, None) for gone in removed.get(j, ()))
            if j < len(b):
                yield of.get(j), b[j]

    def _of(self, a: Node | None, b: Node | None) -> Difference | None:
        if a is None or b is None:
            return self._only(a, b)
        changes = tuple(change for change in self._changes(a, b) if change.before != change.after)
        if not changes:
            return None
        implied = all(c.what in CAUSED or c.what.startswith(TYPE_OF) for c in changes)
        kind = self.b.kind(b) if self.a.kind(a) == self.b.kind(b) else "layer"
        return Difference(
            kind, b.name, print_call(a, short=True), print_call(b, short=True), a.site.place, b.site.place,
            changes, implied,
        )  # fmt: skip

    def _only(self, a: Node | None, b: Node | None) -> Difference:
        """The difference of a node that one program has."""
        node, layers = (a, self.a) if a is not None else (b, self.b)
        assert node is not None
        texts = {"makes": makes(node), "parameters": layers.parameters(node), "reads": layers.reads(node)}
        text, place = print_call(node, short=True), node.site.place
        if b is None:
            gone = tuple(Change(what, text, "") for what, text in texts.items() if text)
            return Difference(layers.kind(node), node.name, text, "", place, "", gone)
        new = tuple(Change(what, "", text) for what, text in texts.items() if text)
        return Difference(layers.kind(node), node.name, "", text, "", place, new)

    def _changes(self, a: Node, b: Node) -> Iterator[Change]:
        same_number = self._renumbered or a.operator.name != b.operator.name
        if own_name(a) != own_name(b) or not same_number:
            yield Change("name", a.name, b.name)
        yield from of_settings(a, b)
        yield Change("makes", makes(a), makes(b))
        yield Change("parameters", self.a.parameters(a), self.b.parameters(b))
        for leaf in {**a.weights, **b.weights}:
            first, second = self.a.weights.get(a.weights.get(leaf)), self.b.weights.get(b.weights.get(leaf))  # type: ignore[arg-type]
            yield from of_weights(first, second, f" of {leaf}")
        yield Change("net", a.net or "", b.net or "")
        if not self._reads_the_same(a, b):
            yield Change("reads", self.a.reads(a), self.b.reads(b))

    def _reads_the_same(self, a: Node, b: Node) -> bool:
        """Whether two nodes read the same values, and have the same weights where both have them."""
        pairs = [(a.weights[leaf], b.weights[leaf]) for leaf in a.weights if leaf in b.weights]
        pairs += zip(a.operands, b.operands, strict=False)
        same = self.matching.same_origin
        return len(a.operands) == len(b.operands) and all(same(*pair) for pair in pairs)

    def weights(self) -> Iterator[Difference]:
        """The differences of declared weights."""
        mine, others = declared(self.a.graph), declared(self.b.graph)
        for name in {**mine, **others}:
            a, b = mine.get(name), others.get(name)
            changes = tuple(c for c in of_weights(a, b) if c.before != c.after)
            if a is None or b is None or changes:
                yield Difference("weight", name, declaration(a), declaration(b),
                                 place(a), place(b), changes if a and b else ())  # fmt: skip


def own_name(node: Node) -> str:
    """The name without numbers, and without the last part where it is only that of the operator."""
    path, dot, last = bare(node.name).rpartition(".")
    return f"{path}{dot}" if last == node.operator.name else f"{path}{dot}{last}"


def of_settings(a: Node, b: Node) -> Iterator[Change]:
    """The changes of the settings of a call; of the whole call, if the operators differ."""
    if a.operator.name != b.operator.name:
        yield Change("operator", print_call(a, short=True), print_call(b, short=True))
        return
    for key, value in a.operator.values().items():
        other = getattr(b.operator, key)
        if isinstance(value, Tensor) or isinstance(other, Tensor):
            continue  # it is read: an operand, or a weight
        if comparable(value, {}) != comparable(other, {}):
            before, after = spelled(value), spelled(other)
            yield Change(key, before, after if after != before else f"{after}, with other values")


def of_weights(a: Weight | None, b: Weight | None, of: str = "") -> Iterator[Change]:
    """The changes of a weight; ` of bias` says which one of a layer."""
    yield Change(f"type{of}", str(a.value.type) if a else "", str(b.value.type) if b else "")
    if a is not None and b is not None:
        before, after = ("as in another net" if w.follows else w.start for w in (a, b))
        yield Change(f"initial values{of}", before, after)
        yield Change(f"role{of}", a.role, b.role)


def makes(node: Node) -> str:
    return ", ".join(print_type(value.type) for value in node.results)


def declaration(weight: Weight | None) -> str:
    return f"{weight.value.type} = {weight.start}" if weight else ""


def place(weight: Weight | None) -> str:
    return weight.value.site.place if weight else ""
