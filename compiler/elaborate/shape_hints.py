"""The layer, or the setting of a layer, that would make one shape fit another."""

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

FAR = 20  # layers back that are looked at


def fix(operator: Operator, operands: Sequence[Operand]) -> str:
    """What to do with two tensors that cannot be put together, if one layer does it."""
    tensors = [(o.span.text, o.value.type) for o in operands if isinstance(o.value, Value)]
    if len(operands) != 2 or len(tensors) != 2:
        return ""
    for (text, have), (_, want) in (tensors, tensors[::-1]):
        layer = between(have, want) if takes(operator, want, want) else ""
        if layer and text == "residual":
            return f"give it `skip={layer}`"
        if layer:
            return f"`{layer}` would make {f'`{text}`' if text.isidentifier() else have} fit"
    return ""


def takes(operator: Operator, *types: Tensor) -> bool:
    try:
        operator.bind(*types)
    except (Reject, DimError):
        return False
    return True


def between(have: Tensor, want: Tensor) -> str:
    """The layer that leads from one shape to the other, if it keeps its size or shrinks it."""
    old, new = fixed(have.shape), fixed(want.shape)
    if not old or not new or len(old) != len(new):
        return ""
    if len(old) <= 2:
        return f"dense({new[-1]})" if old[:-1] == new[:-1] else ""
    strides = {-(-a // b) for a, b in zip(old[1:], new[1:], strict=True)}
    stride = strides.pop()
    if strides or stride < 1 or any(-(-a // stride) != b for a, b in zip(old[1:], new[1:], strict=True)):
        return ""
    return f"conv({new[0]}, 1)" if stride == 1 else f"conv({new[0]}, 1, stride={stride})"


def setting(value: Value, producers: Mapping[Value, Node], fits: Callable[[Tensor], bool]) -> str:
    """The one setting of a layer on the way to a value with which its type fits; empty if there is none."""
    behind: list[Node] = []  # the layer: from the value back
    node = producers.get(value)
    while node is not None and len(behind) < FAR:
        for name, operator in () if node.site.entered else others(node.operator):
            made = remade(operator, node, behind)
            if made is not None and fits(made):
                written = node.site.span.text if len(node.site.span.text) <= 60 else node.operator.name
                return f"`{name}={spell_value(getattr(operator, name))}` in `{written}` makes it fit"
        behind.append(node)
        node = producers.get(node.operands[0]) if node.operands else None
    return ""


def others(operator: Operator) -> Iterator[tuple[str, Operator]]:
    """The same operator with other sizes of what it makes, each with the setting that differs."""
    for name, values in operator.adjusts.items():
        for value in values:
            yield name, operator.with_settings(**{name: value})


def remade(operator: Operator, node: Node, behind: Sequence[Node]) -> Tensor | None:
    """The type that comes out behind a node that has this operator in place of its own."""
    try:
        made = operator.bind(*(o.type for o in node.operands)).results[0]
        for before, after in zip((node, *reversed(behind)), reversed(behind), strict=False):
            types = [made if o in before.results else o.type for o in after.operands]
            made = after.operator.bind(*types).results[0]
    except (Reject, DimError):
        return None
    return made


def pair(operator: Operator, operands: Sequence[Operand], producers: Mapping[Value, Node]) -> str:
    """The setting of a layer before one of several operands with which the operator takes them all."""
    values = [o.value for o in operands if isinstance(o.value, Value)]
    for place, value in enumerate(values if len(values) == len(operands) else ()):

        def fits(made: Tensor, place: int = place) -> bool:
            return takes(operator, *(made if i == place else v.type for i, v in enumerate(values)))

        if found := setting(value, producers, fits):
            return found
    return ""


def earlier(operator: Operator, value: Value, producers: Mapping[Value, Node]) -> str:
    """What to do further up the flow so that an operator takes a value; empty if that is not known."""
    node = producers.get(value)
    if getattr(operator, "spatial", False):
        return channels(value, producers)
    return unfolded(operator, node) if node is not None and joins_axes(node) else ""


def joins_axes(node: Node) -> bool:
    """Whether it makes one axis of all, as `flatten` does."""
    if "numbers" not in node.operator.keeps or len(node.operands) != 1:
        return False
    with suppress(DimError):
        return node.results[0].type.shape == (product(node.operands[0].type.shape),)
    return False


def unfolded(operator: Operator, node: Node) -> str:
    """The fix of a free axis that `flatten` has folded into the others."""
    x = node.operands[0].type
    free = [axis for axis, size in enumerate(x.shape) if not isinstance(size, int)]
    if len(free) != 1:
        return ""
    left = x.with_shape(*(s for axis, s in enumerate(x.shape) if axis != free[0])).with_element("float")
    if not takes(node.operator, left) or not takes(operator, node.operator.bind(left).results[0]):
        return ""
    return f"`{node.operator.name}` has joined the free dimension to the others: `mean(axis={free[0]})` " \
           f"before it makes {left}"  # fmt: skip


def channels(value: Value, producers: Mapping[Value, Node]) -> str:
    """The fix for an image that comes in with its channels last, if its axes stay in their places
    from there on."""
    for _ in range(FAR):
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
    return f"channels come first: `transpose(2, 0, 1)` right behind `{name}` makes {wanted} of it"
