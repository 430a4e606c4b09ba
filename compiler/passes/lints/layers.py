"""Layers and activations that stand where they do little good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlc.compiler.diagnostics import Diagnostic, Label
from dlc.compiler.initial import XavierNormal
from dlc.compiler.operators.layers import Dense, Layer
from dlc.compiler.operators.regularization import Dropout
from dlc.compiler.passes.initial_values import following
from dlc.compiler.passes.lints.losses import makers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dlc.compiler.ir import Node, Value
    from dlc.compiler.program import Program

DEEP = 5  # layers of squashed values in a row through which little gradient is left
COLOURS = (1, 3)  # channels of an input of three axes that is taken for a picture


def dense_on_an_image(program: Program) -> Iterator[Diagnostic]:
    """`dense` on what convolutions made, whose last axis is the width."""
    producers = program.graph.producers()
    for node in program.graph.nodes:
        if not isinstance(node.operator, Dense) or node.operands[0].type.rank < 2:
            continue
        if is_image(node.operands[0], producers):
            x = node.operands[0].type
            yield Diagnostic("W0406", f"`dense` works along the last axis, and that of this image, {x}, is "
                             "its width", (Label(node.site.span),), node.site.way(),
                             "`flatten` before it makes features of all; `conv(channels, 1)` works on the "
                             "channels of every place")  # fmt: skip


def is_image(value: Value, producers: Mapping[Value, Node]) -> bool:
    """Whether its axes are channels and space: it is an input, or made by what works on images."""
    node = producers.get(value)
    if node is None:
        return value.type.rank == 3 and (value.type.element == "uint8" or value.type.shape[0] in COLOURS)
    if node.operator.spatial:
        return True
    same = [v for v in node.operands if v.type.batched and v.type.shape == value.type.shape]
    return "axes" in node.operator.keeps and any(is_image(v, producers) for v in same)


def dropout_at_the_end(program: Program) -> Iterator[Diagnostic]:
    """Dropout on the answer itself, which is then wrong in training."""
    producers = program.graph.producers()
    for output in program.outputs:
        for value in dict.fromkeys((output.flowed, output.scores)):
            for node in makers(value, producers):
                if isinstance(node.operator, Dropout):
                    yield Diagnostic("W0407", f"`dropout` right before the output `{output.name}` sets "
                                     "answers to 0 in training", (Label(node.site.span),), node.site.way(),
                                     "put it before the last layer")  # fmt: skip


def vanishing_gradients(program: Program) -> Iterator[Diagnostic]:
    """Many activations in a row that are flat at both ends; norms and shortcuts keep gradients alive."""
    depth: dict[Value, int] = {}
    for node in program.graph.nodes:
        found = [depth.get(v, 0) for v in node.operands if v.type.batched]
        if node.operator.normalizes or not found:
            continue
        reached = min(found) + node.operator.saturates
        depth.update(dict.fromkeys(node.results, reached))
        if node.operator.saturates and reached == DEEP:
            yield Diagnostic("W0408", f"`{node.operator.name}` is the {DEEP}th activation in a row that is "
                             "flat far from 0: little gradient comes back through so many",
                             (Label(node.site.span),), node.site.way(),
                             "`relu` or `gelu` keep gradients alive; so do `batchnorm`, `layernorm` and "
                             "`residual`")  # fmt: skip


def narrow_start(program: Program) -> Iterator[Diagnostic]:
    """Xavier before the ReLU family, which halves the variance that Xavier keeps."""
    readers, initial = program.graph.readers(), {w.value: w.initial for w in program.graph.weights}
    for node in program.graph.nodes:
        for value in node.weights.values():
            begun = initial.get(value)
            if (
                isinstance(begun, XavierNormal)
                and isinstance(node.operator, Layer)
                and following(node, readers) == "he"
            ):
                yield Diagnostic("W0409", f"`{begun.name}` is made for tanh and sigmoid; before the ReLU "
                                 "family values shrink with every layer", (Label(node.site.span),),
                                 node.site.way(), f"write `init={begun.name.replace('xavier', 'he')}`, or "
                                 "leave `init` out")  # fmt: skip
