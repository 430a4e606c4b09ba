"""Rotation of pairs of features by the position of their step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dlc.compiler.definitions.parameter_types import Number
from dlc.compiler.dims.dim import has_free, number
from dlc.compiler.operators.base import Example, Operator, Reject, setting
from dlc.compiler.operators.padding import APART, onnx_places
from dlc.compiler.types import Tensor

if TYPE_CHECKING:
    from dlc.compiler.dims.dim import Size


class Rotary(Operator):
    """Rotary position embedding (Su et al. 2021): rotates pairs of features by an angle for each position
    (torch and ONNX `cos` and `sin`).

    The last axis has n features, the one before it the steps. At step p, the pair of the features i and
    i + n / 2 is rotated by the angle `p / base ** (2 i / n)`. All other axes are treated as the batch is.
    Applied to queries and keys, it makes their products depend on the distance of their steps alone.
    """

    group = "layers"
    tells_places = True
    keeps = ("axes",)
    base: float = setting(
        "base of the wave lengths, which are from 2 pi to almost this multiple of 2 pi",
        Number(minimum=1),
        10_000.0,
    )

    def padding_of(self, place, axis):
        return APART

    def type(self, x: Tensor) -> Tensor:
        if x.rank < 2:
            raise Reject(f"`rotary` needs steps and features on the last axes, found {x}", at="x",
                         help="`reshape(-1, FEATURES)` makes them of a vector" if x.rank else "")  # fmt: skip
        if has_free(x.shape[-1]):
            raise Reject(f"`rotary` needs a known number of features on the last axis, found {x}", at="x",
                         help="steps are on the second to last axis: `transpose` swaps them")  # fmt: skip
        if number(x.shape[-1]) % 2:
            raise Reject(f"`rotary` rotates pairs of features, and the last axis of {x} is odd", at="x",
                         help="give it an even number of features")  # fmt: skip
        return x

    def torch(self, F, x):
        return torch_rotated(F, x, *self.operands[0].shape[-2:], self.base)

    def onnx(self, op, x):
        return onnx_rotated(op, x, *self.operands[0].shape[-2:], self.base)

    examples = (
        Example("rotary", "float[5, 4]", "float[5, 4]"),
        Example("rotary", "float[T, 6]", "float[T, 6]"),
        Example("rotary(100)", "float[2, T, 8]", "float[2, T, 8]"),
    )


def rates(width: int, base: float) -> list[float]:
    """The angle of each pair per step."""
    return [base ** -(2 * i / width) for i in range(width // 2)]


def torch_rotated(F: Any, x: Any, steps: Size, width: Size, base: float) -> Any:
    """`x`, [..., steps, width], rotated by position. The angles are float32 under autocast too."""
    places = F.arange(F.size(steps), device=x.device).float()
    angles = F.unsqueeze(places, 1) * F.tensor(rates(number(width), base))
    cos, sin = F.cos(angles), F.sin(angles)
    first, second = F.chunk(x, 2, -1)
    return F.cat((first * cos - second * sin, second * cos + first * sin), -1)


def onnx_rotated(op: Any, x: Any, steps: Size, width: Size, base: float) -> Any:
    """The same in ONNX. All nodes with the same steps, width and base share one table."""

    def table() -> tuple[Any, Any]:
        places = op.Unsqueeze(op.Cast(onnx_places(op, steps), to=1), op.constant([1], "int64"))
        angles = op.Mul(places, op.constant(rates(number(width), base), "float32"))
        cos, sin = op.Cos(angles), op.Sin(angles)
        return op.Concat(cos, cos, axis=-1), op.Concat(op.Neg(sin), sin, axis=-1)

    cos, signed_sin = op.shared("rotary_table", (steps, width, base), table)
    first, second = op.Split(x, num_outputs=2, axis=-1, outputs=2)
    swapped = op.Concat(second, first, axis=-1)
    return op.Add(op.Mul(x, cos), op.Mul(swapped, signed_sin))
