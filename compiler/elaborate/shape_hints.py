"""Hints for shape errors: a layer, or a setting of a layer, that makes one shape match another."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from dlc.compiler.definitions.definition import Reject, spell_value
from dlc.compiler.dims.dim import DimError, fixed, product
from dlc.compiler.ir.graph import Value
from dlc.compiler.passes.lints.value_origins import batched_operand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dlc.compiler.elaborate.values import Operand
    from dlc.compiler.ir.graph import Node
    from dlc.compiler.operators.base import Operator
    from dlc.compiler.types import Tensor

MAX_LAYERS_BACK = 20  # maximum number of previous layers to examine

ANY_LENGTH = "a loop needs a known number of steps; `rnn`, `lstm` and `gru` go over a dimension of any size"


def layer_fix(operator: Operator, operands: Sequence[Operand]) -> str:
    """One layer that makes the shapes of two operands compatible. Empty if there is none."""
    tensors = [(o.span.text, o.value.type) for o in operands if isinstance(o.value, Value)]
    if len(operands) != 2 or len(tensors) != 2:
        return ""
    for (text, source), (_, target) in (tensors, tensors[::-1]):
        layer = layer_between(source, target) if accepts(operator, target, target) else ""
        if layer and text == "residual":
            return f"give it `skip={layer}`"
        if layer:
            return f"`{layer}` would make {f'`{text}`' if text.isidentifier() else source} fit"
    return ""


def accepts(operator: Operator, *types: Tensor) -> bool:
    try:
        operator.bind(*types)
    except (Reject, DimError):
        return False
    return True


def layer_between(source: Tensor, target: Tensor) -> str:
    """The layer that maps one shape to the other, if the spatial size stays equal or shrinks."""
    old, new = fixed(source.shape), fixed(target.shape)
    if not old or not new or len(old) != len(new):
        return ""
    if len(old) <= 2:
        return f"dense({new[-1]})" if old[:-1] == new[:-1] else ""
    strides = {-(-a // b) for a, b in zip(old[1:], new[1:], strict=True)}
    stride = strides.pop()
    if strides or stride < 1 or any(-(-a // stride) != b for a, b in zip(old[1:], new[1:], strict=True)):
        return ""
    return f"conv({new[0]}, 1)" if stride == 1 else f"conv({new[0]}, 1, stride={stride})"


def setting_fix(value: Value, producers: Mapping[Value, Node], fits: Callable[[Tensor], bool]) -> str:
    """One setting of a layer before a value that makes the type of the value fit. Empty if there is none."""
    following: list[Node] = []  # nodes after the layer, from the value backwards
    node = producers.get(value)
    while node is not None and len(following) < MAX_LAYERS_BACK:
        for name, operator in () if node.site.entered else adjusted(node.operator):
            made = type_after(operator, node, following)
            if made is not None and fits(made):
                written = node.site.span.text if len(node.site.span.text) <= 60 else node.operator.name
                return f"`{name}={spell_value(getattr(operator, name))}` in `{written}` makes it fit"
        following.append(node)
        node = producers.get(node.operands[0]) if node.operands else None
    return ""


def adjusted(operator: Operator) -> Iterator[tuple[str, Operator]]:
    """Variants of the operator with another result size, each with the name of the changed setting."""
    for name, values in operator.adjusts.items():
        for value in values:
            yield name, operator.with_settings(**{name: value})


def type_after(operator: Operator, node: Node, following: Sequence[Node]) -> Tensor | None:
    """The type at the end of a chain of nodes if the operator of its first node is replaced."""
    try:
        made = operator.bind(*(o.type for o in node.operands)).results[0]
        for before, after in zip((node, *reversed(following)), reversed(following), strict=False):
            types = [made if o in before.results else o.type for o in after.operands]
            made = after.operator.bind(*types).results[0]
    except (Reject, DimError):
        return None
    return made


def operand_fix(operator: Operator, operands: Sequence[Operand], producers: Mapping[Value, Node]) -> str:
    """One setting of a layer before one of the operands that makes all operands compatible."""
    values = [o.value for o in operands if isinstance(o.value, Value)]
    for position, value in enumerate(values if len(values) == len(operands) else ()):

        def fits(made: Tensor, position: int = position) -> bool:
            return accepts(operator, *(made if i == position else v.type for i, v in enumerate(values)))

        if found := setting_fix(value, producers, fits):
            return found
    return ""


def upstream_fix(operator: Operator, value: Value, producers: Mapping[Value, Node]) -> str:
    """A fix earlier in the flow that makes the value valid for the operator. Empty if none is known."""
    node = producers.get(value)
    if getattr(operator, "spatial", False):
        return channels_last_fix(value, producers)
    return flattened_axis_fix(operator, node) if node is not None and joins_axes(node) else ""


def joins_axes(node: Node) -> bool:
    """Whether the node joins all axes into one, as `flatten` does."""
    if "numbers" not in node.operator.keeps or len(node.operands) != 1:
        return False
    with suppress(DimError):
        return node.results[0].type.shape == (product(node.operands[0].type.shape),)
    return False


def flattened_axis_fix(operator: Operator, node: Node) -> str:
    """The fix for a free dimension that `flatten` joined with the others."""
    x = node.operands[0].type
    free = [axis for axis, size in enumerate(x.shape) if not isinstance(size, int)]
    if len(free) != 1:
        return ""
    left = x.with_shape(*(s for axis, s in enumerate(x.shape) if axis != free[0])).with_element("float")
    if not accepts(node.operator, left) or not accepts(operator, node.operator.bind(left).results[0]):
        return ""
    return f"`{node.operator.name}` has joined the free dimension to the others: `mean(axis={free[0]})` " \
           f"before it makes {left}"  # fmt: skip


def channels_last_fix(value: Value, producers: Mapping[Value, Node]) -> str:
    """The fix for an input image with channels last, if the nodes after it keep the order of the axes."""
    for _ in range(MAX_LAYERS_BACK):
        node = producers.get(value)
        if node is None:
            return channels_first(value.name, value.type)
        if not (node.operator.spatial or "axes" in node.operator.keeps):
            return ""
        value = batched_operand(node)
    return ""


def channels_first(name: str, x: Tensor) -> str:
    if x.rank != 3 or x.shape[-1] not in (1, 3, 4):
        return ""
    if not all(isinstance(size, int) and size > 4 for size in x.shape[:2]):
        return ""
    wanted = x.with_shape(x.shape[-1], *x.shape[:2])
    return f"channels come first: `transpose(2, 0, 1)` right after `{name}` makes it {wanted}"
