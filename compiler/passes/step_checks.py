"""What can be computed one step at a time, and the sizes of one step."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.definition import Reject
from dlc.compiler.diagnostics.diagnostic import Diagnostic
from dlc.compiler.diagnostics.problems import CompileError
from dlc.compiler.dims.dim import Dim, free, names, substitute
from dlc.compiler.operators.base import Operator
from dlc.compiler.operators.padding import APART
from dlc.compiler.operators.stepwise import PAST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dlc.compiler.diagnostics.source import Site
    from dlc.compiler.dims.dim import Size
    from dlc.compiler.ir.graph import Node
    from dlc.compiler.types import Tensor

CODE = "E0520"
HELP = (
    "a step may read itself and those before it, as `gru`, `attention(causal=true)`, `conv(padding=causal)`, "
    "`shift` and `cumsum` do"
)
QUERY, MEMORY = free("query"), free("memory")  # the two axes of pairs of steps


def failed(site: Site, message: str, help: str) -> CompileError:
    return CompileError([Diagnostic.at(site, CODE, message, help)])


def with_place(node: Node, add: Callable[[], object]) -> None:
    """Add the step of a node; `CompileError` if it cannot be computed so."""
    try:
        add()
    except Reject as reject:
        name = node.operator.symbol or node.operator.name
        message = f"`{name}` cannot be computed step by step: {reject.message}"
        raise failed(node.site, message, reject.help or HELP) from None


def check_others(node: Node, changing: Sequence[int], steps: Size) -> None:
    """Reject an operator that reads another sequence with as many steps."""
    for place, value in enumerate(node.operands):
        if place not in changing and step_axes(value.type, steps):
            raise Reject(f"it also reads all steps of {value.type}, which is not made step by step", at=place,
                         help=f"give the answer a dimension of its own, in place of `{steps}`")  # fmt: skip


def check_apart(node: Node, changing: Sequence[int], steps: Size) -> None:
    """Reject an operator that does not treat each step alone."""
    operator = node.operator
    if operator.tells_places or operator.recurs:
        raise Reject("its result depends on the place of a step")
    for place in changing:
        for axis in step_axes(node.operands[place].type, steps):
            if not operator.elementwise and not is_apart(operator, place, axis):
                raise Reject("it reads several steps", at=place)


def is_apart(operator: Operator, place: int, axis: int) -> bool:
    """Whether entries at different places of an axis never meet."""
    try:
        return operator.padding_of(place, axis) == APART
    except Reject:
        return False


def beyond(type: Tensor, steps: Size) -> int:
    """The entries of a value on the axis of the steps that are there before the first step."""
    axes = step_axes(type, steps)
    more = {type.shape[axis] - steps for axis in axes}
    found = more.pop() if len(more) == 1 else None
    if not isinstance(found, int) or found < 0:
        what = (
            f"it makes {type} of `{steps}` steps" if axes else "it reads single steps, or all of them at once"
        )
        raise Reject(what)
    return found


# --- sizes --------------------------------------------------------------------------------------------------


def step_axes(type: Tensor, steps: Size) -> list[int]:
    """The axes whose size depends on the number of steps."""
    return [axis for axis, size in enumerate(type.shape) if names(steps) & names(size)]


def replaced(value: Any, steps: Size, count: Size) -> Any:
    """A size, or a setting, with another number of steps."""
    if isinstance(value, (list, tuple)):
        return type(value)(replaced(part, steps, count) for part in value)
    if isinstance(value, Operator):  # with the types of its operands
        return at_size(value, steps, count).bind(*(sized(x, steps, count) for x in value.operands))
    return substitute(value, {str(steps): count}) if isinstance(value, Dim) else value


def at_size(operator: Operator, steps: Size, count: Size) -> Operator:
    """An operator for another number of steps."""
    settings = {key: replaced(value, steps, count) for key, value in operator.values().items()}
    return operator.with_settings(**settings).knowing(lengths=operator.lengths)


def sized(type: Tensor, steps: Size, count: Size) -> Tensor:
    return type.with_shape(*replaced(type.shape, steps, count))


def axes_named(type: Tensor, steps: Size) -> list[Tensor]:
    """The ways to give the axes of steps to the query and to the memory."""
    axes = step_axes(type, steps)
    made = []
    for chosen in product((QUERY, MEMORY), repeat=len(axes)):
        shape = [*type.shape]
        for axis, name in zip(axes, chosen, strict=True):
            shape[axis] = name
        made += [type.with_shape(*shape)] if len(set(chosen)) == len(chosen) else []
    return made


def known_size(value: Any) -> Any:
    return replaced(replaced(value, QUERY, 1), MEMORY, PAST + 1)


def known(type: Tensor) -> Tensor:
    """The type of a last row whose axes have names."""
    return type.with_shape(*known_size(type.shape))
