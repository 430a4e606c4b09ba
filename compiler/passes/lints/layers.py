"""Lints about layers and activations in unsuitable positions."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from dlc.compiler.definitions.initializers import XavierNormal
from dlc.compiler.diagnostics.diagnostic import Diagnostic, Label
from dlc.compiler.passes.initial_values import needed_initializers
from dlc.compiler.passes.lints.value_origins import back, is_elementwise
from dlc.compiler.passes.liveness import live_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dlc.compiler.ir.graph import Graph, Node, Value
    from dlc.compiler.program import CompiledProgram
    from dlc.compiler.types import Tensor

DEEP = 5  # saturating activations in sequence after which gradients are small
COLOURS = (1, 3)  # possible numbers of channels of an input with three axes that counts as an image


def dense_on_an_image(program: CompiledProgram) -> Iterator[Diagnostic]:
    """`dense` on images, whose last axis is the width."""
    images = source_images(program.graph)
    for node in program.graph.nodes:
        attends = node.operator.sight is not None
        if not (multiplies_last(node) or attends) or node.operands[0].type.rank < 2:
            continue
        image, x = images.get(node.operands[0]), node.operands[0].type
        if image is None:
            continue
        is_signal = image.type.rank == 2 and image not in program.graph.inputs
        what, extent = ("signal", "length") if is_signal else ("image", "width")
        name, has_channels = node.operator.name, is_signal or image.type.rank > 2
        help = ("`flatten` before it turns all values into features"
                + "; `conv(channels, 1)` works on the channels of each position" * has_channels)  # fmt: skip
        if attends:
            help = f"`reshape({x.shape[0]}, -1) -> transpose` before it makes each position a step"
        yield Diagnostic.at(node.site, "W0406",
                            f"`{name}` works along the last axis, and that of this {what}, {x}, is its "
                            f"{extent}", help)  # fmt: skip


def multiplies_last(node: Node) -> bool:
    """Whether it is a layer that multiplies along the last axis, such as `dense`."""
    operator = node.operator
    return operator.linear and bool(operator.multiply_adds()) and not operator.features_first()


def source_images(graph: Graph) -> dict[Value, Value]:
    """For each value with the axes of an image (channels first), that image: an input, or a result of an
    operator on space axes."""
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
    """Whether an input of this type counts as an image that does not have its channels last."""
    known = all(isinstance(size, int) for size in type.shape)
    if type.rank == 2:
        return type.element == "uint8" and known
    if type.rank != 3 or type.shape[-1] in COLOURS:
        return False
    return type.element == "uint8" or (known and type.shape[0] in COLOURS)


def dropout_at_the_end(program: CompiledProgram) -> Iterator[Diagnostic]:
    """Dropout directly before an output, which sets answers to 0 in training."""
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
    """Many saturating activations in sequence, without normalization or skip connections between them.

    Of several sequences with the same first activation, as before a branch, only the first is reported. There
    is no warning if the loss has derivatives of the network, for which saturating activations are common."""
    if any(node.operator.wrt is not None for node in program.graph.nodes):
        return
    trained = program.graph.needed_by(program.losses) if program.phases else live_values(program)
    # The number of saturating activations on the path with the fewest of them, and the first one.
    sequences: dict[Value, tuple[int, Node | None]] = {}
    reported = set()
    for node in program.graph.nodes:
        found = [sequences.get(v, (0, None)) for v in node.operands if v.type.batched]
        if node.operator.normalizes or not found or trained.isdisjoint(node.results):
            continue
        count, first = min(found, key=lambda sequence: sequence[0])
        if node.operator.saturates:
            count, first = count + 1, first or node
        sequences.update(dict.fromkeys(node.results, (count, first)))
        if node.operator.saturates and count == DEEP and first not in reported:
            reported.add(first)
            yield Diagnostic.at(node.site, "W0408",
                                f"`{node.operator.name}` is the {DEEP}th saturating activation in sequence: "
                                "gradients vanish through so many",
                                "use `relu` or `gelu`, or put `batchnorm`, `layernorm` or `residual` between "
                                "them")  # fmt: skip


def xavier_before_relu(program: CompiledProgram) -> Iterator[Diagnostic]:
    """Xavier initialization before the ReLU family, which halves the variance that Xavier preserves."""
    weights = {w.value: w for w in program.graph.weights}
    of_answers = program.graph.needed_by(output.flowed for output in program.outputs)
    readers = {
        value: [n for n in nodes if not is_sum(n) and (value in of_answers) <= (n.results[0] in of_answers)]
        for value, nodes in program.graph.readers().items()
    }
    needed = needed_initializers(program.graph, readers)
    for node in program.graph.nodes:
        if not node.operator.linear or node.operator.auto or needed[node] != "he":
            continue
        for weight in (weights[v] for v in node.weights.values() if v in weights):
            if not isinstance(weight.initial, XavierNormal):
                continue
            name, better = weight.initial.name, weight.initial.name.replace("xavier", "he")
            own = weight.name == f"{node.name}.weight"
            yield Diagnostic.at(node.site, "W0409",
                                f"`{name}` is intended for tanh and sigmoid; before the ReLU family values "
                                "become smaller with each layer",
                                f"write `init={better}`, or leave `init` out" if own
                                else f"initialize `{weight.name}` with `{better}`",
                                more=[] if own else [Label(weight.value.site.span,
                                                           f"initialized with `{name}`")])  # fmt: skip


def is_sum(node: Node) -> bool:
    """Whether it adds several batched values, which adds their variances."""
    return node.operator.sums and sum(v.type.batched for v in node.operands) > 1
