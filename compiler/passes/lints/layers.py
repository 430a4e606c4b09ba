"""Layers and activations that stand where they do little good."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from dlc.compiler.definitions.initializers import XavierNormal
from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.passes.initial_values import wanted_starts
from dlc.compiler.passes.lints.value_origins import back, is_elementwise
from dlc.compiler.passes.liveness import needed_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.ir.graph import Graph, Node, Value
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.types import Tensor

DEEP = 5  # layers of squashed values in a row through which little gradient is left
COLOURS = (1, 3)  # channels of an input of three axes that is taken for a picture


def dense_on_an_image(program: CompiledProgram) -> Iterator[Diagnostic]:
    """`dense` on pixels, or on what convolutions made, whose last axis is the width."""
    images = images_behind(program.graph)
    for node in program.graph.nodes:
        if not multiplies_last(node) or node.operands[0].type.rank < 2:
            continue
        image, x = images.get(node.operands[0]), node.operands[0].type
        if image is None:
            continue
        is_signal = image.type.rank == 2 and image not in program.graph.inputs
        what, extent = ("signal", "length") if is_signal else ("image", "width")
        name, has_channels = node.operator.name, is_signal or image.type.rank > 2
        yield Diagnostic.at(node.site, "W0406",
                            f"`{name}` works along the last axis, and that of this {what}, {x}, is its "
                            f"{extent}",
                            "`flatten` before it makes features of all"
                            + "; `conv(channels, 1)` works on the channels of every place"
                            * has_channels)  # fmt: skip


def multiplies_last(node: Node) -> bool:
    """Whether it is a layer that multiplies along the last axis, as `dense` does."""
    operator = node.operator
    return operator.linear and bool(operator.multiply_adds()) and not operator.features_first()


def images_behind(graph: Graph) -> dict[Value, Value]:
    """The image, its channels before its space, that a value of the same axes was made of: an input, or what
    an operator of space made."""
    found: dict[Value, Value] = {value: value for value in graph.inputs if is_picture(value.type)}
    for node in graph.nodes:
        for result in node.results:
            kept = (
                v for v in node.operands if "axes" in node.operator.keeps and v.type.rank == result.type.rank
            )
            image = result if node.operator.spatial else next((found[v] for v in kept if v in found), None)
            if image is not None:
                found[result] = image
    return found


def is_picture(type: Tensor) -> bool:
    """Whether an input of this type is taken for pixels, whose channels, if any, do not stand last."""
    known = all(isinstance(size, int) for size in type.shape)
    if type.rank == 2:
        return type.element == "uint8" and known
    if type.rank != 3 or type.shape[-1] in COLOURS:
        return False
    return type.element == "uint8" or (known and type.shape[0] in COLOURS)


def dropout_at_the_end(program: CompiledProgram) -> Iterator[Diagnostic]:
    """Dropout on the answer itself, which is then wrong in training."""
    producers, seen = program.graph.producers(), set()
    for output in program.outputs:
        for value in dict.fromkeys((output.flowed, output.scores)):
            for node in takewhile(lambda n: n not in seen, back(value, producers, is_elementwise)):
                seen.add(node)
                if node.operator.drops():
                    yield Diagnostic.at(node.site, "W0407",
                                        f"`{node.operator.name}` right before the output `{output.name}` "
                                        "sets answers to 0 in training",
                                        "put it before the last layer")  # fmt: skip


def vanishing_gradients(program: CompiledProgram) -> Iterator[Diagnostic]:
    """Many activations in a row that are flat at both ends; norms and shortcuts keep gradients alive.

    Of those that begin at one activation, as they do behind a branch, the first is told. Where the loss takes
    derivatives of the network, as that of an equation does, it has to be smooth, and is so by custom."""
    if any(node.operator.wrt is not None for node in program.graph.nodes):
        return
    trained = program.graph.needed_by(program.losses) if program.phases else needed_values(program)
    rows: dict[Value, tuple[int, Node | None]] = {}  # how many on the way with the fewest, and the first
    begun = set()
    for node in program.graph.nodes:
        found = [rows.get(v, (0, None)) for v in node.operands if v.type.batched]
        if node.operator.normalizes or not found or trained.isdisjoint(node.results):
            continue
        count, first = min(found, key=lambda row: row[0])
        if node.operator.saturates:
            count, first = count + 1, first or node
        rows.update(dict.fromkeys(node.results, (count, first)))
        if node.operator.saturates and count == DEEP and first not in begun:
            begun.add(first)
            yield Diagnostic.at(node.site, "W0408",
                                f"`{node.operator.name}` is the {DEEP}th activation in a row that is flat "
                                "far from 0: little gradient comes back through so many",
                                "`relu` or `gelu` keep gradients alive; so do `batchnorm`, `layernorm` and "
                                "`residual`")  # fmt: skip


def narrow_start(program: CompiledProgram) -> Iterator[Diagnostic]:
    """Xavier before the ReLU family, which halves the variance that Xavier keeps."""
    weights = {w.value: w for w in program.graph.weights}
    answering = program.graph.needed_by(output.flowed for output in program.outputs)
    readers = {
        value: [n for n in nodes if not is_sum(n) and (value in answering) <= (n.results[0] in answering)]
        for value, nodes in program.graph.readers().items()
    }
    wanted = wanted_starts(program.graph, readers)
    for node in program.graph.nodes:
        if not node.operator.linear or node.operator.auto or wanted[node] != "he":
            continue
        for weight in (weights[v] for v in node.weights.values() if v in weights):
            if not isinstance(weight.initial, XavierNormal):
                continue
            name, better = weight.initial.name, weight.initial.name.replace("xavier", "he")
            own = weight.name == f"{node.name}.weight"
            yield Diagnostic.at(node.site, "W0409",
                                f"`{name}` is made for tanh and sigmoid; before the ReLU family values "
                                "shrink with every layer",
                                f"write `init={better}`, or leave `init` out" if own
                                else f"begin `{weight.name}` with `{better}`",
                                more=[] if own else [Label(weight.value.site.span,
                                                           f"begins with `{name}`")])  # fmt: skip


def is_sum(node: Node) -> bool:
    """Whether several flows are added, whose spreads add up too."""
    return node.operator.sums and sum(v.type.batched for v in node.operands) > 1
