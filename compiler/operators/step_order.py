"""The order of steps: what operators declare about it, and what the steps of attention see of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dlc.compiler.dims.dim import names
from dlc.compiler.record import record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dlc.compiler.dims.dim import Size
    from dlc.compiler.operators.stepwise import Stepwise
    from dlc.compiler.types import Tensor


def on_axis(steps: Size, x: Tensor, axis: int) -> bool:
    """Whether an axis of `x` has a size that depends on the number of steps."""
    return bool(names(steps) & names(x.shape[axis]))


@record
class Sight:
    """What a query step sees of the memory steps. `ahead`: also steps after it. `chosen`: a mask or scores
    say which. `placed`: the result depends on where steps stand, apart from that. Each of the `heads`
    compares `width` features."""

    ahead: bool
    chosen: bool
    placed: bool
    heads: int
    width: int


class StepOrder:
    """What passes query about the order of steps."""

    # True if its result depends on the places of the steps on axis 0, even if they never meet.
    tells_places: ClassVar[bool] = False
    # True if it moves each step of axis 0 to a later place.
    delays: ClassVar[bool] | property = False
    # True if it cuts an image into patches that do not overlap, and computes each alone.
    cuts_patches: ClassVar[bool] | property = False
    # How many rows of its result each row of its operand becomes.
    row_copies: ClassVar[int] | property = 1
    # True if it chooses the symbols of a step of decoding.
    chooses: ClassVar[bool] = False
    # The graphs within its node that it runs.
    runs: ClassVar[tuple[str, ...]] = ()
    # What it computes and OpenVINO does not; empty if there is nothing.
    not_in_openvino: ClassVar[str] | property = ""
    # For attention: what its steps see of each other.
    sight: ClassVar[Sight | None] | property = None

    def body_faults(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> Iterator[str]:
        """What is wrong with a graph of these types within its node, a sentence each."""
        yield from ()

    def stepwise(self, changing: Sequence[int], steps: Size) -> Stepwise | None:
        """How it is computed one step at a time, if operands at the places `changing` change with the steps,
        which are on an axis of size `steps`. None if it treats each step alone, as `padding_of` tells;
        `Reject` if it reads later steps."""
        return None

    def of_known(self) -> Any:
        """Its form of classes that are never missing, such as the symbol that a step has chosen."""
        return self
